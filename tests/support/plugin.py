# SPDX-License-Identifier: MIT
"""Our wheel, installed as `hatch build` installs it, and the images that it builds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock
from uv import find_uv_bin

from support.machine import open_to_all
from support.projects import REPOSITORY, copy_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pytest


@dataclass(frozen=True)
class Plugin:
    """Our wheel, installed into an environment as `hatch build` makes it.

    Attributes:
        wheel: the file.
        python: the interpreter of the environment.

    """

    wheel: Path
    python: Path

    def build(
        self, project: Path, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `hatchling build -t appimage` in a project."""
        result = subprocess.run(
            [self.python, "-m", "hatchling", "build", *(arguments or ("-t", "appimage"))],
            cwd=project,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return result


#: The name of the directory of what is made once.
SHARED = "shared"


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a directory that is filled once, by the first of the processes among which the tests are divided.

    Args:
        factory: pytest's, of the calling process.
        name: of the directory, one for each content.
        make: fills it.

    """
    base = factory.getbasetemp()
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / SHARED / name
    directory.parent.mkdir(exist_ok=True)
    with FileLock(directory.with_name(f"{name}.lock")):
        if not (directory / "made").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            open_to_all(directory)
            make(directory)
            (directory / "made").touch()
    return directory


def install_plugin(directory: Path) -> None:
    """Build our wheel, and install it into an environment of its own.

    It is built in the environment of the tests: Zig compiles its C library again for every place where it lies.
    """
    options = ["--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([find_uv_bin(), "build", *options, "--out-dir", directory / "dist", REPOSITORY], check=True)
    (wheel,) = (directory / "dist").glob("*.whl")
    venv.create(directory / "venv", with_pip=False, symlinks=True)
    python = directory / "venv" / "bin" / "python"
    subprocess.run([find_uv_bin(), "pip", "install", "--quiet", "--python", python, wheel], check=True)


def build_image(plugin: Plugin, project: Path) -> Path:
    """Build a project's image and return its path."""
    plugin.build(project)
    (image,) = (project / "dist").glob("*.AppImage")
    return image


def build_of_any(plugin: Plugin, project: Path) -> Path:
    """Build the image of a project of any build back end, and return its path."""
    command: list[str | Path] = [plugin.python.with_name("hatch-appimage"), "build", project]
    subprocess.run([*command, "--set", "compression=fast"], check=True, capture_output=True)
    (image,) = (project / "dist").glob("*.AppImage")
    return image


def build_once(plugin: Plugin, factory: pytest.TempPathFactory, project: str) -> Path:
    """Return the image of a test project, which is built once."""
    quick = project != "flask-app"  # whose size is held against a limit

    def build(directory: Path) -> Path:
        return build_image(plugin, copy_project(project, directory, quick=quick))

    directory = make_once(factory, project, build)
    (image,) = directory.glob("*/dist/*.AppImage")
    return image
