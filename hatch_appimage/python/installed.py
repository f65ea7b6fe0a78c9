# SPDX-License-Identifier: MIT
"""The packages installed in a bundled Python: their metadata, their files and their RECORD."""

from __future__ import annotations

import base64
import csv
import io
import os
from dataclasses import dataclass
from email.parser import HeaderParser, Parser
from functools import cache
from hashlib import sha256
from importlib.metadata import PackagePath, PathDistribution, distributions
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

    from hatch_appimage.python import BundledPython


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
        wheels |= dict.fromkeys((path for _, path in places_of(distribution)), wheel)
    return wheels


def places_of(distribution: Distribution) -> Iterator[tuple[PackagePath, Path]]:
    """Yield all files of a distribution, each with where it is, without the ``..`` that lead to scripts."""
    # To ask each file where it is takes three times as long.
    base = str(distribution.locate_file(""))
    for file in distribution.files or ():
        yield file, Path(os.path.normpath(f"{base}/{file}"))


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


def is_metadata(file: PackagePath) -> bool:
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
    prefix = python.stdlib.parent.parent
    for distribution in installed_distributions(python):
        owner = name_of(distribution)
        for file, path in places_of(distribution):
            if _is_below_metadata(file) or not path.is_file():
                continue
            base = next((site for site in python.site_packages if path.is_relative_to(site)), prefix)
            if path.is_relative_to(base):
                yield InstalledFile(owner, PurePosixPath(path.relative_to(base)), base != prefix, path)


def _is_below_metadata(file: PackagePath) -> bool:
    return file.parts[0].endswith((".dist-info", ".egg-info"))


def _update_record(distribution: PathDistribution) -> None:
    """Make a distribution's ``RECORD`` true again after files were changed or removed.

    https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
    """
    # Others may lie deeper, of packages that this one carries with it.
    record = next((file for file in distribution.files or () if file.name == "RECORD" and is_metadata(file)), None)
    if record is None:
        return
    rows = []
    for file in sorted(map(_with_bytecode, _recorded_files(distribution)), key=str):
        path = Path(str(file.locate()))
        if file == record:
            rows.append((str(file), "", ""))
        elif path.is_file():
            data = path.read_bytes()
            digest = base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
            rows.append((str(file), f"sha256={digest}", str(len(data))))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    Path(str(record.locate())).write_text(text.getvalue(), encoding="utf-8")


def _recorded_files(distribution: PathDistribution) -> Iterator[PackagePath]:
    """Yield all that ``RECORD`` lists; from Python 3.12 on, `Distribution.files` passes over what is not there."""
    for name, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        file = PackagePath(name)
        file.dist, file.hash, file.size = distribution, None, None
        yield file


def _with_bytecode(file: PackagePath) -> PackagePath:
    """Return what is in the place of a file: for a source that is gone the bytecode of its module, if that is there."""
    if file.suffix != ".py" or Path(str(file.locate())).is_file():
        return file
    bytecode = file.with_suffix(".pyc")  # knows nothing of its distribution
    bytecode.dist, bytecode.hash, bytecode.size = file.dist, None, None
    return bytecode if Path(str(bytecode.locate())).is_file() else file


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
