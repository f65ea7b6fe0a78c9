# SPDX-License-Identifier: MIT
"""Follow the imports of Python modules by their sources: nothing of them is run."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.machinery import SOURCE_SUFFIXES
from typing import TYPE_CHECKING

from hatch_appimage.project.program import PARSERS
from hatch_appimage.sources.reader import File, SourceReader
from hatch_appimage.sources.statements import Import, has_lazy_stub

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from hatch_appimage.sources.facts import Facts

_INIT = "__init__"


@dataclass(frozen=True)
class Reached:
    """A module that is imported.

    Attributes:
        path: its source, or its extension module.
        importer: the name of the module that was first seen to import it; None where the search began.

    """

    path: Path
    importer: str | None


class Modules:
    """Finds modules as Python does: packages before extension modules before sources, directory by directory.

    Args:
        directories: what ``sys.path`` would have.
        own: sources whose functions are looked into, and their calls of functions that import by a name; and extension
            modules that import tkinter if they name it.
        stdlib: those of the directories that have the standard library.
        reader: knows what sources import.

    """

    def __init__(
        self,
        directories: Sequence[Path],
        own: Collection[Path] = (),
        *,
        stdlib: Collection[Path] = (),
        reader: SourceReader | None = None,
    ) -> None:
        self.own = own
        self._stdlib = frozenset(stdlib)
        self._reader = reader or SourceReader()
        self._imports: dict[str, list[Import]] = {}
        self._directories: dict[str, tuple[Path, ...]] = {"": tuple(directories)}
        self._files: dict[str, Path | None] = {"": None}
        self._sources: dict[str, File | None] = {}
        self._names: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> Path | None:
        """Return the file of a module by its absolute name; None for what has none, as what is built in."""
        if name not in self._files:
            parent, _, last = name.rpartition(".")
            self.find(parent)
            self._files[name], self._directories[name] = self._look(last, self._directories[parent])
        return self._files[name]

    def imports_of(self, name: str) -> list[Import]:
        """Return what a module imports, which is read once.

        Of an extension module that is what the source imports that it was compiled from, if it lies beside it.

        """
        if name not in self._imports:
            self._imports[name] = list(self._read(name))
        return self._imports[name]

    def read(self, names: Iterable[str]) -> None:
        """Read the sources of modules whose imports will be asked for."""
        self._reader.read(file for name in names if name not in self._imports and (file := self._source(name)))

    def facts_of(self, name: str) -> Facts | None:
        """Return what the source of a module says of itself; None where there is none, or it is no Python 3."""
        file = self._source(name)
        return self._reader.facts(file) if file else None

    def _read(self, name: str) -> Iterator[Import]:
        path = self.find(name)
        if path and path in self.own and is_extension(path.name) and b"tkinter" in path.read_bytes():
            yield Import("tkinter", deferred=True, optional=True)
        file = self._source(name)
        if file and (facts := self._reader.facts(file)):
            is_own = file.path in self.own
            yield from (found for found in facts.imports if is_own or not found.deferred)
            if has_lazy_stub(facts.words) and (stub := file.path.with_suffix(".pyi")).is_file():
                yield from self._read_stub(file._replace(path=stub))

    def _read_stub(self, file: File) -> Iterator[Import]:
        """Yield what a stub imports, as something that is imported once it is used."""
        facts = self._reader.facts(file)
        yield from (replace(found, optional=True) for found in facts.imports) if facts else ()

    def _source(self, name: str) -> File | None:
        """Return the source of a module, or the one that it was compiled from; None where there is none."""
        if name not in self._sources:
            path = self.find(name)
            self._sources[name] = self._as_file(name, _source_of(path)) if path else None
        return self._sources[name]

    def _as_file(self, name: str, path: Path) -> File | None:
        if not path.is_file():
            return None
        package = name if path.stem == _INIT else name.rpartition(".")[0]
        depth = package.count(".") + 1 if package else 0
        return File(path, package, path.parents[depth] in self._stdlib)

    def _look(self, last: str, directories: Iterable[Path]) -> tuple[Path | None, tuple[Path, ...]]:
        portions = []
        for directory in directories:
            is_package = last in self._names_of(last, directory)
            if is_package and (package := self._choose(directory / last, _INIT)):
                return package, (directory / last,)
            if module := self._choose(directory, last):
                return module, ()
            if is_package and (directory / last).is_dir():  # of a namespace package (PEP 420)
                portions.append(directory / last)
        return None, tuple(portions)

    def _choose(self, directory: Path, stem: str) -> Path | None:
        names = self._names_of(stem, directory)
        extensions = (name for name in names if is_extension(name))
        sources = (name for suffix in SOURCE_SUFFIXES if (name := f"{stem}{suffix}") in names)
        return next((directory / name for name in (*extensions, *sources)), None)

    def _names_of(self, stem: str, directory: Path) -> Sequence[str]:
        """Return the names in a directory that are a stem, with or without suffixes."""
        if directory not in self._names:
            names = self._names[directory] = {}
            with suppress(OSError), os.scandir(directory) as entries:
                for name in sorted(entry.name for entry in entries):
                    names.setdefault(name.partition(".")[0], []).append(name)
        return self._names[directory].get(stem, ())


def _source_of(path: Path) -> Path:
    """Return where the source is that a module was compiled from, if it lies beside it; the source itself for one."""
    return path.with_name(f"{path.name.split('.')[0]}{SOURCE_SUFFIXES[0]}") if is_extension(path.name) else path


def is_extension(name: str) -> bool:
    """Whether a file's name is one of an extension module."""
    return name.endswith(".so")


def follow(roots: Iterable[str], modules: Modules, wanted: Callable[[Import], bool]) -> dict[str, Reached]:
    """Find all modules that are imported, directly or by others, breadth first.

    Args:
        roots: the names of the modules to begin with.
        modules: where modules are.
        wanted: whether an import counts.

    """
    reached: dict[str, Reached] = {}
    known: set[str] = set()
    waiting: list[tuple[str, str | None]] = [(root, None) for root in roots]
    while waiting:
        found = []
        for name, importer in waiting:
            if name in known:
                continue
            known.add(name)
            for module in _with_parents(name):
                path = modules.find(module)
                if module not in reached and path is not None:
                    reached[module] = Reached(path, importer)
                    found.append(module)
        modules.read(found)
        waiting = [(each.name, module) for module in found for each in modules.imports_of(module) if wanted(each)]
    return reached


def defers_imports(names: Iterable[str], directories: Sequence[Path], reader: SourceReader | None = None) -> bool:
    """Whether a run of some modules imports what their import does not: sources tell.

    Functions that import anything count in the modules, and in others of their packages that these import; and so does
    the import of a parser of arguments, as most have such functions.

    Args:
        names: of the modules.
        directories: where they are; what is elsewhere does not count.
        reader: knows what sources import.

    """
    names = list(names)
    packages = {name.partition(".")[0] for name in names}
    modules = Modules(directories, reader=reader)
    reached = follow(names, modules, lambda found: not found.deferred and found.name.partition(".")[0] in packages)
    return any(
        facts.deferring or any(each.name.partition(".")[0] in PARSERS for each in facts.imports)
        for name in reached
        if (facts := modules.facts_of(name)) is not None
    )


def _with_parents(name: str) -> Iterator[str]:
    """Yield a module's packages and its name, in the order in which they are imported."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])
