# SPDX-License-Identifier: MIT
"""A web server that tests download from: it knows ranges, and breaks off, lies and refuses when it is told to."""

from __future__ import annotations

import http.server
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


@dataclass(frozen=True)
class Answer:
    """What is answered to one request, in place of the file.

    Attributes:
        status: of HTTP.
        headers: further ones.
        stop_after: the connection breaks off after so many bytes of the body; None for not at all.
        body: in place of the file; None for the file.
        ranges: whether a range is heeded.
        length: whether the length is said before.

    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stop_after: int | None = None
    body: bytes | None = None
    ranges: bool = True
    length: bool = True


@dataclass
class Mirror:
    """What is served.

    Attributes:
        url: where, without a slash at the end.
        files: contents by paths.
        answers: what is answered in place of a file, by its path: one after the other.
        requests: paths and ranges that were asked for.

    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    mirror: Mirror
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(self.path)
        wanted = self.headers.get("Range")
        self.mirror.requests.append((path, wanted))
        waiting = self.mirror.answers.get(path)
        answer = waiting.pop(0) if waiting else Answer()
        body = answer.body if answer.body is not None else self.mirror.files.get(path)
        status, headers = answer.status, dict(answer.headers)
        if body is None:
            status, body = 404, b"Not Found"
        elif wanted and answer.ranges and status == 200:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                status, headers["Content-Range"], body = 416, f"bytes */{len(body)}", b""
            else:
                status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
                body = body[start:]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body if answer.stop_after is None else body[: answer.stop_after])
        if answer.stop_after is not None or not answer.length:
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
        del format, arguments


def serve() -> AbstractContextManager[Mirror]:
    """Serve while the context lasts."""
    from contextlib import contextmanager

    @contextmanager
    def serving() -> Iterator[Mirror]:
        mirror = Mirror()
        handler = type("Handler", (_Handler,), {"mirror": mirror})
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            mirror.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield mirror
            finally:
                server.shutdown()
                thread.join()

    return serving()
