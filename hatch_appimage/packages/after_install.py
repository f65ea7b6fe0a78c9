# SPDX-License-Identifier: MIT
"""Run the project's script between installation and packing."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_appimage import PASSPHRASE
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import files_below
from hatch_appimage.process import ProcessError, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.project.metadata import Project
    from hatch_appimage.python import BundledPython

# What a script in Python does is to depend on nothing but what it reads.
_FIXED = {"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "TZ": "UTC"}


@dataclass(frozen=True)
class AfterInstall:
    """What a script did.

    Attributes:
        script: its path, as the project has it.
        files: by how many the AppDir has more files; negative where it has fewer.

    """

    script: str
    files: int


def run_after_install(
    script: Path,
    appdir: AppDir,
    python: BundledPython,
    project: Project,
    *,
    architecture: str,
    options: Mapping[str, Any],
    timestamp: int | None,
) -> AfterInstall:
    """Run a script on an AppDir in which everything is installed, and nothing trimmed.

    It runs with the build's Python, in the project's directory. Its variables are described in docs/recipes.md.

    Args:
        script: the script.
        appdir: with all that is installed.
        python: the bundled one.
        project: what is packed.
        architecture: AppImage's name of it.
        options: the target's table, as TOML has it.
        timestamp: of every file in the image, in seconds since the epoch; None if it keeps their own.

    Raises:
        AppImageError: it ends with another status than 0; the message has its output.

    """
    before = _count(appdir)
    variables = {
        "HATCH_APPIMAGE_APPDIR": str(appdir.root),
        "HATCH_APPIMAGE_SITE_PACKAGES": str(python.site_packages[0]),
        "HATCH_APPIMAGE_PYTHON_VERSION": python.version,
        "HATCH_APPIMAGE_ARCHITECTURE": architecture,
        "HATCH_APPIMAGE_APP_ID": appdir.app_id,
        "HATCH_APPIMAGE_NAME": project.name,
        "HATCH_APPIMAGE_VERSION": project.version,
        "HATCH_APPIMAGE_SETTINGS": json.dumps(options),
        **({} if timestamp is None else {"SOURCE_DATE_EPOCH": str(timestamp)}),
    }
    # What signs is for gpg alone.
    inherited = {name: value for name, value in os.environ.items() if name != PASSPHRASE}
    try:
        run(
            [sys.executable, script],
            doing=f"run `after-install` {script}",
            cwd=project.root,
            env={**inherited, **_FIXED, **variables},
        )
    except ProcessError as error:
        lines = "".join(f"\n  {line}" for line in error.output.splitlines())
        how = f"exit status {error.status}" if error.status > 0 else f"signal {-error.status}"
        raise AppImageError(f"`after-install` {script} failed with {how}{lines}") from error
    return AfterInstall(os.path.relpath(script, project.root), _count(appdir) - before)


def _count(appdir: AppDir) -> int:
    return sum(1 for _ in files_below(appdir.root))
