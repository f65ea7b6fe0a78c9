# SPDX-License-Identifier: MIT
"""Get the libraries that a machine lacks from the archives of its distribution, or all from those of another one."""

from __future__ import annotations

import logging
from itertools import zip_longest
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.apt import explain
from hatch_appimage.libraries.debian import package_names
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.system import System

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.libraries.apt import Apt, Package
    from hatch_appimage.roots.releases import Release

log = logging.getLogger(__name__)

# Debian's and Ubuntu's packages of glibc, of the compiler's libraries, and of what images leave to every system, and
# what Python looks for in a system beside libraries: its locale, and its terminals.
_BASE = ("libc6", "libc-bin", "libgcc-s1", "libstdc++6", "zlib1g", "libuuid1", "libgmp10", "ncurses-base")


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
        found = {soname: [known[name] for name in names if name in known] for soname, names in candidates.items()}
        for rank in zip_longest(*found.values()):  # the most likely packages first, all at once
            wanted = dict(zip(found, rank, strict=True))
            system = _add(wanted, system, architecture, apt)
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
    root = apt.directory / "root"
    try:
        packages = apt.get(apt.find(_BASE).values())
    except AppImageError as error:
        raise AppImageError(f"Libraries of {release} cannot be fetched: {explain(error)}") from error
    root.mkdir(exist_ok=True)
    system = System(root, (), release=str(release))
    for package in packages:
        system = system.add(package, architecture)
    return system


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
