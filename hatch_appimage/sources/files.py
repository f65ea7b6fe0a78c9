# SPDX-License-Identifier: MIT
"""What all code in an image names, file by file: Python sources as they are parsed, other files by their bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.sources.mentions import Mentions, read_mentions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.results import Results

# What has to be in a source for it to be parsed, beside what it is searched for: prose and most comments have it not.
_WORDS = (
    rb"[^\s\w]tests?\b|\bimport\b[^\n]*\btests?\b|\bfrom\s+tests?\b|^\s*tests?\s*,?\s*$"
    rb"|get_include|\.(?:pyi|px[di]|pyx|h|hh|hpp|hxx|c|cc|cpp|cxx|a|pc|cmake)['\"]"
)
_DOTTED_TEST = re.compile(rb"\.tests?(?!\w)")
_NAME = re.compile(rb"[A-Za-z_][\w.]*\Z")
# In bytes.
_LONGEST_NAME = 200
_MODULE_SUFFIXES = frozenset({".py", ".pyw"})
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


class Reader:
    """Reads what sources name, each once.

    Args:
        parts: further parts of paths to look for.
        results: where it is kept what sources name.

    """

    def __init__(self, parts: Iterable[str], results: Results) -> None:
        self._results = results
        names = b"|".join(re.escape(part).encode() for part in sorted(parts))
        self._words = re.compile(_WORDS + rb"|['\"/](?:" + names + rb")['\"/]", re.MULTILINE)
        self._read: dict[Path, Mentions] = {}

    def __call__(self, source: Source) -> Mentions:
        """Return what a source names; nothing of a Python source that has none of the words."""
        if source.path not in self._read:
            self._read[source.path] = self._mentions(source)
        return self._read[source.path]

    def _mentions(self, source: Source) -> Mentions:
        data = source.path.read_bytes()
        if not is_python(source.path, data):
            return Mentions(imports=frozenset(_dotted_tests(data)))
        # What builds a package by numpy.distutils lies in it, and lists its directories.
        is_build_script = source.path.name == _SETUP and b"distutils" in data
        if is_build_script or not self._words.search(data):
            return Mentions()
        package = ".".join(source.place.parent.parts)
        return read_mentions(data, package, self._results) or Mentions(imports=frozenset(_dotted_tests(data)))


def is_python(path: Path, data: bytes) -> bool:
    """Whether a file may be a Python source: by its name, or as a script; that of a shell cannot be parsed as one."""
    return path.suffix in _MODULE_SUFFIXES or data.startswith(b"#!")


def _dotted_tests(data: bytes) -> Iterator[str]:
    """Yield names of modules in any file that end with a part called ``test`` or ``tests``."""
    for found in _DOTTED_TEST.finditer(data):
        start = _NAME.search(data[max(0, found.start() - _LONGEST_NAME) : found.start()])
        if start:
            yield (start[0] + found[0]).decode()


def find_sources(appdir: AppDir, python: BundledPython, owners: Mapping[Path, str]) -> list[Source]:
    """Return all files that can name something, but for Python's own, which name no installed package.

    Stubs and settings of tools are not read at run time, and of packages' metadata only entry points are.

    Args:
        appdir: with everything installed.
        python: its Python.
        owners: the installed packages by their files.

    """
    return [
        Source(path, PurePosixPath(path.relative_to(base)), owners.get(path))
        for path in appdir.files()
        if (base := _base_of(path, appdir, python)) and not _is_silent(path)
    ]


def _base_of(path: Path, appdir: AppDir, python: BundledPython) -> Path | None:
    for site in python.site_packages:
        if path.is_relative_to(site):
            return site
    is_stdlib = path.is_relative_to(python.stdlib) or path.parent.name == "lib-dynload"
    # The names of all modules of the standard library are in these.
    is_interpreter = path == python.executable or path.name.startswith("libpython")
    return None if is_stdlib or is_interpreter else appdir.root


def _is_silent(path: Path) -> bool:
    in_metadata = any(part.endswith(_METADATA) for part in path.parts)
    return path.suffix in {".pyi", ".pyc"} or path.name in _TOOL_FILES or (in_metadata and path.name != ENTRY_POINTS)
