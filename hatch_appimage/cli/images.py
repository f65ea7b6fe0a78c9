# SPDX-License-Identifier: MIT
"""The commands on finished images, each a function of its name."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

from hatch_appimage.appdir.appimage_self.blocks import SUFFIX, read_map
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.cli.status import BAD_SIGNATURE, DAMAGED, MISSING, OTHER_KEY, UNSIGNED, explain
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import find_squashfs
from hatch_appimage.image.block_map import write_block_map
from hatch_appimage.image.sign import Signer, State, sign_file, verify_signature
from hatch_appimage.image.zsync import write_zsync
from hatch_appimage.inspect.image import check_blocks, inspect_image
from hatch_appimage.inspect.libraries import list_libraries
from hatch_appimage.squashfs import SquashFSError
from hatch_appimage.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def libraries(options: argparse.Namespace) -> int:
    """Show which shared libraries an AppImage or AppDir needs."""
    listing = list_libraries(options.path)
    sys.stdout.write(listing.to_json() if options.json else listing.to_text())
    return MISSING if listing.missing else 0


def inspect(options: argparse.Namespace) -> int:
    """Show what is in an AppImage."""
    inspection = inspect_image(options.path)
    sys.stdout.write(inspection.to_json() if options.json else inspection.to_text())
    return 0


def verify(options: argparse.Namespace) -> int:
    """Verify an AppImage's signature, and that it can be read."""
    wanted = None if options.key is None else _fingerprint(options.key)
    found = verify_signature(options.path)
    if found.state is State.UNKNOWN:
        raise AppImageError(f"The signature of {options.path} cannot be verified: {found.detail}")
    try:
        check_blocks(options.path)
    except SquashFSError as error:
        print(f"{options.path}: damaged: {explain(error)}")
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


def sign(options: argparse.Namespace) -> int:
    """Sign an AppImage; where that fails, it stays what it is."""
    find_squashfs(options.path)
    signer = Signer.find(options.key)
    with _replacing(options.path) as copy:
        detached = sign_file(copy, signer)
    print(f"{options.path}: signed with {signer.fingerprint}, and {detached.name} is beside it")
    return 0


def zsync(options: argparse.Namespace) -> int:
    """Write the .zsync file of an AppImage, and its block map anew if there is one."""
    find_squashfs(options.path)
    described = options.path.with_name(options.path.name + SUFFIX)
    if described.is_file():
        print(write_block_map(options.path, version=_version_in(described)).path)
    mtime = int(options.path.stat().st_mtime)
    print(write_zsync(options.path, url=options.url or quote(options.path.name), mtime=mtime).path)
    return 0


def _version_in(described: Path) -> str:
    try:
        return read_map(described.read_bytes(), str(described)).version
    except SelfError as error:
        raise AppImageError(f"{error}: remove it, or build the image again") from error


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Provide a copy of a file; where nothing fails, it and what is made beside it replace what is there."""
    with TemporaryDirectory(prefix=".hatch-appimage-", dir=path.absolute().parent) as directory:
        copy = Path(shutil.copy2(path, directory))
        yield copy
        for file in Path(directory).iterdir():
            file.replace(path.with_name(file.name))
