# SPDX-License-Identifier: MIT
"""Fetch parts of a file (RFC 9110, section 14): many by one request where a server takes that, or else one by each."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import SelfError, TransientError
from .web import retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    from .web import Response, Web

# How many parts a request asks for: servers limit them, and the size of a header.
_MAX_PARTS = 64
# What is not needed is fetched with what is on both sides of it, if it is this small, in bytes: a part costs a header,
# a request costs a round trip.
_SMALL_GAP = 128
_GAP_OF_REQUESTS = 1 << 15
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")
_BOUNDARY = re.compile(r'multipart/byteranges\s*;.*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
# What may stand before a part, in lines, and behind the last one, in bytes.
_MAX_LINES = 32
_MAX_END = 256


class Part(NamedTuple):
    """A part of a file, in bytes.

    Attributes:
        start: where it begins.
        end: where it ends, which is where the next one begins.

    """

    start: int
    end: int


def join(parts: Iterable[Part], gap: int) -> list[Part]:
    """Join parts that lie in order with no more than a gap between them."""
    joined: list[Part] = []
    for part in parts:
        if joined and part.start - joined[-1].end <= gap:
            joined[-1] = Part(joined[-1].start, part.end)
        else:
            joined.append(part)
    return joined


class RemoteFile:
    """A file on a server, and how to get parts of it.

    Attributes:
        url: where it is.
        size: how many bytes it is to have; a server that says otherwise is not believed.

    """

    def __init__(self, web: Web, url: str, size: int) -> None:
        self.url = url
        self.size = size
        self._web = web
        self._takes_several = True
        self._is_whole = False

    def fetch(self, parts: list[Part], write: Callable[[int, bytes], None]) -> None:
        """Fetch parts, and maybe what is between them.

        Args:
            parts: in order; none of them is empty.
            write: is given each piece and where it belongs; a piece may come twice.

        Raises:
            SelfError: they cannot be had.

        """
        waiting = join(parts, _SMALL_GAP)
        while waiting and not self._is_whole:
            if not self._takes_several:
                waiting = join(waiting, _GAP_OF_REQUESTS)
            count = _MAX_PARTS if self._takes_several else 1
            asked, waiting = waiting[:count], waiting[count:]
            if not retry(self.url, lambda asked=asked: self._fetch_some(asked, write)):  # type: ignore[misc]
                self._takes_several = False
                waiting = asked + waiting

    def fetch_whole(self, write: Callable[[int, bytes], None]) -> None:
        """Fetch all of the file."""
        retry(self.url, lambda: self._fetch_whole(write))

    def _fetch_whole(self, write: Callable[[int, bytes], None]) -> None:
        response = self._web.get(self.url)
        self._web.expect(response, self.url, 200)
        self._read_last(response, Part(0, self.size), write)

    def _fetch_some(self, parts: list[Part], write: Callable[[int, bytes], None]) -> bool:
        """Fetch parts by one request; return false if the server does not give several at once."""
        spans = ",".join(f"{part.start}-{part.end - 1}" for part in parts)
        response = self._web.get(self.url, {"Range": f"bytes={spans}"})
        several = len(parts) > 1
        if several and response.status in {400, 416, 501}:
            self._web.drop(response)
            return False
        self._web.expect(response, self.url, 200, 206)
        if response.status == 200:  # noqa: PLR2004 - the whole file
            if several and parts != [Part(0, self.size)]:
                self._web.drop(response)
                return False
            self._read_last(response, Part(0, self.size), write)
            self._is_whole = True
            return True
        boundary = _BOUNDARY.match(response.headers.get("content-type", ""))
        if boundary:
            self._read_parts(response, (boundary[1] or boundary[2]).encode(), parts, write)
            return True
        found = self._check_range(response.headers.get("content-range", ""), parts)
        self._read_last(response, found, write)
        return not several or found == Part(parts[0].start, parts[-1].end)

    def _check_range(self, header: str, parts: list[Part]) -> Part:
        """Return what a server says that it sends; it may join parts that were asked for, and nothing else."""
        match = _RANGE.fullmatch(header.strip())
        if match:
            start, last, size = map(int, match.groups())
            if size != self.size:
                raise SelfError(f"{self.url} has {size} bytes, and {self.size} were announced")
            if any(part.start == start for part in parts) and any(part.end == last + 1 > start for part in parts):
                return Part(start, last + 1)
        raise SelfError(f"{self.url} answers with another part than was asked for")

    def _read(self, response: Response, part: Part, write: Callable[[int, bytes], None]) -> None:
        position = part.start
        for piece in self._web.pieces(response, part.end - part.start):
            write(position, piece)
            position += len(piece)
        if position < part.end:
            self._web.drop(response)
            raise TransientError("the connection broke off")

    def _read_last(self, response: Response, part: Part, write: Callable[[int, bytes], None]) -> None:
        """Read a part behind which nothing should be."""
        self._read(response, part, write)
        if not response.body.isclosed():
            self._web.drop(response)

    def _read_parts(
        self, response: Response, boundary: bytes, parts: list[Part], write: Callable[[int, bytes], None]
    ) -> None:
        """Read a body of several parts (RFC 2046, section 5.1)."""
        for _ in parts:
            self._find_part(response, boundary)
            self._read(response, self._check_range(self._headers(response).get("content-range", ""), parts), write)
        # The connection can be used again if nothing but the end follows.
        b"".join(self._web.pieces(response, _MAX_END))
        if not response.body.isclosed():
            self._web.drop(response)

    def _find_part(self, response: Response, boundary: bytes) -> None:
        """Go to the next part; there are empty lines before it."""
        for _ in range(_MAX_LINES):
            line = self._web.line(response).strip()
            if line == b"--" + boundary:
                return
            if line == b"--" + boundary + b"--" or response.body.isclosed():
                raise TransientError("parts are missing in the server's answer")
            if line:
                break
        self._web.drop(response)
        raise SelfError(f"{self.url} answers with something else than parts of a file")

    def _headers(self, response: Response) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_MAX_LINES):
            line = self._web.line(response).decode("latin-1").strip()
            if not line:
                return headers
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        self._web.drop(response)
        raise SelfError(f"{self.url} answers with something else than parts of a file")
