# SPDX-License-Identifier: MIT
"""Find the directories of tests in installed packages that nothing outside of them uses."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_appimage.python.installed import InstalledFile
    from hatch_appimage.sources.files import Reader, Source
    from hatch_appimage.sources.mentions import Mentions
    from hatch_appimage.sources.reach import Reach

# A directory called `testing` is none of them: by convention that is a module for others to use (numpy.testing).
_NAMES = frozenset({"test", "tests"})
# By what test runners know a module of tests. A directory without any may hold templates, data or plugins.
_TEST_FILES = ("conftest.py", "test_*.py", "tests.py", "*_test.py")
# What runs them; most tests cannot even be imported without it.
_RUNNER = "pytest"
_WORD = re.compile(r"\w[\w-]*")
_PARENTS = re.compile(r"(?:\.{1,2}/)*")


@dataclass
class TestDirectory:
    """A directory of tests.

    Attributes:
        place: below the directory of packages.
        owners: the installed packages that have files in it.
        files: of theirs.

    """

    __test__ = False  # for pytest, which takes it for tests of this project

    place: PurePosixPath
    owners: set[str] = field(default_factory=set)
    files: list[InstalledFile] = field(default_factory=list)

    @property
    def module(self) -> str:
        """Its name as a module."""
        return ".".join(self.place.parts)


@dataclass(frozen=True)
class TestDirectories:
    """What became of the directories of tests.

    Attributes:
        unused: those that nothing outside of them uses.
        used: why the others stay, by their places.
        sources: those that are in none of the unused ones.

    """

    __test__ = False

    unused: Sequence[TestDirectory]
    used: Mapping[PurePosixPath, str]
    sources: Sequence[Source]


def find_test_directories(
    files: Iterable[InstalledFile], sources: Sequence[Source], reach: Reach, read: Reader
) -> TestDirectories:
    """Find the directories that hold the tests of installed packages.

    Such a directory is used if code outside of it, or in one that is used, imports it, or names it in a string as a
    module, as a file, or by its last part where that can mean it.

    Args:
        files: those that may be left out.
        sources: all files that can name something.
        reach: what the application imports.
        read: returns what a source names.

    """
    found = _directories(files)
    if any(source.owner == _RUNNER for source in sources):
        return TestDirectories([], dict.fromkeys(found, f"{_RUNNER} is installed, which runs them"), sources)
    places = {file.path: place for place, directory in found.items() for file in directory.files}
    used = {
        places[module.path]: f"{module.importer or name} imports it"
        for name, module in reach.modules.items()
        if module.path in places
    }
    inside, waiting = _divide(sources, found)
    unused = {place: directory for place, directory in found.items() if place not in used}
    for place in used:
        waiting += inside.pop(place, [])
    read.ahead(waiting)
    staying = []
    while waiting:
        source = waiting.pop()
        staying.append(source)
        for place in _used_by(source, read(source), unused.values()):
            used[place] = f"{source.place} names it"
            read.ahead(inside[place])
            waiting += inside.pop(place, [])
            del unused[place]
    return TestDirectories(list(unused.values()), used, staying)


def _directories(files: Iterable[InstalledFile]) -> dict[PurePosixPath, TestDirectory]:
    found: dict[PurePosixPath, TestDirectory] = {}
    for file in files:
        place = outermost(file.place) if file.importable else None
        if place:
            directory = found.setdefault(place, TestDirectory(place))
            directory.owners.add(file.owner)
            directory.files.append(file)
    return {place: directory for place, directory in sorted(found.items()) if _has_tests(directory)}


def is_of_tests(package: str) -> bool:
    """Whether a package may be in a directory of tests, by its name."""
    return not _NAMES.isdisjoint(package.split("."))


def outermost(place: PurePosixPath) -> PurePosixPath | None:
    """Return the outermost directory on the way to a file that is named as one of tests; None if there is none."""
    return _outermost(str(place).rpartition("/")[0])


@cache  # there are many files in each
def _outermost(directory: str) -> PurePosixPath | None:
    parts = directory.split("/")
    depth = next((depth for depth, part in enumerate(parts, 1) if part in _NAMES), None)
    return PurePosixPath(*parts[:depth]) if depth else None


def _has_tests(directory: TestDirectory) -> bool:
    return any(fnmatchcase(file.place.name, pattern) for file in directory.files for pattern in _TEST_FILES)


def _divide(
    sources: Iterable[Source], found: Mapping[PurePosixPath, TestDirectory]
) -> tuple[dict[PurePosixPath, list[Source]], list[Source]]:
    """Return the sources in each of the directories, and those in none."""
    inside: dict[PurePosixPath, list[Source]] = defaultdict(list)
    outside: list[Source] = []
    for source in sources:
        place = outermost(source.place)
        (inside[place] if place is not None and place in found else outside).append(source)
    return inside, outside


def _used_by(source: Source, mentions: Mentions, directories: Iterable[TestDirectory]) -> list[PurePosixPath]:
    imports = [f"{name}." for name in mentions.imports if "test" in name]
    texts = [text for text in mentions.texts if "test" in text]
    if not (imports or texts):
        return []
    return [
        directory.place
        for directory in directories
        if any(name.startswith(f"{directory.module}.") for name in imports)
        or any(names_directory(text, source, directory) for text in texts)
    ]


def names_directory(text: str, source: Source, directory: TestDirectory) -> bool:
    """Whether a string can mean a directory, as a path or as a module's name.

    Args:
        text: the string.
        source: what has it.
        directory: what may be meant.

    """
    name = directory.place.name
    if name not in text:
        return False
    if re.search(r"\s", text):  # no name, but it may be code or a command
        parent = r"[./\\]".join(map(re.escape, directory.place.parts))
        return len(directory.place.parts) > 1 and bool(re.search(rf"(?<![\w.]){parent}(?!\w)", text))
    relative = _PARENTS.sub("", text.replace("\\", "/"), count=1)
    parts = re.split(r"[^\w%{}*-]", relative)
    return any(_means(parts[:index], source, directory) for index, part in enumerate(parts) if part == name)


def _means(before: Sequence[str], source: Source, directory: TestDirectory) -> bool:
    """Whether a path that ends with the directory's name means that directory, by the parts before its name."""
    known: list[str] = []
    for part in reversed(before):
        if not _WORD.fullmatch(part):
            break
        known.insert(0, part)
    parents = directory.place.parts[:-1]
    length = min(len(known), len(parents))
    if length and tuple(known[-length:]) != parents[-length:]:
        return False
    if parents and len(known) >= len(parents):
        return True
    if source.owner not in directory.owners:
        return False
    # By its name alone it is beside the source, or beside a package around that.
    return bool(before) or directory.place.parent in source.place.parents
