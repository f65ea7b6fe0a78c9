# SPDX-License-Identifier: MIT
"""What is left out of an image, as the exclude files of ``mksquashfs -wildcards -ef FILE`` say it.

Each line is a path from the root with ``*``, ``?`` and ``[…]`` in its parts, none of which matches a ``/``; behind
``... `` it may begin at any depth. Empty lines and those that begin with ``#`` say nothing (squashfs-tools, USAGE,
"Extended wildcard pattern matching").
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.squashfs.tree import assemble, nodes_of
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hatch_appimage.squashfs.tree import Directory

_ANYWHERE = "... "
# Extended patterns of fnmatch(3), which only the C library knows.
_EXTENDED = ("!(", "?(", "*(", "+(", "@(")


@dataclass(frozen=True)
class Exclusions:
    """Patterns of paths.

    Attributes:
        anchored: their parts, from the root.
        anywhere: likewise, from any directory.

    """

    anchored: tuple[tuple[str, ...], ...]
    anywhere: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Exclusions:
        """Read the lines of an exclude file.

        Raises:
            AppImageError: a pattern has what is not known here.

        """
        anchored: list[tuple[str, ...]] = []
        anywhere: list[tuple[str, ...]] = []
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if any(mark in text for mark in _EXTENDED):
                raise AppImageError(
                    f"`{printable(text)}` cannot be left out: only `*`, `?` and `[…]` are known in such patterns"
                )
            patterns = anywhere if text.startswith(_ANYWHERE) else anchored
            patterns.append(tuple(text.removeprefix(_ANYWHERE).strip().strip("/").removeprefix("./").split("/")))
        return cls(tuple(anchored), tuple(anywhere))

    def leave_out(self, tree: Sequence[Directory]) -> list[Directory]:
        """Return a tree without what a pattern matches, and without what lies below that."""
        left: set[bytes] = set()
        kept = []
        for node in nodes_of(tree):  # each directory before what is in it
            if node.path.rpartition(b"/")[0] in left or self._matches(os.fsdecode(node.path).split("/")):
                left.add(node.path)
            else:
                kept.append(node)
        return assemble(tree[0], kept)

    def _matches(self, parts: list[str]) -> bool:
        ends = (parts[-len(pattern) :] for pattern in self.anywhere)
        return any(_match(parts, pattern) for pattern in self.anchored) or any(map(_match, ends, self.anywhere))


def _match(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
