# SPDX-License-Identifier: MIT
"""Where the symbolic links of an archive lead, found out from its names alone: nothing has to be unpacked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Linux follows no more of them in one path (MAXSYMLINKS, path_resolution(7)).
_MAX_LINKS: Final = 40


def stays_inside(path: bytes, links: Mapping[bytes, bytes]) -> bool:
    """Whether a link leads to a place below the root of its archive, whether or not there is anything.

    It is followed step by step, as the kernel does: the parent of ``a/..`` depends on what ``a`` is. A chain of links
    without end leads nowhere, and counts as one that leads out.

    Args:
        path: of the link, from the root, without ``.``, ``..`` and doubled slashes. None of its parents is a link.
        links: the targets of all links by their paths, which are written the same way.

    """
    place = path.split(b"/")[:-1]
    waiting = _steps(links[path])
    followed = 1
    while waiting and followed <= _MAX_LINKS:
        step = waiting.pop()
        if step in {b"", b"."}:
            continue
        if step == b"/" or (step == b".." and not place):
            return False
        if step == b"..":
            place.pop()
            continue
        place.append(step)
        target = links.get(b"/".join(place))
        if target is not None:
            place.pop()
            waiting += _steps(target)
            followed += 1
    return not waiting


def _steps(target: bytes) -> list[bytes]:
    """Return the steps of a path, the last one first; an absolute one begins at ``/``."""
    steps = target.split(b"/")[::-1]
    return [*steps, b"/"] if target.startswith(b"/") else steps
