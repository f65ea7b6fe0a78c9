# SPDX-License-Identifier: MIT
"""What can go wrong with a SquashFS image."""

from __future__ import annotations

from hatch_appimage.errors import AppImageError


class SquashFSError(AppImageError):
    """A tree cannot be packed, or an image cannot be read."""


def printable(path: bytes) -> str:
    r"""Return a path inside a tree or an image for a message: bytes that are no UTF-8 stand as ``\xff``."""
    return path.decode("utf-8", "backslashreplace")
