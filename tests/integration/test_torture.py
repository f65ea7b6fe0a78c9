# SPDX-License-Identifier: MIT
"""A minute of torture: `torture.py` plays rounds of every kind, with a tiny image and a whole one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.projects import REPOSITORY
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path


def test_every_start_ends_as_it_should(hello_image: Path, needs_root: None, fuse: None) -> None:
    del needs_root, fuse
    require("strace", "strace")
    command: list[str | Path] = [
        sys.executable,
        REPOSITORY / "tests" / "torture.py",
        "--seconds",
        "60",
        "--image",
        hello_image,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    kinds = [line for line in result.stdout.splitlines() if line.endswith(" 0")]
    assert "real-killed" in {line.split()[0] for line in kinds}, result.stdout
