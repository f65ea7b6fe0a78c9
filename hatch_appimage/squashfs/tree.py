# SPDX-License-Identifier: MIT
"""A tree that is to be packed: the names, modes, sizes and times in it, and where the data of its files is read.

It is read from a directory or from another image; trees can be laid over each other, and parts of them left out.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs.format import NO_FRAGMENT, SquashFSError
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
    from pathlib import Path

#: Files are read in pieces of this size, which every block size divides.
CHUNK_SIZE: Final = 1 << 20


@dataclass(slots=True)
class Content:
    """Where the data of one file, or of several equal ones, is in the image.

    Attributes:
        start: of the first block.
        blocks: their size fields, in order.
        hole_bytes: how many bytes lie in blocks that are all zeros.
        fragment: number of the fragment block that holds a small file.
        fragment_offset: where in it the file begins.

    """

    start: int = 0
    blocks: list[int] = field(default_factory=list)
    hole_bytes: int = 0
    fragment: int = NO_FRAGMENT
    fragment_offset: int = 0

    def add_block(self, start: int, size: int) -> None:
        """Note the next block."""
        if not self.blocks:
            self.start = start
        self.blocks.append(size)


@dataclass(slots=True)
class Node:
    """One name in the tree.

    Names of one file (hard links) are told by `identity`. Where it is None, every name has an inode of its own, and
    their one content is found as a duplicate.

    Attributes:
        path: from the root of the tree, without a leading slash; empty for the root.
        permissions: the lower twelve bits of ``st_mode``.
        mtime: in nanoseconds since the epoch.
        uid: the owner.
        gid: the group.
        identity: names of one file or symbolic link, and no others, have the same; None for a file of its own.
        number: of the inode, once it is known.
        block: metadata block of the inode, from the start of the inode table, once it is written.
        offset: of the inode in this block.

    """

    path: bytes
    permissions: int
    mtime: int
    uid: int = field(default=0, kw_only=True)
    gid: int = field(default=0, kw_only=True)
    identity: Hashable | None = field(default=None, kw_only=True)
    number: int = field(init=False)
    block: int = field(init=False)
    offset: int = field(init=False)

    @property
    def name(self) -> bytes:
        """Return the last part of the path."""
        return self.path.rpartition(b"/")[2]


@dataclass(slots=True)
class Directory(Node):
    """A directory with its entries, sorted by the bytes of their names as the format wants them."""

    children: list[Node] = field(default_factory=list)
    parent: Directory | None = None


@dataclass(slots=True)
class File(Node):
    """A regular file.

    Attributes:
        size: in bytes.
        read: yields its data from the start, in pieces of ``CHUNK_SIZE`` but for the last; raises SquashFSError or
            OSError where that is no longer what it was. An empty file is not read.
        content: where the data is in the image, once that is written.

    """

    size: int
    read: Callable[[], Generator[bytes]]
    content: Content = field(init=False)


@dataclass(slots=True)
class Symlink(Node):
    """A symbolic link."""

    target: bytes


def scan(root: Path, *, keep_links: bool = False) -> list[Directory]:
    """Read the tree.

    Args:
        root: its directory.
        keep_links: names of one file stay that. Installers link files to their cache or copy them as the machine
            allows, which must not change an image.

    Returns:
        Every directory in it: the root first, each before those in it, by the bytes of their paths' parts. Neither the
        order in which the tree was made nor the file system's own order shows.

    Raises:
        SquashFSError: something else than a directory, a regular file or a symbolic link is there, or a file vanished.
        OSError: the tree cannot be read.

    """
    top = os.fsencode(root)
    status = root.stat()
    directories = []
    waiting = [Directory(b"", stat.S_IMODE(status.st_mode), status.st_mtime_ns)]
    while waiting:
        directory = waiting.pop()
        directories.append(directory)
        try:
            directory.children.extend(_entries(top, directory, keep_links=keep_links))
        except FileNotFoundError as error:
            path = os.path.relpath(error.filename, top)
            raise SquashFSError(f"{printable(path)} vanished while it was being packed") from error
        waiting.extend(child for child in reversed(directory.children) if isinstance(child, Directory))
    return directories


def _entries(top: bytes, directory: Directory, *, keep_links: bool) -> Iterator[Node]:
    prefix = directory.path + b"/" if directory.path else b""
    with os.scandir(os.path.join(top, directory.path)) as found:  # noqa: PTH118 - paths are bytes
        entries = sorted(found, key=_name)
    for entry in entries:
        path = prefix + entry.name
        status = entry.stat(follow_symlinks=False)
        permissions, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns
        identity = (status.st_dev, status.st_ino) if keep_links and status.st_nlink > 1 else None
        if stat.S_ISREG(status.st_mode):
            read = partial(_read_file, top, path, status)
            yield File(path, permissions, mtime, status.st_size, read, identity=identity)
        elif stat.S_ISDIR(status.st_mode):
            yield Directory(path, permissions, mtime, parent=directory)
        elif stat.S_ISLNK(status.st_mode):
            target = os.readlink(entry.path)  # noqa: PTH115 - paths are bytes
            yield Symlink(path, permissions, mtime, target, identity=identity)
        else:
            raise SquashFSError(
                f"{printable(path)} cannot be packed: it is no regular file, directory or symbolic link"
            )


def _name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name


def assemble(root: Directory, nodes: Iterable[Node]) -> list[Directory]:
    """Put nodes into a tree by their paths.

    Args:
        root: its root, of which the permissions, the time and the owner count.
        nodes: all others, in any order, each path once. Directories lose the entries that they have.

    Returns:
        Every directory, as `scan` has it.

    Raises:
        SquashFSError: a node lies in what is no directory.

    """
    top = replace(root, path=b"", children=[], parent=None)
    directories = {b"": top}
    for node in sorted(nodes, key=lambda node: node.path.split(b"/")):
        parent = directories.get(node.path.rpartition(b"/")[0])
        if parent is None:
            raise SquashFSError(f"{printable(node.path)} cannot be packed: it lies in no directory")
        if isinstance(node, Directory):
            node = directories[node.path] = replace(node, children=[], parent=parent)  # noqa: PLW2901 - its copy
        parent.children.append(node)
    return list(directories.values())


def nodes_of(directories: Sequence[Directory]) -> Iterator[Node]:
    """Yield everything in a tree but its root."""
    for directory in directories:
        yield from directory.children


def lay_over(lower: Sequence[Directory], upper: Sequence[Directory]) -> list[Directory]:
    """Return a tree with all of two; what both have is the upper one's, but for directories, which are put together.

    Raises:
        SquashFSError: the upper one has a file where the lower one has a directory with files.

    """
    nodes = {node.path: node for node in nodes_of(lower)} | {node.path: node for node in nodes_of(upper)}
    return assemble(lower[0], nodes.values())


def move_below(directories: Sequence[Directory], prefix: str) -> list[Directory]:
    """Return a tree that has another one in a directory of its own.

    Args:
        directories: the other one.
        prefix: the path of its root in the new one.

    """
    root, parts = directories[0], os.fsencode(prefix).split(b"/")
    above = [replace(root, path=b"/".join(parts[:depth])) for depth in range(1, len(parts) + 1)]
    moved = [replace(node, path=above[-1].path + b"/" + node.path) for node in nodes_of(directories)]
    return assemble(root, [*above, *moved])


def _read_file(top: bytes, path: bytes, status: os.stat_result) -> Generator[bytes]:
    """Read a file of a directory, which is still to be what it was when the tree was read."""
    try:
        descriptor = os.open(top + b"/" + path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise SquashFSError(f"{printable(path)} vanished while it was being packed") from error
    try:
        for position in range(0, status.st_size, CHUNK_SIZE):
            yield _read_piece(path, descriptor, position, min(status.st_size - position, CHUNK_SIZE))
        now = os.fstat(descriptor)
        if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise _changed(path)
    finally:
        os.close(descriptor)


def _read_piece(path: bytes, descriptor: int, position: int, size: int) -> bytes:
    data = os.pread(descriptor, size, position)
    # Some file systems return less than was asked for.
    while len(data) < size:
        more = os.pread(descriptor, size - len(data), position + len(data))
        if not more:
            raise _changed(path)
        data += more
    return data


def _changed(path: bytes) -> SquashFSError:
    return SquashFSError(f"{printable(path)} changed while it was being packed")
