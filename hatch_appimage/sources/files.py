# SPDX-License-Identifier: MIT
"""What all code in an image names, file by file: Python sources as they are parsed, other files by their bytes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.layout import walk
from hatch_appimage.sources.mentions import Mentions
from hatch_appimage.sources.reader import MODULE_SUFFIXES, File

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.facts import Facts
    from hatch_appimage.sources.names import Names
    from hatch_appimage.sources.reader import SourceReader

_TESTS = re.compile(r"\.tests?(?!\w)")
# What no name begins with.
_NOT_FIRST = "0123456789."
_SILENT = (".pyc", ".pyi")
_METADATA = (".dist-info", ".egg-info")
#: Where the metadata of a package has its entry points.
ENTRY_POINTS = "entry_points.txt"
_SETUP = "setup.py"
# What tools read that build, check or test a package; some packages bring it along.
_TOOL_FILES = frozenset({"meson.build", "mypy.ini", "pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini"})


@dataclass(frozen=True)
class Source:
    """A file that may name modules and other files.

    Attributes:
        path: where it is.
        place: below the directory of packages; below the AppDir for what is in none.
        owner: the installed package that it belongs to, by its normalized name; None for others.

    """

    path: Path
    place: PurePosixPath
    owner: str | None

    @cached_property
    def file(self) -> File:
        """It as a Python source."""
        return File(self.path, ".".join(self.place.parent.parts))


class Reader:
    """Reads what files name.

    Args:
        sources: knows what Python sources say of themselves.

    """

    def __init__(self, sources: SourceReader) -> None:
        self._sources = sources
        self._read: dict[Path, Mentions] = {}

    def __call__(self, source: Source) -> Mentions:
        """Return what a file names: that which is no Python 3 names no more than modules of tests."""
        if source.path not in self._read:
            self._read[source.path] = self._mentions(source)
        return self._read[source.path]

    def ahead(self, sources: Iterable[Source]) -> None:
        """Read together what will be asked for."""
        self._sources.read(source.file for source in sources if self._sources.may_read(source.path))

    def _mentions(self, source: Source) -> Mentions:
        # What builds a package by numpy.distutils lies in it, and lists its directories.
        if source.path.name == _SETUP and b"distutils" in source.path.read_bytes():
            return Mentions()
        facts = facts_of(source, self._sources)
        return facts.mentions if facts else Mentions(imports=frozenset(_dotted_tests(self._sources.names(source.path))))


def facts_of(source: Source, reader: SourceReader) -> Facts | None:
    """Return what a file says of itself; None for what is no Python source, or no Python 3."""
    return reader.facts(source.file) if reader.may_read(source.path) else None


def _dotted_tests(names: Names) -> Iterator[str]:
    """Yield names of modules in a file that is no source that end with a part called ``test`` or ``tests``."""
    for run in names.dotted:
        for found in _TESTS.finditer(run):
            if package := run[: found.start()].lstrip(_NOT_FIRST):
                yield package + found[0]


def installed_sources(python: BundledPython) -> list[File]:
    """Return the Python sources in the directories of packages."""
    found = []
    for site in python.site_packages:
        for directory, _, names in os.walk(site):
            package = directory[len(str(site)) + 1 :].replace("/", ".")
            sources = [Path(f"{directory}/{name}") for name in names if name.endswith(MODULE_SUFFIXES)]
            found += [File(path, package) for path in sources if path.is_file()]
    return found


def find_sources(appdir: AppDir, python: BundledPython, owners: Mapping[Path, str]) -> list[Source]:
    """Return all files that can name something, but for Python's own, which name no installed package.

    Stubs and settings of tools are not read at run time, and of packages' metadata only entry points are.

    Args:
        appdir: with everything installed.
        python: its Python.
        owners: the installed packages by their files.

    """
    found = []
    for directory, entries in walk(appdir.root):
        base = _base_of(directory, appdir, python)
        if base is None:
            continue
        in_metadata = any(part.endswith(_METADATA) for part in directory.split("/"))
        for entry in entries:
            if not _is_silent(entry.name, in_metadata=in_metadata):
                path = Path(entry.path)
                found.append(Source(path, PurePosixPath(str(path)[len(base) + 1 :]), owners.get(path)))
    return [source for source in found if source.path != python.executable]


def _base_of(directory: str, appdir: AppDir, python: BundledPython) -> str | None:
    """Return what the files in a directory have their places below; None for those of the standard library."""
    for site in map(str, python.site_packages):
        if _is_in(directory, site):
            return site
    is_stdlib = _is_in(directory, str(python.stdlib)) or directory.endswith("/lib-dynload")
    return None if is_stdlib else str(appdir.root)


def _is_in(directory: str, top: str) -> bool:
    return directory == top or directory.startswith(f"{top}/")


def _is_silent(name: str, *, in_metadata: bool) -> bool:
    """Whether a file names nothing by its name, or is Python itself, which has the names of all its modules in it."""
    if in_metadata or name.endswith(_METADATA):
        return name != ENTRY_POINTS
    return name.startswith("libpython") or name.endswith(_SILENT) or name in _TOOL_FILES
