# SPDX-License-Identifier: MIT
"""Print the bill of materials of this image (CycloneDX)."""

from __future__ import annotations

import os
import sys

from ..errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ..running import Image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options, of which there are none."""


def run(image: Image, _options: argparse.Namespace) -> int:
    """Run the command."""
    sys.stdout.write(read_sbom(image))
    return 0


def read_sbom(image: Image) -> str:
    """Return the text of the bill of materials.

    Raises:
        SelfError: the image has none.

    """
    try:
        with open(os.path.join(image.root, image.sbom), encoding="utf-8") as file:
            return file.read()
    except OSError:
        raise SelfError("this image has no bill of materials: its files were changed") from None
