# SPDX-License-Identifier: MIT
"""What the library with toolkits' ``getenv()`` is told: settings in its file; ``runtime/getenv/getenv.c`` reads them.

They are strings, each with a NUL behind it, and an empty one at the end, in place of zeros in the compiled file.

=====================  =============================================================================================
``NAME``               hides a variable of the caller's environment
``NAME=VALUE``         hides it unless it has this value, or that of another such string
``NAME:VALUE``         the value of a variable that is not set, where there is a Wayland compositor
``NAME@PATH``          the value of a variable that is not set: a path relative to the directory above the library's
``NAME!VALUE``         the value of a variable that is not set
``NAME+PATH:VALUE``    puts such a path before the caller's list of directories, or before this value where it has none
``NAME%PATH``          translations of the domain ``NAME`` of gettext are at such a path: `bindtextdomain()` binds them
=====================  =============================================================================================
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What the interpreter loads the library by.
SONAME = "libappimage-getenv.so"

_MAGIC = b"hatch-appimage getenv 1\0"
# As in getenv.c.
_SIZE = 4096
_MAX_HIDING = 64
_MAX_PATHS = 16
_KIND = re.compile("[=:@+!%]")


def with_settings(library: bytes, settings: Iterable[str]) -> bytes:
    """Return the library's file with settings in it.

    Raises:
        AppImageError: there is no room for them.

    """
    settings = list(settings)
    text = _MAGIC + b"".join(f"{setting}\0".encode() for setting in settings) + b"\0"
    place = library.index(_MAGIC)
    kinds = [match[0] if (match := _KIND.search(setting)) else "" for setting in settings]
    hiding = sum(kind in {"", "=", "+"} for kind in kinds)
    paths = sum(kind in {"@", "+"} for kind in kinds)
    if len(text) > _SIZE or hiding > _MAX_HIDING or paths > _MAX_PATHS:
        raise AppImageError(
            f"The image has too many plugins for styles and themes ({len(settings)} in {len(text)} bytes): leave some "
            "out by `exclude-files`"
        )
    return library[:place] + text + library[place + len(text) :]
