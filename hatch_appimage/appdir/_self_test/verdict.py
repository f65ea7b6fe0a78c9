# SPDX-License-Identifier: MIT
"""Tell faults of the image from what is none."""

from __future__ import annotations

import re
import sys
from importlib.machinery import PathFinder

from .check import FAILED, SKIPPED, Result, SkippedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .image import Image

# What the loaders of glibc and musl say: of a file that is missing, and of everything else that keeps one from loading.
MISSING = re.compile(
    r"([^\s:/]+): cannot open shared object file: No such file|Error loading shared library ([^\s:]+):"
)
BROKEN = re.compile(
    r"cannot open shared object file|undefined symbol|symbol not found|version `[^']*' not found"
    r"|ELF (?:class|file|header|load)|file too short|cannot read file data|failed to map segment"
    r"|Error (?:loading|relocating)|executable stack|static TLS block"
)
# What `_appimage.refuse_left_out()` says of a module that the build took for unused: wanting it is the build's fault.
TRIMMED = "left out of the image by `trim`"


def judge(error: BaseException, image: Image, *, optional: bool) -> Result:
    """Tell a fault of the image from what is no fault of it.

    Args:
        error: what a check raised.
        image: that was checked.
        optional: it may want a module that is not in the image.

    """
    if isinstance(error, SkippedError):
        return Result(SKIPPED, str(error))
    for text in map(str, causes(error)):
        missing = missing_library(text)
        if missing in image.left_to_machine:
            return Result(SKIPPED, f"this machine lacks {missing}")
        if missing in image.ignored:
            return Result(SKIPPED, f"{missing} is missing, as the project allows")
        if TRIMMED in text or BROKEN.search(text):
            return Result(FAILED, text)
    absent = absent_module(error) if optional else None
    if absent:
        return Result(SKIPPED, f"the image has no module {absent}")
    return Result(FAILED, f"{type(error).__name__}: {error}")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that led to it; a hundred at most, as they may form a circle."""
    for _ in range(100):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def missing_library(text: str) -> str | None:
    """Return the name of the file that a loader does not find, from its message."""
    match = MISSING.search(text)
    return (match[1] or match[2]) if match else None


def absent_module(error: BaseException) -> str | None:
    """Return the module for want of which an import ended with an ImportError, if the image does not have it.

    A package may raise an ImportError of its own instead, to say what is to be installed.
    """
    if not isinstance(error, ImportError):
        return None
    found = [error] if isinstance(error, ModuleNotFoundError) else causes(error)
    names = [each.name for each in found if isinstance(each, ModuleNotFoundError) and each.name]
    return next((name for name in names if not belongs_to_image(name)), None)


def belongs_to_image(name: str) -> bool:
    """Whether a module is in the image, or should be: its package is there, and is more than a bare directory."""
    if name in sys.builtin_module_names:
        return True
    path = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return False
        if spec.origin is not None:
            return True
        path = list(spec.submodule_search_locations or ())
    return True
