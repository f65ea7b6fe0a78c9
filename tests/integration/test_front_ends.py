# SPDX-License-Identifier: MIT
"""Images beside the wheels that real front ends build: by our hook of hatchling, and by our back end for all others."""

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
from support.projects import QUICK, copy_project, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from support.plugin import Plugin

ENABLE = "HATCH_BUILD_HOOK_ENABLE_APPIMAGE"


def run(project: Path, *command: str | Path, enable: bool) -> str:
    """Run a front end in a project, and return what it prints."""
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


@pytest.fixture(scope="module")
def flask(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_project("flask-app", tmp_path_factory.mktemp("hook"))
    file = project / "pyproject.toml"
    text = file.read_text().replace('"hatch-appimage"', f'"hatch-appimage @ {plugin.wheel.as_uri()}"')
    table = "[tool.hatch.build.targets.appimage]\n"
    file.write_text(text.replace(table, f"{table}compression = 'fast'\nstartup-order = false\n"))
    return project


@pytest.fixture(scope="module")
def tool(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_project("setuptools-tool", tmp_path_factory.mktemp("wrapped"))
    file = project / "pyproject.toml"
    text = file.read_text().replace("setuptools.build_meta", "hatch_appimage.backend")
    requires = f'requires = ["setuptools", "hatch-appimage @ {plugin.wheel.as_uri()}"]'
    file.write_text(text.replace('requires = ["setuptools"]', requires) + QUICK + "startup-order = false\n")
    return project


class TestHook:
    """Real builds of `flask-app`, whose `pyproject.toml` has the hook as the README shows it."""

    def test_build_with_the_variable(self, flask: Path, tmp_path: Path) -> None:
        run(flask, sys.executable, "-m", "build", "--outdir", tmp_path, enable=True)
        assert kinds(tmp_path) == [".AppImage", ".gz", ".whl"]
        (image,) = tmp_path.glob("*.AppImage")
        answer = subprocess.check_output([image, "--version"], env=clean_environment(tmp_path), text=True)
        assert answer == "flask-app 1.0\n"

    def test_build_without_the_variable(self, flask: Path, tmp_path: Path) -> None:
        output = run(flask, sys.executable, "-m", "build", "--outdir", tmp_path, enable=False)
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
        run(flask, find_uv_bin(), "venv", "--quiet", environment, enable=False)
        install: list[str | Path] = [find_uv_bin(), "pip", "install", "--python", environment]
        assert "hatch-appimage" not in run(flask, *install, sdist, enable=False)

    def test_uv_build(self, flask: Path, tmp_path: Path) -> None:
        run(flask, find_uv_bin(), "build", "--python", sys.executable, "--out-dir", tmp_path, enable=True)
        assert kinds(tmp_path) == ["", ".AppImage", ".gz", ".whl"]  # and its .gitignore

    @pytest.mark.parametrize("installer", ["pip", "uv"])
    def test_installers(self, flask: Path, tmp_path: Path, installer: str) -> None:
        commands: dict[str, list[str | Path]] = {
            "pip": [sys.executable, "-m", "pip", "install", "-v", "--no-deps", "--target", tmp_path / "target", flask],
            "uv": [find_uv_bin(), "pip", "install", "-v", "--no-deps", "--target", tmp_path / "target", flask],
        }
        output = run(flask, *commands[installer], enable=True)
        assert output.count("No AppImage is built: ") == 1
        assert (tmp_path / "target" / "flask_app").is_dir()
        assert not list(flask.glob("dist/*.AppImage"))


class TestBackEnd:
    """Real builds of `setuptools-tool`, whose back end is wrapped by ours."""

    def test_build(self, tool: Path, tmp_path: Path) -> None:
        """With the wheel that came from the sdist; `build` hands its config setting to the hooks of both."""
        arguments = ("--installer", "uv", "-C", "appimage=true", "--outdir", tmp_path)
        run(tool, sys.executable, "-m", "build", *arguments, enable=False)
        assert kinds(tmp_path) == [".AppImage", ".gz", ".whl"]
        (image,) = tmp_path.glob("*.AppImage")
        answer = subprocess.check_output([image, "--version"], env=clean_environment(tmp_path), text=True)
        assert answer == "setuptools-tool 2.1\n"

    def test_without_being_asked(self, tool: Path, tmp_path: Path) -> None:
        """Nor do installers build one, not even of an editable installation."""
        run(tool, find_uv_bin(), "build", "--python", sys.executable, "--out-dir", tmp_path, enable=False)
        assert kinds(tmp_path) == ["", ".gz", ".whl"]  # and its .gitignore
        environment = tmp_path / "venv"
        run(tool, find_uv_bin(), "venv", "--quiet", "--python", sys.executable, environment, enable=False)
        install = (find_uv_bin(), "pip", "install", "--no-deps", "--python", environment)
        assert "No AppImage is built: " in run(tool, *install, "-v", tool, enable=True)
        run(tool, *install, "--editable", tool, enable=True)
        code = "import importlib.util; print(importlib.util.find_spec('setuptools_tool').origin)"
        found = subprocess.check_output([environment / "bin" / "python", "-c", code], text=True)
        assert found.strip() == str(tool / "src" / "setuptools_tool" / "__init__.py")
        assert not list(tool.rglob("*.AppImage"))
