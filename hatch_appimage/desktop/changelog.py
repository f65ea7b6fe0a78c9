# SPDX-License-Identifier: MIT
"""The releases of a project, as a file says that keeps a changelog (https://keepachangelog.com/en/1.1.0/)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from hatch_appimage.desktop.markup import parse_markdown, to_markup, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from markdown_it.tree import SyntaxTreeNode

# `[1.2.0] - 2026-11-29`, and what others write for it, such as `v1.2.0 (2026-11-29)` and `Version 1.2.0: 2026-11-29`.
_RELEASE = re.compile(
    r"(?:version\s+)?\[?v?(?P<version>\d[\w.+!-]*)\]?\W+(?P<date>\d{4}-\d{2}-\d{2})\b(?!.*\[YANKED\])", re.IGNORECASE
)


@dataclass(frozen=True)
class Release:
    """A version that was released.

    Attributes:
        version: PEP 440.
        date: of the release.
        description: what has changed, as elements of AppStream; possibly empty.

    """

    version: Version
    date: date
    description: tuple[Element, ...] = ()


def read_changelog(path: Path) -> tuple[Release, ...]:
    """Read the releases that have a version and a date, newest first; those that were withdrawn are left out.

    Raises:
        ValueError: the file is not UTF-8; the message completes "Option `...` ".

    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"names a file that is not UTF-8: {path}") from error
    releases: dict[Version, Release] = {}
    for release in _releases(parse_markdown(text).children):
        releases.setdefault(release.version, release)
    return tuple(releases[version] for version in sorted(releases, reverse=True))


def _releases(nodes: list[SyntaxTreeNode]) -> Iterator[Release]:
    for index, node in enumerate(nodes):
        if node.type == "heading" and (found := _read_heading(to_text(node))):
            version, day = found
            yield Release(version, day, tuple(to_markup(_section(nodes[index:]))))


def _section(nodes: list[SyntaxTreeNode]) -> Iterator[SyntaxTreeNode]:
    """Yield what follows a heading, up to the next one of its level or a higher one."""
    level = nodes[0].tag
    for node in nodes[1:]:
        if node.type == "heading" and node.tag <= level:
            return
        yield node


def _read_heading(text: str) -> tuple[Version, date] | None:
    """Return the version and date of a release; None for any other heading, and what has no possible date."""
    match = _RELEASE.match(text)
    try:
        return (Version(match["version"]), date.fromisoformat(match["date"])) if match else None
    except (InvalidVersion, ValueError):
        return None
