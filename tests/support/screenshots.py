# SPDX-License-Identifier: MIT
"""Pictures of whole screens, and how much two of them differ."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from support.png import SIGNATURE, chunk, chunks, unfiltered

#: What counts as another colour: one of red, green and blue differs by more than this, of 255.
TOLERANCE = 32
#: How much of two equal pictures may have another colour: the edges of letters, where FreeType differs.
SHARE = 0.001


@dataclass(frozen=True)
class Screenshot:
    """What a screen shows.

    Attributes:
        width: in pixels.
        height: in pixels.
        pixels: from the top left corner, four bytes each: blue, green, red, and one that means nothing.

    """

    width: int
    height: int
    pixels: bytes

    def difference(self, other: Screenshot) -> float:
        """Return the share of pixels that have another colour; 1 where the sizes differ."""
        if (self.width, self.height) != (other.width, other.height):
            return 1
        if self.pixels == other.pixels:
            return 0
        pairs = zip(self._rows(), other._rows(), strict=True)
        return sum(_different(*rows) for rows in pairs if rows[0] != rows[1]) / (self.width * self.height)

    def colours(self) -> int:
        """Return how many colours there are: a screen without windows has one."""
        return len(set(struct.unpack(f"<{self.width * self.height}I", self.pixels)))

    def window(self) -> Screenshot:
        """Return what is not the background, which is the colour of the first pixel."""
        background = self.pixels[:4]
        rows = [row for row in self._rows() if row != background * self.width]
        lines = [struct.unpack(f"<{self.width}I", row) for row in rows]
        (plain,) = struct.unpack("<I", background)
        columns = [place for place, column in enumerate(zip(*lines, strict=True)) if set(column) != {plain}]
        if not columns:
            return self
        left, right = columns[0], columns[-1] + 1
        return Screenshot(right - left, len(rows), b"".join(row[left * 4 : right * 4] for row in rows))

    def to_png(self) -> bytes:
        """Return it as a file to look at."""
        pixels = bytearray(self.width * self.height * 3)
        for channel, place in enumerate((2, 1, 0)):
            pixels[channel::3] = self.pixels[place::4]
        length = self.width * 3
        rows = b"".join(b"\0" + pixels[place : place + length] for place in range(0, len(pixels), length))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

    def _rows(self) -> list[bytes]:
        length = self.width * 4
        return [self.pixels[place : place + length] for place in range(0, len(self.pixels), length)]


def _different(row: bytes, other: bytes) -> int:
    return sum(
        any(abs(row[place + channel] - other[place + channel]) > TOLERANCE for channel in range(3))
        for place in range(0, len(row), 4)
    )


def read_xwd(data: bytes) -> Screenshot:
    """Read what Xvfb keeps of its screen with ``-fbdir`` (X11/XWDFile.h), of 24 bits in 32."""
    header = struct.unpack_from(">25I", data)
    size, width, height, length, colours = (header[place] for place in (0, 4, 5, 12, 19))
    start = size + colours * 12
    rows = (data[start + row * length :][: width * 4] for row in range(height))
    return Screenshot(width, height, b"".join(rows))


def read_png(data: bytes) -> Screenshot:
    """Read a PNG of 8 bits in three colours, with or without an alpha channel, as weston's tool writes it."""
    parts = chunks(data)
    width, height, *kind = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    size = {(8, 2, 0, 0, 0): 3, (8, 6, 0, 0, 0): 4}[tuple(kind)]
    pixels = bytearray(width * height * 4)
    samples = b"".join(unfiltered(zlib.decompress(parts[b"IDAT"]), width * size, size))
    for channel, place in enumerate((2, 1, 0)):
        pixels[place::4] = samples[channel::size]
    return Screenshot(width, height, bytes(pixels))
