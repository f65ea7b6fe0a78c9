# SPDX-License-Identifier: MIT
"""What an image that manages itself has for it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.manage import Identity, management_files, write_management
from hatch_appimage.layout import AppDir
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.python import BundledPython
from hatch_appimage.runtime.launcher_settings import SETTINGS_NAME, read_settings, write_settings

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHER = b"hatch-appimage launcher 1"
STDLIB = "usr/lib/python3.11"
IDENTITY = Identity("Größe", "Grosse", "1.0", "x86_64", ("app", "tool"))


def write(root: Path, *, apprun: bytes = LAUNCHER, manage: bool | str = True) -> AppDir:
    appdir = AppDir(root, "app")
    appdir.apprun.write_bytes(apprun)
    write_settings(root, [("program", "x")])
    python = BundledPython(
        "3", appdir.bin / "python3", root / STDLIB, (root / "usr/lib/site-packages",), interpreter=root, origin=root
    )
    write_management(appdir, python, EntryPoint("app", "app", "main"), IDENTITY, manage=manage)
    assert all(path.suffix == ".py" for path in management_files(python))
    return appdir


@pytest.mark.parametrize(("manage", "command"), [(True, ""), ("command", "app self")])
def test_what_the_build_knows(tmp_path: Path, manage: bool | str, command: str) -> None:  # noqa: FBT001 - a parameter
    appdir = write(tmp_path, manage=manage)
    assert json.loads(appdir.identity.read_text(encoding="utf-8")) == {
        "name": "Größe",
        "file_name": "Grosse",
        "version": "1.0",
        "architecture": "x86_64",
        "command": command,
        "commands": ["app", "tool"],
        "sbom": "usr/share/app/sbom.cdx.json",
        "packages": ["usr/lib/site-packages"],
    }
    settings = read_settings((tmp_path / SETTINGS_NAME).read_text())
    assert ("manage", "usr/libexec/appimage-self") in settings
    assert (("manage-word", "self") in settings) == bool(command)
    assert not list(tmp_path.rglob("__pycache__"))


def test_nothing_unless_wanted(tmp_path: Path) -> None:
    assert not write(tmp_path, manage=False).manage.exists()


def test_another_apprun(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not write(tmp_path, apprun=b"#!/bin/sh\n").manage.exists()
    assert caplog.messages == ["`manage` has no effect: this image has an AppRun of the project's own"]


def test_to_import_it_costs_nothing(tmp_path: Path) -> None:
    """Neither the network nor cryptography is loaded, until it is used."""
    write(tmp_path)
    code = "import __future__, os; known = {*sys.modules}; import appimage_self; print(*sorted({*sys.modules} - known))"
    command = [sys.executable, "-ISc", f"import sys; sys.path.append({str(tmp_path / STDLIB)!r}); {code}"]
    assert subprocess.check_output(command, text=True).split() == ["appimage_self", "appimage_self.errors"]
