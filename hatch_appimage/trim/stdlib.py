# SPDX-License-Identifier: MIT
"""Find the parts of the standard library that nothing in an image can reach."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.sources.imports import is_extension
from hatch_appimage.sources.reader import File
from hatch_appimage.sources.units import BODY, MAIN, Unit, affixes_in_text
from hatch_appimage.trim import tkinter
from hatch_appimage.trim.stdlib_parts import part_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import PurePosixPath

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reader import SourceReader

# Imports that are not made in an image: by an interpreter that a person types into, which does without them all, and on
# other systems than Linux.
_IDLE = frozenset({
    ("_sitebuiltins", "pydoc"),
    ("platform", "plistlib"),
    ("site", "_pyrepl"),
    ("site", "readline"),
    ("site", "rlcompleter"),
})  # fmt: skip
# Directories in that of the standard library that have other modules than its sources.
_ELSEWHERE = frozenset({"dist-packages", "lib-dynload", "site-packages"})
# Their tables name modules, and import none of them: how Python 2 called what pickles name, how Python was built.
_TABLES = re.compile(r"_compat_pickle|_sysconfigdata_.*")
# The texts of `help()`, whose words and names are none of a program.
_TEXTS = re.compile(r"pydoc_data\..*")
# Functions for those who try a module, and for `python -m`.
_PROGRAMS = frozenset({"_main", "_test", "main", "test"})
_WORD = re.compile(rb"[A-Za-z_][\w.]*")
_INIT = re.compile(rb"PyInit_(\w+)")


@dataclass(frozen=True)
class StandardLibrary:
    """The modules of a standard library.

    Attributes:
        files: by the modules' names.
        built_in: names of modules that are in the interpreter or its library.
        names: all that these name in strings.

    """

    files: Mapping[str, Path]
    built_in: frozenset[str]
    names: frozenset[str]

    @classmethod
    def read(cls, appdir: AppDir, python: BundledPython, reader: SourceReader) -> StandardLibrary:
        """Find the modules of a bundled Python; none is imported."""
        places = (python.executable, *appdir.lib.glob("libpython*.so*"))
        programs = [path for path in places if path.is_file()]
        built_in = frozenset(name.decode() for path in programs for name in _INIT.findall(path.read_bytes()))
        return cls(find_modules(python), built_in, frozenset().union(*map(reader.strings, programs)))

    def find(self, name: str) -> str | None:
        """Return the name of the module that something is, or is in; None if it is in none of a file."""
        while name and name not in self.files:
            name = name.rpartition(".")[0]
        return name or None

    def files_of(self, names: Iterable[str]) -> set[Path]:
        """Return the files of some modules; of a package that is all that lies in its directory, but for modules."""
        files = {self.files[name] for name in names}
        modules = frozenset(self.files.values())
        packages = [path.parent for path in files if path.name == "__init__.py"]
        data = {path for directory in packages for path in directory.rglob("*") if path.is_file()}
        return files | (data - modules)

    def has(self, name: str) -> bool:
        """Whether a module is there from which something is imported, or that is imported itself."""
        return self.find(name) is not None or name.partition(".")[0] in self.built_in


def find_modules(python: BundledPython) -> dict[str, Path]:
    """Return the modules of a standard library by name."""
    files: dict[str, Path] = {}
    for directory in python.extension_directories:
        files |= {path.name.split(".")[0]: path for path in directory.iterdir() if is_extension(path.name)}
    for place, directories, names in os.walk(python.stdlib):
        directories[:] = [name for name in directories if name not in _ELSEWHERE]
        package = Path(place).relative_to(python.stdlib).parts
        for stem in (name.removesuffix(".py") for name in names if name.endswith(".py")):
            files[".".join(package if stem == "__init__" else (*package, stem))] = Path(place, f"{stem}.py")
    return dict(sorted(files.items()))


def lasting_sources(python: BundledPython, places: Iterable[PurePosixPath]) -> list[File]:
    """Return the sources of a standard library that stay in every image: they are of no part, and not of tkinter.

    Args:
        python: whose it is.
        places: of all its sources, below its directory.

    """
    modules = {_module_at(place): python.stdlib / place for place in places}
    return [
        _file(name, path)
        for name, path in modules.items()
        if part_of(name) is None and name.partition(".")[0] not in tkinter.MODULES
    ]


def _module_at(place: PurePosixPath) -> str:
    return ".".join(place.parent.parts if place.name == "__init__.py" else place.with_suffix("").parts)


@dataclass
class Needs:
    """What is needed of a standard library by all that is not in it.

    Attributes:
        modules: names of modules, or of what is in them, each with who imports or names it.
        runs: names of modules in strings, which may be run as programs.
        names: of functions that may be called; and beginnings and ends of names, with a star for the rest.

    """

    modules: dict[str, str] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def add_affixes(self, texts: Iterable[str]) -> None:
        """Add the beginnings and ends of names that are in strings."""
        for text in texts:
            self.names.update(map(_as_pattern, affixes_in_text(text)))


def _as_pattern(affix: str) -> str:
    return f"*{affix}" if affix.startswith("_") else f"{affix}*"


@dataclass(frozen=True)
class UnusedParts:
    """What became of the parts.

    Attributes:
        unused: the modules of each part that nothing reaches.
        used: why the others stay.

    """

    unused: Mapping[str, tuple[str, ...]]
    used: Mapping[str, str]


def find_unused_parts(
    library: StandardLibrary, needs: Needs, *, kept: Collection[Path] = (), reader: SourceReader
) -> UnusedParts:
    """Find the parts that nothing reaches.

    All modules that are in no part stay, and with them whatever they import at their top: each module that is in the
    image can be imported. A function counts if anything names it that counts, by its bare name.

    Args:
        library: the standard library.
        needs: what is needed of it.
        kept: files that stay in any case.
        reader: knows what sources need.

    """
    search = _Search(library, reader)
    for name in library.files:
        if part_of(name) is None or library.files[name] in kept:
            search.reach(name, "`keep-files`" if library.files[name] in kept else "it is in no part")
    search.names |= library.names | needs.names
    for name, reason in needs.modules.items():
        search.reach(name, reason)
    search.runs |= needs.runs
    # Whatever is called `main` may be that of any module that is imported.
    search.imported |= {f"{name}.{program}" for name in needs.modules for program in _PROGRAMS & needs.names}
    search.follow()
    unused: dict[str, list[str]] = defaultdict(list)
    for name in library.files:
        part = part_of(name)
        if part is not None and part not in search.parts:
            unused[part].append(name)
    return UnusedParts({part: tuple(names) for part, names in unused.items()}, dict(sorted(search.parts.items())))


class _Search:
    """Follows imports from unit to unit.

    Attributes:
        names: of functions that may be called.
        parts: those that are reached, each with the reason.
        imported: names of modules, and of what is in them, that are imported.
        runs: names of modules that may be run as programs.

    """

    def __init__(self, library: StandardLibrary, reader: SourceReader) -> None:
        self.names: set[str] = set()
        self.parts: dict[str, str] = {}
        self.imported: set[str] = set()
        self.runs: set[str] = set()
        self._library = library
        self._reader = reader
        self._reached: set[str] = set()
        self._sought: set[str] = set()
        self._added: list[str] = []

    def reach(self, name: str, reason: str) -> None:
        """Have a module, or that which something is in, and all of its part; and the packages that it is in."""
        module = self._library.find(name)
        if module is None:
            return
        part = part_of(module)
        if part is None:
            self._add(module)
        elif part not in self.parts:
            self.parts[part] = reason
            for other in self._library.files:
                if part_of(other) == part:
                    self._add(other)
        if parent := module.rpartition(".")[0]:
            self.reach(parent, reason)

    def _add(self, module: str) -> None:
        if module in self._library.files and module not in self._reached:
            self._reached.add(module)
            self._added.append(module)

    def follow(self) -> None:
        """Go on until nothing more is reached."""
        waiting: list[tuple[str, Unit]] = []
        found = True
        while found:
            waiting += self._read_added()
            current, waiting = waiting, []
            found = False
            for module, unit in current:
                if self._counts(module, unit):
                    found = True
                    self._follow_unit(module, unit)
                else:
                    waiting.append((module, unit))

    def _read_added(self) -> list[tuple[str, Unit]]:
        """Return the units of the modules that have been reached since the last time."""
        added, self._added = self._added, []
        files = {module: self._library.files[module] for module in added}
        self._reader.read(_file(module, path) for module, path in files.items() if not is_extension(path.name))
        return [(module, unit) for module, path in files.items() for unit in _units_of(module, path, self._reader)]

    def _counts(self, module: str, unit: Unit) -> bool:
        package, _, last = module.rpartition(".")
        if last == MAIN:  # all of it is what `python -m` runs
            return package in self.runs
        if unit.name == MAIN:
            return module in self.runs
        if unit.name in _PROGRAMS:
            return module in self.runs or f"{module}.{unit.name}" in self.imported
        return unit.name == BODY or self._is_named(unit.name)

    def _is_named(self, name: str) -> bool:
        """Whether a function is named, or the beginning or end of its name is in a string."""
        if name in self.names:
            return True
        ends = [index for index, letter in enumerate(name) if letter == "_"]
        return any(f"{name[:i]}_*" in self.names or f"*{name[i:]}" in self.names for i in ends)

    def _follow_unit(self, module: str, unit: Unit) -> None:
        self.names |= unit.names
        self.names.update(map(_as_pattern, unit.affixes))
        names = set(unit.imports)
        for fallback in unit.fallbacks:
            if not all(map(self._library.has, fallback.tried)):
                names |= fallback.imports
        if not _TABLES.fullmatch(module):
            names |= unit.modules
            self.runs |= unit.modules
        self.imported |= names
        place = f"{module}.{unit.name}".rstrip(".")
        for name in sorted(names - self._sought):
            if (module, name.partition(".")[0]) not in _IDLE:
                self._sought.add(name)
                self.reach(name, f"{place} of the standard library imports it")


def _units_of(module: str, path: Path, reader: SourceReader) -> Sequence[Unit]:
    if _TEXTS.fullmatch(module):
        return ()
    if is_extension(path.name):
        texts = reader.strings(path)
        return [Unit(BODY, names=texts, modules=frozenset(text for text in texts if "." in text))]
    facts = reader.facts(_file(module, path))
    if facts is None:  # its syntax may be newer than the Python that runs this build: any word may be an import
        words = frozenset(word.decode() for word in _WORD.findall(path.read_bytes()))
        return [Unit(BODY, imports=words, names=words)]
    return facts.units


def _file(module: str, path: Path) -> File:
    return File(path, module if path.name == "__init__.py" else module.rpartition(".")[0], stdlib=True)
