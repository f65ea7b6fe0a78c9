# SPDX-License-Identifier: MIT
"""An application's icon: a file of the project, or a picture made from its name."""

from __future__ import annotations

import logging
import re
import struct
import zlib
from colorsys import hls_to_rgb
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from io import BytesIO
from math import hypot
from typing import TYPE_CHECKING, Literal
from xml.etree.ElementTree import ParseError, fromstring, iterparse

from hatch_appimage.desktop.png import PNG_SIGNATURE, read_png_size
from hatch_appimage.desktop.render import CAN_RENDER, render_png, render_svg

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_SVG_ROOT = "{http://www.w3.org/2000/svg}svg"
# The sizes in pixels of the directories where desktops look for the icons of applications: what lies elsewhere below
# hicolor is not found.
STANDARD_SIZES = (16, 22, 24, 32, 48, 64, 96, 128, 192, 256, 512)
_SIZE = 256  # the size that the AppImage specification asks of .DirIcon
_RADIUS = 52.0  # in pixels, of the corners of a generated icon
_TEXT = re.compile(rb"<(?:[\w.-]+:)?text[\s>]")
# How pictures of X begin (libXpm), in C or in version 2.
_XPM = re.compile(rb"\s*(?:/\*\s*XPM\s*\*/|!\s*XPM2)")


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
            ValueError: it is neither a PNG nor an SVG, or one that cannot be shown; the message completes
                "Option `...` ".

        """
        data = path.read_bytes()
        if data.startswith(PNG_SIGNATURE):
            return cls("png", data, _read_size(data, path))
        if not _is_svg(data):
            raise ValueError(f"must name a PNG or SVG file, and {path} is neither")
        if fault := _find_damage(data):
            raise ValueError(f"names an SVG that is damaged: {fault}: {path}")
        if CAN_RENDER:
            try:
                render_svg(data, _SIZE)
            except ValueError as error:
                raise ValueError(f"names an SVG that {error}: {path}") from error
        return cls("svg", data, None)

    @property
    def hicolor_directory(self) -> str:
        """The directory below ``hicolor`` that it belongs in (freedesktop icon theme specification)."""
        return "scalable" if self.size is None else f"{self.size[0]}x{self.size[1]}"

    @property
    def is_standard(self) -> bool:
        """Whether desktops find it as it is."""
        return self.size is None or (self.size[0] == self.size[1] and self.size[0] in STANDARD_SIZES)

    def for_desktops(self) -> Icon:
        """Return the icon in a size that desktops look for: the largest one that it fills, oblong ones padded."""
        if self.size is None or self.is_standard:
            return self
        side = max(size for size in STANDARD_SIZES if size <= max(self.size))
        if CAN_RENDER:
            return Icon("png", render_png(self.data, self.size, side), (side, side))
        log.warning(
            "Most desktops do not find an icon of %d x %d pixels, and nothing scales it on this machine: make it one "
            "of %d x %d",
            *self.size,
            side,
            side,
        )
        return self

    def for_directory(self) -> bytes:
        """Return the content of ``.DirIcon``: a PNG of the size that the AppImage specification asks of it."""
        if self.size == (_SIZE, _SIZE):
            return self.data
        if not CAN_RENDER:
            log.warning(
                "File managers may show no picture of the image: `.DirIcon` is the icon as it is, as nothing scales it "
                "on this machine; make the icon a PNG of %d x %d pixels",
                _SIZE,
                _SIZE,
            )
            return self.data
        if self.size is not None:
            return render_png(self.data, self.size, _SIZE)
        if _TEXT.search(self.data):
            log.warning(
                "The icon has text, and file managers may show it without: no fonts are used when it is drawn for "
                "them, so that builds are the same everywhere; make paths of the text"
            )
        return render_svg(self.data, _SIZE)


def _read_size(data: bytes, path: Path) -> tuple[int, int]:
    try:
        width, height = read_png_size(data)
    except ValueError as error:
        raise ValueError(f"names a PNG that cannot be used: {error}: {path}") from error
    if max(width, height) < min(STANDARD_SIZES):
        raise ValueError(
            f"names a PNG that cannot be used: it has {width} x {height} pixels, and the smallest icons have "
            f"{STANDARD_SIZES[0]} x {STANDARD_SIZES[0]}: {path}"
        )
    return width, height


def _is_svg(data: bytes) -> bool:
    try:
        _, root = next(iter(iterparse(BytesIO(data), events=["start"])))  # noqa: S314 - a file of the project itself
    except (ParseError, StopIteration, ValueError, LookupError):  # the last two: encodings that it does not know
        return False
    return bool(root.tag == _SVG_ROOT)


def _find_damage(svg: bytes) -> str | None:
    """Return what is wrong with a document of XML; None if it is well-formed."""
    try:
        fromstring(svg)  # noqa: S314 - of whoever packs it, and expat bounds what entities become
    except ParseError as error:
        return str(error)
    return None


def check_picture(data: bytes, kind: str) -> None:
    """See that a file is the picture that its name says, whether or not desktops look for one of its size.

    Args:
        data: its content.
        kind: the ending of its name, without the dot; an empty one if any kind of icon may be there.

    Raises:
        ValueError: it is not; the message completes "The icon ... ".

    """
    if data.startswith(PNG_SIGNATURE) and kind in ("", "png"):
        try:
            read_png_size(data)
        except ValueError as error:
            raise ValueError(f"is a PNG that cannot be used: {error}") from error
    elif kind in ("", "svg") and _is_svg(data):
        if fault := _find_damage(data):
            raise ValueError(f"is an SVG that is damaged: {fault}")
    elif kind not in ("", "xpm") or not _XPM.match(data):
        raise ValueError(f"is no {kind.upper()}" if kind else "is neither a PNG, an SVG nor an XPM")


def generate_icon(name: str) -> Icon:
    """Draw an icon for an application that has none: a tile with a symmetric pattern, the same for the same name."""
    digest = sha256(name.encode()).digest()
    dark, light = _shade(digest[0], 0.36), _shade(digest[0], 0.88)
    cells, corners = [_cell(place) for place in range(_SIZE)], [_corner(place) for place in range(_SIZE)]

    @cache  # most rows are like others
    def draw(row: int, dy: float) -> bytes:
        pixels = bytearray(1)  # each row of a PNG begins with its filter type, here "none"
        for column, dx in zip(cells, corners, strict=True):
            pixels += light if _is_marked(digest, column, row) else dark
            pixels.append(_tile_alpha(dx, dy))
        return bytes(pixels)

    rows = b"".join(map(draw, cells, corners))
    return Icon("png", _png(rows), (_SIZE, _SIZE))


def _shade(hue: int, lightness: float) -> bytes:
    return bytes(round(255 * part) for part in hls_to_rgb(hue / 256, lightness, 0.55))


def _cell(place: int) -> int:
    """Return in which of 5 by 5 cells in the middle of the tile a pixel lies, in one direction; -1 for none."""
    size, margin = 32, 48
    cell = (place - margin) // size
    return cell if cell in range(5) else -1


def _is_marked(digest: bytes, column: int, row: int) -> bool:
    """Tell whether a cell is marked; the right half is mirrored."""
    return column >= 0 and row >= 0 and digest[1 + 3 * row + min(column, 4 - column)] % 2 == 1


def _corner(place: int) -> float:
    """Return how far a pixel is beyond the straight part of the tile's edge, in one direction."""
    return max(_RADIUS - (place + 0.5), (place + 0.5) - (_SIZE - _RADIUS), 0.0)


def _tile_alpha(dx: float, dy: float) -> int:
    """Return the opacity of a pixel: the tile's corners are round and its edge smooth."""
    return round(255 * min(1.0, max(0.0, _RADIUS - hypot(dx, dy) + 0.5)))


def _png(rows: bytes) -> bytes:
    """Write a PNG with 8-bit RGBA pixels (PNG, sections 5.3 and 11.2.1)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", _SIZE, _SIZE, 8, 6, 0, 0, 0)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
