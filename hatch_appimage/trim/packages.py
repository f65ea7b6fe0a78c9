# SPDX-License-Identifier: MIT
"""Leave out of the AppDir what the application does not use of the installed packages and the standard library."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.python.installed import InstalledFile, installed_files
from hatch_appimage.sources.files import Reader, find_sources
from hatch_appimage.sources.imports import is_extension
from hatch_appimage.trim.development_files import Owners, find_documentation, find_headers, find_stubs
from hatch_appimage.trim.settings import DOCS, HEADERS, STUBS, TESTS
from hatch_appimage.trim.stdlib import find_modules
from hatch_appimage.trim.test_directories import find_test_directories

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import SourceReader
    from hatch_appimage.trim.settings import TrimSettings

log = logging.getLogger(__name__)

#: What `exclude-files` leaves out stands by its name among the groups.
EXCLUDED = "exclude-files"
_FINDERS = {STUBS: find_stubs, HEADERS: find_headers, DOCS: find_documentation}


@dataclass(frozen=True)
class Saved:
    """What one group left out.

    Attributes:
        files: their number.
        size: in bytes.

    """

    files: int
    size: int


@dataclass(frozen=True)
class Trimmed:
    """What was left out.

    Attributes:
        groups: what each group saved, by its name; `EXCLUDED` where the project says itself what is to go.
        kept: why directories of tests stay, by their paths below the directory of packages; and parts of the standard
            library and installers, by the names of their modules or packages.
        modules: names of modules that are gone, each with the group that it belonged to; what is in a package that is
            gone does not stand here.
        packages: the normalized names of installed packages that are gone.

    """

    groups: Mapping[str, Saved]
    kept: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    packages: frozenset[str] = frozenset()

    def __or__(self, other: Trimmed) -> Trimmed:
        """Return what both left out."""
        return Trimmed(
            {**self.groups, **other.groups},
            {**self.kept, **other.kept},
            {**self.modules, **other.modules},
            self.packages | other.packages,
        )


def trim_packages(
    appdir: AppDir,
    python: BundledPython,
    project: str,
    reach: Reach,
    settings: TrimSettings,
    *,
    extra: Iterable[Path] = (),
    reader: SourceReader,
) -> Trimmed:
    """Leave out files of installed packages that their RECORD lists, and the directories that are empty then.

    The project may also name files of the standard library.

    Args:
        appdir: with everything installed.
        python: its Python.
        project: the project's name: of its own package only that goes which it names itself.
        reach: what the application imports.
        settings: what is to be left out.
        extra: files that the project put into the AppDir, which stay.
        reader: knows what sources name.

    """
    extra = frozenset(extra)
    installed = [file for file in installed_files(python) if file.path not in extra]
    files = [file for file in installed if not matches(file.place, settings.keep_files)]
    others = [file for file in files if file.owner != canonicalize_name(project)]
    sources = find_sources(appdir, python, {file.path: file.owner for file in installed})
    groups: dict[str, list[InstalledFile]] = {}
    kept: Mapping[PurePosixPath, str] = {}
    read = Reader(reader)
    if TESTS in settings.trim:
        tests = find_test_directories(others, sources, reach, read)
        groups[TESTS] = [file for directory in tests.unused for file in directory.files]
        kept, sources = tests.used, list(tests.sources)
    if not _FINDERS.keys().isdisjoint(settings.trim):
        owners = Owners(sources, read)
        groups |= {name: find(others, owners) for name, find in _FINDERS.items() if name in settings.trim}
    stdlib = stdlib_files(appdir, python) if globs_for_stdlib(settings.exclude_files) else []
    stdlib = [file for file in stdlib if file.path not in extra and not matches(file.place, settings.keep_files)]
    modules = find_modules(python) if stdlib else {}
    groups[EXCLUDED] = list(_excluded(files, stdlib, settings.exclude_files))
    saved, gone = remove_files({name: [file.path for file in some] for name, some in groups.items()})
    gone_files = {file.path: file for some in groups.values() for file in some}
    names = {**dict(_modules_of(gone, gone_files)), **_modules_of_stdlib(gone, modules)}
    return Trimmed(saved, {str(place): reason for place, reason in kept.items()}, names)


def stdlib_files(appdir: AppDir, python: BundledPython) -> list[InstalledFile]:
    """Return the files of the standard library, as files of a package that is installed elsewhere."""
    paths: set[Path] = set()
    for top in (python.stdlib, *python.extension_directories):
        for directory, directories, names in os.walk(top):
            directories[:] = [name for name in directories if Path(directory, name) not in python.site_packages]
            paths.update(Path(directory, name) for name in names)
    return [
        InstalledFile(python.stdlib.name, PurePosixPath(path.relative_to(appdir.usr)), importable=False, path=path)
        for path in sorted(paths)
        if path.is_file()
    ]


def matches(place: PurePosixPath, patterns: Collection[str]) -> bool:
    """Whether a file, or a directory that it is in, matches one of several globs."""
    if not patterns:
        return False
    ways = [str(each) for each in (place, *place.parents)]
    return any(fnmatchcase(way, pattern.rstrip("/")) for pattern in patterns for way in ways)


def globs_for_stdlib(patterns: Iterable[str]) -> list[str]:
    """Return the globs that name files of the standard library: "*.txt" is for those of packages only."""
    return [pattern for pattern in patterns if pattern.startswith("lib")]


def _excluded(
    files: Iterable[InstalledFile], stdlib: Iterable[InstalledFile], patterns: Iterable[str]
) -> Iterator[InstalledFile]:
    for pattern in patterns:
        found = [file for file in files if matches(file.place, [pattern])]
        found += [file for file in stdlib if matches(file.place, globs_for_stdlib([pattern]))]
        if not found:
            log.warning("`%s` matches no file of an installed package or the standard library: %s", EXCLUDED, pattern)
        yield from found


def remove_files(groups: Mapping[str, Iterable[Path]]) -> tuple[dict[str, Saved], dict[Path, str]]:
    """Remove the files of all groups; return what each saved, and what is gone with the group that it belonged to."""
    saved = {}
    gone: dict[Path, str] = {}
    for name, files in groups.items():
        found = dict.fromkeys(path for path in files if path not in gone)
        size = sum(path.stat().st_size for path in found)
        for path in found:
            path.unlink()
        gone |= dict.fromkeys(found, name)
        if found:
            saved[name] = Saved(len(found), size)
    for directory in {path.parent for path in gone}:
        _remove_empty(directory)
    return saved, gone


def _remove_empty(directory: Path) -> None:
    """Remove a directory, and those around it that have nothing else in them."""
    with suppress(OSError):
        while True:
            directory.rmdir()
            directory = directory.parent


def _modules_of(gone: Mapping[Path, str], files: Mapping[Path, InstalledFile]) -> Iterator[tuple[str, str]]:
    """Yield the outermost modules of packages that are gone, each with its group."""
    gone_packages: dict[Path, str] = {}
    for path, group in gone.items():
        file = files[path]
        *parts, name = str(file.place).split("/")
        stem = name.split(".")[0]
        if file.importable and (name.endswith(".py") or is_extension(name)):
            if path.parent not in gone_packages:
                gone_packages[path.parent] = _outermost_gone(path.parents[len(parts)], parts)
            if package := gone_packages[path.parent]:
                yield package, group
            elif stem != "__init__":
                yield ".".join((*parts, stem)), group


def _outermost_gone(site: Path, parts: Sequence[str]) -> str:
    """Return the name of the outermost package around a module that is gone as a whole; "" if all are there."""
    ways = (parts[:depth] for depth in range(1, len(parts) + 1))
    return next((".".join(way) for way in ways if not site.joinpath(*way).is_dir()), "")


def _modules_of_stdlib(gone: Mapping[Path, str], modules: Mapping[str, Path]) -> dict[str, str]:
    """Return the outermost modules of the standard library that are gone, each with its group."""
    groups = {name: gone[path] for name, path in modules.items() if path in gone}
    return {name: group for name, group in groups.items() if name.rpartition(".")[0] not in groups}
