# SPDX-License-Identifier: MIT
"""Read the names, modes, sizes and times of a tree before anything of it is packed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_appimage.squashfs.format import NO_FRAGMENT, SquashFSError
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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

    Hard links are not kept: every name has an inode of its own, and their one content is found as a duplicate.
    Installers link files to their cache or copy them as the machine allows, which must not change the image.

    Attributes:
        path: from the root of the tree, without a leading slash; empty for the root.
        permissions: the lower twelve bits of ``st_mode``.
        mtime: in nanoseconds since the epoch.
        number: of the inode, once it is known.
        block: metadata block of the inode, from the start of the inode table, once it is written.
        offset: of the inode in this block.

    """

    path: bytes
    permissions: int
    mtime: int
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
    """A regular file: its size in bytes, and where its data is, once that is written."""

    size: int
    content: Content = field(init=False)


@dataclass(slots=True)
class Symlink(Node):
    """A symbolic link."""

    target: bytes


def scan(root: Path) -> list[Directory]:
    """Read the tree.

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
            directory.children.extend(_entries(top, directory))
        except FileNotFoundError as error:
            path = os.path.relpath(error.filename, top)
            raise SquashFSError(f"{printable(path)} vanished while it was being packed") from error
        waiting.extend(child for child in reversed(directory.children) if isinstance(child, Directory))
    return directories


def _entries(top: bytes, directory: Directory) -> Iterator[Node]:
    prefix = directory.path + b"/" if directory.path else b""
    with os.scandir(os.path.join(top, directory.path)) as found:  # noqa: PTH118 - paths are bytes
        entries = sorted(found, key=_name)
    for entry in entries:
        path = prefix + entry.name
        status = entry.stat(follow_symlinks=False)
        permissions, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns
        if stat.S_ISREG(status.st_mode):
            yield File(path, permissions, mtime, status.st_size)
        elif stat.S_ISDIR(status.st_mode):
            yield Directory(path, permissions, mtime, parent=directory)
        elif stat.S_ISLNK(status.st_mode):
            yield Symlink(path, permissions, mtime, os.readlink(entry.path))  # noqa: PTH115 - paths are bytes
        else:
            raise SquashFSError(
                f"{printable(path)} cannot be packed: it is no regular file, directory or symbolic link"
            )


def _name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name
