# SPDX-License-Identifier: MIT
"""Work that is divided among threads."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.shares import work_in_shares

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("pieces", "workers", "expected"),
    [
        ([], 2, []),
        ([5], 2, [[5]]),
        ([1, 2, 3], 1, [[3, 2, 1]]),
        ([1, 5, 4, 2], 2, [[4, 2], [5, 1]]),
        ([3, 3, 3], 5, [[3], [3], [3]]),
    ],
)
def test_shares(pieces: list[int], workers: int, expected: list[list[int]]) -> None:
    shares: list[list[int]] = []

    def square(some: Sequence[int]) -> list[int]:
        assert get_ident() != main
        shares.append(list(some))
        return [piece**2 for piece in some]

    main = get_ident()
    assert work_in_shares(square, pieces, lambda piece: piece, workers) == [piece**2 for piece in pieces]
    assert sorted(shares) == expected


def test_an_error_comes_out() -> None:
    def fail(_some: Sequence[int]) -> list[int]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work_in_shares(fail, [1, 2], abs, 2)
