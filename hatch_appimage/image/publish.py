# SPDX-License-Identifier: MIT
"""Put a finished image into its place, whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.image.exchange import exchange

if TYPE_CHECKING:
    from collections.abc import Iterator


def companions(image: Path) -> list[Path]:
    """Return the files beside an image that are of use with this very image only."""
    return [image.with_name(f"{image.name}{ending}") for ending in (".sig", ".zsync", ".blocks")]


def publish(image: Path, target: Path) -> None:
    """Move an image and its companions to their place; those of an earlier image there are of no use, and go."""
    for made, place in zip(companions(image), companions(target), strict=True):
        if made.exists():
            made.replace(place)
        else:
            place.unlink(missing_ok=True)
    image.replace(target)


def publish_directory(made: Path, beside: Path, target: Path) -> Path:
    """Move a directory to its place; an earlier one there goes, at the same moment where the file system can do that.

    Args:
        made: the directory, on any file system.
        beside: a directory on the file system of its place, which is removed afterwards.
        target: its place.

    Returns:
        its place.

    Raises:
        OSError: it cannot be moved, or a file is there; then what was there still is.

    """
    whole = Path(shutil.move(made, beside / target.name))
    if target.is_dir() and not target.is_symlink():
        if exchange(whole, target):
            return target
        target.rename(beside / "earlier")
    whole.rename(target)
    return target


@contextmanager
def temporary_directory(parent: Path | None = None) -> Iterator[Path]:
    """Provide a directory that is gone afterwards, however the build ends."""
    with TemporaryDirectory(prefix=".hatch-appimage-" if parent else "hatch-appimage-", dir=parent) as name:
        yield Path(name).resolve()
