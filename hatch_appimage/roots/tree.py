# SPDX-License-Identifier: MIT
"""Trees of systems' files, in which links lead to places of those systems and are never followed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def move_into(source: Path, target: Path) -> None:
    """Move what is in a directory into another one, which need not exist; what is in the way there is replaced.

    Args:
        source: which is not there any more in the end.
        target: a directory of the same file system. Directories of both are merged.

    """
    if not is_directory(target):
        remove(target)
        source.rename(target)
        return
    for entry in list(os.scandir(source)):
        if entry.is_dir(follow_symlinks=False):
            move_into(Path(entry.path), target / entry.name)
        else:
            remove(target / entry.name)
            Path(entry.path).rename(target / entry.name)
    source.rmdir()


def remove(path: Path) -> None:
    """Remove whatever is there; nothing may be."""
    if is_directory(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_directory(path: Path) -> bool:
    """Whether there is a directory, and not a link to one."""
    return path.is_dir() and not path.is_symlink()
