# SPDX-License-Identifier: MIT
"""Get the libraries that a machine lacks from the archives of its distribution, or all from those of another one."""

from __future__ import annotations

import logging
from itertools import takewhile, zip_longest
from typing import TYPE_CHECKING

from hatch_appimage.download import download
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.apt import explain
from hatch_appimage.libraries.companions import packages_with
from hatch_appimage.libraries.debian import package_names
from hatch_appimage.libraries.licences import documented_by
from hatch_appimage.libraries.package_cache import find_unpacked, package_directory, temporary_directory, unpack
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.process import ProcessError
from hatch_appimage.system import System

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.libraries.apt import Apt
    from hatch_appimage.libraries.lock import LibraryLock
    from hatch_appimage.libraries.package_cache import Package
    from hatch_appimage.roots.releases import Release
    from hatch_appimage.system import AddedPackage

log = logging.getLogger(__name__)

# How many letters the names of a package and a library have in common at least: "lib" is in nearly all of them.
_SHARED = 6
# Debian's and Ubuntu's packages of glibc, of the compiler's libraries, and of what images leave to every system, and
# what Python looks for in a system beside libraries: its locale, and its terminals.
_BASE = ("libc6", "libc-bin", "libgcc-s1", "libstdc++6", "zlib1g", "libuuid1", "libgmp10", "ncurses-base")
# What packages want of a machine that runs them, and of which no file is for an image: daemons, and what starts these.
_SERVICES = frozenset({"dbus", "dbus-user-session", "dconf-service", "glib-networking-services"})


def fetch_packages(names: Sequence[str], system: System, architecture: Architecture, apt: Apt) -> System:
    """Add packages to a machine, with what they need and it lacks; daemons are left out.

    Args:
        names: of the packages, which the archives have.
        system: the machine.
        architecture: of the packages.
        apt: of the machine, or for its release.

    Raises:
        AppImageError: one cannot be had, or what it needs.

    """
    found = apt.find(sorted({*names, *apt.resolve(names)}))
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found and name not in wanted | _SERVICES:
            wanted.add(name)
            waiting += found[name].needs
    there = {package.name for package in system.added}
    packages = apt.get([found[name] for name in sorted(wanted - there)])
    return _add_licences(_add_all(packages, system, architecture), architecture, apt)


def fetch_libraries(sonames: Iterable[str], system: System, architecture: Architecture, apt: Apt) -> System:
    """Add those packages to a machine that have the libraries, as far as the archives have them.

    What cannot be had is told in a warning: the library is missing then, as it was.

    Args:
        sonames: of the libraries.
        system: the machine.
        architecture: of the libraries.
        apt: of the machine.

    """
    candidates = {soname: package_names(soname) for soname in sonames if "/" not in soname}
    if not any(candidates.values()):
        return system
    try:
        known = apt.find(sorted({name for names in candidates.values() for name in names}))
        system = _add_ranked(candidates, known, system, architecture, apt)
        lacking = [soname for soname in candidates if _lacks(system, soname, architecture)]
        if lacking and system.added:
            system = _add_needed(lacking, system, architecture, apt)
        system = _add_companions(candidates, system, architecture, apt)
        system = _add_licences(system, architecture, apt)
    except AppImageError as error:
        log.warning("Libraries that this machine lacks cannot be fetched: %s", explain(error))
    return system


def release_system(release: Release, architecture: Architecture, apt: Apt) -> System:
    """Return a system of a release that has the C library and what is always beside it; other packages may be added.

    Args:
        release: of which distribution.
        architecture: of its libraries.
        apt: for this release and architecture.

    Raises:
        AppImageError: its archive cannot be read, or is not signed by a key that the machine trusts.

    """
    try:
        found = apt.find(_BASE)
        system = _add_all(apt.get(found.values()), empty_system(release), architecture)
        system = _add_licences(system, architecture, apt)
    except AppImageError as error:
        raise AppImageError(f"Libraries of {release} cannot be fetched: {explain(error)}") from error
    if _BASE[0] not in found:
        raise AppImageError(
            f"Libraries of {release} cannot be fetched: its archive has no {_BASE[0]} for {architecture.name}"
        )
    return system


def empty_system(release: Release) -> System:
    """Return a system of a release that has nothing yet."""
    root = package_directory() / "root"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return System(root, (), release=str(release))


def add_locked(
    lock: LibraryLock, system: System, architecture: Architecture, apt: Apt | None, snapshots: Sequence[str]
) -> System:
    """Add the packages of a lock to a machine.

    Args:
        lock: which has some for the architecture.
        system: the machine.
        architecture: of the libraries.
        apt: of the machine, or for the release; None to ask no archive.
        snapshots: addresses of archives that have what the others have no more.

    Raises:
        AppImageError: the lock is of another system, or a package is nowhere.

    """
    locked = lock.parts[architecture.name]
    lock.check_system(locked, system)
    packages = [each.package for each in locked.packages]
    found = {package: find_unpacked(package) for package in packages}
    reason = _get_locked([package for package in packages if found[package] is None], apt, snapshots)
    found = {package: found[package] or find_unpacked(package) for package in packages}
    if lacking := [str(each) for each in locked.packages if found[each.package] is None]:
        places = ["the cache", *(["apt's archives"] if apt else []), *(["`library-snapshots`"] if snapshots else [])]
        raise AppImageError(
            f"{lock} names {', '.join(lacking)}, not to be had from {', '.join(places)}"
            f"{f' ({reason})' if reason else ''}: name an archive in `library-snapshots` that has it, or remove {lock} "
            "to have it made anew"
        )
    return _add_all([each for each in found.values() if each], system, architecture)


def _get_locked(packages: Sequence[Package], apt: Apt | None, snapshots: Sequence[str]) -> str:
    """Unpack packages of a lock to the cache, as far as they can be had; return why one cannot, or nothing."""
    reason = ""
    if apt and packages:
        try:
            apt.get_exactly(packages)
        except ProcessError as error:
            reason = explain(error)
    for package in packages:
        if find_unpacked(package) is None:
            reason = _get_from_snapshots(package, snapshots) or reason
    return reason


def _get_from_snapshots(package: Package, snapshots: Iterable[str]) -> str:
    """Unpack a package of the first archive that has it; return why the last one did not, or nothing."""
    reason = ""
    for address in snapshots:
        try:
            file = download(f"{address.rstrip('/')}/{package.file.removeprefix('./')}", package.digest)
        except AppImageError as error:
            reason = str(error)
            continue
        with temporary_directory() as work:
            unpack(package, file, work)
        return ""
    return reason


def _add_all(packages: Iterable[AddedPackage], system: System, architecture: Architecture) -> System:
    for package in packages:
        system = system.add(package, architecture)
    return system


def _add_ranked(
    candidates: Mapping[str, Sequence[str]],
    known: Mapping[str, Package],
    system: System,
    architecture: Architecture,
    apt: Apt,
) -> System:
    """Add packages that may have libraries: of each library the most likely one first, all at once."""
    found = {soname: [known[name] for name in names if name in known] for soname, names in candidates.items()}
    for rank in zip_longest(*found.values()):
        system = _add(dict(zip(found, rank, strict=True)), system, architecture, apt)
    return system


def _add_needed(sonames: Iterable[str], system: System, architecture: Architecture, apt: Apt) -> System:
    """Add packages that those which were added depend on, and that are named a little like the libraries.

    Not all are named after the library: `libjpeg.so.62` is in `libjpeg62-turbo`, `libicuuc.so.72` in `libicu72`.
    """
    added = apt.find(sorted({package.name for package in system.added}))
    known = apt.find(sorted({name for package in added.values() for name in package.needs}))
    candidates = {soname: _named_like(soname, known) for soname in sonames}
    return _add_ranked(candidates, known, system, architecture, apt)


def _named_like(soname: str, names: Iterable[str]) -> list[str]:
    """Return those of some names of packages that begin like a library's, the most similar first."""
    shared = {name: _count_shared(name, soname.lower()) for name in names}
    alike = [name for name in shared if shared[name] >= _SHARED]
    return sorted(alike, key=lambda name: (-shared[name], name))


def _count_shared(one: str, other: str) -> int:
    """Return by how many letters two names begin alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _add_companions(sonames: Iterable[str], system: System, architecture: Architecture, apt: Apt) -> System:
    """Add the packages with what fetched libraries open."""
    names = {name for soname in sonames if _is_added(soname, system, architecture) for name in packages_with(soname)}
    return _add_named(names, system, architecture, apt)


def _add_named(names: Iterable[str], system: System, architecture: Architecture, apt: Apt) -> System:
    """Add packages by their names, as far as the archives have them, and they are not there."""
    lacking = sorted({*names}.difference(package.name for package in system.added))
    packages = apt.find(lacking) if lacking else {}
    return _add_all(apt.get(packages.values()) if packages else (), system, architecture)


def _add_licences(system: System, architecture: Architecture, apt: Apt) -> System:
    """Add the packages that have the licences of others."""
    others = {other for package in system.added if (other := documented_by(package))}
    return _add_named(others, system, architecture, apt)


def _is_added(soname: str, system: System, architecture: Architecture) -> bool:
    file = find_on_system(soname, system, architecture)
    return file is not None and system.package_of(file) is not None


def _add(wanted: Mapping[str, Package | None], system: System, architecture: Architecture, apt: Apt) -> System:
    """Add the packages in which the libraries are that the machine does not have by now."""
    lacking = {name: package for name, package in wanted.items() if package and _lacks(system, name, architecture)}
    for package in apt.get(sorted(set(lacking.values()), key=lambda package: package.name)):
        extended = system.add(package, architecture)
        if not all(_lacks(extended, soname, architecture) for soname in lacking):
            system = extended
            lacking = {name: each for name, each in lacking.items() if _lacks(system, name, architecture)}
    return system


def _lacks(system: System, soname: str, architecture: Architecture) -> bool:
    return find_on_system(soname, system, architecture) is None
