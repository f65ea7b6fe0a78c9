# SPDX-License-Identifier: MIT
"""See whether the signature of this image is good."""

from __future__ import annotations

import sys

from ..errors import SelfError
from ..signature import verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..running import Image

#: Exit status, as that of ``hatch-appimage verify``.
GOOD, UNSIGNED, BAD, ANOTHER_KEY = 0, 3, 4, 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--key", metavar="FINGERPRINT", help="the key that must have signed it")


def run(image: Image, options: argparse.Namespace) -> int:
    """Run the command."""
    with open(image.file, "rb") as file:
        try:
            signed = verify(file)
        except SelfError as error:
            print(f"bad: {error}", file=sys.stderr)
            return BAD
    if signed is None:
        print("not signed", file=sys.stderr)
        return UNSIGNED
    wanted = (options.key or "").replace(" ", "").upper()
    if options.key is not None and wanted not in {signed.primary, signed.fingerprint}:
        print(f"signed by another key: {signed.primary}", file=sys.stderr)
        return ANOTHER_KEY
    print(f"good: signed by {signed.primary}")
    return GOOD
