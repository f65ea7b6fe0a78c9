# SPDX-License-Identifier: MIT
"""What glibc's loader says of the libraries that it loads, without which nobody knows who opens a library by its name.

The format is that of ``LD_DEBUG=files`` (ld.so(8), ``elf/dl-load.c`` and ``elf/dl-init.c``): each process appends to a
file of its own, and programs that take its place go on with it. musl's loader says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A library is looked for, by a name or a path, for another one or a program.
_WANTED = re.compile(r"file=(.+) \[\d+\];  (needed|dynamically loaded) by (.+) \[\d+\]")
# It is there, and about to be used.
_LOADED = re.compile(r"calling init: (.+)")
_PREFIX = re.compile(r"\s*\d+:\t")


@dataclass(frozen=True)
class Load:
    """A library that was loaded.

    Attributes:
        name: what it was asked for by: a name, or a path.
        path: of the file, as the loader found it.
        loader: the path of the library or program that it was loaded for; of a program, the name that it was started
            by.
        needed: it had to be there for that file; otherwise that file has opened it.
        process: a number for the process that loaded it.

    """

    name: str
    path: str
    loader: str
    needed: bool
    process: int = 0


def loader_variables(directory: Path) -> dict[str, str]:
    """Return the variables that have glibc's loader write into a directory, for the process and all below it."""
    return {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(directory / "loads")}


def read_loads(directory: Path) -> tuple[Load, ...]:
    """Return what processes with these variables have loaded, by their numbers."""
    logs = sorted(directory.glob("loads.*"), key=lambda path: (len(path.name), path.name))
    texts = (log.read_text(encoding="utf-8", errors="surrogateescape") for log in logs)
    return tuple(load for number, text in enumerate(texts) for load in _read(text, number))


def _read(text: str, process: int) -> Iterator[Load]:
    """Yield the loads of one process; libraries are looked for before they are there, and some are nowhere."""
    wanted: dict[str, tuple[str, str, bool]] = {}
    for line in text.splitlines():
        said = _PREFIX.sub("", line, count=1)
        if match := _WANTED.fullmatch(said):
            name, how, loader = match.groups()
            wanted[name.rpartition("/")[2]] = (name, loader, how == "needed")
        elif match := _LOADED.fullmatch(said):
            path = match[1]
            found = wanted.pop(path.rpartition("/")[2], None)
            if found:
                yield Load(found[0], path, *found[1:], process)
