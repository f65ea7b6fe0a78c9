# SPDX-License-Identifier: MIT
"""Read and decompress the blocks of an image: data, metadata, and records of lookup tables.

Everything is checked here that concerns where a block lies and how large it may become.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.compression import decompress
from hatch_appimage.squashfs.format import SquashFSError

if TYPE_CHECKING:
    from struct import Struct
    from typing import BinaryIO

# How much is kept decompressed: 1 MiB of metadata, and at most 8 MiB of fragments.
_METADATA_BLOCKS_KEPT: Final = 128
_FRAGMENTS_KEPT: Final = 8


class BlockReader:
    """Reads blocks of an image. Positions count from the start of the image, in bytes.

    Attributes:
        superblock: the image's own description.
        compression: its compressor.

    """

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self._offset = offset
        self._end = file.seek(0, os.SEEK_END) - offset
        self._metadata: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._fragments: OrderedDict[int, bytes] = OrderedDict()
        if self._end < fs.SUPERBLOCK_SIZE:
            raise SquashFSError("There is no SquashFS image")
        superblock = fs.Superblock.unpack(self._read(0, fs.SUPERBLOCK_SIZE))
        if superblock.bytes_used > self._end:
            raise SquashFSError(f"The image is cut off: {self._end} of its {superblock.bytes_used} bytes are there")
        self._end = superblock.bytes_used
        try:
            self.compression = fs.Compression(superblock.compression)
        except ValueError as error:
            raise SquashFSError(f"The image names an unknown compressor, number {superblock.compression}") from error
        if not fs.SUPERBLOCK_SIZE <= superblock.inode_table < superblock.directory_table <= self._end:
            raise damaged("its inode and directory tables have no place in it")
        self.superblock = superblock

    def metadata(self, position: int, end: int) -> tuple[bytes, int]:
        """Read a metadata block of a table that ends at a position; return it and the position of the next one."""
        known = self._metadata.get(position)
        if known is None:
            known = self._metadata[position] = self._read_metadata(position, end)
            if len(self._metadata) > _METADATA_BLOCKS_KEPT:
                self._metadata.popitem(last=False)
        return known

    def record(self, record: Struct, table: int, number: int) -> tuple[Any, ...]:
        """Read a record of a lookup table by its number, which the caller has checked against their count."""
        block, offset = divmod(number * record.size, fs.METADATA_SIZE)
        locations = self._read(table + block * fs.TABLE_LOCATION.size, fs.TABLE_LOCATION.size)
        (location,) = fs.TABLE_LOCATION.unpack(locations)
        data, _ = self.metadata(location, self._end)
        if offset + record.size > len(data):
            raise damaged("a table is shorter than the superblock says")
        return record.unpack_from(data, offset)

    def data(self, position: int, size_field: int, limit: int) -> bytes:
        """Read a data block that has at most ``limit`` bytes when decompressed."""
        size = size_field & ~fs.BLOCK_UNCOMPRESSED
        if size > self.superblock.block_size:
            raise damaged("a data block is larger than blocks are")
        data = self._read(position, size)
        if not size_field & fs.BLOCK_UNCOMPRESSED:
            return decompress(self.compression, data, limit)
        if size > limit:
            raise damaged("a data block is larger than its file")
        return data

    def fragment_position(self, number: int) -> int:
        """Return where a fragment block begins."""
        return self._fragment_record(number)[0]

    def _fragment_record(self, number: int) -> tuple[int, int]:
        """Return where a fragment block begins, and its size field."""
        if number >= self.superblock.fragments:
            raise damaged(f"it has no fragment {number}")
        position, size_field, _unused = self.record(fs.FRAGMENT, self.superblock.fragment_table, number)
        return position, size_field

    def fragment(self, number: int) -> bytes:
        """Read a fragment block."""
        known = self._fragments.get(number)
        if known is None:
            position, size_field = self._fragment_record(number)
            known = self._fragments[number] = self.data(position, size_field, self.superblock.block_size)
            if len(self._fragments) > _FRAGMENTS_KEPT:
                self._fragments.popitem(last=False)
        return known

    def _read_metadata(self, position: int, end: int) -> tuple[bytes, int]:
        start = position + fs.METADATA_HEADER.size
        if start > end:
            raise damaged("a table ends early")
        (header,) = fs.METADATA_HEADER.unpack(self._read(position, fs.METADATA_HEADER.size))
        size = header & ~fs.METADATA_UNCOMPRESSED
        if not 0 < size <= fs.METADATA_SIZE or start + size > end:
            raise damaged(f"a metadata block has {size} bytes")
        data = self._read(start, size)
        if not header & fs.METADATA_UNCOMPRESSED:
            data = decompress(self.compression, data, fs.METADATA_SIZE)
        return data, start + size

    def _read(self, position: int, size: int) -> bytes:
        if position + size > self._end:
            raise damaged(f"it has nothing at {position}")
        self._file.seek(self._offset + position)
        data = self._file.read(size)
        if len(data) != size:
            raise SquashFSError("The image became shorter while it was being read")
        return data


class MetadataCursor:
    """Reads records of the inode or directory table, one after the other.

    Nothing is read before the first record: a listing without entries may be said to begin behind the table's end.
    """

    def __init__(
        self, reader: BlockReader, position: int, offset: int, end: int, visited: set[int] | None = None
    ) -> None:
        """Stand before a record.

        Args:
            reader: of the image.
            position: of the record's metadata block.
            offset: of the record in that block.
            end: of the table.
            visited: is given the position of every block that is read.

        """
        self._reader = reader
        self._next = position
        self._end = end
        self._block = b""
        self._offset = 0
        # Where to begin in the first block.
        self._skip = offset
        self._visited = set() if visited is None else visited

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        data = self._block[self._offset : self._offset + size]
        self._offset += len(data)
        while len(data) < size:
            self._visited.add(self._next)
            self._block, self._next = self._reader.metadata(self._next, self._end)
            if self._skip > len(self._block):
                raise damaged("a record begins outside of its metadata block")
            more = self._block[self._skip : self._skip + size - len(data)]
            self._offset = self._skip + len(more)
            self._skip = 0
            data += more
        return data

    def unpack(self, record: Struct) -> tuple[Any, ...]:
        """Read a record."""
        return record.unpack(self.read(record.size))


def damaged(how: str) -> SquashFSError:
    """Return the error for an image that contradicts itself."""
    return SquashFSError(f"The image is damaged: {how}")
