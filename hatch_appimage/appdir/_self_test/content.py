# SPDX-License-Identifier: MIT
"""What is in the image: entry points, extension modules, shared libraries."""

from __future__ import annotations

import importlib.util
import os
from traceback import walk_tb

from .check import SkippedError
from .files import mapped_files
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
    """Import an extension module, as far as nothing else does by what it is meant to be imported by.

    Where it and another module import each other, applications import the other one. Some packages load one of theirs
    by another name, which it cannot be imported beside.
    """
    package = name.rpartition(".")[0]
    if package:
        importlib.import_module(package)
    loaded = mapped_files()
    try:
        importlib.import_module(name)
    except (ImportError, AttributeError) as error:
        if f"partially initialized module '{name}'" in str(error):
            importlib.import_module(raising_module(error))
            importlib.import_module(name)
        elif place_of(name) in loaded:
            return f"{package} loads it"
        else:
            raise
    return ""


def place_of(name: str) -> str | None:
    """Return the path of a module that can be found, without links."""
    spec = importlib.util.find_spec(name)
    return os.path.realpath(spec.origin) if spec and spec.origin else None


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
