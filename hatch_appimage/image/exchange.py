# SPDX-License-Identifier: MIT
"""Exchange what two names stand for, at once (renameat2(2)): Python has no function for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

try:
    import ctypes
except ImportError:  # a Python that was built without libffi
    ctypes = None  # type: ignore[assignment]  # as the lines below see

if TYPE_CHECKING:
    from pathlib import Path

# linux/fcntl.h and linux/fs.h.
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 1 << 1


def exchange(one: Path, other: Path) -> bool:
    """Give each of two paths on one file system what the other has; nobody sees a moment between.

    Returns:
        whether that was done: not every file system, kernel, C library and Python can.

    """
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None) if ctypes else None
    if renameat2 is None:
        return False
    renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    paths = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return bool(renameat2(*paths, _RENAME_EXCHANGE) == 0)
