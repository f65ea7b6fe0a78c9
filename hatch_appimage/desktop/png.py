# SPDX-License-Identifier: MIT
"""Whether a PNG is whole, and how large its picture is (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# In pixels: a file of a few kilobytes can hold a picture of gigabytes.
_MAX_SIDE = 4096

# Section 11.2.1: the bits of a sample that each type of colour may have, and how many samples make a pixel.
_GREYSCALE, _TRUECOLOUR, _INDEXED, _GREYSCALE_ALPHA, _TRUECOLOUR_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {
    _GREYSCALE: (1, 2, 4, 8, 16),
    _TRUECOLOUR: (8, 16),
    _INDEXED: (1, 2, 4, 8),
    _GREYSCALE_ALPHA: (8, 16),
    _TRUECOLOUR_ALPHA: (8, 16),
}
_SAMPLES = {_GREYSCALE: 1, _TRUECOLOUR: 3, _INDEXED: 1, _GREYSCALE_ALPHA: 2, _TRUECOLOUR_ALPHA: 4}
_MAX_FILTER = 4  # section 9.2

# Section 8.1, of each pass of an interlaced picture: its first column and row, and the steps between them.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_WHOLE = ((0, 0, 1, 1),)


@dataclass(frozen=True)
class _Header:
    """What the first chunk of a PNG says.

    Attributes:
        width: in pixels.
        height: in pixels.
        depth: how many bits a sample has.
        colour: what a pixel is made of.
        interlaced: the picture comes in passes.

    """

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @classmethod
    def read(cls, data: bytes) -> _Header:
        """Read the content of an IHDR chunk.

        Raises:
            ValueError: it is damaged, or the picture is too large.
            struct.error: it has another length.

        """
        width, height, depth, colour, compression, filters, interlace = struct.unpack(">IIBBBBB", data)
        if not width or not height or depth not in _DEPTHS.get(colour, ()):
            raise ValueError("its header is damaged")
        if compression or filters or interlace > 1:
            raise ValueError("its header is damaged")
        if max(width, height) > _MAX_SIDE:
            raise ValueError(f"it has {width} x {height} pixels, and an icon can have {_MAX_SIDE} x {_MAX_SIDE}")
        return cls(width, height, depth, colour, bool(interlace))

    def rows(self) -> Iterator[tuple[int, int]]:
        """Yield of each pass how many rows it has and how many bytes each of them has, its filter's among them."""
        bits = self.depth * _SAMPLES[self.colour]
        for column, row, across, down in _ADAM7 if self.interlaced else _WHOLE:
            width, height = -(-(self.width - column) // across), -(-(self.height - row) // down)
            if width > 0 and height > 0:
                yield height, 1 + -(-width * bits // 8)


def read_png_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a PNG in pixels, after a look at all of it.

    Raises:
        ValueError: it is damaged, or too large for an icon; the message completes "names a PNG that cannot be used: ".

    """
    try:
        chunks = list(_chunks(data))
        header = _Header.read(chunks[0][1] if chunks[0][0] == b"IHDR" else b"")
    except (struct.error, IndexError) as error:
        raise ValueError("it is damaged") from error
    kinds = [kind for kind, _ in chunks]
    if kinds[-1] != b"IEND" or (header.colour == _INDEXED and b"PLTE" not in kinds):
        raise ValueError("it is not whole")
    _check_pixels(header, b"".join(content for kind, content in chunks if kind == b"IDAT"))
    return header.width, header.height


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of each chunk up to the last (section 5.3)."""
    position, kind = len(PNG_SIGNATURE), b""
    while position < len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        content = data[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        if checksum != zlib.crc32(kind + content):
            raise ValueError(f"its {kind.decode('latin-1')!r} part is damaged")
        yield kind, content
        position += 12 + length


def _check_pixels(header: _Header, compressed: bytes) -> None:
    """See that all rows are there, each of a known filter; no more is unpacked than they have."""
    size = sum(count * length for count, length in header.rows())
    try:
        pixels = zlib.decompressobj().decompress(compressed, size)
    except zlib.error as error:
        raise ValueError("its pixels are damaged") from error
    if len(pixels) < size:
        raise ValueError("its pixels are not all there")
    start = 0
    for count, length in header.rows():
        end = start + count * length
        if max(pixels[start:end:length]) > _MAX_FILTER:
            raise ValueError("its pixels are damaged")
        start = end
