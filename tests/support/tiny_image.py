# SPDX-License-Identifier: MIT
"""The smallest image that is worth torturing: `probe.c`, and some files that it checks."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.write import load_runtime, write_image
from support.tools import require

SUPPORT = Path(__file__).parent
MACHINE = {"armv7l": "armhf"}.get(platform.machine(), platform.machine())


def compile_program(name: str, path: Path) -> Path:
    """Compile one of the tests' C programs so that it needs no other file: it runs where there is no library."""
    options = ["-std=gnu11", "-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([require("gcc", "gcc"), *options, "-o", path, SUPPORT / name], check=True)
    return path


def build_tiny_image(directory: Path, runtime: Path) -> Path:
    """Make an image of `probe.c` as the build makes images, in an existing directory.

    Args:
        directory: where it goes, with its AppDir beside it.
        runtime: the file of the runtime.

    """
    appdir = directory / "AppDir"
    (appdir / "data").mkdir(parents=True)
    probe = compile_program("probe.c", appdir / "AppRun")
    subprocess.run([probe, "make", appdir / "data"], check=True)
    (appdir / "probe.desktop").write_text("[Desktop Entry]\n")
    image = directory / "Tiny.AppImage"
    write_image(
        appdir,
        load_runtime(runtime, ARCHITECTURES[MACHINE]),
        image,
        PRESETS["default"],
        order=["AppRun", *(f"data/{number}" for number in range(0, 40, 2))],
        application=(),
        update_information=None,
        timestamp=None,
    )
    return image
