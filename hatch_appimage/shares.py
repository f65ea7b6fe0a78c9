# SPDX-License-Identifier: MIT
"""Divide work among threads, each of which may have a process do its share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def work_in_shares(
    function: Callable[[Sequence[Piece]], Sequence[Result]],
    pieces: Sequence[Piece],
    size: Callable[[Piece], int],
    workers: int,
) -> list[Result]:
    """Have a function work on some pieces at a time, and return the results of all in the order of the pieces.

    Args:
        function: returns the results of some pieces, in their order.
        pieces: what is worked on.
        size: how much work a piece is, in any unit.
        workers: how many threads there are at most.

    """
    if not pieces:
        return []
    shares = _share([size(piece) for piece in pieces], workers)
    with ThreadPoolExecutor(len(shares)) as pool:
        results = list(pool.map(lambda positions: function([pieces[each] for each in positions]), shares))
    by_position = dict(zip(chain(*shares), chain(*results), strict=True))
    return [by_position[position] for position in range(len(pieces))]


def _share(sizes: Sequence[int], workers: int) -> list[list[int]]:
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
