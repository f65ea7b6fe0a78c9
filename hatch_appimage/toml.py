# SPDX-License-Identifier: MIT
"""TOML: the parser of the standard library, or the same one from tomli for Python 3.10."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hatch_appimage.errors import AppImageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_toml", "tomllib"]


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file (https://toml.io/en/v1.0.0).

    Raises:
        AppImageError: it is not valid TOML; the message has the file and the place in it.
        OSError: it cannot be read.

    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AppImageError(f"{file} is no valid TOML: {error}") from error
