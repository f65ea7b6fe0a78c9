# SPDX-License-Identifier: MIT
"""What every kind of archive is read as: one entry after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Kind(Enum):
    """What an entry is."""

    DIRECTORY = auto()
    FILE = auto()
    SYMBOLIC_LINK = auto()
    HARD_LINK = auto()
    OTHER = auto()


@dataclass(frozen=True)
class Entry:
    """An entry of an archive, as it is stored there: nothing of it is checked.

    Attributes:
        path: the name.
        kind: a device, a pipe or a socket is ``OTHER``.
        mode: permissions, as in ``st_mode``.
        mtime: in seconds since the epoch.
        size: of a file, in bytes.
        target: what a symbolic link says, or the name of the file that a hard link is another name for.
        read: returns a file's data in pieces; it works until the next entry is asked for.

    """

    path: bytes
    kind: Kind
    mode: int = 0
    mtime: float = 0
    size: int = 0
    target: bytes = b""
    read: Callable[[], Iterable[bytes]] = tuple
