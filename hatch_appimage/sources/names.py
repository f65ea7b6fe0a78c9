# SPDX-License-Identifier: MIT
"""What stands in files that are no Python sources, and may be the names of modules, functions and files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from hatch_appimage.results import digest_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_appimage.results import Results

_ELF: Final = b"\x7fELF"
# What is in every extension module, and in programs that have an interpreter in them.
_OF_PYTHON: Final = re.compile(rb"PyInit_|Py_Initialize|PyImport_")
# Machine code is full of shorter ones, and nothing that is looked for has so short a name.
_RUN: Final = re.compile(rb"[^ ]{3,}")
# It takes a third less time to look for what is no space after this than for what is a letter or the like before it.
_SPACED: Final = bytes(code if re.match(rb"[\w.]", bytes([code])) else ord(" ") for code in range(256))
# A string in an ELF file, of which all that is passed to C's functions ends with a null byte.
_STRING: Final = re.compile(rb"\0([A-Za-z_][\w.]*)(?=\0)")
# To look into fewer bytes takes no longer than to ask whether an earlier build has.
_FEW: Final = 100_000


@dataclass(frozen=True)
class Names:
    """What may be names in a file.

    Attributes:
        runs: all that it has of three or more ASCII letters, digits, underscores and dots in a row; nothing of a
            library or program that has nothing to do with Python.
        compiled: it is a library or program that runs Python code.

    """

    runs: frozenset[str]
    compiled: bool

    @cached_property
    def dotted(self) -> frozenset[str]:
        """Those of the runs that have a dot."""
        return frozenset(run for run in self.runs if "." in run)


def read_names(path: Path, results: Results) -> Names:
    """Find what may be names in a file.

    Args:
        path: the file.
        results: where it is kept for later builds, by the file's content.

    Raises:
        OSError: it cannot be read.

    """
    data = path.read_bytes()
    is_elf = data.startswith(_ELF)
    if is_elf and not _OF_PYTHON.search(data):
        return Names(frozenset(), compiled=False)
    return Names(_compute("names", _find_runs, data, results), compiled=is_elf)


def read_strings(path: Path, results: Results) -> frozenset[str]:
    """Find the strings in a program or library that may be names.

    Args:
        path: the file.
        results: where they are kept for later builds, by the file's content.

    Raises:
        OSError: it cannot be read.

    """
    return _compute("strings", _STRING.findall, path.read_bytes(), results)


def _compute(what: str, find: Callable[[bytes], list[bytes]], data: bytes, results: Results) -> frozenset[str]:
    def pack() -> bytes:
        return b" ".join(sorted(set(find(data))))

    found = pack() if len(data) < _FEW else results.compute([what.encode(), _code(), data], pack)
    return frozenset(found.decode("ascii").split())


def _find_runs(data: bytes) -> list[bytes]:
    return _RUN.findall(data.translate(_SPACED))


def _code() -> bytes:
    return digest_code(__file__)
