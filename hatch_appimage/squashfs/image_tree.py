# SPDX-License-Identifier: MIT
"""The tree in an image, to be packed anew: nothing is unpacked to disk, so owners, modes, times and links stay."""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

from hatch_appimage.squashfs.format import SquashFSError
from hatch_appimage.squashfs.tree import CHUNK_SIZE, Directory, File, Symlink, assemble
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Generator

    from hatch_appimage.squashfs.reader import Entry, SquashFSImage
    from hatch_appimage.squashfs.tree import Node
    from hatch_appimage.squashfs.writer import Span


def read_tree(image: SquashFSImage) -> list[Directory]:
    """Return the tree of an image, as `scan` returns that of a directory.

    Args:
        image: whose file must stay open while the tree is packed.

    Raises:
        SquashFSError: it is damaged, or has a device, a pipe or a socket in it.

    """
    root = image.root
    return assemble(
        Directory(b"", stat.S_IMODE(root.mode), _nanoseconds(root), uid=root.uid, gid=root.gid),
        (_node(image, entry) for entry in image),
    )


def files_within(image: SquashFSImage, span: Span) -> list[str]:
    """Return the paths of the files whose data begins in a part of an image, in the order of their data.

    Args:
        image: the image.
        span: the part.

    Raises:
        SquashFSError: it is damaged.

    """
    if span.start == span.end:
        return []
    files = ((image.place(entry), entry.path) for entry in image if stat.S_ISREG(entry.mode) and entry.size)
    return [os.fsdecode(path) for place, path in sorted(files) if span.start <= place[0] < span.end]


def _node(image: SquashFSImage, entry: Entry) -> Node:
    permissions, mtime, uid, gid = stat.S_IMODE(entry.mode), _nanoseconds(entry), entry.uid, entry.gid
    inode = entry.reference  # a damaged image may have several inodes of one number
    if stat.S_ISREG(entry.mode):
        read = partial(_read_file, image, entry)
        return File(entry.path, permissions, mtime, entry.size, read, uid=uid, gid=gid, identity=inode)
    if stat.S_ISDIR(entry.mode):
        return Directory(entry.path, permissions, mtime, uid=uid, gid=gid)
    if stat.S_ISLNK(entry.mode):
        return Symlink(entry.path, permissions, mtime, entry.target, uid=uid, gid=gid, identity=inode)
    raise SquashFSError(f"{printable(entry.path)} cannot be packed: it is no regular file, directory or symbolic link")


def _nanoseconds(entry: Entry) -> int:
    return entry.mtime * 10**9


def _read_file(image: SquashFSImage, entry: Entry) -> Generator[bytes]:
    """Read a file of an image, whose blocks may be smaller than what is written at once."""
    piece = bytearray()
    for chunk in image.chunks(entry):
        piece += chunk
        if len(piece) == CHUNK_SIZE:  # the size of every block divides it
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
