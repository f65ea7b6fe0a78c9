# SPDX-License-Identifier: MIT
"""The ELF files of an AppDir, and which of them needs what."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from hatch_appimage.elf import fits, read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import files_below
from hatch_appimage.libraries.search import LinkMap, Loader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf import Elf
    from hatch_appimage.libraries.search import Loaded, Resolution

_INTERPRETER = re.compile(r"python\d+(\.\d+t?)?")


@dataclass(frozen=True)
class Dependency:
    """One library that a file needs.

    Attributes:
        file: what needs it, by the path that it is opened by.
        soname: of the library.
        found: where it is in the tree; None if the file does not find it there.
        inherited: it is found by the search path of something else that is loaded before.
        roots: the programs and modules in whose processes this is so.
        loaders: what loaded the file in one of these, one after the other; the program is the last one.

    """

    file: Path
    soname: str
    found: Path | None
    inherited: bool
    roots: frozenset[Path]
    loaders: tuple[Path, ...]


class Tree:
    """The ELF files of one architecture below a directory.

    Others are passed over, as they are never loaded: static programs, object files, what is for another architecture.

    Args:
        root: the directory.
        architecture: whose files are meant.
        elves: all files there, as `read_directory` returns them.

    """

    def __init__(self, root: Path, architecture: Architecture, elves: Mapping[Path, Elf | None]) -> None:
        self.root = root
        self.architecture = architecture
        self._elves = {path: elf for path, elf in elves.items() if elf and elf.dynamic and fits(elf, architecture)}
        self._links: dict[Path, Path] = {}
        # Nothing is changed on the disk as long as a tree is planned with.
        self._realpath = cache(lambda path: Path(os.path.realpath(path)))

    def without(self, paths: Iterable[Path]) -> Tree:
        """Return a copy in which some files are not."""
        gone = set(paths)
        return Tree(self.root, self.architecture, {path: elf for path, elf in self._elves.items() if path not in gone})

    @property
    def files(self) -> dict[Path, Elf]:
        """The files by their paths, in a fixed order."""
        return {path: self._elves[path] for path in sorted(self._elves)}

    def read(self, path: Path) -> Elf | None:
        """Return what is in a file; None where the tree has none."""
        elf = self._elves.get(self._links.get(path, path))
        if elf is None:  # a link may lead to it, or to a directory above it
            real = self._realpath(path)
            elf = self._elves.get(self._links.get(real, real))
        return elf

    def real(self, path: Path) -> Path:
        """Return what a path is behind all links, those that will be in the tree among them."""
        return self._realpath(self._links.get(path, path))

    def put(self, path: Path, elf: Elf) -> None:
        """Note that a file will be in the tree, or be changed."""
        self._elves[path] = elf

    def link(self, path: Path, target: Path) -> None:
        """Note that a link will be in the tree."""
        self._links[path] = target

    def unlink(self, path: Path) -> None:
        """Note that a link will not be in the tree after all."""
        del self._links[path]

    def needs(self) -> list[Dependency]:
        """Follow every program and every module through all that it loads, as the loader will."""
        needs: dict[tuple[Path, str], list[Dependency]] = {}
        for root, program, link in self._load_everything():
            loaders = (*_loaders(link.needing), *([program] if program else []))
            found = Dependency(link.needing.path, link.soname, link.found, link.inherited, frozenset({root}), loaders)
            needs.setdefault((found.file, found.soname), []).append(found)
        return [_worst(found) for found in needs.values()]

    def _load_everything(self) -> Iterator[tuple[Path, Path | None, Resolution]]:
        """Yield every link with the program or module that is loaded, and the program that a module is opened by."""
        files = self.files
        loader = Loader(self.architecture, read=self.read, inside=self.root, real=self.real)
        wanted = {soname for elf in files.values() for soname in elf.needed}
        interpreter = self.interpreter()
        python = LinkMap()
        reached: set[str] = set()

        def load(root: Path, process: LinkMap) -> Iterator[tuple[Path, Path | None, Resolution]]:
            program = process.program.path if process.program else None
            for link in loader.load(root, process):
                yield root, program, link
            reached.update(process.files)

        if interpreter is not None:
            yield from load(interpreter, python)
        modules = [path for path, elf in files.items() if not elf.interpreter and str(path) not in python.files]
        for path, elf in files.items():
            if elf.interpreter and path != interpreter:
                yield from load(path, LinkMap())
        # What nothing needs is a module, which Python or another library opens. What is needed but reached by none of
        # them is looked at for itself.
        for path in modules:
            if path.name not in wanted and files[path].soname not in wanted:
                yield from load(path, python.fork())
        for path in modules:
            if str(path) not in reached:
                yield from load(path, python.fork())

    def interpreter(self) -> Path | None:
        """Return the Python that most of the modules are opened by."""
        found = [path for path, elf in self.files.items() if elf.interpreter and _INTERPRETER.fullmatch(path.name)]
        return min(found, key=lambda path: (len(path.parts), path), default=None)


def read_directory(root: Path, known: Mapping[Path, Elf | None] = MappingProxyType({})) -> dict[Path, Elf | None]:
    """Read every file below a directory.

    Args:
        root: the directory.
        known: what this returned before of files that have not been changed since.

    Returns:
        all files; None for each that is no ELF file, or damaged: the loader would not take it either.

    """
    return {path: known[path] if path in known else _read(path) for path in files_below(root)}


def _read(path: Path) -> Elf | None:
    with suppress(AppImageError):  # test data of packages
        return read_elf(path)
    return None


def _worst(needs: Iterable[Dependency]) -> Dependency:
    """Merge what one file needs in several processes: found only where it is found in all of them."""
    needs = list(needs)
    missing = [need for need in needs if need.found is None]
    first = next(iter(missing or needs))
    inherited = any(need.inherited for need in needs)
    roots = frozenset().union(*(need.roots for need in missing or needs))
    return replace(first, inherited=inherited, roots=roots)


def _loaders(loaded: Loaded) -> Iterator[Path]:
    while loaded.loader is not None:
        loaded = loaded.loader
        yield loaded.path
