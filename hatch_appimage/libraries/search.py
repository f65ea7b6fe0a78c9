# SPDX-License-Identifier: MIT
"""Find libraries as the loader does when a program starts or opens a module: the rules of ld.so(8) and dlopen(3)."""

from __future__ import annotations

import os
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.elf import fits, read_elf
from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf import Elf
    from hatch_appimage.system import System

_TOKEN = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))")
# What the dynamic loader calls the processors of each architecture.
_PLATFORM = {"x86_64": ("x86_64", "haswell"), "aarch64": ("aarch64",), "armhf": ("v7l", "v8l"), "i686": ("i686",)}


@dataclass(frozen=True)
class Loaded:
    """A program or library in a process.

    Attributes:
        path: as it was opened. Links are not followed: the directory that it was found in is its ``$ORIGIN``.
        elf: what is in it.
        loader: what needed it first; None for a program, and for what dlopen() was asked for by a full path.

    """

    path: Path
    elf: Elf
    loader: Loaded | None


@dataclass(frozen=True)
class Resolution:
    """One library that something in a process needs.

    Attributes:
        needing: the program or library that needs it.
        soname: by which name.
        found: the file; None if the search finds none.
        inherited: the search path that it was found by belongs to what loaded the needing file.

    """

    needing: Loaded
    soname: str
    found: Path | None
    inherited: bool = False


@dataclass
class LinkMap:
    """What has been loaded so far; the same library is never loaded twice.

    Attributes:
        names: by the names that it goes by.
        files: by the file itself, whatever links lead to it.
        program: the main program.

    """

    names: dict[str, Loaded] = field(default_factory=dict)
    files: dict[str, Loaded] = field(default_factory=dict)
    program: Loaded | None = None

    def fork(self) -> LinkMap:
        """Return a copy, in which something else can be loaded."""
        return LinkMap(dict(self.names), dict(self.files), self.program)


class Loader:
    """Finds libraries on behalf of one architecture.

    Args:
        architecture: files of others are passed over.
        read: returns what is in an ELF file; None where there is no such file.
        directories: what is searched last.
        inside: the only directory that search paths may lead into; None for anywhere.
        ends: whether a search that comes upon a file that is no library ends there.
        real: returns what a path is behind all links.

    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        read: Callable[[Path], Elf | None],
        directories: Iterable[Path] = (),
        inside: Path | None = None,
        ends: Callable[[Path], bool] | None = None,
        real: Callable[[Path], Path | str] = os.path.realpath,
    ) -> None:
        self.architecture = architecture
        self.read = read
        self.directories = tuple(directories)
        self.inside = inside
        self.ends = ends or ends_search
        self.real = real
        # By strings, not paths: large trees ask for the same files hundreds of thousands of times.
        self._expanded: dict[tuple[tuple[str, ...], str], tuple[Path, ...]] = {}
        self._fitting: dict[str, Path | None] = {}
        self._ending: dict[str, bool] = {}
        self._real: dict[str, str] = {}

    def load(self, path: Path, process: LinkMap) -> Iterator[Resolution]:
        """Load a program, or a module by its full path, with all that it needs, breadth first; yield what is needed."""
        elf = self.read(path)
        if elf is None:
            return
        first = Loaded(path, elf, None)
        if process.program is None:
            process.program = first
        self._enter(first, str(path), process)
        waiting = deque([first])
        while waiting:
            needing = waiting.popleft()
            search = None
            for soname in needing.elf.needed:
                known = process.names.get(soname)
                if known is not None:
                    yield Resolution(needing, soname, known.path)
                    continue
                search = search or list(self._search(needing, process))
                found, inherited = self._find(soname, needing, search)
                if found is not None and (elf := self.read(found)) is not None:
                    library = self._enter(Loaded(found, elf, needing), soname, process)
                    if library.path == found:
                        waiting.append(library)
                yield Resolution(needing, soname, found, inherited)

    def _enter(self, library: Loaded, name: str, process: LinkMap) -> Loaded:
        path = str(library.path)
        if path not in self._real:
            self._real[path] = str(self.real(library.path))
        library = process.files.setdefault(self._real[path], library)
        process.names[name] = library
        if library.elf.soname:
            process.names.setdefault(library.elf.soname, library)
        return library

    def find(self, soname: str, needing: Loaded, process: LinkMap) -> tuple[Path | None, bool]:
        """Search for a library.

        Returns:
            the file, or None; and whether it was found by the search path of something that loaded the needing file.

        """
        return self._find(soname, needing, self._search(needing, process))

    def _find(self, soname: str, needing: Loaded, search: Iterable[tuple[Path, bool]]) -> tuple[Path | None, bool]:
        if "/" in soname:
            paths = (os.path.normpath(place) for place in self.expand(soname, needing.path.parent))
            return next(filter(None, map(self._fitting_file, paths)), None), False
        for directory, inherited in search:
            found = self._fitting_file(f"{directory}/{soname}")
            if found is not None:
                return found, inherited
            if self._ends(f"{directory}/{soname}"):
                break
        return None, False

    def _search(self, needing: Loaded, process: LinkMap) -> Iterator[tuple[Path, bool]]:
        """Yield the directories in the loader's order: RPATHs of all loaders, RUNPATH, system."""
        if not needing.elf.runpath:
            loader: Loaded | None = needing
            chain = []
            while loader is not None:
                chain.append(loader)
                loader = loader.loader
            if process.program is not None and process.program not in chain:
                chain.append(process.program)
            for member in chain:
                if not member.elf.runpath:
                    for directory in self.search_directories(member.elf.rpath, member.path.parent):
                        yield directory, member is not needing
        for directory in self.search_directories(needing.elf.runpath, needing.path.parent):
            yield directory, False
        for directory in self.directories:
            yield directory, False

    def search_directories(self, search_path: tuple[str, ...], origin: Path) -> tuple[Path, ...]:
        """Return the directories that an RPATH or RUNPATH means for a file in the directory ``origin``."""
        if not search_path:
            return ()
        key = search_path, str(origin)
        directories = self._expanded.get(key)
        if directories is None:
            places = (place for entry in search_path for place in self.expand(entry, origin))
            paths = (Path(os.path.normpath(place)) for place in places)
            directories = tuple(path for path in paths if path.is_absolute() and self._is_inside(path))
            self._expanded[key] = directories
        return directories

    def _is_inside(self, directory: Path) -> bool:
        return self.inside is None or directory.is_relative_to(self.inside)

    def expand(self, text: str, origin: Path) -> Iterator[str]:
        """Yield what a text with ``$ORIGIN``, ``$LIB`` and ``$PLATFORM`` in it can mean (ld.so(8)).

        ``$LIB`` depends on the distribution and ``$PLATFORM`` on the processor: everything possible is searched.
        """
        names = {match[1] or match[2] for match in _TOKEN.finditer(text)}
        for lib in self.architecture.library_directories if "LIB" in names else ("",):
            for platform in _PLATFORM[self.architecture.name] if "PLATFORM" in names else ("",):
                values: Mapping[str, str] = {"ORIGIN": str(origin), "LIB": lib, "PLATFORM": platform}
                yield _TOKEN.sub(lambda match, values=values: values[match[1] or match[2]], text)  # type: ignore[misc]

    def _fitting_file(self, name: str) -> Path | None:
        if name not in self._fitting:
            path = Path(name)
            elf = self.read(path)
            self._fitting[name] = path if elf is not None and fits(elf, self.architecture) else None
        return self._fitting[name]

    def _ends(self, name: str) -> bool:
        if name not in self._ending:
            self._ending[name] = self._fitting_file(name) is None and self.ends(Path(name))
        return self._ending[name]


def ends_search(path: Path) -> bool:
    """Whether the loader gives up at a file in place of looking for another one of its name: it is no ELF file.

    That is so in glibc (``open_verify`` in ``elf/dl-load.c``). Files for other architectures are passed over.

    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) != b"\x7fELF"


class ElfFiles:
    """Reads each ELF file once; what is no readable ELF file is None."""

    def __init__(self) -> None:
        self._known: dict[Path, Elf | None] = {}

    def __call__(self, path: Path) -> Elf | None:
        """Return what is in a file."""
        if path not in self._known:
            try:
                self._known[path] = read_elf(path) if path.is_file() else None
            except AppImageError:
                self._known[path] = None
        return self._known[path]


def find_on_system(soname: str, system: System, architecture: Architecture) -> Path | None:
    """Find a library in the directories that a machine's loader searches by default.

    Args:
        soname: its name there.
        system: the machine.
        architecture: files of others are passed over.

    """
    for directory in system.directories:
        path = system.follow(directory / soname)
        elf = read_elf(path) if path.is_file() else None
        if elf is not None and fits(elf, architecture):
            return path
    return None
