# SPDX-License-Identifier: MIT
"""Reads what names anything in an image: each file once, and not at all where an earlier build has.

Python sources are read on all processors.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_appimage import syntax
from hatch_appimage.results import NO_RESULTS, digest_code
from hatch_appimage.shares import work_in_shares
from hatch_appimage.sources import actions, facts, mentions, namespaces, places, plots, statements, units, uses
from hatch_appimage.sources.facts import Text, find_all, pack, unpack
from hatch_appimage.sources.names import read_names, read_strings
from hatch_appimage.sources.worker import find_packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hatch_appimage.results import Results
    from hatch_appimage.sources.facts import Facts
    from hatch_appimage.sources.names import Names

_MODULES = (actions, facts, mentions, namespaces, places, plots, statements, syntax, units, uses)
_CODE = digest_code(*(str(module.__file__) for module in _MODULES))
#: What names of modules that are sources end with.
MODULE_SUFFIXES = (".py", ".pyw")
# What is looked at and kept together has at most so many bytes, unless it is one file.
_BATCH_SIZE = 500_000
# Starting processes takes longer than to look at so many bytes of sources.
_FEW = 200_000


class File(NamedTuple):
    """A Python source.

    Attributes:
        path: where it is.
        package: the absolute name of the package that it is in.
        stdlib: it is of the standard library.

    """

    path: Path
    package: str
    stdlib: bool = False


class SourceReader:
    """Knows what sources say of themselves, and what other files name, for the time of one build.

    Args:
        results: where it is kept for later builds, by the sources' content: some files of a package together.
        workers: how many processes look at sources; None for one on each processor.

    """

    def __init__(self, results: Results = NO_RESULTS, *, workers: int | None = None) -> None:
        self._results = results
        self._workers = workers or len(os.sched_getaffinity(0))
        self._facts: dict[File, Facts | None] = {}
        self._names: dict[Path, Names] = {}
        self._scripts: dict[Path, bool] = {}

    def may_read(self, path: Path) -> bool:
        """Whether a file may be a Python source: by its name, or as a script; no shell's script can be parsed as one.

        Raises:
            OSError: it cannot be read.

        """
        if str(path).endswith(MODULE_SUFFIXES):
            return True
        if path not in self._scripts:
            with path.open("rb", buffering=0) as file:
                self._scripts[path] = file.read(2) == b"#!"
        return self._scripts[path]

    def names(self, path: Path) -> Names:
        """Return what may be names in a file that is no source.

        Raises:
            OSError: it cannot be read.

        """
        if path not in self._names:
            self._names[path] = read_names(path, self._results)
        return self._names[path]

    def strings(self, path: Path) -> frozenset[str]:
        """Return the strings in a program or library that may be names.

        Raises:
            OSError: it cannot be read.

        """
        return read_strings(path, self._results)

    def facts(self, file: File) -> Facts | None:
        """Return what a source says of itself; None if it is no Python 3, or nested too deeply.

        Raises:
            OSError: it cannot be read.

        """
        if file not in self._facts:
            self.read([file])
        return self._facts[file]

    def has_read(self, file: File) -> bool:
        """Whether nothing has to be looked at for a source any more."""
        return file in self._facts

    def read(self, files: Iterable[File], at: Callable[[Path], Path] = Path) -> None:
        """Read sources that will be asked for.

        Args:
            files: the sources.
            at: returns where the content of each is now, by its path.

        Raises:
            OSError: one cannot be read.
            ProcessError: a process that looks at them failed.

        """
        new = [file for file in dict.fromkeys(files) if file not in self._facts]
        if not new:
            return
        batches = list(_divide(new, at))
        packed = self._results.compute_all(
            [batch.dependencies for batch in batches], lambda missing: self._find([batches[each] for each in missing])
        )
        for batch, found in zip(batches, packed, strict=True):
            self._facts |= zip(batch.files, unpack(found), strict=True)

    def _find(self, batches: Sequence[_Batch]) -> list[bytes]:
        few = not sys.executable or sum(batch.size for batch in batches) < _FEW
        workers = 1 if few else self._workers
        # A thread also where one does the work itself: what is nested too deeply does not depend on who asks then.
        look = _find_here if workers == 1 or len(batches) == 1 else _find_apart
        return work_in_shares(look, batches, lambda batch: batch.size, workers)


def _find_here(batches: Sequence[_Batch]) -> list[bytes]:
    return [pack(find_all(batch.texts)) for batch in batches]


def _find_apart(batches: Sequence[_Batch]) -> list[bytes]:
    return find_packed([batch.texts for batch in batches])


@dataclass(frozen=True)
class _Batch:
    """Sources that are looked at and kept together."""

    files: tuple[File, ...]
    texts: tuple[Text, ...]

    @property
    def size(self) -> int:
        return sum(len(text.data) for text in self.texts)

    @property
    def dependencies(self) -> list[bytes]:
        """What the facts depend on."""
        dependencies = [b"facts of sources", _CODE]
        for text in self.texts:
            dependencies += (text.package.encode("utf-8", "surrogateescape"), bytes([text.stdlib]), text.data)
        return dependencies


def _divide(files: Iterable[File], at: Callable[[Path], Path]) -> Iterator[_Batch]:
    """Yield batches of sources that are of one package at the top, or of the standard library."""
    for _, some in groupby(sorted(files, key=_top), lambda file: _top(file)[:2]):
        batch: list[tuple[File, Text]] = []
        size = 0
        for file in some:
            text = Text(at(file.path).read_bytes(), file.package, file.stdlib)
            if batch and size + len(text.data) > _BATCH_SIZE:
                yield _Batch(*zip(*batch, strict=True))
                batch, size = [], 0
            batch.append((file, text))
            size += len(text.data)
        yield _Batch(*zip(*batch, strict=True))


def _top(file: File) -> tuple[bool, str, Path]:
    return file.stdlib, "" if file.stdlib else file.package.split(".")[0], file.path
