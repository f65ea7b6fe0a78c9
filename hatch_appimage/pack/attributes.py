# SPDX-License-Identifier: MIT
"""Extended attributes (xattr(7)), which images do not keep: runtimes show none of them."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.tree import Symlink, nodes_of
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_appimage.squashfs import SquashFSImage
    from hatch_appimage.squashfs.tree import Directory

log = logging.getLogger(__name__)

# What an author sets. Others are labels, signatures and access lists of the machine.
_OF_AUTHORS: Final = ("security.capability", "user.")


def warn_of_attributes(root: Path, tree: Sequence[Directory]) -> None:
    """Warn of attributes of files in a directory that will not be in its image.

    Args:
        root: the directory.
        tree: what is packed of it.

    """
    top = os.fsencode(root)
    paths = (node.path for node in nodes_of(tree) if not isinstance(node, Symlink))
    found = {path: names for path in paths if (names := _names(top + b"/" + path))}
    if not found:
        return
    path, names = next(iter(found.items()))
    count = f"those of {len(found)} files are left out, such as" if len(found) > 1 else "left out is"
    log.warning("Images keep no extended attributes: %s %s of %s", count, ", ".join(names), printable(path))


def _names(path: bytes) -> list[str]:
    try:
        return [name for name in os.listxattr(path, follow_symlinks=False) if name.startswith(_OF_AUTHORS)]
    except OSError:  # a file system without any
        return []


def warn_of_attributes_in(image: SquashFSImage, path: Path) -> None:
    """Warn of attributes of files in an image that will not be in the next one.

    Args:
        image: the image.
        path: the file that it is in.

    """
    if image.superblock.xattr_table != fs.NO_TABLE:
        log.warning("Images keep no extended attributes: those in %s will not be in the new one", path)
