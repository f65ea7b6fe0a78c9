# SPDX-License-Identifier: MIT
"""Pack the data of files: large ones in blocks, small ones together in fragments, equal ones once."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs.tree import CHUNK_SIZE, Content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_appimage.squashfs.blocks import BlockWriter
    from hatch_appimage.squashfs.tree import File

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

    def __init__(self, files: Iterable[File], blocks: BlockWriter, block_size: int) -> None:
        self.fragments: list[tuple[int, int, int]] = []
        self.duplicates = 0
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
            SquashFSError: the file is no longer what it was when the tree was read.
            OSError: it cannot be read, or the output took no more.

        """
        if not file.size:
            file.content = Content()
            return
        file.content = self._add(file)

    def close_fragment(self) -> None:
        """Write the small files collected so far, so that no later one comes among them."""
        if self._small:
            self._blocks.write(b"".join(self._small), self._add_fragment)
            self._small.clear()
            self._small_size = 0
            self._fragment += 1

    def _add(self, file: File) -> Content:
        if self._sizes[file.size] == 1:
            return self._pack(file, file.read())
        pieces: Iterable[bytes]
        if file.size <= CHUNK_SIZE:
            pieces = tuple(file.read())
            digest = _digest(pieces)
        else:
            digest = _digest(file.read())
            pieces = file.read()
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


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()
