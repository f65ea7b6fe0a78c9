# SPDX-License-Identifier: MIT
"""Variables for the machine's toolkits do not reach the image's, and reach what the application starts."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.elf_fixtures import library
from support.machine import make_public
from support.plugin import build_image
from support.projects import make_project
from support.runner import Runner
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.plugin import Plugin

NAMES = ("QT_PLUGIN_PATH", "QML2_IMPORT_PATH", "QT_STYLE_OVERRIDE", "QT_QPA_PLATFORM", "GTK_PATH", "PROBE")
# What a library reads, what Python does, and what reaches children of three kinds.
PROBE = f"""
import ctypes, json, os, subprocess, sys

NAMES = {NAMES}
ASK = "import ctypes; g = ctypes.CDLL(None).getenv; g.restype = ctypes.c_char_p; print(g(b'%s'))"

def main():
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    read = lambda name: (getenv(name.encode()) or b"").decode()
    child = lambda name: subprocess.run(["printenv", name], capture_output=True, text=True).stdout.strip()
    shell = lambda name: os.popen(f"printenv {{name}}").read().strip()
    own = subprocess.run([sys.executable, "-c", ASK % NAMES[0]], capture_output=True, text=True).stdout.strip()
    found = {{name: [read(name), os.environ.get(name, ""), child(name), shell(name)] for name in NAMES}}
    os.environ["QT_PLUGIN_PATH"] = "/mine"
    print(json.dumps([found, own, read("QT_PLUGIN_PATH")]))
"""


@pytest.fixture(scope="module")
def toolkit_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with a plugin of Qt that is never loaded."""
    table = '[tool.hatch.build.targets.wheel.force-include]\n"Qt6" = "probe_qt/Qt6"\n'
    project = make_project(make_public(tmp_path_factory, "toolkits"), PROBE, table=table)
    library("", "libc.so.6").write(project / "Qt6" / "plugins" / "platforms" / "libqwayland.so")
    return build_image(plugin, project)


def test_variables(toolkit_image: Path, runner: Runner) -> None:
    (runner.home / "wayland-3").touch()
    runner.extra.update(
        {
            **{name: f"/{name}" for name in NAMES if name != "QT_QPA_PLATFORM"},
            "XDG_RUNTIME_DIR": str(runner.home),
            "WAYLAND_DISPLAY": "wayland-3",
        }
    )
    result = runner.run(toolkit_image)
    assert result.returncode == 0, result.stderr
    found, own, mine = json.loads(result.stdout)
    for name in ("QT_PLUGIN_PATH", "QML2_IMPORT_PATH", "QT_STYLE_OVERRIDE"):
        assert found[name] == ["", *[f"/{name}"] * 3]
    for name in ("GTK_PATH", "PROBE"):
        assert found[name] == [f"/{name}"] * 4
    assert found["QT_QPA_PLATFORM"] == ["wayland;xcb", "", "", ""]
    assert (own, mine) == ("None", "/mine")


@pytest.fixture(scope="module")
def wayland(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start a compositor without a screen, and yield the variables by which clients find it."""
    weston = require("weston", "weston")
    directory = make_public(tmp_path_factory, "wayland")
    directory.chmod(0o700)
    variables = {"XDG_RUNTIME_DIR": str(directory), "WAYLAND_DISPLAY": "wayland-test"}
    command = [weston, "--backend=headless-backend.so", "--socket=wayland-test", "--idle-time=0"]
    with subprocess.Popen(command, env={**os.environ, **variables}, stderr=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 60
        while not (directory / "wayland-test").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield variables
        server.terminate()


class TestQt:
    """A real Qt, which the machine's variables would keep from its own plugins."""

    def run(self, qt_image: Path, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        misleading = {
            "QT_PLUGIN_PATH": "/nowhere",
            "QT_QPA_PLATFORM_PLUGIN_PATH": "/nowhere",
            "QT_QPA_PLATFORMTHEME": "qt6ct",
            "QT_STYLE_OVERRIDE": "kvantum",
        }
        return Runner("mounted", None, home, {**misleading, **variables}).run(qt_image, "--once")

    def test_x11(self, qt_image: Path, display: str, tmp_path: Path) -> None:
        """Without a word of Wayland, which is not there."""
        result = self.run(qt_image, tmp_path, DISPLAY=display)
        assert (result.stdout, result.stderr, result.returncode) == ("xcb True\n", "", 0)

    def test_wayland(self, qt_image: Path, display: str, wayland: dict[str, str], tmp_path: Path) -> None:
        result = self.run(qt_image, tmp_path, DISPLAY=display, **wayland)
        assert (result.stdout, result.returncode) == ("wayland True\n", 0), result.stderr

    def test_users_choice(self, qt_image: Path, display: str, wayland: dict[str, str], tmp_path: Path) -> None:
        result = self.run(qt_image, tmp_path, DISPLAY=display, **wayland, QT_QPA_PLATFORM="xcb")
        assert (result.stdout, result.returncode) == ("xcb True\n", 0), result.stderr
