# SPDX-License-Identifier: MIT
"""Say what this image is."""

from __future__ import annotations

import json
import os
import platform

from ..elf import UPDATE_INFORMATION, read_runtime, read_section
from ..errors import SelfError
from ..signature import verify

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ..running import Image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(image: Image, options: argparse.Namespace) -> int:
    """Run the command."""
    facts = describe(image)
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    for name, value in facts.items():
        print(f"{name.replace('_', ' ')}: {'-' if value is None else value}")
    return 0


def describe(image: Image) -> dict[str, Any]:
    """Return what is known of an image; what only its file tells is None where it was unpacked."""
    facts: dict[str, Any] = {
        "name": image.name,
        "version": image.version,
        "architecture": image.architecture,
        "python": platform.python_version(),
        "path": image.path,
        "size": None,
        "update_information": None,
        "signature": None,
        "key": None,
    }
    if image.path is None:
        return facts
    with open(image.path, "rb") as file:
        facts["size"] = os.fstat(file.fileno()).st_size
        information = read_section(file, read_runtime(file), UPDATE_INFORMATION)
        facts["update_information"] = information.decode("ascii", "replace") or None
        try:
            signed = verify(file)
        except SelfError as error:
            return {**facts, "signature": f"bad: {error}"}
    return {**facts, "signature": "good" if signed else "unsigned", "key": signed.primary if signed else None}
