# SPDX-License-Identifier: MIT
"""Read one inode.

Section "Inode Table" of the format. Extended attributes are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.block_reader import MetadataCursor, damaged
from hatch_appimage.squashfs.format import InodeType

if TYPE_CHECKING:
    from hatch_appimage.squashfs.block_reader import BlockReader

# Linux follows no longer links (PATH_MAX).
_TARGET_LIMIT: Final = 4096
_PERMISSIONS: Final = 0o7777


@dataclass(frozen=True)
class Inode:
    """What every inode has.

    Attributes:
        type: its basic type.
        permissions: the lower twelve bits of ``st_mode``.
        owner: number of the user in the ID table.
        group: number of the group in the ID table.
        mtime: in seconds since the epoch.
        number: from 1 to the superblock's count.

    """

    type: InodeType
    permissions: int
    owner: int
    group: int
    mtime: int
    number: int


@dataclass(frozen=True)
class DirectoryInode(Inode):
    """A directory: the place of its listing in the directory table, and the listing's size plus three, in bytes."""

    block: int
    offset: int
    size: int


@dataclass(frozen=True)
class FileInode(Inode):
    """A regular file.

    Attributes:
        size: in bytes.
        start: of the first block, from the start of the image.
        fragment: number of the fragment block with the end of the file, or ``NO_FRAGMENT``.
        fragment_offset: where in it this end begins.
        blocks: stands before the size fields of the blocks.

    """

    size: int
    start: int
    fragment: int
    fragment_offset: int
    blocks: MetadataCursor


@dataclass(frozen=True)
class SymlinkInode(Inode):
    """A symbolic link."""

    target: bytes


def read_inode(blocks: BlockReader, reference: int) -> Inode:
    """Read the inode at a reference: the position of its metadata block in the table, and 16 bits of offset in that.

    Raises:
        SquashFSError: there is no valid inode.

    """
    superblock = blocks.superblock
    cursor = MetadataCursor(
        blocks, superblock.inode_table + (reference >> 16), reference & 0xFFFF, superblock.directory_table
    )
    type_number, permissions, owner, group, mtime, number = cursor.unpack(fs.INODE_HEADER)
    try:
        inode_type = InodeType(type_number)
    except ValueError as error:
        raise damaged(f"an inode has type {type_number}") from error
    if not 1 <= number <= superblock.inodes:
        raise damaged(f"an inode has number {number} of {superblock.inodes}")
    common = (inode_type.basic, permissions & _PERMISSIONS, owner, group, mtime, number)
    if inode_type is InodeType.BASIC_DIRECTORY:
        block, _links, size, offset, _parent = cursor.unpack(fs.BASIC_DIRECTORY)
        return DirectoryInode(*common, block=block, offset=offset, size=size)
    if inode_type is InodeType.EXTENDED_DIRECTORY:
        _links, size, block, _parent, _index, offset, _xattr = cursor.unpack(fs.EXTENDED_DIRECTORY)
        return DirectoryInode(*common, block=block, offset=offset, size=size)
    if inode_type is InodeType.BASIC_FILE:
        start, fragment, offset, size = cursor.unpack(fs.BASIC_FILE)
        return FileInode(*common, size=size, start=start, fragment=fragment, fragment_offset=offset, blocks=cursor)
    if inode_type is InodeType.EXTENDED_FILE:
        start, size, _holes, _links, fragment, offset, _xattr = cursor.unpack(fs.EXTENDED_FILE)
        return FileInode(*common, size=size, start=start, fragment=fragment, fragment_offset=offset, blocks=cursor)
    if inode_type.basic is InodeType.BASIC_SYMLINK:
        _links, size = cursor.unpack(fs.SYMLINK)
        if not 0 < size < _TARGET_LIMIT:
            raise damaged(f"a symbolic link points to {size} bytes")
        return SymlinkInode(*common, target=cursor.read(size))
    return Inode(*common)
