# SPDX-License-Identifier: MIT
"""What stands in files that are no Python sources, and may be the names of modules, functions and files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hatch_appimage.results import digest_code

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.results import Results

_ELF: Final = b"\x7fELF"
# What is in every extension module, and in programs that have an interpreter in them.
_OF_PYTHON: Final = re.compile(rb"PyInit_|Py_Initialize|PyImport_")
# Machine code is full of shorter ones, and nothing that is looked for has so short a name.
_RUN: Final = re.compile(rb"[\w.]{3,}")
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
    found = _find(data) if len(data) < _FEW else results.compute([b"names", _code(), data], lambda: _find(data))
    return Names(frozenset(found.decode("ascii").split()), compiled=is_elf)


def _find(data: bytes) -> bytes:
    return b" ".join(sorted(set(_RUN.findall(data))))


def _code() -> bytes:
    return digest_code(__file__)
