# SPDX-License-Identifier: MIT
"""An application's icon: a file of the project, or a picture made from its name."""

from __future__ import annotations

import struct
import zlib
from colorsys import hls_to_rgb
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from math import hypot
from typing import TYPE_CHECKING, Literal
from xml.etree.ElementTree import ParseError, iterparse

if TYPE_CHECKING:
    from pathlib import Path

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SVG_ROOT = "{http://www.w3.org/2000/svg}svg"
_SIZE = 256  # the size that the AppImage specification asks of .DirIcon


@dataclass(frozen=True)
class Icon:
    """A picture.

    Attributes:
        kind: its format, which is also its file name extension.
        data: the file's content.
        size: width and height in pixels; None for an SVG.

    """

    kind: Literal["png", "svg"]
    data: bytes
    size: tuple[int, int] | None

    @classmethod
    def read(cls, path: Path) -> Icon:
        """Read an icon; what it is, its content tells.

        Raises:
            ValueError: it is neither a PNG nor an SVG; the message completes "Option `...` ".

        """
        data = path.read_bytes()
        if data.startswith(_PNG_SIGNATURE):
            # PNG, section 11.2.1: width and height open the IHDR chunk, which is the first.
            if len(data) < 33 or data[12:16] != b"IHDR":  # noqa: PLR2004 - signature, chunk frame and IHDR
                raise ValueError(f"names a damaged PNG: {path}")
            width, height = struct.unpack(">II", data[16:24])
            return cls("png", data, (width, height))
        if _is_svg(data):
            return cls("svg", data, None)
        raise ValueError(f"must name a PNG or SVG file, and {path} is neither")

    @property
    def hicolor_directory(self) -> str:
        """The directory below ``hicolor`` that it belongs in (freedesktop icon theme specification)."""
        return "scalable" if self.size is None else f"{self.size[0]}x{self.size[1]}"


def _is_svg(data: bytes) -> bool:
    try:
        _, root = next(iter(iterparse(BytesIO(data), events=["start"])))  # noqa: S314 - a file of the project itself
    except (ParseError, StopIteration, ValueError, LookupError):  # the last two: encodings that it does not know
        return False
    return bool(root.tag == _SVG_ROOT)


def generate_icon(name: str) -> Icon:
    """Draw an icon for an application that has none: a tile with a symmetric pattern, the same for the same name."""
    digest = sha256(name.encode()).digest()
    dark, light = _shade(digest[0], 0.36), _shade(digest[0], 0.88)
    rows = bytearray()
    for y in range(_SIZE):
        rows.append(0)  # each row of a PNG begins with its filter type, here "none"
        for x in range(_SIZE):
            rows += light if _is_marked(digest, x, y) else dark
            rows.append(_tile_alpha(x, y))
    return Icon("png", _png(bytes(rows)), (_SIZE, _SIZE))


def _shade(hue: int, lightness: float) -> bytes:
    return bytes(round(255 * part) for part in hls_to_rgb(hue / 256, lightness, 0.55))


def _is_marked(digest: bytes, x: int, y: int) -> bool:
    """Tell whether a pixel lies in a marked cell: 5 by 5 cells in the middle of the tile, the right half mirrored."""
    cell, margin = 32, 48
    column, row = (x - margin) // cell, (y - margin) // cell
    if not (0 <= column < 5 and 0 <= row < 5):  # noqa: PLR2004 - the pattern's width
        return False
    return digest[1 + 3 * row + min(column, 4 - column)] % 2 == 1


def _tile_alpha(x: int, y: int) -> int:
    """Return the opacity of a pixel: the tile's corners are round and its edge smooth."""
    radius = 52.0
    dx = max(radius - (x + 0.5), (x + 0.5) - (_SIZE - radius), 0.0)
    dy = max(radius - (y + 0.5), (y + 0.5) - (_SIZE - radius), 0.0)
    return round(255 * min(1.0, max(0.0, radius - hypot(dx, dy) + 0.5)))


def _png(rows: bytes) -> bytes:
    """Write a PNG with 8-bit RGBA pixels (PNG, sections 5.3 and 11.2.1)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", _SIZE, _SIZE, 8, 6, 0, 0, 0)
    return _PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
