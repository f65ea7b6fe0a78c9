# SPDX-License-Identifier: MIT
"""What is in the image: entry points, extension modules, shared libraries."""

from __future__ import annotations

import importlib
import os

from .check import SkippedError
from .verdict import missing_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .image import Image


def check_entry_point(entry_point: dict[str, Any]) -> str:
    """Import what a command imports, and see that the function that it calls is there."""
    try:
        modules = [importlib.import_module(name) for name in entry_point["modules"]]
    except SystemExit as end:
        if end.code:
            raise
        return "it ran, and ended well"
    target = modules[0] if modules else None
    for name in filter(None, (entry_point["attribute"] or "").split(".")):
        target = getattr(target, name)
    return ""


def import_module(name: str) -> str:
    """Import an extension module."""
    importlib.import_module(name)
    return ""


def load_library(path: str, places: dict[str, str], image: Image, tried: tuple[str, ...] = ()) -> str:
    """Load a shared library with all its symbols, and before it those that no search path leads to.

    Args:
        path: the library's.
        places: paths of all libraries by the names of their files.
        image: that they are in.
        tried: paths of what has been loaded for its sake.

    Raises:
        OSError: that fails.
        SkippedError: this Python cannot.

    """
    try:
        from ctypes import CDLL
    except ModuleNotFoundError:
        raise SkippedError("this Python has no module ctypes to load it with") from None
    try:
        CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        missing = missing_library(str(error))
        before = places.get(missing) if missing and missing in image.loaded_before else None
        if before is None or before in tried:
            raise
    else:
        return ""
    load_library(before, places, image, (*tried, before))
    return load_library(path, places, image, (*tried, before))
