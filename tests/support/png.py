# SPDX-License-Identifier: MIT
"""PNGs of every kind, written and read by what the PNG specification says, for pictures of a few pixels."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))

Pixel = tuple[int, ...]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Take a PNG apart and check every checksum."""
    assert png.startswith(SIGNATURE)
    found: dict[bytes, bytes] = {}
    place = len(SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length) == (zlib.crc32(kind + data),)
        found[kind] = found.get(kind, b"") + data
        place += 12 + length
    return found


def write_png(
    width: int,
    height: int,
    sample: Callable[[int, int], Pixel],
    *,
    depth: int = 8,
    colour: int = 6,
    interlace: int = 0,
    more: bytes = b"",
) -> bytes:
    """Write a PNG.

    Args:
        width: in pixels.
        height: in pixels.
        sample: returns the samples of a pixel, by its column and row.
        depth: bits of a sample.
        colour: the type of colour.
        interlace: 1 for Adam7.
        more: chunks before the pixels.

    """
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    rows = bytearray()
    for column, row, across, down in ADAM7 if interlace else ((0, 0, 1, 1),):
        columns = range(column, width, across)
        for y in range(row, height, down) if columns else ():
            bits = "".join(f"{value:0{depth}b}" for x in columns for value in sample(x, y))
            bits += "0" * (-len(bits) % 8)
            rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    return SIGNATURE + header + more + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")


def plain(width: int, height: int, pixel: Pixel = (200, 0, 0, 255)) -> bytes:
    """Return a PNG of one colour."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    rows = (b"\0" + bytes(pixel) * width) * height
    return SIGNATURE + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def read_pixels(png: bytes) -> list[list[Pixel]]:
    """Return the pixels of a PNG of 8-bit RGBA, row by row."""
    parts = chunks(png)
    width, height, *kind = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert kind == [8, 6, 0, 0, 0]
    rows = list(unfiltered(zlib.decompress(parts[b"IDAT"]), 4 * width, 4))
    assert len(rows) == height
    return [[tuple(row[place : place + 4]) for place in range(0, 4 * width, 4)] for row in rows]


def unfiltered(data: bytes, length: int, size: int) -> Iterator[bytearray]:
    """Yield the rows of a PNG's unpacked data.

    Args:
        data: each row with the kind of its filter before it.
        length: of a row, in bytes.
        size: of a pixel, in bytes.

    """
    above = bytearray(length)
    for start in range(0, len(data), length + 1):
        row = bytearray(data[start + 1 : start + 1 + length])
        for place in range(length if data[start] else 0):
            left, corner = (row[place - size], above[place - size]) if place >= size else (0, 0)
            row[place] = (row[place] + _predict(data[start], left, above[place], corner)) % 256
        yield row
        above = row


def _predict(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:  # Paeth's, which takes the longest
        return min((left, up, corner), key=lambda value: abs(left + up - corner - value))
    return (0, left, up, (left + up) // 2)[kind]
