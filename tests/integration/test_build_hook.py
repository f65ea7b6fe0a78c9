# SPDX-License-Identifier: MIT
"""The build hook of the wheel target in builds by real front ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

from support.machine import clean_environment
from support.projects import copy_project, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from support.plugin import Plugin

ENABLE = "HATCH_BUILD_HOOK_ENABLE_APPIMAGE"


class TestFrontEnds:
    """Real builds of `flask-app`, whose `pyproject.toml` has the hook as the README shows it."""

    @pytest.fixture(scope="class")
    def flask(self, plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
        project = copy_project("flask-app", tmp_path_factory.mktemp("hook"))
        file = project / "pyproject.toml"
        text = file.read_text().replace('"hatch-appimage"', f'"hatch-appimage @ {plugin.wheel.as_uri()}"')
        table = "[tool.hatch.build.targets.appimage]\n"
        file.write_text(text.replace(table, f"{table}compression = 'fast'\nstartup-order = false\n"))
        return project

    def run(self, project: Path, *command: str | Path, enable: bool) -> str:
        env = {name: value for name, value in os.environ.items() if name not in {ENABLE, "VIRTUAL_ENV"}}
        result = subprocess.run(
            command,
            cwd=project,
            env=env | ({ENABLE: "1"} if enable else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    def test_build_with_the_variable(self, flask: Path, tmp_path: Path) -> None:
        self.run(flask, sys.executable, "-m", "build", "--outdir", tmp_path, enable=True)
        assert kinds(tmp_path) == [".AppImage", ".gz", ".whl"]
        (image,) = tmp_path.glob("*.AppImage")
        answer = subprocess.check_output([image, "--version"], env=clean_environment(tmp_path), text=True)
        assert answer == "flask-app 1.0\n"

    def test_build_without_the_variable(self, flask: Path, tmp_path: Path) -> None:
        output = self.run(flask, sys.executable, "-m", "build", "--outdir", tmp_path, enable=False)
        assert kinds(tmp_path) == [".gz", ".whl"]
        assert "appimage" not in output.lower()
        # Nobody who installs either of them gets the plugin.
        (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.gz")
        with ZipFile(wheel) as archive:
            metadata = archive.read("flask_app-1.0.dist-info/METADATA").decode()
        assert "flask" in metadata
        assert "hatch-appimage" not in metadata
        with tarfile.open(sdist) as tar:
            info = tar.extractfile("flask_app-1.0/PKG-INFO")
            assert info is not None
            assert "hatch-appimage" not in info.read().decode()
        environment = tmp_path / "venv"
        self.run(flask, find_uv_bin(), "venv", "--quiet", environment, enable=False)
        install: list[str | Path] = [find_uv_bin(), "pip", "install", "--python", environment]
        assert "hatch-appimage" not in self.run(flask, *install, sdist, enable=False)

    def test_uv_build(self, flask: Path, tmp_path: Path) -> None:
        self.run(flask, find_uv_bin(), "build", "--python", sys.executable, "--out-dir", tmp_path, enable=True)
        assert kinds(tmp_path) == ["", ".AppImage", ".gz", ".whl"]  # and its .gitignore

    @pytest.mark.parametrize("installer", ["pip", "uv"])
    def test_installers(self, flask: Path, tmp_path: Path, installer: str) -> None:
        commands: dict[str, list[str | Path]] = {
            "pip": [sys.executable, "-m", "pip", "install", "-v", "--no-deps", "--target", tmp_path / "target", flask],
            "uv": [find_uv_bin(), "pip", "install", "-v", "--no-deps", "--target", tmp_path / "target", flask],
        }
        output = self.run(flask, *commands[installer], enable=True)
        assert output.count("No AppImage is built: ") == 1
        assert (tmp_path / "target" / "flask_app").is_dir()
        assert not list(flask.glob("dist/*.AppImage"))
