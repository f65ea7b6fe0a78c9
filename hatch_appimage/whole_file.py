# SPDX-License-Identifier: MIT
"""Text files for the user, which are written whole or not at all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text file in UTF-8; whatever happens, what is there is the old content or the new one.

    A link to the file stays one, and a file that is replaced passes its mode on. Directories are made where they are
    missing.

    Args:
        path: the file.
        text: its content; bytes of file names that are not UTF-8 are in it as surrogates (PEP 383).

    Raises:
        OSError: it cannot be written.

    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
        if path.exists():
            shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
