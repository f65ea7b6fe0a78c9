# SPDX-License-Identifier: MIT
"""The runtime: the program in front of every image, which mounts it and starts the application."""

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
    """Return the runtime for an architecture; in a development install, compile it if need be."""
    if architecture not in ARCHITECTURES:
        raise AppImageError(f"There is no runtime for {architecture}, only for {', '.join(ARCHITECTURES)}")
    path = BUILT / f"runtime-{architecture}"
    if not path.is_file() or _is_stale(path):
        _compile(architecture)
    return path


def _is_stale(path: Path) -> bool:
    """Whether a source changed since the file was compiled; the wheel carries no sources."""
    sources = [*BUILT.parent.glob("*.[chS]"), *BUILT.parent.glob("compile.py")]
    return any(source.stat().st_mtime > path.stat().st_mtime for source in sources)


def _compile(architecture: str) -> None:
    try:
        from hatch_appimage.runtime.compile import compile_runtimes  # noqa: PLC0415 - not in the wheel
    except ImportError as error:
        raise AppImageError(f"The runtime for {architecture} is missing: reinstall hatch-appimage") from error
    try:
        compile_runtimes([architecture], BUILT, installed_version())
    except AppImageError as error:
        needs = " ".join(f"'{requirement}'" for requirement in REQUIREMENTS)
        raise AppImageError(f"The runtime cannot be compiled (this needs: pip install {needs}): {error}") from error


def installed_version() -> str:
    """Return this package's version, which the runtime shows."""
    try:
        return version("hatch-appimage")
    except PackageNotFoundError:
        return "unknown"
