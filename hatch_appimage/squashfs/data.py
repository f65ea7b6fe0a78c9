# SPDX-License-Identifier: MIT
"""Pack the data of files: large ones in blocks, small ones together in fragments, equal ones once."""

from __future__ import annotations

import os
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs.format import SquashFSError
from hatch_appimage.squashfs.tree import Content
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_appimage.squashfs.blocks import BlockWriter
    from hatch_appimage.squashfs.tree import File

# Files are read in pieces of this size, which every block size divides.
_CHUNK_SIZE: Final = 1 << 20
# The last field of a fragment's record.
_UNUSED: Final = 0


class DataWriter:
    """Packs the data of files, one after the other.

    Files smaller than a block share fragment blocks. The short last block of a larger file stays with it, as mksquashfs
    has it too. To pack these into fragments as well would make no image of Python packages smaller by more than 0.05 %,
    and to read the end of a file one would have to decompress its neighbours.

    Attributes:
        fragments: the records of the fragment table, complete once the block writer is flushed.
        duplicates: how many files were found equal to an earlier one.

    """

    def __init__(self, top: bytes, files: Iterable[File], blocks: BlockWriter, block_size: int) -> None:
        self.fragments: list[tuple[int, int, int]] = []
        self.duplicates = 0
        self._top = top
        self._blocks = blocks
        self._block_size = block_size
        self._zeros = bytes(block_size)
        # Files whose size no other has are not worth a digest.
        self._sizes = Counter(file.size for file in files)
        self._known: dict[tuple[int, bytes], Content] = {}
        self._small: list[bytes] = []
        self._small_size = 0
        self._fragment = 0

    def add(self, file: File) -> None:
        """Pack one file; its content is complete once the block writer is flushed.

        Raises:
            SquashFSError: the file vanished or changed since the tree was read.
            OSError: it cannot be read, or the output took no more.

        """
        if not file.size:
            file.content = Content()
            return
        path = self._top + b"/" + file.path
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise SquashFSError(f"{printable(file.path)} vanished while it was being packed") from error
        try:
            file.content = self._add(file, descriptor)
        finally:
            os.close(descriptor)

    def close_fragment(self) -> None:
        """Write the small files collected so far, so that no later one comes among them."""
        if self._small:
            self._blocks.write(b"".join(self._small), self._add_fragment)
            self._small.clear()
            self._small_size = 0
            self._fragment += 1

    def _add(self, file: File, descriptor: int) -> Content:
        if self._sizes[file.size] == 1:
            return self._pack(file, _pieces(file, descriptor))
        pieces: Iterable[bytes]
        if file.size <= _CHUNK_SIZE:
            pieces = tuple(_pieces(file, descriptor))
            digest = _digest(pieces)
        else:
            digest = _digest(_pieces(file, descriptor))
            pieces = _pieces(file, descriptor)
        content = self._known.get((file.size, digest))
        if content:
            self.duplicates += 1
        else:
            content = self._known[file.size, digest] = self._pack(file, pieces)
        return content

    def _pack(self, file: File, pieces: Iterable[bytes]) -> Content:
        content = Content()
        if file.size < self._block_size:
            for piece in pieces:
                self._add_small(piece, content)
            return content
        for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(piece), self._block_size):
                block = view[start : start + self._block_size]
                if piece.startswith(self._zeros[: len(block)], start):
                    content.hole_bytes += len(block)
                    self._blocks.write_hole(content.add_block)
                else:
                    self._blocks.write(block, content.add_block)
        return content

    def _add_small(self, data: bytes, content: Content) -> None:
        if self._small_size + len(data) > self._block_size:
            self.close_fragment()
        content.fragment = self._fragment
        content.fragment_offset = self._small_size
        self._small.append(data)
        self._small_size += len(data)

    def _add_fragment(self, start: int, size: int) -> None:
        self.fragments.append((start, size, _UNUSED))


def _pieces(file: File, descriptor: int) -> Iterator[bytes]:
    """Read a file from its start."""
    for position in range(0, file.size, _CHUNK_SIZE):
        yield _read(file, descriptor, position, min(file.size - position, _CHUNK_SIZE))
    status = os.fstat(descriptor)
    if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime):
        raise _changed(file)


def _read(file: File, descriptor: int, position: int, size: int) -> bytes:
    data = os.pread(descriptor, size, position)
    # Some file systems return less than was asked for.
    while len(data) < size:
        more = os.pread(descriptor, size - len(data), position + len(data))
        if not more:
            raise _changed(file)
        data += more
    return data


def _changed(file: File) -> SquashFSError:
    return SquashFSError(f"{printable(file.path)} changed while it was being packed")


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
