# SPDX-License-Identifier: MIT
"""Pictures of screens, by which applications are compared."""

from __future__ import annotations

import struct

from support.png import write_png
from support.screenshots import TOLERANCE, Screenshot, read_png, read_xwd

RED, BLUE = b"\x00\x00\xff\x00", b"\xff\x00\x00\x00"


def test_difference() -> None:
    """The share of the pixels whose colour differs by more than the tolerance."""
    picture = Screenshot(2, 2, RED * 4)
    assert picture.difference(picture) == 0
    assert picture.difference(Screenshot(2, 2, RED * 3 + BLUE)) == 0.25
    assert picture.difference(Screenshot(2, 2, RED * 3 + bytes([TOLERANCE, 0, 255, 0]))) == 0
    assert picture.difference(Screenshot(2, 2, RED * 3 + bytes([TOLERANCE + 1, 0, 255, 0]))) == 0.25
    assert picture.difference(Screenshot(4, 1, RED * 4)) == 1


def test_colours() -> None:
    assert Screenshot(2, 2, RED * 4).colours() == 1
    assert Screenshot(2, 2, RED * 2 + BLUE * 2).colours() == 2


def test_window() -> None:
    """What the first pixel's colour surrounds."""
    rows = [RED * 4, RED + BLUE + RED * 2, RED * 2 + BLUE + RED, RED * 4]
    assert Screenshot(4, 4, b"".join(rows)).window() == Screenshot(2, 2, BLUE + RED + RED + BLUE)
    assert Screenshot(2, 1, RED * 2).window() == Screenshot(2, 1, RED * 2)


def test_xwd() -> None:
    """Rows are longer than their pixels, and a table of colours comes first."""
    header = [0] * 25
    header[0], header[4], header[5], header[12], header[19] = 104, 2, 1, 12, 3
    data = struct.pack(">25I", *header) + bytes(4 + 3 * 12) + RED + BLUE + bytes(4)
    assert read_xwd(data) == Screenshot(2, 1, RED + BLUE)


def test_png() -> None:
    picture = Screenshot(2, 1, RED + BLUE)
    pixels = ((255, 0, 0, 255), (0, 0, 255, 255))
    assert read_png(write_png(2, 1, lambda x, _: pixels[x])) == picture
    assert read_png(picture.to_png()) == picture
