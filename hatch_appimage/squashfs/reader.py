# SPDX-License-Identifier: MIT
"""Read a SquashFS 4.0 image that nobody vouches for."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.block_reader import BlockReader, MetadataCursor, damaged
from hatch_appimage.squashfs.format import SquashFSError
from hatch_appimage.squashfs.inode import DirectoryInode, FileInode, SymlinkInode, read_inode
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

# Linux opens no longer paths (PATH_MAX, which counts a NUL).
_PATH_LIMIT: Final = 4096
# The kernel's driver takes no longer names (SQUASHFS_NAME_LEN).
_NAME_LIMIT: Final = 256
_READ_LIMIT: Final = 64 << 20


@dataclass(frozen=True)
class Entry:
    """A file, directory, link or whatever else is in an image.

    Attributes:
        path: from the root of the image, without a leading slash; empty for the root. No part of it is ``..``.
        mode: type and permissions, as ``st_mode``.
        size: of a regular file in bytes, and 0 of everything else. A small image can hold very large files of zeros.
        mtime: in seconds since the epoch.
        uid: the owner.
        gid: the group.
        inode: number of the inode; names with the same number are hard links.
        target: where a symbolic link points, which may be anywhere; empty for everything else.
        reference: where the inode is in the image, as the format refers to it.

    """

    path: bytes
    mode: int
    size: int
    mtime: int
    uid: int
    gid: int
    inode: int
    target: bytes
    reference: int


class _Listed(NamedTuple):
    """What a directory says of one of its entries."""

    name: bytes
    type: int
    number: int
    reference: int


class SquashFSImage:
    """An image of SquashFS 4.0 with gzip, xz or zstd, somewhere in a file.

    Everything read from the image is checked before it is used, and never more than a few blocks are in memory. An
    image that is damaged, or made to harm, raises :class:`SquashFSError` from whichever method comes upon it.

    Attributes:
        superblock: the image's own description.
        compression: its compressor.
        root: its root directory.

    """

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        """Read the superblock and the root directory's inode.

        Args:
            file: a seekable file, which must stay open while the image is read.
            offset: where in it the image begins, in bytes.

        Raises:
            SquashFSError: there is no image, or none that can be read.

        """
        self._blocks = BlockReader(file, offset)
        self.superblock = self._blocks.superblock
        self.compression = self._blocks.compression
        self._ids = [
            self._blocks.record(fs.ID, self.superblock.id_table, number)[0] for number in range(self.superblock.ids)
        ]
        self.root = self._entry(b"", self.superblock.root)
        if not stat.S_ISDIR(self.root.mode):
            raise damaged("its root is no directory")

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over everything below the root: a directory comes right before what is in it."""
        blocks: set[int] = set()
        count = 0
        listings = [self._list(self.root, blocks)]
        # A directory inside of itself would never end, and one in two places could have two of another, and so on.
        seen = {self.root.inode}
        while listings:
            entry = next(listings[-1], None)
            if entry is None:
                listings.pop()
                continue
            # Many directories could have the same endless listing; but no entry is in two places of the table.
            count += 1
            if count * fs.DIRECTORY_ENTRY.size > len(blocks) * fs.METADATA_SIZE:
                raise damaged("its directories share their entries")
            yield entry
            if stat.S_ISDIR(entry.mode):
                if entry.inode in seen:
                    raise damaged(f"the directory {printable(entry.path)} is in it twice")
                seen.add(entry.inode)
                listings.append(self._list(entry, blocks))

    def list(self, directory: Entry) -> Iterator[Entry]:
        """Iterate over what is in a directory, by the bytes of the names."""
        return self._list(directory, set())

    def find(self, path: str) -> Entry | None:
        """Return what is at a path from the root, or None. Links are not followed."""
        entry = self.root
        for part in os.fsencode(path).split(b"/"):
            if not stat.S_ISDIR(entry.mode):
                return None
            found = next((listed for listed in self._listing(entry, set()) if listed.name == part), None)
            if found is None:
                return None
            entry = self._listed_entry(entry, found)
        return entry

    def place(self, file: Entry) -> tuple[int, int]:
        """Return where the data of a regular file begins.

        Returns:
            The position of its first block, or of the one that it shares with other small files, in bytes from the
            start of the image; and where in that it begins.

        """
        inode = read_inode(self._blocks, file.reference)
        if not isinstance(inode, FileInode):
            raise SquashFSError(f"{printable(file.path)} is no regular file")
        if inode.fragment == fs.NO_FRAGMENT or inode.size >= self.superblock.block_size:
            return inode.start, 0
        return self._blocks.fragment_position(inode.fragment), inode.fragment_offset

    def chunks(self, file: Entry) -> Iterator[bytes]:
        """Iterate over the data of a regular file, in pieces of at most a block.

        Nothing limits what they add up to but the size of the entry.
        """
        try:
            yield from self._chunks(file)
        except SquashFSError as error:
            raise SquashFSError(f"{printable(file.path)} cannot be read. {error}") from error

    def read(self, file: Entry, limit: int = _READ_LIMIT) -> bytes:
        """Return the data of a regular file.

        Raises:
            SquashFSError: it is larger than ``limit`` bytes, or cannot be read.

        """
        if file.size > limit:
            raise SquashFSError(f"{printable(file.path)} has {file.size} bytes, and at most {limit} are taken")
        return b"".join(self.chunks(file))

    def position(self, file: Entry) -> tuple[int, int, int]:
        """Return what orders regular files as their data lie in the image: whole blocks, then ends in fragments.

        Raises:
            SquashFSError: it is no regular file, or cannot be read.

        """
        inode = read_inode(self._blocks, file.reference)
        if not isinstance(inode, FileInode):
            raise SquashFSError(f"{printable(file.path)} is no regular file")
        return inode.start, inode.fragment, inode.fragment_offset

    def _chunks(self, file: Entry) -> Iterator[bytes]:
        inode = read_inode(self._blocks, file.reference)
        if not isinstance(inode, FileInode):
            raise SquashFSError("It is no regular file")
        block_size = self.superblock.block_size
        position = inode.start
        left = inode.size
        while left >= block_size or (left and inode.fragment == fs.NO_FRAGMENT):
            length = min(left, block_size)
            (size_field,) = inode.blocks.unpack(fs.BLOCK_SIZE_FIELD)
            if size_field:
                block = self._blocks.data(position, size_field, length)
                position += size_field & ~fs.BLOCK_UNCOMPRESSED
            else:
                block = bytes(length)
            if len(block) != length:
                raise damaged(f"a block has {len(block)} bytes in place of {length}")
            yield block
            left -= length
        if left:
            tail = self._blocks.fragment(inode.fragment)[inode.fragment_offset :][:left]
            if len(tail) != left:
                raise damaged("a fragment is shorter than what it is said to hold")
            yield tail

    def _list(self, directory: Entry, blocks: set[int]) -> Iterator[Entry]:
        """Iterate over what is in a directory, and note which metadata blocks that takes."""
        for listed in self._listing(directory, blocks):
            yield self._listed_entry(directory, listed)

    def _listing(self, directory: Entry, blocks: set[int]) -> Iterator[_Listed]:
        """Read a directory's listing: names in strictly rising order, none of which leads out of it."""
        inode = read_inode(self._blocks, directory.reference)
        if not isinstance(inode, DirectoryInode):
            raise SquashFSError(f"{printable(directory.path)} is no directory")
        table, end = self.superblock.directory_table, self.superblock.bytes_used
        listing = MetadataCursor(self._blocks, table + inode.block, inode.offset, end, blocks)
        left = inode.size - fs.DIRECTORY_SIZE_EXTRA
        last = b""
        while left > 0:
            count, block, first_number = listing.unpack(fs.DIRECTORY_HEADER)
            left -= fs.DIRECTORY_HEADER.size
            if count >= fs.MAXIMUM_RUN:
                raise damaged(f"{count + 1} entries share a header in the directory {printable(directory.path)!r}")
            for _ in range(count + 1):
                offset, number, inode_type, name_size = listing.unpack(fs.DIRECTORY_ENTRY)
                if name_size >= _NAME_LIMIT:
                    raise damaged(f"a name has {name_size + 1} bytes in the directory {printable(directory.path)!r}")
                name = listing.read(name_size + 1)
                left -= fs.DIRECTORY_ENTRY.size + len(name)
                if left < 0:
                    raise damaged(f"the directory {printable(directory.path)!r} is longer than its inode says")
                if name <= last or name in {b".", b".."} or b"/" in name or b"\0" in name:
                    raise damaged(
                        f"the directory {printable(directory.path)!r} has no place for a name {printable(name)!r}"
                    )
                last = name
                yield _Listed(name, inode_type, first_number + number, block << 16 | offset)

    def _listed_entry(self, directory: Entry, listed: _Listed) -> Entry:
        path = directory.path + b"/" + listed.name if directory.path else listed.name
        if len(path) >= _PATH_LIMIT:
            raise damaged(f"a path has {len(path)} bytes")
        entry = self._entry(path, listed.reference)
        if entry.inode != listed.number or stat.S_IFMT(entry.mode) != fs.FILE_TYPE_BITS.get(listed.type):
            raise damaged(f"{printable(path)} is another file than its directory says")
        return entry

    def _entry(self, path: bytes, reference: int) -> Entry:
        inode = read_inode(self._blocks, reference)
        if max(inode.owner, inode.group) >= len(self._ids):
            raise damaged("an inode has an owner that is not in the table")
        return Entry(
            path=path,
            mode=fs.FILE_TYPE_BITS[inode.type] | inode.permissions,
            size=inode.size if isinstance(inode, FileInode) else 0,
            mtime=inode.mtime,
            uid=self._ids[inode.owner],
            gid=self._ids[inode.group],
            inode=inode.number,
            target=inode.target if isinstance(inode, SymlinkInode) else b"",
            reference=reference,
        )
