# SPDX-License-Identifier: MIT
"""The oldest C and C++ libraries that an image runs with: which versions its files need, and which files those are."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.policy import group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hatch_appimage.libraries.elf import Elf

Version = tuple[int, ...]

_VERSION = re.compile(r"(GLIBC|GLIBCXX|CXXABI)_(\d+(?:\.\d+)*)")
# Versions that stand for a feature of the loader: the linker adds them where a file uses it, and with lld it may not.
_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
_RELR = (2, 36)
# The others came with glibc 2.42 and its updates.
_NEWER_FEATURE = (2, 42)

# When releases of glibc came out (https://sourceware.org/glibc/wiki/Glibc%20Timeline); there are two a year, in
# February and August.
_RELEASES: dict[Version, date] = {
    (2, 17): date(2012, 12, 25),
    (2, 18): date(2013, 8, 12),
    (2, 19): date(2014, 2, 7),
    (2, 20): date(2014, 9, 8),
    (2, 21): date(2015, 2, 6),
    (2, 22): date(2015, 8, 14),
    (2, 23): date(2016, 2, 19),
    (2, 24): date(2016, 8, 4),
    (2, 25): date(2017, 2, 5),
    (2, 26): date(2017, 8, 2),
    (2, 27): date(2018, 2, 1),
    (2, 28): date(2018, 8, 1),
    (2, 29): date(2019, 1, 31),
    (2, 30): date(2019, 8, 1),
    (2, 31): date(2020, 2, 1),
    (2, 32): date(2020, 8, 5),
    (2, 33): date(2021, 2, 1),
    (2, 34): date(2021, 8, 2),
    (2, 35): date(2022, 2, 3),
    (2, 36): date(2022, 8, 2),
    (2, 37): date(2023, 2, 1),
    (2, 38): date(2023, 8, 1),
    (2, 39): date(2024, 1, 31),
    (2, 40): date(2024, 7, 22),
    (2, 41): date(2025, 1, 30),
    (2, 42): date(2025, 7, 28),
}

# The library of the host that has a family's versions.
_LIBRARIES = {"GLIBC": "libc.so.6", "GLIBCXX": "libstdc++.so.6", "CXXABI": "libstdc++.so.6"}
_YEARS = 4


@dataclass(frozen=True)
class Owner:
    """What a file of the image belongs to.

    Attributes:
        name: for people.
        remedy: how to get one that needs an older glibc.

    """

    name: str
    remedy: str


@dataclass(frozen=True)
class Floor:
    """The oldest version of one library family that will do.

    Attributes:
        family: ``GLIBC``, ``GLIBCXX`` or ``CXXABI``.
        version: its numbers; empty if nothing is needed.
        files: the files that need this very version, by their paths below the AppDir.

    """

    family: str
    version: Version
    files: tuple[str, ...]

    def __str__(self) -> str:
        return _text(self.version)


def file_floor(elf: Elf, family: str) -> Version:
    """Return the newest version of a family that one file needs; empty if it needs none."""
    versions: list[Version] = [()]
    for soname, names in elf.versions.items():
        if family == "GLIBC" and group_of(soname) != "glibc":
            continue
        for name in names:
            match = _VERSION.fullmatch(name)
            if match is not None and match[1] == family:
                versions.append(tuple(map(int, match[2].split("."))))
            elif family == "GLIBC" and name.startswith("GLIBC_ABI_"):
                versions.append(_FEATURES.get(name, _NEWER_FEATURE))
    if family == "GLIBC" and elf.relr:
        versions.append(_RELR)
    return max(versions)


def find_floor(files: Mapping[str, Elf], family: str) -> Floor:
    """Find the newest version of a family that any file needs.

    Args:
        files: the ELF files by their paths.
        family: ``GLIBC``, ``GLIBCXX`` or ``CXXABI``.

    """
    versions = {path: file_floor(elf, family) for path, elf in files.items()}
    newest = max(versions.values(), default=())
    return Floor(family, newest, tuple(sorted(path for path in versions if newest and versions[path] == newest)))


def find_floors(files: Mapping[str, Elf], host: Iterable[str]) -> tuple[Floor, ...]:
    """Find the floors of all libraries that the user's machine must have.

    Args:
        files: the ELF files by their paths.
        host: the sonames that the host must have.

    """
    # All of glibc has its version, of which a file may need another part than the C library.
    names = {"libc.so.6" if group_of(soname) == "glibc" else soname for soname in host}
    families = [family for family, soname in _LIBRARIES.items() if soname in names]
    floors = (find_floor(files, family) for family in families)
    return tuple(floor for floor in floors if floor.version)


def find_start_floor(program: str, files: Mapping[str, Elf], family: str) -> Floor:
    """Find the floor of a program and of the libraries that the loader brings with it, before it does anything.

    Only versions with a number count: what stands for a feature of the loader is in updates of older releases, too.

    Args:
        program: its path among the files.
        files: the ELF files by their paths.
        family: ``GLIBC``, ``GLIBCXX`` or ``CXXABI``.

    """
    by_name = {name: path for path, elf in files.items() for name in (elf.soname, PurePosixPath(path).name) if name}
    loaded: dict[str, Elf] = {}
    waiting = [program]
    while waiting:
        path = waiting.pop()
        if path not in loaded:
            loaded[path] = _without_features(files[path])
            waiting += [by_name[soname] for soname in files[path].needed if soname in by_name]
    return find_floor(loaded, family)


def _without_features(elf: Elf) -> Elf:
    versions = {soname: tuple(filter(_VERSION.fullmatch, names)) for soname, names in elf.versions.items()}
    return replace(elf, versions=versions, relr=False)


def check_limit(files: Mapping[str, Elf], limit: Version, owner_of: Callable[[str], Owner]) -> None:
    """See that no file needs a newer glibc than allowed.

    Args:
        files: the ELF files by their paths.
        limit: the newest version that is allowed.
        owner_of: says what a file belongs to.

    Raises:
        AppImageError: some do: whose they are, and what to do about each.

    """
    versions = {path: file_floor(elf, "GLIBC") for path, elf in files.items()}
    above: dict[Owner, list[str]] = {}
    for path in sorted(path for path, version in versions.items() if version > limit):
        above.setdefault(owner_of(path), []).append(path)
    if not above:
        return
    newest = max(versions.values())
    lines = [f"The image needs glibc {_text(newest)}, and `max-glibc` allows {_text(limit)}. What needs more:"]
    for owner, paths in above.items():
        first = max(paths, key=lambda path: versions[path])
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        lines.append(f"  {owner.name}: {first}{more} (glibc {_text(versions[first])}): {owner.remedy}")
    raise AppImageError("\n".join(lines))


def warning(floors: Iterable[Floor], today: date) -> str | None:
    """Return what to warn of if glibc has to be less than four years old: distributions in use are older."""
    floor = next((floor for floor in floors if floor.family == "GLIBC"), None)
    if floor is None:
        return None
    released = _RELEASES.get(floor.version[:2]) or (max(_RELEASES.values()) if floor.version > max(_RELEASES) else None)
    if released is None or released <= today.replace(year=today.year - _YEARS, day=min(today.day, 28)):
        return None
    return (
        f"The image needs glibc {floor} or newer, which came out in {released:%B %Y}: it does not start on older "
        f"distributions. {floor.files[0]} is among what needs it; `max-glibc` shows everything and how to lower it"
    )


def _text(version: Version) -> str:
    return ".".join(map(str, version))
