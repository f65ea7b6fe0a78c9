# SPDX-License-Identifier: MIT
"""What is in the image: entry points, extension modules, shared libraries."""

from __future__ import annotations

import importlib
import os
from traceback import walk_tb

from .check import SkippedError
from .verdict import missing_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .image import Image

# What glibc says of variables for each thread that have a fixed place, as those of allocators such as jemalloc do: at a
# start there is always room for them. A module that such a library keeps from being imported is a fault.
NO_ROOM = "cannot allocate memory in static TLS block"


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


def import_module(name: str, load: Callable[[], str]) -> str:
    """Import an extension module, or load it where it is not meant to be imported by itself.

    Where it and another module import each other, applications import the other one. Some modules are only to be
    imported by a certain package, or by another name, and say so.

    Args:
        name: the module's.
        load: loads its file as a library.

    """
    try:
        importlib.import_module(name)
    except (ImportError, AttributeError) as error:
        if f"partially initialized module '{name}'" in str(error):
            importlib.import_module(raising_module(error))
            importlib.import_module(name)
        elif not is_refusal(error):
            raise
        else:
            load()
            return f"it can be loaded; imported by itself it says: {error}"
    return ""


def is_refusal(error: BaseException) -> bool:
    """Whether a module's own code has ended its import, and nothing else did: Python names what it cannot import."""
    own = type(error) is ImportError and error.name is None and error.path is None
    return own and error.__cause__ is None and error.__context__ is None


def raising_module(error: BaseException) -> str:
    """Return the name of the module whose code raised an exception."""
    frame = [frame for frame, _ in walk_tb(error.__traceback__)][-1]
    return str(frame.f_globals["__name__"])


def load_library(path: str, places: dict[str, str], image: Image, tried: tuple[str, ...] = ()) -> str:
    """Load a shared library with all its symbols, and before it those that no search path leads to.

    Args:
        path: the library's.
        places: paths of all libraries by the names of their files.
        image: that they are in.
        tried: paths of what has been loaded for its sake.

    Raises:
        OSError: that fails.
        SkippedError: this Python cannot, or no program can that runs already.

    """
    try:
        from ctypes import CDLL
    except ModuleNotFoundError:
        raise SkippedError("this Python has no module ctypes to load it with") from None
    try:
        CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError as error:
        if NO_ROOM in str(error):
            raise SkippedError("it can be loaded at the start of a program only (LD_PRELOAD)") from None
        missing = missing_library(str(error))
        before = places.get(missing) if missing and missing in image.loaded_before else None
        if before is None or before in tried:
            raise
    else:
        return ""
    load_library(before, places, image, (*tried, before))
    return load_library(path, places, image, (*tried, before))
