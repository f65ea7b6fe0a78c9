# SPDX-License-Identifier: MIT
"""List the packages in this image with their licenses."""

from __future__ import annotations

import json

from ..errors import SelfError
from .sbom import read_sbom

# As packages/sbom.py writes it.
_LICENSE_FILE = "hatch-appimage:licence-file"

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from ..running import Image


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options, of which there are none."""


def run(image: Image, _options: argparse.Namespace) -> int:
    """Run the command."""
    try:
        document = json.loads(read_sbom(image))
        own = document.get("metadata", {}).get("component")
        rows = [_row(each) for each in [*([own] if own else []), *document.get("components", ())]]
    except (ValueError, AttributeError, TypeError):
        raise SelfError("the bill of materials of this image is damaged") from None
    for name, version, license_ in rows:
        print(f"{name} {version}".rstrip() + f": {license_}")
    return 0


def _row(component: dict[str, Any]) -> tuple[str, str, str]:
    found = []
    for each in component.get("licenses", ()):
        named = each.get("license", {})
        found.append(each.get("expression") or named.get("id") or named.get("name") or "")
    named = " AND ".join(filter(None, found)) or _file(component) or "not known"
    return component.get("name", ""), component.get("version", ""), named


def _file(component: dict[str, Any]) -> str | None:
    """Say where the image has a license that says in prose what it is."""
    files = [each["value"] for each in component.get("properties", ()) if each.get("name") == _LICENSE_FILE]
    return f"see {files[0]} in the image" if files else None
