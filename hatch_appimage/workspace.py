# SPDX-License-Identifier: MIT
"""Workspaces of uv (https://docs.astral.sh/uv/concepts/projects/workspaces/)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hatch_appimage.errors import AppImageError
from hatch_appimage.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def find_workspace(root: Path) -> Path | None:
    """Find the directory of the workspace that a project is a member of, without being its root."""
    root = root.resolve()
    for directory in (root, *root.parents):
        table = read_table(directory / "pyproject.toml", "tool", "uv", "workspace")
        if table is not None:
            members, excluded = ({*_matching(directory, table.get(key))} for key in ("members", "exclude"))
            return directory if directory != root and root in members - excluded else None
    return None


def find_members(root: Path) -> list[Path]:
    """Return the directories of all members of the workspace that a project is in, or is the root of."""
    directory = find_workspace(root) or root.resolve()
    table = read_table(directory / "pyproject.toml", "tool", "uv", "workspace")
    if table is None:
        return []
    members, excluded = ({*_matching(directory, table.get(key))} for key in ("members", "exclude"))
    return sorted(members - excluded | {directory})


def read_table(file: Path, *keys: str) -> dict[str, Any] | None:
    """Read a table of a TOML file; None if it is not there or cannot be read, as what lies around a project may be."""
    found: Any = None
    with suppress(OSError, AppImageError):
        found = read_toml(file)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _matching(directory: Path, patterns: Any) -> Iterator[Path]:
    for pattern in map(os.path.normpath, patterns if isinstance(patterns, list) else ()):
        if pattern == ".":
            yield directory.resolve()
        elif not pattern.startswith("/"):
            yield from (path.resolve() for path in directory.glob(pattern))
