# SPDX-License-Identifier: MIT
"""Replace this image by a newer one."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from ..engine import check_protection, find_release, roll_back, update
from ..errors import SelfError
from ..integration import Directories
from ..web import Web

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..engine import Progress, Release
    from ..running import Image

#: Exit status of ``--check``: there is a newer one, as AppImageUpdate has it.
NEWER = 1
_MEGABYTE = 1_000_000
_PROGRESS_SECONDS = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say whether there is a newer one (exit status 1)")
    what.add_argument("--to", metavar="VERSION", help="take this version, which may be an older one")
    what.add_argument("--rollback", action="store_true", help="take the image from before the last update")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(image: Image, options: argparse.Namespace) -> int:
    """Run the command."""
    if options.rollback:
        place = roll_back(image)
        print(f"{place.path} is the previous image again, and {place.previous} the one that it replaced")
        _renew_menu(image)
        return 0
    web = Web()
    try:
        release = find_release(image, web, options.to)
        if release is None:
            print(f"{image.name} {image.version} is the newest")
            return 0
        print(f"{image.name} {release.version} is available, and this is {image.version}")
        if options.check:
            return NEWER
        return _update(image, web, release, options)
    finally:
        web.close()


def _update(image: Image, web: Web, release: Release, options: argparse.Namespace) -> int:
    if check_protection(image, release) is None:
        print("This image is not signed: nothing but TLS protects the update", file=sys.stderr)
    if not options.yes and not _agrees(image):
        print("Nothing was changed", file=sys.stderr)
        return 0
    done = update(image, web, release, asked=options.to is not None, progress=_find_progress())
    signed = f", signed by {done.signer}" if done.signer else ""
    print(
        f"{done.path} is version {done.version} now{signed}: {done.fetched / _MEGABYTE:.1f} of "
        f"{done.size / _MEGABYTE:.1f} MB were fetched; {image.command} update --rollback takes the old one again"
    )
    _renew_menu(image)
    return 0


def _renew_menu(image: Image) -> None:
    """Have the image that is there now put itself into the menu again, where the old one was."""
    for where, options in ((Directories.of_user(), []), (Directories.of_system(), ["--system"])):
        if os.path.exists(where.record(image)):
            command = [image.file, "--appimage-self", "install", *options]
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def _agrees(image: Image) -> bool:
    if not sys.stdin or not sys.stdin.isatty():
        raise SelfError("there is no terminal to ask whether to update: say --yes")
    try:
        return input(f"Replace {image.file}? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _find_progress() -> Progress | None:
    if not sys.stderr or not sys.stderr.isatty():
        return None
    last = 0.0

    def show(done: int, size: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _PROGRESS_SECONDS or done == size:
            last = now
            print(
                f"\r{done / _MEGABYTE:.1f} of {size / _MEGABYTE:.1f} MB",
                end="" if done < size else "\n",
                file=sys.stderr,
            )

    return show
