# SPDX-License-Identifier: MIT
"""The project's wheel."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.uv import run_uv

if TYPE_CHECKING:
    from pathlib import Path

# A build hook of ours in the wheel target would start the next AppImage from within this one.
_HOOK_SWITCHES = ("HATCH_BUILD_HOOK_ENABLE_", "HATCH_BUILD_HOOKS_ENABLE")
# What `hatch build` sets for its own process only.
_HATCH_SETTINGS = ("HATCH_BUILD_LOCATION", "HATCH_BUILD_HOOKS_ONLY", "HATCH_BUILD_NO_HOOKS", "HATCH_BUILD_CLEAN")


@dataclass(frozen=True)
class Wheel:
    """A wheel that was built.

    Attributes:
        path: the file.

    """

    path: Path

    def __str__(self) -> str:
        return self.path.name


def build_wheel(root: Path, output: Path, interpreter: Path, timestamp: int | None) -> Wheel:
    """Build the project's wheel with its own back end, in an isolated environment (PEP 517).

    Args:
        root: the project's folder.
        output: an empty folder for the wheel.
        interpreter: the Python it is built with; for extension modules it must be the one that is bundled.
        timestamp: the time of all files for back ends that know ``SOURCE_DATE_EPOCH``; None leaves it to them.

    Raises:
        AppImageError: the build fails or makes no wheel.

    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_HOOK_SWITCHES) and name not in _HATCH_SETTINGS
    }
    if timestamp is not None:
        env["SOURCE_DATE_EPOCH"] = str(timestamp)
    run_uv(
        ["build", "--wheel", "--out-dir", output, "--python", interpreter, root],
        doing="build the project's wheel",
        cwd=root,
        env=env,
    )
    wheels = list(output.glob("*.whl"))
    if len(wheels) != 1:
        raise AppImageError(f"The build back end of {root} made {len(wheels)} wheels where one was expected")
    return Wheel(wheels[0])
