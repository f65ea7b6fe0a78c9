# SPDX-License-Identifier: MIT
"""What is in C of every image: the runtime in front, which mounts it, and the launcher, which starts Python.

Those with Qt, GTK or the like have a library beside: the getenv() that these are to use.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hatch_appimage.errors import AppImageError

ARCHITECTURES = ("x86_64", "aarch64", "armhf", "i686")

#: What compiling needs.
REQUIREMENTS = ("pip", "pyelftools>=0.31", "setuptools>=80", "ziglang==0.17.1")

#: In the wheel, and in a development install after the first use; see ``hatch_build.py``.
BUILT = Path(__file__).parent / "built"


def runtime_path(architecture: str) -> Path:
    """Return the runtime for an architecture; in a development install, compile it if need be.

    Raises:
        AppImageError: there is none, or it cannot be compiled.

    """
    return _provide("runtime", architecture, BUILT.parent)


def launcher_path(architecture: str) -> Path:
    """Return the launcher for an architecture; in a development install, compile it if need be.

    Raises:
        AppImageError: there is none, or it cannot be compiled.

    """
    return _provide("launcher", architecture, BUILT.parent / "launcher")


def getenv_path(architecture: str) -> Path:
    """Return the library with toolkits' getenv() for an architecture; in a development install, compile it if need be.

    Raises:
        AppImageError: there is none, or it cannot be compiled.

    """
    return _provide("getenv", architecture, BUILT.parent / "getenv")


def _provide(program: str, architecture: str, sources: Path) -> Path:
    if architecture not in ARCHITECTURES:
        raise AppImageError(f"There is no {program} for {architecture}, only for {', '.join(ARCHITECTURES)}")
    path = BUILT / f"{program}-{architecture}"
    if not path.is_file() or _is_stale(path, sources):
        _compile(program, architecture)
    return path


def _is_stale(path: Path, directory: Path) -> bool:
    """Whether a source changed since the file was compiled; the wheel carries no sources."""
    sources = [*directory.glob("*.[chS]"), *BUILT.parent.glob("compile.py")]
    return any(source.stat().st_mtime > path.stat().st_mtime for source in sources)


def _compile(program: str, architecture: str) -> None:
    try:
        from hatch_appimage.runtime.compile import (  # noqa: PLC0415 - not in the wheel
            compile_getenvs,
            compile_launchers,
            compile_runtimes,
        )
    except ImportError as error:
        raise AppImageError(f"The {program} for {architecture} is missing: reinstall hatch-appimage") from error
    try:
        if program == "launcher":
            compile_launchers([architecture], BUILT)
        elif program == "getenv":
            compile_getenvs([architecture], BUILT)
        else:
            compile_runtimes([architecture], BUILT, installed_version())
    except AppImageError as error:
        needs = " ".join(f"'{requirement}'" for requirement in REQUIREMENTS)
        raise AppImageError(f"The {program} cannot be compiled (this needs: pip install {needs}): {error}") from error


def installed_version() -> str:
    """Return this package's version, which the runtime shows."""
    try:
        return version("hatch-appimage")
    except PackageNotFoundError:
        return "unknown"
