# SPDX-License-Identifier: MIT
"""Connections: proxies, certificates, and servers that close them."""

from __future__ import annotations

import ssl
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
import trustme

from hatch_appimage.appdir.appimage_self import web
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.appdir.appimage_self.ranges import Part, join
from hatch_appimage.appdir.appimage_self.web import Web
from support.update_server import Site, answer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(web, "_FIRST_PAUSE", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving(Site(files={"/a": b"content"})) as site:
        yield site


def test_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url.replace("http://", "http://user:pass%20word@"))
    assert Web().read("http://example.invalid/a", 100) == b"content"
    monkeypatch.setenv("no_proxy", "example.invalid")
    with pytest.raises(SelfError, match=r"no connection to example\.invalid"):
        Web().read("http://example.invalid/a", 100)


def test_proxy_of_another_kind(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(SelfError, match="of a kind that cannot be used"):
        Web().read(f"{site.url}/a", 100)


@pytest.mark.parametrize("is_trusted", [False, True])
def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_trusted: bool) -> None:
    monkeypatch.setattr(web, "_FIRST_PAUSE", 0.0)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    web._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HTTPServer(("localhost", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
        url = f"https://localhost:{server.server_address[1]}/ca.pem"
        try:
            if is_trusted:
                assert Web().read(url, 10_000) == authority.cert_pem.bytes()
            else:
                with pytest.raises(SelfError, match=r"certificate of localhost.* is not trusted"):
                    Web().read(url, 10_000)
        finally:
            server.shutdown()
            web._tls.cache_clear()


def test_limit(site: Site) -> None:
    with pytest.raises(SelfError, match="more than 6 bytes"):
        Web().read(f"{site.url}/a", 6)


def test_closed_connection(site: Site) -> None:
    """A server may close a connection that it has announced to keep."""
    connection = Web()
    site.faults["/b"] = answer(200, b"b", Content_Length="1")
    for _ in range(3):
        assert connection.read(f"{site.url}/b", 10) == b"b"
        assert connection.read(f"{site.url}/a", 10) == b"content"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "http://user@example.org/", "http:///a"])
def test_addresses(url: str) -> None:
    with pytest.raises(SelfError, match="no address on the web"):
        Web().read(url, 10)


def test_join() -> None:
    assert join([Part(0, 10), Part(10, 20), Part(25, 30), Part(100, 101)], 5) == [Part(0, 30), Part(100, 101)]


@pytest.mark.parametrize("location", ["https://[x/", "http://a b/", "http:///", "http://127.0.0.1:99999999/"])
def test_redirects_to_no_address(site: Site, location: str) -> None:
    site.faults["/a"] = answer(302, b"", location=location)
    with pytest.raises(SelfError):
        Web().read(f"{site.url}/a", 100)


def test_pause_that_is_no_number(site: Site) -> None:
    """To Python a superscript is a digit."""
    site.faults["/a"] = answer(503, b"", **{"retry-after": "\xb2"})
    with pytest.raises(SelfError, match="the server answers 503"):
        Web().read(f"{site.url}/a", 100)
