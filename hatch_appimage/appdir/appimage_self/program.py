# SPDX-License-Identifier: MIT
"""The command line: ``App.AppImage --appimage-self <command>``. Each command is a module of its own."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from importlib import import_module

from .errors import SelfError
from .notification import notifying
from .running import running

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence

    from .running import Image

    Run = Callable[[Image, argparse.Namespace], int]

#: Each is a module in ``commands`` with a docstring, ``add_arguments(parser)`` and ``run(image, options)``.
COMMANDS = ("update", "install", "uninstall", "verify", "info", "sbom", "licenses")
FAILED = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    try:
        image = running()
        # What is installed is not on the search path, but one may bring certificates for machines that have none.
        sys.path += image.packages
        options = _parse(image, arguments)
        with notifying(image.name) if options.notify else nullcontext():
            run: Run = options.run
            return run(image, options)
    except SelfError as error:
        print(f"AppImage: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED
    except KeyboardInterrupt:
        print("AppImage: interrupted; what was fetched is used the next time", file=sys.stderr)
        return _INTERRUPTED


def _parse(image: Image, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=image.command, description=f"Manage {image.name} {image.version}.")
    commands = parser.add_subparsers(metavar="command", required=True)
    for name in COMMANDS:
        module = import_module(f"{__package__}.commands.{name}")
        summary = (module.__doc__ or "").strip().split("\n")[0]
        command = commands.add_parser(name, help=summary.rstrip("."), description=summary)
        module.add_arguments(command)
        command.add_argument("--notify", action="store_true", help="also show the outcome as a notification")
        command.set_defaults(run=module.run)
    return parser.parse_args(arguments)
