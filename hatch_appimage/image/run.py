# SPDX-License-Identifier: MIT
"""Run a finished image as on a stranger's machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.architecture import native_architecture
from hatch_appimage.process import clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_appimage.architecture import Architecture

log = logging.getLogger(__name__)


def runs_here(architecture: Architecture, option: str) -> bool:
    """Whether an image can be run for an option; warn if it cannot, as it is for another kind of machine."""
    if architecture == native_architecture():
        return True
    log.warning("`%s` is not run: the image is for %s", option, architecture.name)
    return False


def run_clean(command: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> str:
    """Run a command that starts an image, in an empty directory and an empty environment; return what it printed.

    Args:
        command: the program and its arguments.
        variables: that it is to have.

    Raises:
        ProcessError: it ends with another status than 0.

    """
    with TemporaryDirectory(prefix="hatch-appimage-test-") as home:
        env = {**clean_environment(Path(home)), **(variables or {})}
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            # A build container without FUSE says nothing about the application; older runtimes need to be told.
            env["APPIMAGE_EXTRACT_AND_RUN"] = "1"
        return run(command, doing="test the image", cwd=Path(home), env=env)
