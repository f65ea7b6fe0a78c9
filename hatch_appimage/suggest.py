# SPDX-License-Identifier: MIT
"""What an error names in place of something that is not there: the names and versions that come near."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from packaging.version import Version

_MAX_NAMES = 10
_MAX_VERSIONS = 3


def suggest_name(name: str, known: Collection[str], instead: str = "") -> str:
    """Return the end of an error about an unknown name: the known one that it may be meant for, or else all of them.

    Args:
        name: the unknown one.
        known: those that there are.
        instead: what to say where they are too many to list.

    """
    # What looks like it, or what it is a part of, such as `groups` of `dependency-groups`.
    near = [*get_close_matches(name, known, n=1), *(it for it in sorted(known) if name in it.split("-"))]
    if near:
        return f", did you mean `{near[0]}`?"
    return instead or f"; known are {', '.join(sorted(known))}"


def list_names(name: str, known: Collection[str]) -> str:
    """List the names that there are: those like the given one first, and not all if they are many."""
    near = get_close_matches(name, known, n=3)
    names = [*near, *(other for other in known if other not in near)]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def suggest_versions(wanted: Version, known: Iterable[Version]) -> str:
    """Return the end of an error about an unknown version of Python: the known ones that are nearest to it."""

    def distance(version: Version) -> tuple[int, int]:
        return abs(version.minor - wanted.minor), abs(version.micro - wanted.micro)

    nearest = sorted(sorted(set(known), reverse=True), key=distance)[:_MAX_VERSIONS]
    return f"; the nearest are {', '.join(map(str, nearest))}" if nearest else ""
