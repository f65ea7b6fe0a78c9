# SPDX-License-Identifier: MIT
"""The project's wheel."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.uv import run_uv

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.project import Project

# A build hook of ours in the wheel target would start the next AppImage from within this one; the others are what
# `hatch build` means for its own process only.
_NOT_FOR_THE_WHEEL = frozenset({
    "HATCH_BUILD_CLEAN",
    "HATCH_BUILD_CLEAN_HOOKS_AFTER",
    "HATCH_BUILD_HOOKS_ONLY",
    "HATCH_BUILD_HOOK_ENABLE_APPIMAGE",
    "HATCH_BUILD_LOCATION",
})  # fmt: skip


@dataclass(frozen=True)
class Wheel:
    """A wheel that was built.

    Attributes:
        path: the file.

    """

    path: Path

    def __str__(self) -> str:
        return self.path.name


def build_wheel(project: Project, output: Path, interpreter: Path) -> Wheel:
    """Build the project's wheel with its own back end, in an isolated environment (PEP 517).

    Args:
        project: whose wheel it is.
        output: an empty folder for the wheel.
        interpreter: the Python it is built with; for extension modules it must be the one that is bundled.

    Raises:
        AppImageError: the build fails, makes no wheel, or one of another version than the project's.

    """
    run_uv(
        ["build", "--wheel", "--out-dir", output, "--python", interpreter, project.root],
        doing="build the project's wheel",
        cwd=project.root,
        env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_THE_WHEEL},
    )
    wheels = list(output.glob("*.whl"))
    if len(wheels) != 1:
        raise AppImageError(f"The build back end of {project.root} made {len(wheels)} wheels where one was expected")
    _, version, _, _ = parse_wheel_filename(wheels[0].name)
    if version != Version(project.version):
        raise AppImageError(f"The project's version is {project.version}, but its wheel says {version}: build again")
    return Wheel(wheels[0])
