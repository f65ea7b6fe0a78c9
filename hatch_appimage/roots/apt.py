# SPDX-License-Identifier: MIT
"""Which archives this machine's apt is set up to use (sources.list(5)), and how they are verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hatch_appimage.errors import AppImageError
from hatch_appimage.roots.releases import suites_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_appimage.roots.releases import Release

APT: Final = Path("/etc/apt")
#: What dpkg calls architectures.
DPKG_NAMES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armhf": "armhf", "i686": "i386"}
#: The packages that have the keys of distributions.
KEYRING_PACKAGES: Final = {"debian": "debian-archive-keyring", "ubuntu": "ubuntu-archive-keyring"}

# Where these keys are.
_KEYRINGS: Final = Path("/usr/share/keyrings")

_LINE: Final = re.compile(r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>[^#]*)")
_SIGNED_BY: Final = re.compile(r"signed-by=(\S+)", re.IGNORECASE)
# What debootstrap can read from.
_SCHEMES: Final = ("http://", "https://", "file:/")


@dataclass(frozen=True)
class AptSource:
    """An archive of packages.

    Attributes:
        uri: of the archive.
        suites: what apt takes from it.
        components: of these suites.
        keyring: the file of the keys that sign it; None if that is left to apt, or is no keyring for gpgv.

    """

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: Path | None


def read_sources(apt: Path = APT) -> list[AptSource]:
    """Read the sources of binary packages, of both formats; lines that cannot be read are left out.

    Args:
        apt: the directory of apt's settings.

    """
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    found = [source for file in lists for line in _text(file).splitlines() for source in _read_line(line)]
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        text = re.sub(r"^#.*\n?", "", _text(file), flags=re.MULTILINE)
        found += [source for stanza in re.split(r"\n\s*\n", text) for source in _read_stanza(stanza.strip())]
    return found


def find_source(release: Release, sources: Iterable[AptSource]) -> AptSource | None:
    """Return where a release can be fetched from: the source of its own, else one of another release of its archive."""
    suites = suites_of(release.distribution)
    usable = [
        source
        for source in sources
        if source.uri.startswith(_SCHEMES) and "main" in source.components and suites.intersection(source.suites)
    ]
    usable.sort(key=lambda source: release.code_name not in source.suites)
    return usable[0] if usable else None


@dataclass(frozen=True)
class Archive:
    """Where a release is fetched from.

    Attributes:
        uri: of the archive.
        keyring: the file of the keys that sign it.

    """

    uri: str
    keyring: Path


def find_archive(release: Release, mirror: str | None, sources: Iterable[AptSource]) -> Archive | None:
    """Return where a release can be fetched from; None if no archive of its distribution is known.

    Args:
        release: which one.
        mirror: where its archive is; None for where the machine's apt finds it.
        sources: of the machine's apt.

    Raises:
        AppImageError: the keys of its distribution are not on this machine.

    """
    source = find_source(release, sources)
    uri = mirror or (source.uri if source else None)
    exact = source.keyring if source and release.code_name in source.suites else None
    return Archive(uri, exact or _find_keyring(release)) if uri else None


def find_security_archive(release: Release, sources: Iterable[AptSource]) -> str | None:
    """Return the address of the archive with security updates of a release, if it is one of its own, as Debian's is."""
    suites = suites_of(release.distribution)
    uris = (
        source.uri
        for source in sources
        for suite in source.suites
        if suite.endswith("-security") and suite.removesuffix("-security") in suites
    )
    return next(uris, None)


def _find_keyring(release: Release) -> Path:
    keyring = _KEYRINGS / f"{release.distribution}-archive-keyring.gpg"
    if not keyring.is_file():
        raise AppImageError(
            f"The keys of {release.distribution}, which its archive is verified with, are not in {keyring}: "
            f"install the package `{KEYRING_PACKAGES[release.distribution]}`"
        )
    return keyring


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # there is no such file, or it is for root alone, as those with passwords are
        return ""


def _read_line(line: str) -> Iterator[AptSource]:
    """Yield the source of a line in the one-line format."""
    match = _LINE.match(line)
    if match:
        signed_by = _SIGNED_BY.search(match["options"] or "")
        keyring = _keyring(signed_by[1] if signed_by else "")
        yield AptSource(match["uri"], (match["suite"],), tuple(match["components"].split()), keyring)


def _read_stanza(stanza: str) -> Iterator[AptSource]:
    """Yield the sources of a stanza in the deb822 format, one an address."""
    fields = HeaderParser().parsestr(stanza)
    if "deb" not in fields.get("Types", "").split() or fields.get("Enabled", "yes").strip().lower() == "no":
        return
    suites, components = (tuple(fields.get(name, "").split()) for name in ("Suites", "Components"))
    for uri in fields.get("URIs", "").split():
        yield AptSource(uri, suites, components, _keyring(fields.get("Signed-By", "").strip()))


def _keyring(signed_by: str) -> Path | None:
    """Return the file that is named; fingerprints, keys themselves and armored files are no keyrings for gpgv."""
    path = Path(signed_by.partition(",")[0])
    return path if signed_by.startswith("/") and path.suffix in {".gpg", ".pgp"} else None
