# SPDX-License-Identifier: MIT
"""Find a Python that runs here, to compile bytecode for one that does not."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from packaging.version import Version

from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.python.local import ask_python
from hatch_appimage.python.standalone import StandaloneSource
from hatch_appimage.uv import run_uv

log = logging.getLogger(__name__)


def find_build_python(version: str, project: Path) -> Path | None:
    """Find a Python that writes the same bytecode; uv gets one where there is none.

    Args:
        version: of the other Python. The minor version decides of the format of bytecode, before a release the exact
            one.
        project: its directory, whose uv settings count.

    Returns:
        the interpreter; None if there is none to be had, and a warning says so.

    """
    wanted = Version(version.removesuffix("+"))
    request = str(wanted) if wanted.is_prerelease else f"{wanted.major}.{wanted.minor}"
    running = ask_python(Path(sys.executable))
    if f"{running.version}.".startswith(f"{request}."):
        return running.executable
    try:
        found = run_uv(
            ["python", "find", "--no-project", f"cpython@{request}"], doing=f"find Python {request}", cwd=project
        )
        return ask_python(Path(found.strip())).executable
    except AppImageError:
        pass
    try:
        return StandaloneSource(request, project).provide(native_architecture(), project).executable
    except AppImageError as error:
        log.warning(
            "The image has no bytecode and starts slowly: there is no Python %s on this machine to compile it (%s)",
            request,
            str(error).splitlines()[0],
        )
        return None
