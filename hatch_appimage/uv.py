# SPDX-License-Identifier: MIT
"""uv: builds wheels and installs packages. Its settings and the user's index are used as they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from uv import find_uv_bin

from hatch_appimage.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Where uv would install to and with which Python: this project's decision, not the surroundings'.
_TARGET_SETTINGS = frozenset({
    "CONDA_PREFIX",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_COMPILE_BYTECODE",
    "UV_LINK_MODE",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_WORKING_DIR",
    "VIRTUAL_ENV",
})  # fmt: skip


def run_uv(arguments: Sequence[str | Path], *, doing: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run uv and return what it wrote to stdout.

    Args:
        arguments: its subcommand and options.
        doing: what it is for, as it stands in the error.
        cwd: the project's folder, whose uv settings count.
        env: the environment to start from; this process's when None.

    Raises:
        ProcessError: uv fails; the message has what it said.

    """
    settings = {name: value for name, value in (env or os.environ).items() if name not in _TARGET_SETTINGS}
    command = [find_uv_bin(), "--no-progress", "--color", "never", "--no-python-downloads", *arguments]
    return run(command, doing=doing, cwd=cwd, env=settings)
