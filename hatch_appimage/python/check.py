# SPDX-License-Identifier: MIT
"""Whether a Python can be bundled, and whether the project wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from hatch_appimage.architecture import architecture_of
from hatch_appimage.elf import fits
from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.python import PythonInstallation

# The first with audit hooks (PEP 578), which the start-up order is found by.
_OLDEST = (3, 8)


def check_python(python: PythonInstallation, *, architecture: Architecture, requires_python: str) -> None:
    """See that a Python fits.

    Args:
        python: it.
        architecture: what the image is built for.
        requires_python: the project's version specifier, possibly empty.

    Raises:
        AppImageError: it is of another architecture, or of a version that the project refuses.

    """
    if not fits(python.elf, architecture):
        raise AppImageError(
            f"The Python at {python.source} is for {architecture_of(python.elf.machine, python.elf.bits)} "
            f"and cannot go into an image for {architecture.name}: set `python` to one that is"
        )
    if tuple(map(int, python.version.split(".")[:2])) < _OLDEST:
        raise AppImageError(f"{python.source} is Python {python.version}: 3.8 is the oldest that can be bundled")
    try:
        # A Python built between two releases calls itself 3.13.0+, which PEP 440 knows as a local version.
        known = f"{python.version}local" if python.version.endswith("+") else python.version
        accepted = SpecifierSet(requires_python).contains(known, prereleases=True)
    except InvalidSpecifier as error:
        raise AppImageError(f"`requires-python` is no version specifier: `{requires_python}`") from error
    if not accepted:
        raise AppImageError(
            f"The project requires Python {requires_python}, and the one to be bundled is {python.version} "
            f"({python.source}): set `python` to a fitting version, or to the path of one"
        )
