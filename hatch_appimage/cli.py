# SPDX-License-Identifier: MIT
"""The command ``hatch-appimage``: looks into finished images, signs and verifies them."""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hatch_appimage.errors import AppImageError, printable
from hatch_appimage.image import find_squashfs
from hatch_appimage.inspection import check_blocks, inspect_image
from hatch_appimage.libraries.listing import list_libraries
from hatch_appimage.signing import PASSPHRASE, Signer, State, sign_file, verify_signature
from hatch_appimage.squashfs import SquashFSError
from hatch_appimage.zsync import write_zsync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Exit statuses, beside 0.
MISSING = 1
UNREADABLE = 2
UNSIGNED = 3
BAD_SIGNATURE = 4
OTHER_KEY = 5
DAMAGED = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; those of the process when None.

    Returns:
        the exit status: 2 if what was named cannot be read; what others mean is in the help of each command.

    """
    parser = argparse.ArgumentParser(prog="hatch-appimage", description="Look into AppImages, sign and verify them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_commands(commands)
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what is in an image need not be of this terminal's alphabet
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = int(options.execute(options))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        # Python would write at its end what is left, and complain.
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
        return 0
    except (AppImageError, OSError) as error:
        print(f"hatch-appimage: {_explain(error)}", file=sys.stderr)
        return UNREADABLE
    return status


def _add_commands(commands: Any) -> None:
    command = _add(commands, _inspect, "Show what is in an AppImage, of whichever tool, without running it.")
    command.add_argument("--json", action="store_true", help="for programs")
    command = _add(
        commands,
        _libraries,
        "Show which shared libraries an AppImage or AppDir needs, where they come from, and which glibc it takes.",
        f"The exit status is {MISSING} if a library is neither in the image nor one that every system has.",
    )
    command.add_argument("--json", action="store_true", help="for programs")
    command = _add(
        commands,
        _sign,
        "Sign a finished AppImage: embed a signature in it, and write a detached one beside it.",
        f"{PASSPHRASE} in the environment may have the passphrase. An older .zsync file fits no more.",
    )
    command.add_argument("--key", metavar="KEY", help="as gpg takes it; without it, gpg's default key signs")
    command = _add(
        commands,
        _verify,
        "Verify the signature of an AppImage, and that every block of it can be decompressed.",
        f"The exit status is 0 for a good signature, {UNSIGNED} for none, {BAD_SIGNATURE} for a bad one, {OTHER_KEY} "
        f"for a good one by another key, {DAMAGED} if the image is damaged, {UNREADABLE} if it cannot be read.",
    )
    command.add_argument("--key", metavar="FINGERPRINT", help="the key that it must be signed by")
    command = _add(commands, _zsync, "Write the .zsync file of a finished AppImage, by which updates are small.")
    command.add_argument("--url", help="of the AppImage, if it will not be in the same place as its .zsync file")


def _add(commands: Any, execute: Callable[[argparse.Namespace], int], what: str, epilog: str = "") -> Any:
    """Add the command that a function executes and is named after; all of them take a path."""
    help_text = what[0].lower() + what[1:].rstrip(".")
    command = commands.add_parser(execute.__name__.lstrip("_"), help=help_text, description=what, epilog=epilog)
    command.add_argument("path", type=Path, help="the AppImage")
    command.set_defaults(execute=execute)
    return command


def _libraries(options: argparse.Namespace) -> int:
    listing = list_libraries(options.path)
    sys.stdout.write(listing.to_json() if options.json else listing.to_text())
    return MISSING if listing.missing else 0


def _inspect(options: argparse.Namespace) -> int:
    inspection = inspect_image(options.path)
    sys.stdout.write(inspection.to_json() if options.json else inspection.to_text())
    return 0


def _verify(options: argparse.Namespace) -> int:
    wanted = None if options.key is None else _fingerprint(options.key)
    found = verify_signature(options.path)
    if found.state is State.UNKNOWN:
        raise AppImageError(f"The signature of {options.path} cannot be verified: {found.detail}")
    try:
        check_blocks(options.path)
    except SquashFSError as error:
        print(f"{options.path}: damaged: {_explain(error)}")
        return DAMAGED
    if found.state is not State.GOOD:
        print(f"{options.path}: {found.state.value}: {found.detail}")
        return UNSIGNED if found.state is State.UNSIGNED else BAD_SIGNATURE
    if wanted not in {None, found.fingerprint, found.primary}:
        print(f"{options.path}: good signature, but by another key: {found.primary} of {printable(found.owner)}")
        return OTHER_KEY
    print(f"{options.path}: good signature by {printable(found.owner)}, key {found.primary}")
    return 0


def _fingerprint(text: str) -> str:
    """Return a key's whole fingerprint: shorter ids can be forged."""
    fingerprint = "".join(text.split()).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", fingerprint):
        raise AppImageError(f"--key takes a whole fingerprint of 40 or 64 hexadecimal digits, not `{text}`")
    return fingerprint


def _sign(options: argparse.Namespace) -> int:
    find_squashfs(options.path)
    signer = Signer.find(options.key)
    with _replacing(options.path) as copy:
        detached = sign_file(copy, signer)
    print(f"{options.path}: signed with {signer.fingerprint}, and {detached.name} is beside it")
    return 0


def _zsync(options: argparse.Namespace) -> int:
    find_squashfs(options.path)
    mtime = int(options.path.stat().st_mtime)
    print(write_zsync(options.path, url=options.url or quote(options.path.name), mtime=mtime).path)
    return 0


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Provide a copy of a file; where nothing fails, it and what is made beside it replace what is there."""
    with TemporaryDirectory(prefix=".hatch-appimage-", dir=path.absolute().parent) as folder:
        copy = Path(shutil.copy2(path, folder))
        yield copy
        for file in Path(folder).iterdir():
            file.replace(path.with_name(file.name))


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{printable(str(error.filename))}: {error.strerror}"
    return "\n".join(map(printable, str(error).split("\n")))
