# SPDX-License-Identifier: MIT
"""Remove from the programs and libraries of installed packages what only debuggers and linkers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.elf import fits, read_elf
from hatch_appimage.elf_strip import strip_files
from hatch_appimage.errors import AppImageError
from hatch_appimage.python.installed import installed_files
from hatch_appimage.results import NO_RESULTS
from hatch_appimage.trim.packages import matches

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf_strip import Stripped
    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.results import Results
    from hatch_appimage.trim.settings import TrimSettings


def strip_packages(
    appdir: AppDir,
    architecture: Architecture,
    python: BundledPython,
    settings: TrimSettings,
    *,
    extra: Iterable[Path] = (),
    results: Results = NO_RESULTS,
) -> Stripped:
    """Strip the files that the RECORD of any installed package lists, the project's own among them.

    Args:
        appdir: with everything installed, and nothing of it patched.
        architecture: that it is for; what is for another one, such as code for a GPU, is data here.
        python: its Python.
        settings: what the project wants to stay as it is.
        extra: files that the project put into the AppDir, which stay.
        results: where stripped files are kept for the next image.

    """
    left_alone = frozenset(extra)
    files = {
        file.path
        for file in installed_files(python)
        if file.path not in left_alone and not file.path.is_symlink() and not matches(file.place, settings.keep_files)
    }
    return strip_files([path for path in sorted(files) if _is_for(path, architecture)], appdir.root, results)


def _is_for(path: Path, architecture: Architecture) -> bool:
    try:
        elf = read_elf(path)
    except AppImageError:  # damaged, as data for tests is
        return False
    return elf is not None and fits(elf, architecture)
