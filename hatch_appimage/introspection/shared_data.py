# SPDX-License-Identifier: MIT
"""Data that GTK looks for in the directories of `XDG_DATA_DIRS`: icons and types of files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.introspection.places import ICON_THEME, MIME
from hatch_appimage.introspection.programs import find_program, run_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.system import System

# Its drawings. Cursors, and pictures in fixed sizes, which make ten times as many bytes, are left to the machine.
_CHOSEN = ("index.theme", "scalable", "symbolic", "scalable-up-to-32", "symbolic-up-to-32")
_TYPES = f"{MIME}/mime.cache"
# What it is made from, and by what, as Debian's package has only this.
_DESCRIPTIONS = f"/usr/share/{MIME}/packages"
_MAKER = "/usr/bin/update-mime-database"


def theme_of(system: System) -> Path | None:
    """Return the file that describes the theme; None where the machine has none."""
    path = system.locate(f"/usr/share/{ICON_THEME}/{_CHOSEN[0]}")
    return path if path.is_file() else None


def find_icons(system: System) -> Iterator[tuple[str, Path]]:
    """Yield the icons that every GTK expects, each as its place below `share` and the file."""
    theme = system.locate(f"/usr/share/{ICON_THEME}")
    for chosen in _CHOSEN:
        if (theme / chosen).is_file():
            yield f"{ICON_THEME}/{chosen}", theme / chosen
        for directory, directories, names in os.walk(theme / chosen):
            directories.sort()
            for name in sorted(names):
                path = Path(directory, name)
                yield f"{ICON_THEME}/{path.relative_to(theme)}", path


def find_types(system: System, work: Path) -> Iterator[tuple[str, Path]]:
    """Yield the types of files by their names and first bytes, by which gdk-pixbuf chooses its loader.

    Args:
        system: the machine.
        work: an empty directory, where they are put together if a package has only their descriptions.

    Raises:
        ProcessError: that fails.

    """
    path = system.locate(f"/usr/share/{_TYPES}")
    descriptions, maker = system.locate(_DESCRIPTIONS), find_program([_MAKER], system)
    if not path.is_file() and descriptions.is_dir() and maker:
        shutil.copytree(descriptions, work / MIME / "packages")
        run_program(maker, work / MIME, system=system, doing="list types of files")
        path = work / _TYPES
    if path.is_file():
        yield _TYPES, path
