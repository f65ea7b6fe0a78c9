# SPDX-License-Identifier: MIT
"""Where a machine keeps its shared libraries: what its loader is set up to search, read and not run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_appimage.architecture import Architecture

# As many links may follow each other as in the kernel (path_resolution(7)).
_MAX_LINKS = 40
_MAX_INCLUDES = 20
# Directories that are links into /usr on most systems (file-hierarchy(7)).
_MERGED = re.compile(r"/(?:bin|lib(?:32|64|x32)?|sbin)/")
_MUSL_DIRECTORIES = ("/lib", "/usr/local/lib", "/usr/lib")


@dataclass(frozen=True)
class AddedPackage:
    """A package of its distribution that a machine does not have, unpacked beside it.

    Attributes:
        name: of the package.
        version: of it.
        digest: the SHA-256 of its file in hexadecimal.
        root: the directory with what it would put into the machine's root directory.
        file: the path of its file, below the address of the archive.
        size: of its file, in bytes.

    """

    name: str
    version: str
    digest: str
    root: Path
    file: str
    size: int


@dataclass(frozen=True)
class System:
    """A machine's libraries.

    Attributes:
        root: its root directory: ``/`` for this machine, another directory for a copy of another one.
        directories: what its loader searches by default, in that order, as paths on this machine.
        added: packages whose files count as the machine's where it has none of that name.
        release: the release of a distribution of which it has nothing but added packages; "" for any other machine.

    """

    root: Path
    directories: tuple[Path, ...]
    added: tuple[AddedPackage, ...] = ()
    release: str = ""

    def __str__(self) -> str:
        if self.release:
            return self.release
        return "this machine" if self.root == Path("/") else f"the sysroot {self.root}"

    @classmethod
    def read(cls, root: Path, architecture: Architecture, library_path: str = "", *, musl: bool = False) -> System:
        """Read where the loader of glibc (ld.so(8), ldconfig(8)) or of musl looks by default.

        Args:
            root: the machine's root directory.
            architecture: whose libraries are meant.
            library_path: an ``LD_LIBRARY_PATH``, which is searched before.
            musl: libraries for musl are meant.

        """
        system = cls(root, ())
        searched = _searched_by_musl(system, architecture) if musl else _searched_by_glibc(system, architecture)
        names = [*(name for name in re.split("[:;]", library_path) if name.startswith("/")), *searched]
        directories = (system.locate(name) for name in names)
        return cls(root, tuple(dict.fromkeys(directory for directory in directories if directory.is_dir())))

    def add(self, package: AddedPackage, architecture: Architecture) -> System:
        """Return the machine with a package more."""
        names = [f"{prefix}/{lib}" for lib in architecture.library_directories for prefix in ("", "/usr")]
        directories = [directory for name in names if (directory := _locate(package.root, name)).is_dir()]
        return replace(self, directories=(*self.directories, *directories), added=(*self.added, package))

    def package_of(self, path: Path) -> AddedPackage | None:
        """Return the added package that a file is of; None if it is the machine's own."""
        known = self._packages
        return next((known[place] for place in (path, *path.parents) if place in known), None)

    @cached_property
    def _packages(self) -> Mapping[Path, AddedPackage]:
        """The packages by their directories: there may be a hundred, and that is asked of very many paths."""
        return {package.root: package for package in self.added}

    def locate(self, path: str) -> Path:
        """Return where an absolute path of the machine is on this one; links are followed as they are there."""
        found = _locate(self.root, path)
        if self.added and not found.exists():
            names = _names_of(path)
            places = (_locate(package.root, name) for package in self.added for name in names)
            found = next((place for place in places if place.exists()), found)
        return found

    def follow(self, path: Path) -> Path:
        """Return where a file of the machine, by its path on this one, is behind the links of the machine."""
        root = self._root_of(path)
        return _locate(root, f"/{path.relative_to(root)}") if path.is_relative_to(root) else path

    def find(self, place: str) -> Path | None:
        """Return the first file at a place below the directories of libraries, behind its links; None for none."""
        paths = (directory / place for directory in self.directories)
        return next((self.follow(path) for path in paths if path.is_file()), None)

    def name_of(self, path: Path) -> str:
        """Return what the machine itself calls a path."""
        root = self._root_of(path)
        return f"/{path.relative_to(root)}" if path.is_relative_to(root) else str(path)

    def _root_of(self, path: Path) -> Path:
        package = self.package_of(path)
        return package.root if package else self.root


def _names_of(path: str) -> tuple[str, ...]:
    """Return the names that packages may have a file by: ``/lib64`` is no link to ``/usr/lib64`` in any of them."""
    return (path, f"/usr{path}") if _MERGED.match(path) else (path, path.removeprefix("/usr"))


def _locate(root: Path, path: str) -> Path:
    """Return where an absolute path leads below a root directory, whose links are followed as they are there."""
    if root == Path("/"):
        return Path(path)
    parts = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    found = root
    links = 0
    while parts:
        part = parts.pop()
        if part == "..":
            found = found.parent if found != root else found
            continue
        step = found / part
        if step.is_symlink() and links < _MAX_LINKS:
            links += 1
            target = str(step.readlink())
            found = root if target.startswith("/") else found
            parts += [part for part in reversed(target.split("/")) if part not in {"", "."}]
        else:
            found = step
    return found


def _searched_by_glibc(system: System, architecture: Architecture) -> list[str]:
    """Return what ``ld.so.conf`` names, and the loader's own directories."""
    default = [f"{prefix}/{lib}" for lib in architecture.library_directories for prefix in ("", "/usr")]
    return [*_read_configuration(system, "/etc/ld.so.conf", _MAX_INCLUDES), *default]


def _searched_by_musl(system: System, architecture: Architecture) -> list[str]:
    """Return what the loader's file names, or its own directories without one (musl's ``ldso/dynlink.c``)."""
    name = PurePath(architecture.musl_loader).name.partition(".")[0]
    try:
        text = system.locate(f"/etc/{name}.path").read_text(errors="surrogateescape")
    except FileNotFoundError:
        return list(_MUSL_DIRECTORIES)
    return [directory for directory in re.split("[:\n]", text) if directory.startswith("/")]


def _read_configuration(system: System, name: str, includes: int) -> Iterator[str]:
    """Yield the directories that a file in the format of ``ld.so.conf`` names."""
    try:
        text = system.locate(name).read_text(errors="surrogateescape")
    except OSError:
        return
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                full = pattern if pattern.startswith("/") else f"{os.path.dirname(name)}/{pattern}"  # noqa: PTH120
                for file in sorted(_glob(system, full)) if includes else ():
                    yield from _read_configuration(system, file, includes - 1)
        elif words and words[0] != "hwcap":
            for directory in re.split("[:,]", words[0]):
                if directory.startswith("/"):
                    yield directory.split("=")[0]


def _glob(system: System, pattern: str) -> Iterator[str]:
    """Yield the files of the machine that a pattern means; its directory has no wildcards in practice."""
    directory, _, name = pattern.rpartition("/")
    if not name:  # a directory, which is no file to include
        return
    for path in system.locate(directory).glob(name):
        yield f"{directory}/{path.name}"
