# SPDX-License-Identifier: MIT
"""Find the files of installed packages that serve whoever develops with them: stubs, headers, documentation."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.sources.imports import is_extension
from hatch_appimage.sources.mentions import HEADER_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from hatch_appimage.python.installed import InstalledFile
    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.mentions import Mentions

# Where packages put documentation, below the prefix.
SHARE = "share"
_DOCUMENTATION = tuple(PurePosixPath(SHARE, name) for name in ("doc", "info", "man"))
_LICENCE = re.compile(r"(?i)(?:licen[cs]e|copying|copyright|notice|authors)")
# What Python modules are in.
_MODULES = (".py", ".so")


@dataclass(frozen=True)
class Kind:
    """A kind of files that one sort of tools reads.

    Attributes:
        suffixes: by which they are known.
        beside: they count only beside the extension module that was compiled from them.
        exported: other packages ask for their directory by one of `HEADER_FUNCTIONS`.
        foreign: who names such a suffix by itself reads the files of all packages.
        reader: the installed package that reads the files of all packages.

    """

    suffixes: frozenset[str]
    beside: frozenset[str] = frozenset()
    exported: bool = False
    foreign: bool = False
    reader: str | None = None


# Type checkers and the like read these; `py.typed` stays, as it is empty, and true of the sources, too.
STUBS = Kind(frozenset({".pyi"}), foreign=True)
# Compilers and linkers read these, for an extension module that builds upon another one's. Packages that are
# compilers, or have headers for one (cffi, Cython, ziglang, nvidia-cuda-runtime), name them or have no such module.
_CYTHON = Kind(frozenset({".pxd", ".pxi", ".pyx"}), beside=frozenset({".pyx"}), reader="cython")
_C_SOURCES = frozenset({".c", ".cc", ".cpp", ".cxx"})
_C = Kind(frozenset({".h", ".hh", ".hpp", ".hxx"}) | _C_SOURCES, beside=_C_SOURCES, exported=True)
_LINKING = Kind(frozenset({".a", ".cmake", ".pc"}), exported=True)
HEADERS = (_CYTHON, _C, _LINKING)


class Owners:
    """The installed packages by what their code names, so far as it stays in the image.

    Args:
        sources: the files that stay.
        read: returns what a source names.

    """

    def __init__(self, sources: Iterable[Source], read: Callable[[Source], Mentions]) -> None:
        self._texts: dict[str | None, set[str]] = defaultdict(set)
        self._callers: set[str | None] = set()
        definers = set()
        for source in sources:
            mentions = read(source)
            self._texts[source.owner] |= mentions.texts
            if mentions.calls or any(f"{name}(" in text for name in HEADER_FUNCTIONS for text in mentions.texts):
                self._callers.add(source.owner)
            if mentions.defines:
                definers.add(source.owner)
        self._callers -= definers  # they call their own

    def __contains__(self, owner: str | None) -> bool:
        """Whether a package is installed."""
        return owner is not None and owner in self._texts

    def names_part(self, owner: str, part: str) -> bool:
        """Whether a package's code names a file or directory, by one part of a path."""
        return any(part in text and part in re.split(r"[/\\]", text) for text in self._texts[owner])

    def names_suffix(self, owner: str, suffixes: Collection[str]) -> bool:
        """Whether a package's code names files by their suffix."""
        ends = tuple(suffixes)
        return any(_ends(text, ends) for text in self._texts[owner])

    def read_foreign(self, suffixes: Collection[str]) -> bool:
        """Whether any package reads such files; a list of patterns, as of what an editor can show, does not."""
        ends = tuple(suffixes)
        return any(_ends(text, ends) and "*" not in text for texts in self._texts.values() for text in texts)

    @property
    def call_header_functions(self) -> bool:
        """Whether any package asks another one where its headers are."""
        return bool(self._callers)


def _ends(text: str, suffixes: tuple[str, ...]) -> bool:
    return text.endswith(suffixes) and not re.search(r"\s", text)


def find_stubs(files: Sequence[InstalledFile], owners: Owners) -> list[InstalledFile]:
    """Find the stubs that no installed code reads."""
    return _find(files, STUBS, owners)


def find_headers(files: Sequence[InstalledFile], owners: Owners) -> list[InstalledFile]:
    """Find headers, libraries to link against and what lies beside extension modules that were compiled from it.

    Only packages with extension modules have some: all others are for whoever compiles.
    """
    compiled = {(file.owner, _top(file)) for file in files if is_extension_module(file)}
    some = [file for file in files if (file.owner, _top(file)) in compiled]
    return [file for kind in HEADERS for file in _find(some, kind, owners)]


def is_extension_module(file: InstalledFile) -> bool:
    """Whether a file is an extension module: it has the name of one, and is in a directory of packages."""
    return file.importable and is_extension(str(file.place)) and not file.place.name.startswith("lib")


def _top(file: InstalledFile) -> str:
    return str(file.place).partition("/")[0]


def find_documentation(files: Sequence[InstalledFile], owners: Owners) -> list[InstalledFile]:
    """Find manual pages and the like, but for licences, of packages whose code names nothing in ``share``."""
    return [
        file
        for file in files
        if not file.importable
        and any(file.place.is_relative_to(directory) for directory in _DOCUMENTATION)
        and not _LICENCE.match(file.place.name)
        and not owners.names_part(file.owner, SHARE)
    ]


def _find(files: Sequence[InstalledFile], kind: Kind, owners: Owners) -> list[InstalledFile]:
    ends = tuple(kind.suffixes)
    candidates = [file for file in files if str(file.place).endswith(ends) and file.importable]
    if not candidates or kind.reader in owners or (kind.foreign and owners.read_foreign(kind.suffixes)):
        return []
    found: dict[str, list[InstalledFile]] = defaultdict(list)
    stems = {(file.place.parent, file.place.name.split(".")[0]) for file in files if is_extension_module(file)}
    for file in candidates:
        if file.place.suffix not in kind.beside or (file.place.parent, file.place.stem) in stems:
            found[file.owner].append(file)
    of_modules = _directories_of_modules(files)
    return [
        file
        for owner, some in found.items()
        if not (kind.exported and owners.call_header_functions)
        and not owners.names_suffix(owner, kind.suffixes)
        and not any(owners.names_part(owner, name) for name in _own_directories(some, of_modules))
        for file in some
    ]


def _directories_of_modules(files: Iterable[InstalledFile]) -> frozenset[PurePosixPath]:
    """Return the directories that hold Python modules, at any depth."""
    directories = {file.place.parent for file in files if str(file.place).endswith(_MODULES)}
    return frozenset(way for directory in directories for way in (directory, *directory.parents))


def _own_directories(files: Iterable[InstalledFile], of_modules: Collection[PurePosixPath]) -> set[str]:
    """Return the names of the outermost directories on the way to files that hold no modules."""
    directories = {file.place.parent for file in files}
    ways = ([way for way in (directory, *directory.parents) if way not in of_modules] for directory in directories)
    return {way[-1].name for way in ways if way}
