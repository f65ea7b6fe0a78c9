# SPDX-License-Identifier: MIT
"""The options that say which Python an image has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.architecture import ByArchitecture
from hatch_appimage.option import BY_ARCHITECTURE, FLAG, option
from hatch_appimage.python.local import LocalSource
from hatch_appimage.python.source import read_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.python.source import PythonSource
    from hatch_appimage.table import Table

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def _sources(texts: dict[str, str], table: Table) -> ByArchitecture[PythonSource]:
    digests = table["python-sha256"]
    if digests.keys() - texts.keys():
        raise ValueError(
            "and `python-sha256` must have the same shape: a value each, or a table each of the same architectures"
        )
    sources = {
        name: read_source(
            text,
            digests.get(name),
            project=table.project.uv_root,
            find_file=table.file,
            find_interpreter=table.interpreter,
        )
        for name, text in texts.items()
    }
    return ByArchitecture(sources.pop("", LocalSource()), sources)


def _digests(values: dict[str, str], table: Table) -> dict[str, str]:
    for value in values.values():
        if not _SHA256.fullmatch(value):
            raise ValueError(f"must be a SHA-256 in hexadecimal, which has 64 digits: `{value}`")
    if "python" not in table:
        raise ValueError("has no effect without `python`")
    return {name: value.lower() for name, value in values.items()}


@dataclass(frozen=True)
class PythonSettings:
    """Which Python an image has, and what is left out of it."""

    python: ByArchitecture[PythonSource] = option(
        BY_ARCHITECTURE,
        'The Python to bundle: a version (`"3.12"`), the path of an interpreter or its name if it is on `PATH`, a '
        'directory with `bin/python3` in it, an archive, an AppImage, a URL, or `"python-appimage:3.12"`.',
        details="CPython 3.8 or newer can be bundled. The image needs at least the glibc that this Python needs. A "
        "Python chosen by version is built against an old glibc and runs on more systems than a distribution's own. "
        "One that is built for musl makes an image of [musl](how-it-works.md#musl). "
        "Use a table to set one per architecture. See [Pythons](../README.md#pythons).",
        default=ByArchitecture(LocalSource(), {}),
        shown="the Python that runs the build",
        check=_sources,
        is_path=True,
    )
    python_sha256: Mapping[str, str] = option(
        BY_ARCHITECTURE,
        "The SHA-256 of the archive or AppImage that `python` names; a URL is refused without it.",
        default={},
        shown="none",
        check=_digests,
    )
    tkinter: bool | None = option(FLAG, "Keep tkinter with Tcl and Tk.", shown="whether the application imports it")
