# SPDX-License-Identifier: MIT
"""Releases of Debian and Ubuntu: which code name a version number stands for."""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hatch_appimage.errors import AppImageError
from hatch_appimage.suggest import list_names, suggest_name

#: How a release is written.
RELEASE: Final = re.compile(r"[a-z]+:[a-z0-9.]+")
# Debian's package `distro-info-data` keeps the releases there; what it knows is added to the table below.
DISTRO_INFO: Final = Path("/usr/share/distro-info")

# https://wiki.debian.org/DebianReleases, https://wiki.ubuntu.com/Releases
_CODE_NAMES: Final[dict[str, dict[str, str]]] = {
    "debian": {"10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky"},
    "ubuntu": {
        "18.04": "bionic",
        "20.04": "focal",
        "22.04": "jammy",
        "24.04": "noble",
        "26.04": "resolute",
    },
}
# Suites of an archive that are no release, and change their contents.
_ROLLING: Final = {"debian": ("sid", "unstable", "testing", "stable", "oldstable"), "ubuntu": ()}
# Since then, /bin, /lib and /sbin lead into /usr (https://wiki.debian.org/UsrMerge).
_MERGED_SINCE: Final = {"debian": (10,), "ubuntu": (19, 4)}


@dataclass(frozen=True)
class Release:
    """A release of a distribution.

    Attributes:
        distribution: ``debian`` or ``ubuntu``.
        code_name: the name of its suite in the archive.
        version: its number; nothing for a suite such as ``sid``.

    """

    distribution: str
    code_name: str
    version: str

    @property
    def has_merged_usr(self) -> bool:
        """Whether its programs and libraries lie below ``/usr`` alone."""
        number = tuple(map(int, self.version.split("."))) if self.version else (1 << 30,)
        return number >= _MERGED_SINCE[self.distribution]

    def __str__(self) -> str:
        return f"{self.distribution}:{self.version or self.code_name}"


def find_release(text: str) -> Release:
    """Return the release that is meant by ``debian:11``, ``debian:bullseye`` and the like.

    Raises:
        AppImageError: there is no such distribution, or no such release of it.

    """
    distribution, _, wanted = text.partition(":")
    if distribution not in _CODE_NAMES:
        raise AppImageError(
            f"No root of the distribution `{distribution}` can be made here, but a directory or an archive with one "
            f"can be given{suggest_name(distribution, _CODE_NAMES)}"
        )
    known = code_names(distribution)
    for version, code_name in known.items():
        if wanted in {version, code_name}:
            return Release(distribution, code_name, version)
    if wanted in _ROLLING[distribution]:
        return Release(distribution, wanted, "")
    names = [*reversed(known), *known.values(), *_ROLLING[distribution]]
    raise AppImageError(f"There is no release `{wanted}` of {distribution}; known are {list_names(wanted, names)}")


def code_names(distribution: str) -> dict[str, str]:
    """Return the releases of a distribution, version number to code name, the oldest first."""
    known = dict(_CODE_NAMES[distribution])
    with suppress(OSError), (DISTRO_INFO / f"{distribution}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            number = re.match(r"\d+(\.\d+)?", row.get("version") or "")
            if number and row.get("series"):
                known[number[0]] = row["series"]
    return dict(sorted(known.items(), key=lambda item: tuple(map(int, item[0].split(".")))))


def suites_of(distribution: str) -> set[str]:
    """Return the names that suites of a distribution's archive have."""
    return {*code_names(distribution).values(), *_ROLLING[distribution]}
