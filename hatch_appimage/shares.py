# SPDX-License-Identifier: MIT
"""Divide work among processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def share(sizes: Sequence[int], workers: int) -> list[list[int]]:
    """Divide pieces of work so that all workers have about the same to do, the largest pieces first.

    Args:
        sizes: of the pieces, in any unit.
        workers: how many there are at most.

    Returns:
        for each worker that has anything to do the positions of its pieces.

    """
    shares: list[list[int]] = [[] for _ in range(min(workers, len(sizes)))]
    loads = [0] * len(shares)
    for position in sorted(range(len(sizes)), key=lambda each: -sizes[each]):
        least = loads.index(min(loads))
        shares[least].append(position)
        loads[least] += sizes[position]
    return shares
