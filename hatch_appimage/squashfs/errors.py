# SPDX-License-Identifier: MIT
"""What can go wrong with a SquashFS image."""

from __future__ import annotations

from hatch_appimage import errors
from hatch_appimage.errors import AppImageError


class SquashFSError(AppImageError):
    """A tree cannot be packed, or an image cannot be read."""


def printable(path: bytes) -> str:
    r"""Return a path inside a tree or an image for a message: what cannot be shown stands as ``\xff``."""
    return errors.printable(path.decode("utf-8", "surrogateescape"))
