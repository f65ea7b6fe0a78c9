# SPDX-License-Identifier: MIT
"""The packages installed in a bundled Python: their metadata, their files and their RECORD."""

from __future__ import annotations

import base64
import csv
import io
import os
from collections import defaultdict
from dataclasses import dataclass
from email.parser import HeaderParser, Parser
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import PathDistribution, distributions
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.metadata import Distribution

    from hatch_appimage.python import BundledPython

_RECORD = "RECORD"
_METADATA = (".dist-info", ".egg-info")
# More packages than images have, so that what is asked for in turn stays known.
_MANY = 500


def installed_distributions(python: BundledPython) -> list[PathDistribution]:
    """Return the metadata of everything that is installed."""
    found = distributions(path=[str(directory) for directory in python.site_packages])
    return [distribution for distribution in found if isinstance(distribution, PathDistribution)]


def name_of(distribution: Distribution) -> str:
    """Return a package's normalized name."""
    files = ("METADATA", "PKG-INFO", "")  # where `Distribution.metadata` looks
    text = next((text for file in files if (text := distribution.read_text(file))), "")
    return _name_in(text.partition("\n\n")[0])


@cache
def _name_in(headers: str) -> str:
    """Read a name, which is asked for far more often than there are packages."""
    return canonicalize_name(HeaderParser().parsestr(headers)["Name"])


@dataclass(frozen=True)
class InstalledWheel:
    """The wheel that a file came from.

    Attributes:
        name: of the distribution.
        version: of the distribution.
        tags: the platforms it was made for, such as ``manylinux_2_28_x86_64``.

    """

    name: str
    version: str
    tags: tuple[str, ...]


def wheels_by_file(python: BundledPython) -> dict[Path, InstalledWheel]:
    """Return which wheel installed each file of the AppDir."""
    wheels: dict[Path, InstalledWheel] = {}
    for distribution in installed_distributions(python):
        metadata = Parser().parsestr(distribution.read_text("WHEEL") or "")
        platforms = (tag.split("-")[-1].split(".") for tag in metadata.get_all("Tag", []))
        tags = tuple(dict.fromkeys(tag for platform in platforms for tag in platform))
        wheel = InstalledWheel(distribution.metadata["Name"], distribution.version, tags)
        wheels |= dict.fromkeys(paths_of(distribution), wheel)
    return wheels


def paths_of(distribution: Distribution) -> Sequence[Path]:
    """Return where all files of a distribution are or should be, without the ``..`` that lead to scripts."""
    return _paths_in(_record_of(distribution), str(distribution.locate_file("")))


def _record_of(distribution: Distribution) -> str:
    """Return a ``RECORD``, or what lists the files of a package that has none in its format."""
    if record := distribution.read_text(_RECORD):
        return record
    text = io.StringIO()
    csv.writer(text).writerows([file] for file in distribution.files or ())
    return text.getvalue()


# Steps ask for these far more often than there are packages.
@lru_cache(_MANY)
def _paths_in(record: str, base: str) -> Sequence[Path]:
    return tuple(_place(base, name) for name in _names_in(record))


def _place(base: str, name: str) -> Path:
    return Path(os.path.normpath(f"{base}/{name}"))


def _names_in(record: str) -> list[str]:
    """Return all that a ``RECORD`` lists; from Python 3.12 on, `Distribution.files` passes over what is not there."""
    return [name for name, *_ in csv.reader(record.splitlines())]


def names_of_contested(python: BundledPython) -> frozenset[str]:
    """Return the normalized names of packages of which a file is also another's, with another content."""
    owners: dict[Path, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for distribution in installed_distributions(python):
        base = str(distribution.locate_file(""))
        for name, digest, *_ in csv.reader((distribution.read_text(_RECORD) or "").splitlines()):
            owners[_place(base, name)][digest].append(name_of(distribution))
    contested = (by_digest for by_digest in owners.values() if len(by_digest) > 1)
    return frozenset(name for by_digest in contested for names in by_digest.values() for name in names)


def directories_of_modules(python: BundledPython) -> list[Path]:
    """Return where installed modules are found: the directories of packages, and those that ``.pth`` files name.

    https://docs.python.org/3/library/site.html
    """
    named = [
        (directory, directory / line.strip())
        for directory in python.site_packages
        for file in sorted(directory.glob("*.pth"))
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip() and not line.startswith(("#", "import ", "import\t"))
    ]
    return [
        *python.site_packages,
        *(path for directory, path in named if path.is_relative_to(directory) and path.is_dir()),
    ]


def is_metadata(file: PurePosixPath) -> bool:
    """Whether a file is one of an installed package's own metadata."""
    return len(file.parts) == 2 and file.parent.suffix == ".dist-info"  # noqa: PLR2004 - the directory and the file


@dataclass(frozen=True)
class InstalledFile:
    """A file of an installed package.

    Attributes:
        owner: the package's normalized name.
        place: below the directory of packages; or below Python's prefix, as programs and man pages are.
        importable: it is below the directory of packages.
        path: where it is.

    """

    owner: str
    place: PurePosixPath
    importable: bool
    path: Path


def installed_files(python: BundledPython) -> Iterator[InstalledFile]:
    """Yield the files that each installed package's RECORD lists and that are there, but for its metadata."""
    for distribution in installed_distributions(python):
        yield from (file for file in files_of(distribution, python) if file.path.is_file())


def files_of(distribution: PathDistribution, python: BundledPython) -> Sequence[InstalledFile]:
    """Return the files that an installed package's RECORD lists, be they there or not, but for its metadata."""
    base = str(distribution.locate_file(""))
    prefix = python.stdlib.parent.parent
    return _files_in(_record_of(distribution), base, name_of(distribution), python.site_packages, prefix)


@lru_cache(_MANY)
def _files_in(
    record: str, base: str, owner: str, site_packages: tuple[Path, ...], prefix: Path
) -> Sequence[InstalledFile]:
    tops = [(f"{top}/", top != prefix) for top in (*site_packages, prefix)]
    found = []
    for path in _paths_in(record, base):
        top, importable = next((each for each in tops if str(path).startswith(each[0])), ("", False))
        place = str(path)[len(top) :]
        if top and not place.partition("/")[0].endswith(_METADATA):
            found.append(InstalledFile(owner, PurePosixPath(place), importable, path))
    return tuple(found)


def _update_record(distribution: PathDistribution) -> None:
    """Make a distribution's ``RECORD`` true again after files were changed or removed.

    https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
    """
    files = list(map(PurePosixPath, _names_in(distribution.read_text(_RECORD) or "")))
    # Others may lie deeper, of packages that this one carries with it.
    record = next((file for file in files if file.name == _RECORD and is_metadata(file)), None)
    if record is None:
        return
    rows = []
    found = filter(None, map(_find_in_place, map(str, files), paths_of(distribution)))
    for name, path in sorted(found, key=lambda each: each[0]):
        if name == str(record):
            rows.append((name, "", ""))
        else:
            data = path.read_bytes()
            digest = base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
            rows.append((name, f"sha256={digest}", str(len(data))))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    Path(str(distribution.locate_file(record))).write_text(text.getvalue(), encoding="utf-8")


def _find_in_place(name: str, path: Path) -> tuple[str, Path] | None:
    """Return a file that is there, or the bytecode of a module whose source is gone; None if neither is there."""
    if path.is_file():
        return name, path
    if name.endswith(".py") and (bytecode := path.with_suffix(".pyc")).is_file():
        return f"{name}c", bytecode
    return None


@dataclass(frozen=True)
class Records:
    """How many ``RECORD`` files were made true."""

    count: int


def update_records(python: BundledPython) -> Records:
    """Make every installed distribution's ``RECORD`` true again."""
    found = installed_distributions(python)
    for distribution in found:
        _update_record(distribution)
    return Records(len(found))
