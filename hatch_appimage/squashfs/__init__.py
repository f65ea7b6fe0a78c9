# SPDX-License-Identifier: MIT
"""SquashFS 4.0 images, written and read without any program or privilege."""

from __future__ import annotations

from hatch_appimage.squashfs.ahead import compressing_ahead
from hatch_appimage.squashfs.format import Compression, SquashFSError
from hatch_appimage.squashfs.image_tree import files_within, read_tree
from hatch_appimage.squashfs.reader import Entry, SquashFSImage
from hatch_appimage.squashfs.writer import Span, SquashFSReport, write_squashfs

__all__ = [
    "Compression",
    "Entry",
    "Span",
    "SquashFSError",
    "SquashFSImage",
    "SquashFSReport",
    "compressing_ahead",
    "files_within",
    "read_tree",
    "write_squashfs",
]
