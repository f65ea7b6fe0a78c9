# SPDX-License-Identifier: MIT
"""The SquashFS 4.0 format: its numbers and records, all of them little-endian.

The format has no official specification. Its sources are the kernel's driver (``fs/squashfs/squashfs_fs.h`` and
``Documentation/filesystems/squashfs.rst``) and the description by Zachary Dremann and David Oberhollenzer
(https://dr-emann.github.io/squashfs/), whose sections are named at the records.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import Final

from hatch_appimage.errors import AppImageError


class SquashFSError(AppImageError):
    """A tree cannot be packed, or an image cannot be read."""


# Section "The Superblock".
MAGIC: Final = 0x73717368
VERSION: Final = (4, 0)
MINIMUM_BLOCK_SIZE: Final = 1 << 12
MAXIMUM_BLOCK_SIZE: Final = 1 << 20
# Says of a table that the image has none.
NO_TABLE: Final = 0xFFFF_FFFF_FFFF_FFFF
# Readers map whole device blocks: the file is padded to a multiple of this, which ``bytes_used`` does not count.
PADDING: Final = 4096

# Superblock flags.
FLAG_DUPLICATES: Final = 0x0040
FLAG_NO_XATTRS: Final = 0x0200
FLAG_COMPRESSOR_OPTIONS: Final = 0x0400

# Section "Packing Metadata": metadata comes in blocks of this size, each behind a 16-bit header with the size on disk.
METADATA_SIZE: Final = 8192
METADATA_HEADER: Final = Struct("<H")
METADATA_UNCOMPRESSED: Final = 1 << 15

# Section "Storing Lookup Tables": where each metadata block of a table begins.
TABLE_LOCATION: Final = Struct("<Q")

# Section "Data and Fragment Blocks": sizes on disk, 0 for a hole.
BLOCK_UNCOMPRESSED: Final = 1 << 24

# Section "Fragment Table": start, size on disk, unused.
FRAGMENT: Final = Struct("<QII")
NO_FRAGMENT: Final = 0xFFFF_FFFF

# Section "ID Table".
ID: Final = Struct("<I")

NO_XATTR: Final = 0xFFFF_FFFF

# Section "Common Inode Header": type, permissions, owner, group, time, number.
INODE_HEADER: Final = Struct("<HHHHII")
# Section "Directory Inodes". Basic: metadata block, links, size, offset, parent. Extended: links, size, metadata block,
# parent, number of index entries, offset, extended attributes; the index follows.
BASIC_DIRECTORY: Final = Struct("<IIHHI")
EXTENDED_DIRECTORY: Final = Struct("<IIIIHHI")
# Section "Directory Index": offset in the listing, metadata block, length of the name less one; the name follows.
DIRECTORY_INDEX: Final = Struct("<III")
# Section "File Inodes". Basic: start, fragment, offset in the fragment, size. Extended: start, size, bytes in holes,
# links, fragment, offset in the fragment, extended attributes. The sizes of the blocks follow.
BASIC_FILE: Final = Struct("<IIII")
EXTENDED_FILE: Final = Struct("<QQQIIII")
BLOCK_SIZE_FIELD: Final = Struct("<I")
# Section "Symbolic Links": links, length of the target; the target follows.
SYMLINK: Final = Struct("<II")

# Section "Directory Table". Header: number of entries less one, metadata block of their inodes, inode number that
# theirs are relative to. Entry: offset of the inode in that block, its relative number, basic type, length of the name
# less one; the name follows.
DIRECTORY_HEADER: Final = Struct("<III")
DIRECTORY_ENTRY: Final = Struct("<HhHH")
MAXIMUM_RUN: Final = 256
# A directory's size counts three bytes more than its listing has: the kernel's places for "." and "..".
DIRECTORY_SIZE_EXTRA: Final = 3


class Compression(IntEnum):
    """A compressor, by its number in the superblock."""

    GZIP = 1
    LZMA = 2
    LZO = 3
    XZ = 4
    LZ4 = 5
    ZSTD = 6


class InodeType(IntEnum):
    """The type of an inode; directory entries only ever have the basic ones."""

    BASIC_DIRECTORY = 1
    BASIC_FILE = 2
    BASIC_SYMLINK = 3
    BASIC_BLOCK_DEVICE = 4
    BASIC_CHARACTER_DEVICE = 5
    BASIC_FIFO = 6
    BASIC_SOCKET = 7
    EXTENDED_DIRECTORY = 8
    EXTENDED_FILE = 9
    EXTENDED_SYMLINK = 10
    EXTENDED_BLOCK_DEVICE = 11
    EXTENDED_CHARACTER_DEVICE = 12
    EXTENDED_FIFO = 13
    EXTENDED_SOCKET = 14

    @property
    def basic(self) -> InodeType:
        """Return the basic type, which tells the kind of file."""
        return InodeType(self - 7) if self > InodeType.BASIC_SOCKET else self


# The type bits of ``st_mode`` for each basic type.
FILE_TYPE_BITS: Final[dict[int, int]] = {
    InodeType.BASIC_DIRECTORY: stat.S_IFDIR,
    InodeType.BASIC_FILE: stat.S_IFREG,
    InodeType.BASIC_SYMLINK: stat.S_IFLNK,
    InodeType.BASIC_BLOCK_DEVICE: stat.S_IFBLK,
    InodeType.BASIC_CHARACTER_DEVICE: stat.S_IFCHR,
    InodeType.BASIC_FIFO: stat.S_IFIFO,
    InodeType.BASIC_SOCKET: stat.S_IFSOCK,
}

_SUPERBLOCK = Struct("<IIIIIHHHHHHQQQQQQQQ")
SUPERBLOCK_SIZE: Final = _SUPERBLOCK.size


@dataclass(frozen=True)
class Superblock:
    """The first 96 bytes of an image (section "The Superblock").

    Attributes:
        inodes: how many there are.
        mtime: time of the image, in seconds since the epoch.
        block_size: of data blocks and fragments, in bytes.
        fragments: how many blocks hold the tails of files.
        compression: number of the compressor, see :class:`Compression`.
        flags: what was asked for when the image was written.
        ids: how many entries the ID table has.
        root: reference of the root directory's inode.
        bytes_used: size of the image without its padding.
        id_table: position of the ID table, in bytes from the start of the image like those below.
        xattr_table: position, or :data:`NO_TABLE`.
        inode_table: position.
        directory_table: position.
        fragment_table: position, or :data:`NO_TABLE`.
        export_table: position, or :data:`NO_TABLE`.

    """

    inodes: int
    mtime: int
    block_size: int
    fragments: int
    compression: int
    flags: int
    ids: int
    root: int
    bytes_used: int
    id_table: int
    xattr_table: int
    inode_table: int
    directory_table: int
    fragment_table: int
    export_table: int

    def pack(self) -> bytes:
        """Return the 96 bytes."""
        return _SUPERBLOCK.pack(
            MAGIC,
            self.inodes,
            self.mtime,
            self.block_size,
            self.fragments,
            self.compression,
            self.block_size.bit_length() - 1,
            self.flags,
            self.ids,
            *VERSION,
            self.root,
            self.bytes_used,
            self.id_table,
            self.xattr_table,
            self.inode_table,
            self.directory_table,
            self.fragment_table,
            self.export_table,
        )

    @classmethod
    def unpack(cls, data: bytes) -> Superblock:
        """Read the 96 bytes.

        Raises:
            SquashFSError: they are not of a SquashFS 4.0, or name no possible block size.

        """
        magic, inodes, mtime, block_size, fragments, compression, block_log, flags, ids, major, minor, *tables = (
            _SUPERBLOCK.unpack(data)
        )
        if magic != MAGIC:
            raise SquashFSError("There is no SquashFS image")
        if (major, minor) != VERSION:
            raise SquashFSError(f"The image is of SquashFS {major}.{minor}, and only 4.0 can be read")
        if not MINIMUM_BLOCK_SIZE <= block_size <= MAXIMUM_BLOCK_SIZE or block_size != 1 << min(block_log, 32):
            raise SquashFSError(f"The image is damaged: its blocks have {block_size} bytes, and 2^{block_log}")
        return cls(inodes, mtime, block_size, fragments, compression, flags, ids, *tables)
