# SPDX-License-Identifier: MIT
"""Anyone can rebuild an image: `hatch-appimage reproduce`, from the image to the verdict."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from support.packages import make_project as make_package
from support.packages import make_wheel
from support.plugin import build_image
from support.projects import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from support.plugin import Plugin

PROBE = "import leaf\n\n\ndef main():\n    print(leaf.version)\n"


def add_leaf(project: Path, version: str) -> None:
    """Put the dependency into the project's directory."""
    wheel = make_wheel(
        project.parent / f"leaf-{version}", "leaf", {"leaf.py": f"version = {version!r}\n"}, version=version
    )
    shutil.rmtree(project / "leaf", ignore_errors=True)
    make_package(project / "leaf", wheel)


@pytest.fixture(scope="module")
def built(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a project with a dependency in its directory, and its image."""
    project = make_project(
        tmp_path_factory.mktemp("first") / "probe",
        PROBE,
        project='dependencies = ["leaf"]',
        table='[tool.uv.sources]\nleaf = { path = "leaf" }\n',
    )
    add_leaf(project, "1.0")
    return project, build_image(plugin, project)


def reproduce(plugin: Plugin, image: Path, source: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Build an image again as another user would: with another home and another umask."""
    downloads = subprocess.run([find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True)
    env = {**os.environ, "HOME": str(home), "UV_CACHE_DIR": downloads.stdout.strip(), "PYTHONHASHSEED": "4711"}
    env.pop("XDG_CACHE_HOME", None)
    command = 'umask 077; exec "$0" reproduce "$@"'
    program = plugin.python.with_name("hatch-appimage")
    return subprocess.run(
        ["/bin/sh", "-c", command, program, image], cwd=source, env=env, capture_output=True, text=True, check=False
    )


def test_another_directory_and_a_changed_dependency(plugin: Plugin, built: tuple[Path, Path], tmp_path: Path) -> None:
    project, image = built
    copy = tmp_path / "quite another directory" / "copy"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("dist"))
    result = reproduce(plugin, image, copy, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("identical without signatures: sha256 ")
    assert not (copy / "dist").exists()

    add_leaf(copy, "2.0")
    result = reproduce(plugin, image, copy, tmp_path)
    assert result.returncode == 1, result.stderr
    assert result.stdout == "1 difference:\n  package leaf: version 1.0, and 2.0 in the other\n"
