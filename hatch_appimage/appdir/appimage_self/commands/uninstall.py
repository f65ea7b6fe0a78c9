# SPDX-License-Identifier: MIT
"""Take this image out of the menu again; the file itself stays."""

from __future__ import annotations

import os
import sys

from ..errors import SelfError
from ..integration import Directories, forget
from ..record import Record, take_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..running import Image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--system", action="store_true", help="for all users of this machine, as root")


def run(image: Image, options: argparse.Namespace) -> int:
    """Run the command."""
    where = Directories.of_system() if options.system else Directories.of_user()
    changed = uninstall(image, where)
    if changed is None:
        print(f"{image.name} is not installed in {where.data}")
        return 0
    for path in changed:
        print(f"{path} stays, as somebody has changed it", file=sys.stderr)
    print(f"{image.name} is no longer in the menu")
    return 0


def uninstall(image: Image, where: Directories) -> list[str] | None:
    """Remove what was installed, and nothing else.

    Args:
        image: whose installation it is.
        where: it was installed.

    Returns:
        paths of files that somebody has changed, which stay; None if it is not installed.

    Raises:
        SelfError: something cannot be removed.

    """
    where.check_owner()
    path = where.record(image)
    record = Record.read(path)
    if record is None:
        return None
    try:
        changed = take_away(record.files, ())
        forget(where.data, record.before)
        os.unlink(path)
        take_away({}, record.directories)
    except OSError as error:
        raise SelfError(f"{error.filename} cannot be removed: {error.strerror}") from error
    return changed
