# SPDX-License-Identifier: MIT
"""A web server that answers requests for parts of files, as zsync clients send them, and counts what it sends."""

from __future__ import annotations

import http.server
import re
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BOUNDARY = "hatch-appimage"


class RangeServer(http.server.ThreadingHTTPServer):
    """Serves a directory on this machine.

    Attributes:
        sent: bytes of bodies, by the file's name.
        requests: how many have come.

    """

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory))
        self.sent: dict[str, int] = {}
        self.requests = 0

    @property
    def url(self) -> str:
        """The directory's address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with whole files, one part, or several parts (RFC 9110, section 14)."""

    server: RangeServer
    protocol_version = "HTTP/1.1"

    def __init__(self, directory: Path, *arguments: object) -> None:
        self.directory = directory
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send a file, or the parts of it that are asked for."""
        self.server.requests += 1
        file = self.directory / self.path.rpartition("/")[2]
        if not file.is_file():
            self.send_error(404)
            return
        data = file.read_bytes()
        ranges = [(int(first), int(last)) for first, last in re.findall(r"(\d+)-(\d+)", self.headers.get("Range", ""))]
        if not ranges:
            self._send(200, data, {})
        elif len(ranges) == 1:
            ((first, last),) = ranges
            self._send(206, data[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(data)}"})
        else:
            parts = [
                f"\r\n--{_BOUNDARY}\r\nContent-Range: bytes {first}-{last}/{len(data)}\r\n\r\n".encode()
                + data[first : last + 1]
                for first, last in ranges
            ]
            body = b"".join(parts) + f"\r\n--{_BOUNDARY}--\r\n".encode()
            self._send(206, body, {"Content-Type": f"multipart/byteranges; boundary={_BOUNDARY}"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        name = self.path.rpartition("/")[2]
        self.server.sent[name] = self.server.sent.get(name, 0) + len(body)
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def serving(directory: Path) -> Iterator[RangeServer]:
    """Serve a directory while something else runs."""
    with RangeServer(directory) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
