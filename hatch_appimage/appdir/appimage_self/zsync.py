# SPDX-License-Identifier: MIT
"""The header of a ``.zsync`` file (http://zsync.moria.org.uk/paper): what an image is called, its size and digest."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import SelfError
from .web import retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .web import Web

# Of a header, and of an image, in bytes.
MAX_HEADER = 1 << 11
_MAX_SIZE = 1 << 36


class ZsyncHeader(NamedTuple):
    """What a ``.zsync`` file says of an image.

    Attributes:
        name: of the image's file; empty if it does not say.
        size: in bytes.
        sha1: in hexadecimal, in small letters.
        reference: where the image is, relative to the ``.zsync`` file.

    """

    name: str
    size: int
    sha1: str
    reference: str


def fetch_header(web: Web, url: str) -> ZsyncHeader:
    """Fetch the beginning of a ``.zsync`` file.

    Raises:
        SelfError: it cannot be had, or is none.

    """
    return retry(url, lambda: _fetch_header(web, url))


def _fetch_header(web: Web, url: str) -> ZsyncHeader:
    response = web.get(url, {"Range": f"bytes=0-{MAX_HEADER - 1}"})
    if response.status == 416:  # noqa: PLR2004 - a server that cannot give so much of a smaller file
        web.drop(response)
        response = web.get(url)
    web.expect(response, url, 200, 206)
    data = b""
    for piece in web.pieces(response, MAX_HEADER):
        data += piece
    if not response.body.isclosed():
        web.drop(response)
    return read_header(data, url)


def read_header(data: bytes, url: str) -> ZsyncHeader:
    """Read the lines up to the first empty one.

    Raises:
        SelfError: they are not those of a ``.zsync`` file.

    """
    text, end, _ = data.partition(b"\n\n")
    lines = [line.partition(b": ") for line in text.split(b"\n")]
    fields = {name.decode("latin-1"): value.decode("utf-8", "replace").strip() for name, _, value in lines}
    size, sha1 = fields.get("Length", ""), fields.get("SHA-1", "").lower()
    if not end or lines[0][0] != b"zsync" or not re.fullmatch(r"\d{1,12}", size):
        raise SelfError(f"{url} is no .zsync file")
    if not re.fullmatch("[0-9a-f]{40}", sha1):
        raise SelfError(f"{url} has no digest of the image (SHA-1), without which nobody can tell whether it is whole")
    if not 0 < int(size) < _MAX_SIZE or not fields.get("URL"):
        raise SelfError(f"{url} does not say what there is to fetch")
    return ZsyncHeader(fields.get("Filename", ""), int(size), sha1, fields["URL"])
