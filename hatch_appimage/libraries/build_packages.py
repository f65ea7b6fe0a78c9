# SPDX-License-Identifier: MIT
"""Headers and libraries for compilers, from the archives of the machine's distribution; nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.download import OFFLINE, is_offline
from hatch_appimage.elf import read_elf, set_rpath
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.apt import Apt, explain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.system import AddedPackage

# Where compilers and linkers (GCC's manual, "Environment Variables Affecting GCC") and pkg-config (pkg-config(1)) look
# beside the machine's own directories, by patterns of directories in such a tree; {multiarch} is Debian's name of an
# architecture. Python's headers are looked for where that Python says, which is the machine's directory.
_SEARCHED = {
    "CPATH": ("usr/include", "usr/include/{multiarch}", "usr/include/python3*"),
    "LIBRARY_PATH": ("usr/lib/{multiarch}", "usr/lib", "lib/{multiarch}"),
    "PKG_CONFIG_PATH": ("usr/lib/{multiarch}/pkgconfig", "usr/share/pkgconfig"),
    "PATH": ("usr/bin",),
}

_C_LIBRARY = "libc.so.6"
_ELF = b"\x7fELF"
# In a script of the linker.
_PATH = re.compile(r"(?<![\w/])/[\w./+-]+")
# Where a variable of a file for pkg-config begins at the machine's root (pc(5)).
_AT_ROOT = re.compile(r"^(\w+)=(?=/)", re.MULTILINE)


@dataclass(frozen=True)
class BuildPackages:
    """Packages that compiling needs, laid over each other in one directory.

    Attributes:
        root: the directory; what they would put into the machine's root directory is in it.
        packages: those that the machine does not have.
        architecture: of the machine.

    """

    root: Path
    packages: tuple[AddedPackage, ...]
    architecture: Architecture

    def directories(self, variable: str) -> list[Path]:
        """Return the directories in it that one of the variables is to name."""
        patterns = (pattern.format(multiarch=self.architecture.multiarch) for pattern in _SEARCHED[variable])
        return [place for pattern in patterns for place in sorted(self.root.glob(pattern)) if place.is_dir()]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which compilers find them, before what the machine has."""
        found = dict(base)
        for name in _SEARCHED:
            paths = [*map(str, self.directories(name)), *filter(None, [found.get(name)])]
            if paths:
                found[name] = os.pathsep.join(paths)
        return found


def fetch_build_packages(names: Sequence[str], architecture: Architecture, directory: Path) -> BuildPackages:
    """Get packages with all that they need and the machine does not have.

    Args:
        names: of the packages, such as ``libyaml-dev``.
        architecture: of the machine.
        directory: an empty one, for what is in them.

    Raises:
        AppImageError: they cannot be had.

    """
    apt = Apt.of_machine()
    if apt is None:
        problem = f"{OFFLINE} allows no download: build once without it, or" if is_offline() else "there is no apt:"
        raise AppImageError(
            f"`build-packages` names {', '.join(names)}, and {problem} install them and leave the option out"
        )
    try:
        packages = apt.get(apt.find(apt.resolve(names)).values())
    except AppImageError as error:
        raise AppImageError(f"`build-packages` cannot be fetched: {explain(error)}") from error
    for package in packages:
        shutil.copytree(package.root, directory, symlinks=True, dirs_exist_ok=True)
    _complete_links(directory)
    found = BuildPackages(directory, tuple(packages), architecture)
    _move_pkg_config(found)
    _move_linker_scripts(found)
    _have_find_libraries(found)
    return found


def _complete_links(directory: Path) -> None:
    """Have links lead to the machine's files where these are not in the directory: to libraries, for the linker."""
    for link in directory.rglob("*"):
        if link.is_symlink() and not link.exists():
            target = Path("/", link.parent.relative_to(directory), link.readlink())
            if target.exists():
                link.unlink()
                link.symlink_to(target)


def _move_pkg_config(packages: BuildPackages) -> None:
    """Have files for pkg-config name the directories below this one: some headers are in directories of their own."""
    for directory in packages.directories("PKG_CONFIG_PATH"):
        for path in directory.glob("*.pc"):
            if not path.is_symlink():
                path.write_text(_AT_ROOT.sub(rf"\1={packages.root}", path.read_text()))


def _move_linker_scripts(packages: BuildPackages) -> None:
    """Have texts in place of libraries, as that of the C library, name what is here (the manual of ld, "Scripts")."""

    def move(match: re.Match[str]) -> str:
        there = packages.root / match[0][1:]
        return str(there) if there.exists() else match[0]

    for directory in packages.directories("LIBRARY_PATH"):
        for path in directory.glob("lib*.so"):
            if not path.is_symlink() and not path.read_bytes().startswith(_ELF):
                path.write_text(_PATH.sub(move, path.read_text()))


def _have_find_libraries(packages: BuildPackages) -> None:
    """Have programs, such as compilers, find the libraries here that the machine lacks; the C library is its own."""
    places = packages.directories("LIBRARY_PATH")
    there = {path.name for place in places for path in place.glob("lib*.so*")} - {_C_LIBRARY}
    for path in packages.root.rglob("*"):
        if path.is_symlink() or not path.is_file() or not os.access(path, os.X_OK):
            continue
        elf = read_elf(path)
        if elf and elf.interpreter and there.intersection(elf.needed):
            set_rpath(path, [str(place) for place in places])
