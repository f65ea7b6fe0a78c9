# SPDX-License-Identifier: MIT
"""An image of an application with windows, on a machine where it does not start."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage import cli
from support.projects import copy_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return the AppDir of an image whose desktop entry is for no terminal, without its interpreter."""
    project = copy_project("hello-cli", tmp_path, quick=True)
    settings = ("--set", "terminal=false", "--set", "name=My <App>", "--set", "startup-order=false")
    assert cli.main(["build", str(project), *settings, "--output", str(tmp_path / "dist")]) == 0
    (image,) = (tmp_path / "dist").glob("*.AppImage")
    subprocess.run([image, "--appimage-extract"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    tree = tmp_path / "squashfs-root"
    (interpreter,) = (tree / "usr/libexec").glob("python3*")
    interpreter.unlink()
    return tree


def test_is_shown(tree: Path, tmp_path: Path) -> None:
    """By its name for people, by AppRun and what stands in for the interpreter, and not by the interpreter."""
    program = tmp_path / "bin" / "xmessage"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{tmp_path}/shown'\n")
    program.chmod(0o755)
    env = {"PATH": str(program.parent), "WAYLAND_DISPLAY": "wayland-0"}
    assert subprocess.run([tree / "AppRun"], env=env, capture_output=True, check=False).returncode == 127
    *options, text = (tmp_path / "shown").read_text().splitlines()
    assert options == ["-center", "-title", "My <App>"]
    assert text.startswith(f"Cannot start My <App>: cannot run {tree}/usr/libexec/python3")
    confs = {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("launcher.conf")}
    told = {name for name, conf in confs.items() if "\ndialogue My <App>\n" in conf}
    assert told == set(confs) - {"usr/bin/launcher.conf"}
