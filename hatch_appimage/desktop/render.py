# SPDX-License-Identifier: MIT
"""Draw a picture at another size, by a library: no program of the machine, and none of its fonts, has a part in it."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from xml.etree.ElementTree import fromstring, tostring

try:
    from resvg_py import svg_to_bytes
except ImportError:  # there is none for the build machine's architecture
    svg_to_bytes = None  # type: ignore[assignment]  # as the lines below see

#: Whether anything can be drawn here.
CAN_RENDER = svg_to_bytes is not None

_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}">'
    '<image {attributes} href="data:{kind};base64,{data}"/></svg>'
)


def render_png(data: bytes, picture: tuple[int, int], size: int) -> bytes:
    """Return a PNG with a picture of whole pixels, in the middle of a square and as large as it can have it.

    Args:
        data: a PNG that can be read.
        picture: its width and height in pixels.
        size: the square's side in pixels; what is beside the picture is transparent.

    """
    longest = max(picture)
    # At whole pixels a picture that keeps its size also keeps each of its pixels.
    width, height = (max(1, round(side * size / longest)) for side in picture)
    place = f'x="{(size - width) // 2}" y="{(size - height) // 2}" width="{width}" height="{height}"'
    return _render("image/png", data, size, f'{place} preserveAspectRatio="none"')


def render_svg(data: bytes, size: int) -> bytes:
    """Return a PNG of an SVG, in the middle of a square and as large as it can have it.

    Args:
        data: a document that can be parsed.
        size: the square's side in pixels; what is beside the picture is transparent.

    Raises:
        ValueError: nothing is to be seen; the message completes "names an SVG that ".

    """
    drawn = _render("image/svg+xml", _to_utf8(data), size, f'width="{size}" height="{size}"')
    if drawn == _empty(size):
        raise ValueError("shows nothing when it is drawn without fonts and other files")
    return drawn


def _to_utf8(document: bytes) -> bytes:
    """Return a document of XML in the encoding that is drawn."""
    try:
        document.decode("utf-8")
    except UnicodeDecodeError:
        return tostring(fromstring(document))  # noqa: S314 - a file of the project itself
    return document


@cache
def _empty(size: int) -> bytes:
    return _render("image/svg+xml", b"", size, "")


def _render(kind: str, data: bytes, size: int, attributes: str) -> bytes:
    """Draw a picture into a square.

    Args:
        kind: its media type.
        data: the picture.
        size: the square's side in pixels.
        attributes: where in the square the picture is, as the element ``image`` of SVG has it.

    """
    document = _PICTURE.format(size=size, attributes=attributes, kind=kind, data=b64encode(data).decode())
    return bytes(svg_to_bytes(svg_string=document, skip_system_fonts=True))
