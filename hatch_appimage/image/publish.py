# SPDX-License-Identifier: MIT
"""Put a finished image into its place, whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

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


@contextmanager
def temporary_directory(parent: Path | None = None) -> Iterator[Path]:
    """Provide a directory that is gone afterwards, however the build ends."""
    with TemporaryDirectory(prefix=".hatch-appimage-" if parent else "hatch-appimage-", dir=parent) as name:
        yield Path(name).resolve()
