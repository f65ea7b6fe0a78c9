# SPDX-License-Identifier: MIT
"""Put this image into the menu."""

from __future__ import annotations

import os

from ..elf import UPDATE_INFORMATION, read_runtime, read_section
from ..errors import SelfError
from ..integration import Directories, check_path, files_of_tools, find_contents, find_manager, refresh
from ..record import Record, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..running import Image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--system", action="store_true", help="for all users of this machine, as root")
    parser.add_argument(
        "--link-commands",
        metavar="DIR",
        nargs="?",
        const="",
        help="also put links to its commands into a directory (default: ~/.local/bin, or /usr/local/bin)",
    )
    parser.add_argument("--force", action="store_true", help="even if another program takes care of it")


def run(image: Image, options: argparse.Namespace) -> int:
    """Run the command."""
    where = Directories.of_system() if options.system else Directories.of_user()
    if options.system:
        check_path(image.file)
    links = None if options.link_commands is None else os.path.abspath(options.link_commands or where.commands)
    record = install(image, where, links=links, force=options.force)
    print(f"{image.name} {image.version} is in the menu: {len(record.files)} files below {where.data}")
    if record.links and record.links not in os.environ.get("PATH", "").split(":"):
        print(f"{record.links} is not on PATH, so that its commands are found by their whole path only")
    return 0


def install(image: Image, where: Directories, *, links: str | None, force: bool) -> Record:
    """Install an image, or bring what the last installation has put up to date.

    Args:
        image: that is installed; it stays where it is.
        where: to.
        links: a directory for links by the names of its commands; None for where they are, if they are anywhere.
        force: also where another program takes care of it.

    Raises:
        SelfError: another program takes care of it, it cannot be written, or something else is in its place.

    """
    where.check_owner()
    path = where.record(image)
    old = Record.read(path)
    if links is None and old:
        links = old.links
    if not force and (reason := find_manager(image, where, old)):
        raise SelfError(f"nothing was installed, as {reason}; --force does it all the same")
    with open(image.file, "rb") as file:
        updates = bool(read_section(file, read_runtime(file), UPDATE_INFORMATION))
    try:
        contents = find_contents(image, where, links, updates=updates)
        record = put(contents, path, Record(image.file, {}, [], files_of_tools(where.data), links), old)
        refresh(where.data)
    except OSError as error:
        raise SelfError(f"{error.filename} cannot be written: {error.strerror}") from error
    return record
