# SPDX-License-Identifier: MIT
"""Which Python a project means by its option: the one place that knows all sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from hatch_appimage.architecture import architecture_of
from hatch_appimage.elf import fits
from hatch_appimage.errors import AppImageError
from hatch_appimage.python.archive import FileSource, is_packed, is_url
from hatch_appimage.python.local import LocalSource
from hatch_appimage.python.python_appimage import PREFIX, PythonAppImageSource
from hatch_appimage.python.standalone import StandaloneSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.python import PythonInstallation


class PythonSource(Protocol):
    """Where a Python comes from."""

    def provide(self, architecture: Architecture, directory: Path) -> PythonInstallation:
        """Return the Python for an architecture; whether it fits is checked afterwards.

        Args:
            architecture: that the image is for.
            directory: an empty directory, for what is unpacked.

        Raises:
            AppImageError: there is none, or it cannot be had.

        """


def provide_python(
    source: PythonSource, architecture: Architecture, directory: Path, *, requires_python: str
) -> PythonInstallation:
    """Get a Python, and see that it fits.

    Args:
        source: where it comes from.
        architecture: that the image is for.
        directory: where something may be unpacked to.
        requires_python: the project's version specifier, possibly empty.

    Raises:
        AppImageError: there is none, it cannot be had, or does not fit.

    """
    unpacked = directory / "python"
    unpacked.mkdir()
    python = source.provide(architecture, unpacked)
    check_python(python, architecture=architecture, requires_python=requires_python)
    return python


def read_source(
    text: str,
    digest: str | None,
    *,
    project: Path,
    find_file: Callable[[str], Path],
    find_interpreter: Callable[[str], Path],
) -> PythonSource:
    """Read the setting ``python``.

    Args:
        text: its value.
        digest: the SHA-256 of a file, in hexadecimal; None if the project gives none.
        project: the project's directory.
        find_file: finds the file that a text means.
        find_interpreter: finds the interpreter that a text means.

    Raises:
        ValueError: it means nothing; the message completes "Option `...` ".

    """
    if is_url(text):
        if digest is None:
            raise ValueError(
                f"names a file on the web, which is taken only with its SHA-256 in `python-sha256`: `{text}`"
            )
        return FileSource(text, digest)
    if is_packed(text):
        return FileSource(find_file(text), digest)
    if digest is not None:
        raise ValueError(f"has no use for `python-sha256`, which is for archives and AppImages: `{text}`")
    if text.startswith(PREFIX):
        return PythonAppImageSource(text.removeprefix(PREFIX))
    if StandaloneSource.recognizes(text):
        return StandaloneSource(text, project)
    return LocalSource(find_interpreter(text))


# The first with audit hooks (PEP 578), which the start-up order is found by.
_OLDEST = (3, 8)


def check_python(python: PythonInstallation, *, architecture: Architecture, requires_python: str) -> None:
    """See that a Python fits.

    Args:
        python: it.
        architecture: what the image is built for.
        requires_python: the project's version specifier, possibly empty.

    Raises:
        AppImageError: it is of another architecture, starts on few machines, or is of a version that the project
            refuses.

    """
    if not fits(python.elf, architecture):
        raise AppImageError(
            f"The Python at {python.source} is for {architecture_of(python.elf.machine, python.elf.bits)} "
            f"and cannot go into an image for {architecture.name}: set `python` to one that is"
        )
    _check_loader(python, architecture)
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


def _check_loader(python: PythonInstallation, architecture: Architecture) -> None:
    """See that the interpreter starts where its loader is not: Homebrew, Nix and Guix have loaders of their own."""
    loader = python.elf.interpreter
    if loader and loader not in architecture.loaders:
        minor = ".".join(python.version.split(".")[:2])
        raise AppImageError(
            f"The Python at {python.source} starts by the loader {loader}, which only machines with that path have: "
            f'set `python` to one that runs anywhere, such as python = "{minor}"'
        )
