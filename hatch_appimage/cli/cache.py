# SPDX-License-Identifier: MIT
"""The command that shows and clears what builds keep on this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from hatch_appimage.cache import PARTS, cache_directory
from hatch_appimage.results import list_entries
from hatch_appimage.text import format_size, printable

if TYPE_CHECKING:
    import argparse


def cache(options: argparse.Namespace) -> int:
    """Show what is in the cache, or remove it."""
    directory = cache_directory()
    parts = [options.part] if options.part else list(PARTS)
    if options.action == "clear":
        for part in parts:
            if (directory / part).exists():
                shutil.rmtree(directory / part)
        return 0
    print(printable(str(directory)))
    for part in parts:
        size = sum(entry.size for entry in list_entries(directory / part))
        print(f"  {part:<10} {format_size(size):>9}  {PARTS[part]}")
    return 0
