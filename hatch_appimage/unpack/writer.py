# SPDX-License-Identifier: MIT
"""Write the entries of an archive that nobody vouches for into a directory, by rules of our own."""

from __future__ import annotations

import os
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from hatch_appimage.errors import AppImageError
from hatch_appimage.text import printable
from hatch_appimage.unpack.entry import Kind
from hatch_appimage.unpack.links import stays_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hatch_appimage.unpack.entry import Entry

# More than any Python has. What walks through a tree later takes a level of Python's stack for each of its own.
_MAX_DEPTH: Final = 100
_MAX_ENTRIES: Final = 200_000
# How much larger than the archive its files may be: xz makes a tenth of a Python, and a thousandth of zeros. Small
# archives may hold more than that.
_MAX_RATIO: Final = 100
_ALWAYS_ALLOWED: Final = 1 << 30
# What SquashFS can say, 32 bits.
_LATEST_TIME: Final = (1 << 32) - 1
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RefusedError(AppImageError):
    """An archive has an entry that is not unpacked; the message begins with the entry's name."""


class Writer:
    """Writes entries below a directory.

    Files are only ever written below directories that were made here, and symbolic links are made when everything else
    is there: so no entry can lead another one elsewhere.
    """

    def __init__(self, root: Path, archive_size: int, *, is_system: bool = False) -> None:
        """Begin.

        Args:
            root: an empty directory.
            archive_size: in bytes, which limits what may come out of it.
            is_system: it is the root of a system, where links are followed from: none leads out then, and `root` must
                not be followed links in. Devices are left out.

        """
        self._is_system = is_system
        self._root = root
        self._left = max(_MAX_RATIO * archive_size, _ALWAYS_ALLOWED)
        self._entries = 0
        self._directories = {b""}
        self._files: set[bytes] = set()
        self._links: dict[bytes, bytes] = {}

    def write(self, entries: Iterable[Entry]) -> None:
        """Write all entries.

        Raises:
            RefusedError: there is one that must not be written.
            OSError: one cannot be written.

        """
        for entry in entries:
            self._count()
            self._write(entry, _clean(entry.path))
        for path, target in () if self._is_system else self._links.items():
            if not stays_inside(path, self._links):
                raise RefusedError(f"{printable(path)} is a link out of it, to {printable(target)}")
        for path, target in self._links.items():
            self._place(path).symlink_to(os.fsdecode(target))

    def _count(self) -> None:
        """Count an entry, or a directory that an entry lies in."""
        self._entries += 1
        if self._entries > _MAX_ENTRIES:
            raise RefusedError(f"it has more than {_MAX_ENTRIES} files and directories")

    def _write(self, entry: Entry, path: bytes) -> None:
        if entry.kind is Kind.OTHER and self._is_system:
            return
        if entry.kind is Kind.DIRECTORY:
            self._make_directory(path)
            return
        if any(path in known for known in (self._directories, self._files, self._links)):
            raise RefusedError(f"{_name(path)} is in it twice")
        self._make_directory(path.rpartition(b"/")[0])
        if entry.kind is Kind.FILE:
            self._write_file(entry, path)
        elif entry.kind is Kind.SYMBOLIC_LINK:
            self._note_link(entry, path)
        elif entry.kind is Kind.HARD_LINK:
            self._link(entry, path)
        else:
            raise RefusedError(f"{printable(path)} is no file, directory or link")

    def _make_directory(self, path: bytes) -> None:
        """Make a directory and those that it is in, as far as they are not there."""
        if path in self._directories:
            return
        for directory in accumulate(path.split(b"/"), lambda parent, name: parent + b"/" + name):
            if directory in self._directories:
                continue
            if directory in self._files or directory in self._links:
                raise RefusedError(f"{printable(directory)} is in it as a directory and as something else")
            self._count()
            self._place(directory).mkdir(0o755)
            self._directories.add(directory)

    def _write_file(self, entry: Entry, path: bytes) -> None:
        with os.fdopen(os.open(self._place(path), _NEW_FILE, 0o600), "wb") as file:
            for piece in self._limited(entry, path):
                file.write(piece)
            file.flush()
            os.fchmod(file.fileno(), 0o755 if entry.mode & 0o100 else 0o644)
            os.utime(file.fileno(), (_time(entry.mtime),) * 2)
        self._files.add(path)

    def _limited(self, entry: Entry, path: bytes) -> Iterator[bytes]:
        """Yield the data of a file, which may be more or less than the archive says, up to what is allowed."""
        if entry.size <= self._left:
            for piece in entry.read():
                self._left -= len(piece)
                if self._left < 0:
                    break
                yield piece
            else:
                return
        raise RefusedError(f"with {printable(path)} its files are more than {_MAX_RATIO} times as large as it is")

    def _note_link(self, entry: Entry, path: bytes) -> None:
        if not entry.target or b"\0" in entry.target:
            raise RefusedError(f"{printable(path)} is a link to a name that no file can have")
        self._links[path] = entry.target

    def _link(self, entry: Entry, path: bytes) -> None:
        target = _clean(entry.target)
        if target in self._links and target.rpartition(b"/")[0] == path.rpartition(b"/")[0]:
            self._links[path] = self._links[target]  # as GNU tar writes it
            return
        if target not in self._files:
            raise RefusedError(f"{printable(path)} is another name of {printable(target)}, which is no file before it")
        os.link(self._place(target), self._place(path), follow_symlinks=False)
        self._files.add(path)

    def _place(self, path: bytes) -> Path:
        return self._root / os.fsdecode(path)


def _clean(path: bytes) -> bytes:
    """Return a name without what says nothing: slashes at its ends, doubled ones and ``.``."""
    parts = [part for part in path.split(b"/") if part not in {b"", b"."}]
    if b".." in parts:
        raise RefusedError(f"{printable(path)} leads out of the directory that it is in")
    if b"\0" in path:
        raise RefusedError(f"{printable(path)} is a name that no file can have")
    if len(parts) > _MAX_DEPTH:
        raise RefusedError(f"{printable(path[:_MAX_DEPTH])}... lies more than {_MAX_DEPTH} directories deep")
    return b"/".join(parts)


def _name(path: bytes) -> str:
    return printable(path) or "its root"


def _time(mtime: float) -> float:
    """Return a time that every file system and image can hold; what is no number becomes 0."""
    return min(max(mtime, 0), _LATEST_TIME) if mtime == mtime else 0  # noqa: PLR0124 - NaN alone differs from itself
