# SPDX-License-Identifier: MIT
"""The oldest C and C++ libraries that an image runs with: which versions its files need, and which files those are."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.policy import group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from hatch_appimage.elf import Elf
    from hatch_appimage.libraries.dependencies import Dependency, Tree

log = logging.getLogger(__name__)

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

#: The library of the target system that has a family's versions.
LIBRARIES = {"GLIBC": "libc.so.6", "GLIBCXX": "libstdc++.so.6", "CXXABI": "libstdc++.so.6"}
_YEARS = 4


@dataclass(frozen=True)
class Owner:
    """What a file of the image belongs to.

    Attributes:
        name: what messages call it.
        remedy: how to get one that needs an older glibc.

    """

    name: str
    remedy: str


@dataclass(frozen=True)
class RequiredVersion:
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

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON, with the version as text."""
        return {"family": self.family, "version": str(self), "files": self.files}


@dataclass(frozen=True)
class Graph:
    """The ELF files of an image, and which of them load which.

    Attributes:
        files: by their paths below the AppDir.
        loads: the files that each needs, by the same paths.
        from_system: the sonames that the user's machine must have.
        inherited: the sonames that a file finds only by the search path of what loads that file.

    """

    files: Mapping[str, Elf] = field(default_factory=dict)
    loads: Mapping[str, frozenset[str]] = field(default_factory=dict)
    from_system: frozenset[str] = frozenset()
    inherited: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tree: Tree, needs: Collection[Dependency], from_system: Iterable[str]) -> Graph:
        """Gather what is known of a finished tree."""
        names = {path: str(path.relative_to(tree.root)) for path in tree.files}
        loads: dict[str, set[str]] = {}
        for need in needs:
            if need.found is not None:
                loads.setdefault(names[tree.real(need.file)], set()).add(names[tree.real(need.found)])
        files = {name: tree.files[path] for path, name in names.items()}
        inherited = frozenset(need.soname for need in needs if need.inherited)
        return cls(files, {name: frozenset(found) for name, found in loads.items()}, frozenset(from_system), inherited)

    def loaded_by(self, files: Iterable[str]) -> frozenset[str]:
        """Return files with all that they load."""
        found: set[str] = set()
        waiting = [file for file in files if file in self.files]
        while waiting:
            file = waiting.pop()
            if file not in found:
                found.add(file)
                waiting += self.loads.get(file, ())
        return frozenset(found)

    @cached_property
    def _users(self) -> Mapping[str, set[str]]:
        users: dict[str, set[str]] = {}
        for user, found in self.loads.items():
            for file in found:
                users.setdefault(file, set()).add(user)
        return users

    def modules_that_load(self, file: str) -> tuple[str, ...]:
        """Return the names of the modules and programs that load a file, however many libraries are between."""
        found: set[str] = set()
        waiting = [file]
        while waiting:
            user = waiting.pop()
            if user not in found:
                found.add(user)
                waiting += self._users.get(user, ())
        return tuple(sorted({PurePath(user).name.split(".")[0] for user in found - self._users.keys()}))


@dataclass(frozen=True)
class Exceeding:
    """A file that needs more than a start does, and is not loaded by one.

    Attributes:
        file: its path below the AppDir.
        family: as in `RequiredVersion`.
        version: that it needs.
        modules: the names of the modules and programs that load it.

    """

    file: str
    family: str
    version: Version
    modules: tuple[str, ...]

    def __str__(self) -> str:
        family = "glibc" if self.family == "GLIBC" else self.family
        return f"{', '.join(self.modules)} needs {family} {self.text} ({self.file})"

    @property
    def text(self) -> str:
        """The version, as people write it."""
        return _text(self.version)


@dataclass(frozen=True)
class Requirements:
    """What an image needs of its user's C and C++ libraries.

    Attributes:
        requires: of what a start loads, and of all that the application is seen to import.
        exceeding: other files that need more.
        executable_stack: one of those libraries wants an executable stack, with which glibc 2.41 and newer load none.

    """

    requires: tuple[RequiredVersion, ...]
    exceeding: tuple[Exceeding, ...] = ()
    executable_stack: bool = False

    @property
    def glibc(self) -> RequiredVersion | None:
        """The oldest glibc that the image starts with; None if it needs none."""
        return next((required for required in self.requires if required.family == "GLIBC"), None)


def find_requirements(graph: Graph, start: Iterable[str], *, limited: bool) -> Requirements:
    """Find out what a start needs, and what else needs more; warn if a start needs a young glibc.

    Args:
        graph: the image's files.
        start: those that a start loads, by their paths below the AppDir; others than ELF files do not count.
        limited: the project has set a limit, which holds.

    """
    loaded = graph.loaded_by(start)
    requires = find_required_versions({path: graph.files[path] for path in loaded}, graph.from_system)
    if not limited and (text := warning(requires, datetime.now(tz=timezone.utc).date())):
        log.warning(text)
    needed = {required.family: required.version for required in requires}
    exceeding = (
        Exceeding(path, family, version, graph.modules_that_load(path))
        for path, elf in graph.files.items()
        for family in _families(graph.from_system)
        if (version := version_required_by(elf, family)) > needed.get(family, ())
    )
    stacks = [path for path in loaded if graph.files[path].executable_stack and not graph.files[path].interpreter]
    return Requirements(requires, tuple(exceeding), bool(stacks))


def version_required_by(elf: Elf, family: str) -> Version:
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


def find_required_version(files: Mapping[str, Elf], family: str) -> RequiredVersion:
    """Find the newest version of a family that any file needs.

    Args:
        files: the ELF files by their paths.
        family: ``GLIBC``, ``GLIBCXX`` or ``CXXABI``.

    """
    versions = {path: version_required_by(elf, family) for path, elf in files.items()}
    newest = max(versions.values(), default=())
    return RequiredVersion(
        family, newest, tuple(sorted(path for path in versions if newest and versions[path] == newest))
    )


def find_required_versions(files: Mapping[str, Elf], from_system: Iterable[str]) -> tuple[RequiredVersion, ...]:
    """Find the requires of all libraries that the user's machine must have.

    Args:
        files: the ELF files by their paths.
        from_system: the sonames that the target system must have.

    """
    requires = (find_required_version(files, family) for family in _families(from_system))
    return tuple(required for required in requires if required.version)


def _families(from_system: Iterable[str]) -> list[str]:
    # All of glibc has its version, of which a file may need another part than the C library.
    names = {"libc.so.6" if group_of(soname) == "glibc" else soname for soname in from_system}
    return [family for family, soname in LIBRARIES.items() if soname in names]


def find_version_for_start(graph: Graph, start: Iterable[str]) -> RequiredVersion:
    """Find the glibc without which the application does not start.

    Only versions with a number count: what stands for a feature of the loader is in updates of older releases, too.

    Args:
        graph: the image's files.
        start: those that every start loads, by their paths below the AppDir; others than ELF files do not count.

    """
    return find_required_version(
        {path: _without_features(graph.files[path]) for path in graph.loaded_by(start)}, "GLIBC"
    )


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
    versions = {path: version_required_by(elf, "GLIBC") for path, elf in files.items()}
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


def warning(requires: Iterable[RequiredVersion], today: date) -> str | None:
    """Return what to warn of if glibc has to be less than four years old: distributions in use are older."""
    required = next((required for required in requires if required.family == "GLIBC"), None)
    if required is None:
        return None
    released = _RELEASES.get(required.version[:2]) or (
        max(_RELEASES.values()) if required.version > max(_RELEASES) else None
    )
    if released is None or released <= today.replace(year=today.year - _YEARS, day=min(today.day, 28)):
        return None
    return (
        f"The image needs glibc {required} or newer, which came out in {released:%B %Y}: it does not start on older "
        f"distributions. {required.files[0]} is among what needs it; `max-glibc` shows everything and how to lower it"
    )


def _text(version: Version) -> str:
    return ".".join(map(str, version))
