# SPDX-License-Identifier: MIT
"""Look into a tree that is to be packed, wherever it is read from."""

from __future__ import annotations

import os
import posixpath
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs.tree import Directory, File, Symlink, assemble, nodes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_appimage.squashfs.tree import Node

# Linux follows as many links (path_resolution(7)).
_MAX_LINKS: Final = 40


class Contents:
    """The tree of an AppDir.

    Attributes:
        directories: as `scan` returns them.

    """

    def __init__(self, directories: Sequence[Directory]) -> None:
        self.directories = directories
        self._nodes = {node.path: node for node in nodes_of(directories)}

    def __iter__(self) -> Iterator[Node]:
        """Iterate over all but the root, each directory before what is in it."""
        return iter(self._nodes.values())

    def names(self) -> list[str]:
        """Return the names of what is in the root."""
        return [os.fsdecode(node.name) for node in self.directories[0].children]

    def get(self, path: str) -> Node | None:
        """Return what is at a path from the root, which may be a link, or None."""
        return self._nodes.get(os.fsencode(path))

    def resolve(self, path: str) -> Node | None:
        """Return what a path from the root leads to inside the tree, all links followed; None if that is nothing."""
        waiting, place = path.split("/")[::-1], ""
        for _ in range(_MAX_LINKS):
            node: Node | None = self.directories[0]
            while waiting:
                part = waiting.pop()
                place = posixpath.normpath(posixpath.join(place, part)) if part else place
                node = self.directories[0] if place in {"", "."} else self.get(place)
                if isinstance(node, Symlink):
                    break
            if not isinstance(node, Symlink):
                return node
            target = os.fsdecode(node.target)
            if target.startswith("/"):
                return None
            place = posixpath.dirname(place)
            waiting += target.split("/")[::-1]
        return None

    def file(self, path: str) -> File | None:
        """Return the file that a path leads to; None if there is none."""
        found = self.resolve(path)
        return found if isinstance(found, File) else None


def read_all(file: File) -> bytes:
    """Return the content of a file.

    Raises:
        SquashFSError: it is no longer what it was.
        OSError: it cannot be read.

    """
    return b"".join(file.read()) if file.size else b""


def read_start(file: File) -> bytes:
    """Return the beginning of a file, or all of a small one; see `read_all`."""
    with closing(file.read()) as pieces:
        return next(pieces, b"") if file.size else b""


def with_plain_modes(directories: Sequence[Directory]) -> list[Directory]:
    """Return a tree that everyone can read, as `AppDir.normalize_modes` makes it: the builder's umask is gone."""
    root = replace(directories[0], permissions=0o755)
    return assemble(root, (_with_plain_mode(node) for node in nodes_of(directories)))


def _with_plain_mode(node: Node) -> Node:
    if isinstance(node, Symlink):
        return replace(node, permissions=0o777)
    return replace(node, permissions=0o755 if isinstance(node, Directory) or node.permissions & 0o111 else 0o644)
