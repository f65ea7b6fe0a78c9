# SPDX-License-Identifier: MIT
"""Write the inode table and the directory table of a tree.

Sections "Inode Table" and "Directory Table" of the format.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.format import InodeType
from hatch_appimage.squashfs.metadata import MetadataWriter
from hatch_appimage.squashfs.tree import Directory, File, Symlink

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from hatch_appimage.squashfs.tree import Node

_U32_MAX: Final = (1 << 32) - 1
# What an entry can have as the difference of its inode number to that of its header.
_NUMBERS: Final = range(-(1 << 15), 1 << 15)


@dataclass(frozen=True)
class TreeTables:
    """The metadata of a tree as it stands in the image.

    Attributes:
        inodes: how many there are.
        root: reference of the root directory's inode.
        inode_table: its metadata blocks.
        directory_table: its metadata blocks.

    """

    inodes: int
    root: int
    inode_table: bytes
    directory_table: bytes


def write_tree(
    directories: Sequence[Directory],
    owners: Sequence[int],
    mtime: Callable[[Node], int],
    compress: Callable[[bytes], bytes],
) -> TreeTables:
    """Write the inodes and listings of a tree whose data is packed.

    A listing points at the inodes of its entries, so the deepest directories come first. The inodes of all entries of a
    directory stand side by side: looking them up touches few metadata blocks, and the listing needs few headers. An
    inode with several names stands where the first of them is.

    Args:
        directories: all of them, each before those in it, as ``scan`` returns them.
        owners: what the ID table has: all users and groups that own anything.
        mtime: the time of an inode, in seconds since the epoch.
        compress: compresses one metadata block.

    """
    writer = _TreeWriter(directories, owners, mtime, compress)
    for directory in reversed(directories):
        for child in directory.children:
            writer.write_inode(child)
        writer.write_listing(directory)
    root = directories[0]
    writer.write_inode(root)
    return TreeTables(
        inodes=root.number,
        root=root.block << 16 | root.offset,
        inode_table=bytes(writer.inodes.close()),
        directory_table=bytes(writer.listings.close()),
    )


class _TreeWriter:
    def __init__(
        self,
        directories: Sequence[Directory],
        owners: Sequence[int],
        mtime: Callable[[Node], int],
        compress: Callable[[bytes], bytes],
    ) -> None:
        self.inodes = MetadataWriter(compress)
        self.listings = MetadataWriter(compress)
        self._mtime = mtime
        self._owners = {owner: number for number, owner in enumerate(owners)}
        # What follows the common header of the directories whose listings are written, by their inode numbers.
        self._written: dict[int, tuple[InodeType, bytes]] = {}
        self._links: Counter[Hashable] = Counter()
        self._first_names: dict[Hashable, Node] = {}
        # A directory's inode has its parent's number, so all numbers are given before any is written.
        numbers = count(1)
        for directory in reversed(directories):
            for child in directory.children:
                self._links[_identity(child)] += 1
                first = self._first_names.setdefault(_identity(child), child)
                child.number = next(numbers) if first is child else first.number
        directories[0].number = next(numbers)

    def write_inode(self, node: Node) -> None:
        """Write the inode of a name, unless an earlier name of the same file has it."""
        first = self._first_names.get(_identity(node), node)
        if first is not node:
            node.block, node.offset = first.block, first.offset
            return
        links = self._links[_identity(node)]
        if isinstance(node, File):
            inode_type, body = _file(node, links)
        elif isinstance(node, Symlink):
            inode_type, body = InodeType.BASIC_SYMLINK, fs.SYMLINK.pack(links, len(node.target)) + node.target
        else:
            inode_type, body = self._written.pop(node.number)
        node.block, node.offset = self.inodes.position
        uid, gid = self._owners[node.uid], self._owners[node.gid]
        header = fs.INODE_HEADER.pack(inode_type, node.permissions, uid, gid, self._mtime(node), node.number)
        self.inodes.write(header + body)

    def write_listing(self, directory: Directory) -> None:
        start, offset = self.listings.position
        size, index = self._write_runs(directory)
        size += fs.DIRECTORY_SIZE_EXTRA
        links = 2 + sum(isinstance(child, Directory) for child in directory.children)
        # The root's parent is a number that no inode has.
        parent = directory.parent.number if directory.parent else directory.number + 1
        if index:
            fields = (links, size, start, parent, len(index), offset, fs.NO_XATTR)
            body = fs.EXTENDED_DIRECTORY.pack(*fields) + b"".join(index)
            self._written[directory.number] = InodeType.EXTENDED_DIRECTORY, body
        else:
            body = fs.BASIC_DIRECTORY.pack(start, links, size, offset, parent)
            self._written[directory.number] = InodeType.BASIC_DIRECTORY, body

    def _write_runs(self, directory: Directory) -> tuple[int, list[bytes]]:
        """Write a listing; return its size and its index: one entry for each metadata block in which a run begins."""
        size = 0
        index = []
        indexed = self.listings.position[0]
        for run in _runs(directory.children, self.listings.position[1]):
            start = self.listings.position[0]
            first = run[0]
            if start != indexed:
                indexed = start
                index.append(fs.DIRECTORY_INDEX.pack(size, start, len(first.name) - 1) + first.name)
            listing = bytearray(fs.DIRECTORY_HEADER.pack(len(run) - 1, first.block, first.number))
            for child in run:
                name = child.name
                listing += fs.DIRECTORY_ENTRY.pack(
                    child.offset, child.number - first.number, _basic_type(child), len(name) - 1
                )
                listing += name
            self.listings.write(listing)
            size += len(listing)
        return size, index


def _runs(children: Sequence[Node], offset: int) -> Iterator[list[Node]]:
    """Part a listing into runs of entries that share a header.

    Args:
        children: the entries.
        offset: where in its metadata block the listing begins.

    """
    run: list[Node] = []
    for child in children:
        # A run ends with the metadata block too, so that the index can point into every one.
        if run and (not _share_header(run[0], child) or len(run) == fs.MAXIMUM_RUN or offset >= fs.METADATA_SIZE):
            yield run
            run = []
            offset %= fs.METADATA_SIZE
        if not run:
            offset += fs.DIRECTORY_HEADER.size
        run.append(child)
        offset += fs.DIRECTORY_ENTRY.size + len(child.name)
    if run:
        yield run


def _share_header(first: Node, node: Node) -> bool:
    return node.block == first.block and node.number - first.number in _NUMBERS


def _identity(node: Node) -> Hashable:
    return id(node) if node.identity is None else (node.identity,)


def _basic_type(node: Node) -> InodeType:
    if isinstance(node, File):
        return InodeType.BASIC_FILE
    return InodeType.BASIC_SYMLINK if isinstance(node, Symlink) else InodeType.BASIC_DIRECTORY


def _file(file: File, links: int) -> tuple[InodeType, bytes]:
    content = file.content
    blocks = struct.pack(f"<{len(content.blocks)}I", *content.blocks)
    if links > 1 or content.hole_bytes or content.start > _U32_MAX or file.size > _U32_MAX:
        # The kernel computes st_blocks from the difference, which must not be zero for a file that has a size.
        holes = min(content.hole_bytes, max(file.size - 1, 0))
        body = fs.EXTENDED_FILE.pack(
            content.start, file.size, holes, links, content.fragment, content.fragment_offset, fs.NO_XATTR
        )
        return InodeType.EXTENDED_FILE, body + blocks
    body = fs.BASIC_FILE.pack(content.start, content.fragment, content.fragment_offset, file.size)
    return InodeType.BASIC_FILE, body + blocks
