# SPDX-License-Identifier: MIT
"""Have the finished image test itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.image.run import run_clean, runs_here
from hatch_appimage.process import ProcessError

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.architecture import Architecture

# What the image prints of each part that it tests (appdir/_self_test/program.py).
_LINE = re.compile(r"^(ok|skipped) +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class SelfTest:
    """A self-test of the image in which nothing failed.

    Attributes:
        passed: how many parts work; None if it cannot be run here.
        skipped: the others, each with the reason.

    """

    passed: int | None
    skipped: tuple[str, ...] = ()


def run_self_test(image: Path, architecture: Architecture) -> SelfTest:
    """Start an image with ``--appimage-self-test``, in an empty directory and an empty environment.

    Args:
        image: the file.
        architecture: that it is for; what does not run here is not run, and a warning says so.

    Raises:
        AppImageError: a part of the image does not work, or it has no self-test.

    """
    if not runs_here(architecture, "self-test"):
        return SelfTest(None)
    try:
        output = run_clean([image, "--appimage-self-test"])
    except ProcessError as error:
        failed = [line for line in error.output.splitlines() if line.startswith("FAILED")]
        lines = "".join(f"\n  {line}" for line in failed or error.output.splitlines())
        raise AppImageError(f"`self-test` failed with exit status {error.status}{lines}") from error
    found = _LINE.findall(output)
    skipped = tuple(text for verdict, text in found if verdict == "skipped")
    return SelfTest(len(found) - len(skipped), skipped)
