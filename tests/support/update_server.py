# SPDX-License-Identifier: MIT
"""A server of releases with GitHub's paths and answers, and every fault that a server can have."""

from __future__ import annotations

import http.server
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BOUNDARY = "boundary"
CHUNK = 1 << 16

Handler = http.server.BaseHTTPRequestHandler


@dataclass
class Site:
    """What a server has, and how it behaves.

    Attributes:
        files: contents, by their paths.
        faults: takes a request's place, by its path: whatever is written there is sent.
        redirects: paths that lead elsewhere.
        ranges: how it answers when several ranges are asked for: "many", "one" or "none".
        requests: paths with the header of the ranges, in order.
        sent: bytes of bodies, by path.

    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Callable[[Handler], None]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: str = "many"
    requests: list[tuple[str, str]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def release(self, tag: str, files: dict[str, bytes], *, prerelease: bool = False) -> None:
        """Put a release on the site of ``owner/app``; it becomes the latest, unless it is a pre-release."""
        base = f"/owner/app/releases/download/{tag}"
        self.files.update({f"{base}/{name}": data for name, data in files.items()})
        assets = [{"name": name, "browser_download_url": f"{self.url}{base}/{name}"} for name in files]
        answer = {"tag_name": tag, "prerelease": prerelease, "assets": assets}
        api = "/repos/owner/app/releases"
        self.files[f"{api}/tags/{tag}"] = json.dumps(answer).encode()
        if not prerelease:
            self.files[f"{api}/latest"] = json.dumps(answer).encode()
        known = json.loads(self.files.get(api, b"[]"))
        self.files[api] = json.dumps([answer, *known]).encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site: Site, *arguments: object) -> None:
        self.site = site
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        # A proxy is asked for whole addresses.
        path, header = urlsplit(self.path).path, self.headers.get("Range", "")
        self.site.requests.append((path, header))
        if path in self.site.faults:
            self.site.faults[path](self)
            self.close_connection = True
        elif path in self.site.redirects:
            self.send_response(302)
            self.send_header("Location", self.site.redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in self.site.files:
            self._send_file(self.site.files[path], header)
        else:
            self.send_error(404)

    def _send_file(self, data: bytes, header: str) -> None:
        ranges = [(int(first), min(int(last), len(data) - 1)) for first, last in re.findall(r"(\d+)-(\d+)", header)]
        if not ranges or self.site.ranges == "none" or (len(ranges) > 1 and self.site.ranges == "one"):
            self._send(200, data, {})
        elif len(ranges) == 1:
            ((first, last),) = ranges
            self._send(206, data[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(data)}"})
        else:
            body = b"".join(
                f"\r\n--{BOUNDARY}\r\nContent-Range: bytes {first}-{last}/{len(data)}\r\n\r\n".encode()
                + data[first : last + 1]
                for first, last in ranges
            )
            body += f"\r\n--{BOUNDARY}--\r\n".encode()
            self._send(206, body, {"Content-Type": f"multipart/byteranges; boundary={BOUNDARY}"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        path = urlsplit(self.path).path
        for start in range(0, len(body), CHUNK):
            try:
                self.wfile.write(body[start : start + CHUNK])
            except OSError:  # the client has had enough
                self.close_connection = True
                return
            self.site.sent[path] = self.site.sent.get(path, 0) + len(body[start : start + CHUNK])

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away are what is tested."""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site while something else runs."""
    with _Server(("127.0.0.1", 0), partial(_Handler, site)) as server:
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
        yield site
        server.shutdown()


def answer(status: int, body: bytes, **headers: str) -> Callable[[Handler], None]:
    """Return a fault that is one answer; an underscore in a header's name is a hyphen."""

    def send(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def endless(status: int, **headers: str) -> Callable[[Handler], None]:
    """Return a fault that is an answer without an end."""

    def send(handler: Handler) -> None:
        answer(status, b"", **headers)(handler)
        while True:
            handler.wfile.write(b"x" * CHUNK)

    return send
