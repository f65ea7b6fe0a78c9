# SPDX-License-Identifier: MIT
"""Work that is divided among processes."""

from __future__ import annotations

import pytest

from hatch_appimage.shares import share


@pytest.mark.parametrize(
    ("sizes", "workers", "expected"),
    [
        ([], 2, []),
        ([5], 2, [[0]]),
        ([1, 2, 3], 1, [[2, 1, 0]]),
        ([1, 5, 4, 2], 2, [[1, 0], [2, 3]]),
        ([3, 3, 3], 5, [[0], [1], [2]]),
    ],
)
def test_share(sizes: list[int], workers: int, expected: list[list[int]]) -> None:
    assert share(sizes, workers) == expected
