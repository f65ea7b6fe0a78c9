# SPDX-License-Identifier: MIT
"""Run the project's test command on the finished image."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.appdir.loader_log import loader_variables, read_loads
from hatch_appimage.appdir.seen import NOTHING_SEEN, Seen
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.run import run_clean, runs_here
from hatch_appimage.libraries.bundle import explain_missing
from hatch_appimage.process import ProcessError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.libraries.bundle import MissingLibrary


@dataclass(frozen=True)
class ImageTest:
    """A test of the image that did not fail.

    Attributes:
        command: that was run; None if it cannot be run here.
        seen: which libraries the image, and all other programs that the command started, have loaded.

    """

    command: str | None
    seen: Seen = NOTHING_SEEN


def _run(words: Sequence[str], *, watch: bool) -> Seen:
    """Run a command; return which libraries it loads, if that is wanted and does not disturb it.

    Raises:
        ProcessError: it fails.

    """
    if watch:
        with TemporaryDirectory(prefix="hatch-appimage-loads-") as name, suppress(ProcessError):
            directory = Path(name)
            directory.chmod(0o1777)  # other users may be started
            run_clean(words, loader_variables(directory))
            return Seen(read_loads(directory))
    # Where a loader cannot write to that directory, it does so among what the command prints.
    run_clean(words, None)
    return NOTHING_SEEN


def run_test_command(
    command: str,
    image: Path,
    architecture: Architecture,
    missing: Iterable[MissingLibrary] = (),
    *,
    watch: bool = False,
) -> ImageTest:
    """Run the project's own test of its image, in an empty directory and an empty environment.

    Args:
        command: for the shell, with ``{appimage}`` where the image's path goes.
        image: the file.
        architecture: that it is for; what does not run here is not run, and a warning says so.
        missing: libraries that files in the image lack.
        watch: note which libraries are loaded.

    Raises:
        AppImageError: it ends with another status than 0.

    """
    if not runs_here(architecture, "test-command"):
        return ImageTest(None)
    words = ["/bin/sh", "-c", command.replace("{appimage}", shlex.quote(str(image)))]
    try:
        return ImageTest(command, _run(words, watch=watch))
    except ProcessError as error:
        output = "".join(f"\n  {text}" for text in error.output.splitlines())
        lacking = [library for library in missing if library.soname in error.output]
        reason = f"\n{explain_missing(lacking)}" if lacking else ""
        raise AppImageError(
            f"`test-command` failed with exit status {error.status}: {command}{output}{reason}"
        ) from error
