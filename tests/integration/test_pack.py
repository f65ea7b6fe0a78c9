# SPDX-License-Identifier: MIT
"""Images of AppDirs and frozen applications are signed and start; repacked ones, too, with all that is in them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.cli import main
from hatch_appimage.cli.status import UNSIGNED
from hatch_appimage.desktop.icon import generate_icon
from support.keys import make_key
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

# What a frozen application is to its runtime: a program that finds its files by its own path.
PROGRAM = '#include <stdio.h>\nint main(int argc, char **argv) { printf("%s %s\\n", argv[0], argv[argc - 1]); }\n'
MARKS = {"PyInstaller": b"MEI\014\013\012\013\016", "cx_Freeze": b""}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Compile a program that prints what it is started by, and its last argument."""
    directory = tmp_path_factory.mktemp("program")
    (directory / "program.c").write_text(PROGRAM)
    gcc = require("gcc", "gcc")
    subprocess.run([gcc, "-static", "-s", "-o", directory / "program", directory / "program.c"], check=True)
    return (directory / "program").read_bytes()


def start(image: Path, argument: str) -> list[str]:
    """Start an image by its name on PATH, and return what it says."""
    env = {**os.environ, "PATH": f"{image.parent}:{os.environ['PATH']}"}
    result = subprocess.run([image.name, argument], env=env, capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.fixture
def appdir(tmp_path: Path) -> Path:
    """Make an AppDir whose AppRun is a script."""
    appdir = tmp_path / "AppDir"
    appdir.mkdir()
    (appdir / "AppRun").write_text('#!/bin/sh\ncat "$APPDIR/data"; echo " $1"\n')
    (appdir / "AppRun").chmod(0o700)
    (appdir / "data").write_text("here")
    entry = "[Desktop Entry]\nType=Application\nName=App\nExec=app\nIcon=app\nCategories=Utility;\n"
    (appdir / "app.desktop").write_text(entry)
    (appdir / "app.png").write_bytes(generate_icon("app").data)
    return appdir


@pytest.mark.usefixtures("gnupg_home")
def test_signed_and_repacked(appdir: Path, tmp_path: Path) -> None:
    key = make_key("ed25519")
    image, again = tmp_path / "a.AppImage", tmp_path / "b.AppImage"
    line = "zsync|https://example.org/a.AppImage.zsync"
    options = ["--arch", native_architecture().name, "--update-information", line, "--sign-key", key]
    assert main(["pack", str(appdir), "--output", str(image), *options]) == 0
    assert main(["verify", str(image), "--key", key]) == 0
    assert main(["repack", str(image), "--output", str(again), "--compression", "gzip"]) == 0
    assert main(["verify", str(again)]) == UNSIGNED
    assert start(image, "first") == ["here", "first"]
    assert start(again, "second") == ["here", "second"]


@pytest.mark.parametrize("tool", MARKS)
def test_frozen(program: bytes, tmp_path: Path, tool: str) -> None:
    """cx_Freeze's programs need a path of their own as what they are started by."""
    frozen = tmp_path / "an app"
    frozen.mkdir()
    (frozen / "an app").write_bytes(program + MARKS[tool])
    (frozen / "an app").chmod(0o755)
    if tool == "cx_Freeze":
        (frozen / "frozen_application_license.txt").touch()
    assert main(["pack", str(frozen), "--output", str(tmp_path / "image")]) == 0
    *called, argument = start(tmp_path / "image", "x")
    assert argument == "x"
    assert " ".join(called).endswith("/usr/bin/an app" if tool == "cx_Freeze" else "image")
