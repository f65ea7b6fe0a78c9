# SPDX-License-Identifier: MIT
"""Run the project's test command on the finished image."""

from __future__ import annotations

import logging
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.bundle import explain_missing
from hatch_appimage.process import ProcessError, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.libraries.bundle import MissingLibrary

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageTest:
    """A test of the image that did not fail.

    Attributes:
        command: that was run; None if it cannot be run here.

    """

    command: str | None


def run_test_command(
    command: str, image: Path, architecture: Architecture, missing: Iterable[MissingLibrary] = ()
) -> ImageTest:
    """Run the project's own test of its image, in an empty directory and an empty environment.

    Args:
        command: for the shell, with ``{appimage}`` where the image's path goes.
        image: the file.
        architecture: that it is for; what does not run here is not run, and a warning says so.
        missing: libraries that files in the image lack.

    Raises:
        AppImageError: it ends with another status than 0.

    """
    if architecture != native_architecture():
        log.warning("`test-command` is not run: the image is for %s", architecture.name)
        return ImageTest(None)
    with TemporaryDirectory(prefix="hatch-appimage-test-") as home:
        env = clean_environment(Path(home))
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            # A build container without FUSE says nothing about the application; older runtimes need to be told.
            env["APPIMAGE_EXTRACT_AND_RUN"] = "1"
        line = command.replace("{appimage}", shlex.quote(str(image)))
        try:
            run(["/bin/sh", "-c", line], doing="test the image", cwd=Path(home), env=env)
        except ProcessError as error:
            output = "".join(f"\n  {text}" for text in error.output.splitlines())
            lacking = [library for library in missing if library.soname in error.output]
            reason = f"\n{explain_missing(lacking)}" if lacking else ""
            raise AppImageError(
                f"`test-command` failed with exit status {error.status}: {command}{output}{reason}"
            ) from error
    return ImageTest(command)
