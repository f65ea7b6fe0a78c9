# SPDX-License-Identifier: MIT
"""Keep the image's GObject introspection from the machine's typelibs.

What an image does not have would be loaded from the machine, with libraries of another build: code that copes without a
namespace would find one that ends the process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_appimage.layout import AppDir

# The directories that are compiled into the library, each a string of its own.
_DEFAULT_DIRECTORY = re.compile(rb"(?<=\0)/[\w./+-]*\blib[\w./+-]*\0")


def close_repository(appdir: AppDir) -> int:
    """Have the bundled libraries for introspection look where they are told only; return how many they are."""
    libraries = sorted(path for path in appdir.lib.glob("libgirepository-*.so.*") if not path.is_symlink())
    for path in libraries:
        data = path.read_bytes()
        path.write_bytes(_DEFAULT_DIRECTORY.sub(lambda match: match[0].replace(b"lib", b"\x01\x01\x01"), data))
    return len(libraries)
