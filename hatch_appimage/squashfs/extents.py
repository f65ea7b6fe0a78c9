# SPDX-License-Identifier: MIT
"""Where the blocks of an image lie: data, fragments and metadata, as they are stored."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.block_reader import BlockReader, damaged
from hatch_appimage.squashfs.inode import FileInode, read_inode
from hatch_appimage.squashfs.reader import SquashFSImage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


class Extent(NamedTuple):
    """A block as it is stored.

    Attributes:
        start: from the start of the image, in bytes.
        size: in bytes, with the header of a block of metadata.
        header: how many bytes of them are in front of the content.
        is_compressed: whether that is compressed.

    """

    start: int
    size: int
    header: int
    is_compressed: bool


def find_extents(file: BinaryIO, offset: int = 0) -> list[Extent]:
    """Return the blocks of an image in their order; each counts once, though several files have it.

    Args:
        file: a seekable file.
        offset: where in it the image begins, in bytes.

    Raises:
        SquashFSError: there is no image, or it is damaged.

    """
    blocks = BlockReader(file, offset)
    found = {*_data_blocks(file, offset, blocks), *_fragments(blocks)}
    if any(extent.start + extent.size > blocks.superblock.inode_table for extent in found):
        raise damaged("a data block lies among its tables")
    return sorted({*found, *_metadata(file, offset, blocks.superblock)})


def _data_blocks(file: BinaryIO, offset: int, blocks: BlockReader) -> Iterator[Extent]:
    for entry in SquashFSImage(file, offset):
        if not stat.S_ISREG(entry.mode):
            continue
        inode = read_inode(blocks, entry.reference)
        if not isinstance(inode, FileInode):
            raise damaged("a regular file has an inode of another kind")
        position, left = inode.start, inode.size
        while left >= blocks.superblock.block_size or (left and inode.fragment == fs.NO_FRAGMENT):
            (size_field,) = inode.blocks.unpack(fs.BLOCK_SIZE_FIELD)
            if size_field:
                extent = _extent(position, size_field)
                yield extent
                position += extent.size
            left -= min(left, blocks.superblock.block_size)


def _fragments(blocks: BlockReader) -> Iterator[Extent]:
    for number in range(blocks.superblock.fragments):
        position, size_field, _unused = blocks.record(fs.FRAGMENT, blocks.superblock.fragment_table, number)
        yield _extent(position, size_field)


def _extent(position: int, size_field: int) -> Extent:
    return Extent(position, size_field & ~fs.BLOCK_UNCOMPRESSED, 0, not size_field & fs.BLOCK_UNCOMPRESSED)


def _metadata(file: BinaryIO, offset: int, superblock: fs.Superblock) -> Iterator[Extent]:
    """Yield the blocks of the inode and directory tables; the small tables behind them are left out."""
    ends = [superblock.bytes_used]
    for table in (superblock.fragment_table, superblock.export_table, superblock.id_table):
        if table == superblock.fragment_table and not superblock.fragments:
            ends.append(table)
        elif table != fs.NO_TABLE:  # where its records begin stands first in its list
            ends += fs.TABLE_LOCATION.unpack(_read(file, offset + table, fs.TABLE_LOCATION.size))
    position, end = superblock.inode_table, min(ends)
    while position < end:
        (header,) = fs.METADATA_HEADER.unpack(_read(file, offset + position, fs.METADATA_HEADER.size))
        size = fs.METADATA_HEADER.size + (header & ~fs.METADATA_UNCOMPRESSED)
        yield Extent(position, size, fs.METADATA_HEADER.size, not header & fs.METADATA_UNCOMPRESSED)
        position += size
    if position != end:
        raise damaged("its tables do not follow one another")


def _read(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    data = file.read(size)
    if len(data) != size:
        raise damaged(f"it has nothing at {position}")
    return data
