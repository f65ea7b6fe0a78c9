# SPDX-License-Identifier: MIT
"""The command ``hatch-appimage``: looks into finished images and AppDirs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.listing import list_libraries

if TYPE_CHECKING:
    from collections.abc import Sequence

# Exit statuses, beside 0.
MISSING = 1
UNREADABLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; those of the process when None.

    Returns:
        the exit status: 2 if what was named cannot be read; what others mean is in the help of each command.

    """
    parser = argparse.ArgumentParser(prog="hatch-appimage", description="Look into finished AppImages and AppDirs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_libraries(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.execute(options))
    except BrokenPipeError:  # whoever reads has seen enough
        return 0
    except (AppImageError, OSError) as error:
        print(f"hatch-appimage: {_explain(error)}", file=sys.stderr)
        return UNREADABLE


def _add_libraries(commands: Any) -> None:
    command = commands.add_parser(
        "libraries",
        help="show which shared libraries the files of an image need",
        description="Show who needs which shared library, where it comes from, and which glibc the image needs.",
        epilog=f"The exit status is {MISSING} if a library is neither in the image nor one that every system has.",
    )
    command.add_argument("path", type=Path, help="an AppImage, or a folder that is to become one")
    command.add_argument("--json", action="store_true", help="for programs")
    command.set_defaults(execute=_libraries)


def _libraries(options: argparse.Namespace) -> int:
    listing = list_libraries(options.path)
    sys.stdout.write(listing.to_json() if options.json else listing.to_text())
    return MISSING if listing.missing else 0


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
