# SPDX-License-Identifier: MIT
"""What checks an image, or shows it in menus, on other people's machines."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

from support.tools import require, unavailable

if TYPE_CHECKING:
    from pathlib import Path

_LIBAPPIMAGE = "libappimage.so.1.0abi1"


def complaints_of_validator(entry: Path) -> list[str]:
    """Return what desktop-file-validate says of a desktop entry."""
    command = [require("desktop-file-validate", "desktop-file-utils"), str(entry)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return [*result.stdout.splitlines(), *([f"exit status {result.returncode}"] if result.returncode else [])]


def complaints_of_appstream(tree: Path) -> list[str]:
    """Return the errors and warnings of appstreamcli for an AppDir."""
    command = [require("appstreamcli", "appstream"), "validate-tree", "--no-net", "--no-color", str(tree)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in result.stdout.splitlines() if line.lstrip().startswith(("E: ", "W: ", "U: "))]
    return [*said, *result.stderr.splitlines(), *([f"exit status {result.returncode}"] if result.returncode else [])]


def register(image: Path, home: Path) -> dict[str, bool]:
    """Have libappimage, which desktops and launchers of AppImages use, show an image in the menu of a user."""
    try:
        ctypes.CDLL(_LIBAPPIMAGE)
    except OSError:
        unavailable(f"there is no {_LIBAPPIMAGE}: install Debian's `libappimage1.0abi1`")
    code = f"""\
        import ctypes, json, sys
        library, path = ctypes.CDLL("{_LIBAPPIMAGE}"), sys.argv[1].encode()
        library.appimage_is_registered_in_system.restype = ctypes.c_bool
        library.appimage_create_thumbnail.restype = ctypes.c_bool
        answers = {{
            "refused": library.appimage_shall_not_be_integrated(path) != 0,
            "failed": library.appimage_register_in_system(path, False) != 0,
            "registered": library.appimage_is_registered_in_system(path),
            "thumbnail": library.appimage_create_thumbnail(path, False),
        }}
        print(json.dumps(answers))
        """
    command = [sys.executable, "-c", textwrap.dedent(code), str(image)]
    result = subprocess.run(command, env={"HOME": str(home)}, capture_output=True, text=True, check=True)
    answers: dict[str, bool] = json.loads(result.stdout.splitlines()[-1])
    return answers
