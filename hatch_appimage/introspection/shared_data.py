# SPDX-License-Identifier: MIT
"""Data that GTK looks for in the directories of `XDG_DATA_DIRS`: icons and types of files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.system import System

_ICONS = "icons/Adwaita"
# Its drawings. Cursors, and pictures in fixed sizes, which make ten times as many bytes, are left to the machine.
_CHOSEN = ("index.theme", "scalable", "symbolic", "scalable-up-to-32", "symbolic-up-to-32")
_MIME = "mime/mime.cache"


def theme_of(system: System) -> Path | None:
    """Return the file that describes the theme; None where the machine has none."""
    path = system.locate(f"/usr/share/{_ICONS}/{_CHOSEN[0]}")
    return path if path.is_file() else None


def find_icons(system: System) -> Iterator[tuple[str, Path]]:
    """Yield the icons that every GTK expects, each as its place below `share` and the file."""
    theme = system.locate(f"/usr/share/{_ICONS}")
    for chosen in _CHOSEN:
        if (theme / chosen).is_file():
            yield f"{_ICONS}/{chosen}", theme / chosen
        for directory, directories, names in os.walk(theme / chosen):
            directories.sort()
            for name in sorted(names):
                path = Path(directory, name)
                yield f"{_ICONS}/{path.relative_to(theme)}", path


def find_types(system: System) -> Iterator[tuple[str, Path]]:
    """Yield the types of files by their names and first bytes, by which gdk-pixbuf chooses its loader."""
    path = system.locate(f"/usr/share/{_MIME}")
    if path.is_file():
        yield _MIME, path
