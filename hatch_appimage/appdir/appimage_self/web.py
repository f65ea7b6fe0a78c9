# SPDX-License-Identifier: MIT
"""Fetch from the web what a server may lie about: every read has an end, and no redirect leads to less protection.

Proxies are those of the environment (http_proxy, https_proxy, all_proxy, no_proxy); certificates are the machine's, or
the image's where a machine has none.
"""

from __future__ import annotations

import base64
import functools
import http.client
import re
import ssl
import time
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import SelfError, TransientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Mapping, TypeVar

    T = TypeVar("T")

SECONDS = 30
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Answers that may be others in a moment (RFC 9110, RFC 6585).
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
# Addresses that others had been led to, and that do not last.
_GONE = frozenset({401, 403, 404, 410})
_TRIES = 4
_FIRST_PAUSE = 1.0
_MAX_PAUSE = 60.0
_CHUNK_SIZE = 1 << 18
# Of what is read line by line, in bytes.
_MAX_LINE = 4096
_SAFE = "/:?#[]@!$&'()*+,;=%~"


class Response(NamedTuple):
    """An answer whose body has not been read.

    Attributes:
        status: its number.
        headers: the last one of each name, in lower case.
        body: it.
        url: where it came from, behind all redirects.

    """

    status: int
    headers: dict[str, str]
    body: http.client.HTTPResponse
    url: str


class Web:
    """Connections to servers, each of which is used as long as the server keeps it.

    Attributes:
        fetched: how many bytes of bodies have been read.
        requests: how many requests have been sent.

    """

    def __init__(self) -> None:
        self.fetched = 0
        self.requests = 0
        self._connections: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self._places: dict[str, str] = {}

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def read(self, url: str, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
        """Return a whole file.

        Args:
            url: where it is.
            limit: how many bytes it may have.
            headers: of the request.

        Raises:
            SelfError: it cannot be had, or is larger.

        """

        def attempt() -> bytes:
            response = self.get(url, headers)
            self.expect(response, url, 200)
            data = b"".join(self.pieces(response, limit + 1))
            if len(data) > limit:
                self.drop(response)
                raise SelfError(f"{url} answers with more than {limit} bytes")
            return data

        return retry(url, attempt)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """Send a request, and follow redirects; where they lead is remembered.

        Raises:
            TransientError: it may work the next time.
            SelfError: it will not.

        """
        known = self._places.get(url)
        if known is not None:
            response = self._send(known, headers)
            if response.status not in _GONE and response.status not in _REDIRECTS:
                return response
            self.drop(response)
            del self._places[url]
        place = url
        for _ in range(_MAX_REDIRECTS):
            response = self._send(place, headers)
            if response.status not in _REDIRECTS:
                self._places[url] = place
                return response
            self.drop(response)
            place = _follow(place, response.headers.get("location", ""))
        raise SelfError(f"{url} leads from one place to the next without an end")

    def pieces(self, response: Response, limit: int) -> Iterator[bytes]:
        """Yield the body of an answer, up to a number of bytes.

        Raises:
            TransientError: it ends early.

        """
        left = limit
        try:
            while left:
                piece = response.body.read(min(left, _CHUNK_SIZE))
                if not piece:
                    break
                self.fetched += len(piece)
                left -= len(piece)
                yield piece
        except (OSError, http.client.HTTPException) as error:
            self.drop(response)
            raise TransientError(f"the connection broke off ({error or type(error).__name__})") from None
        if response.body.length and left:  # http.client does not tell of it where it was told how much to read
            self.drop(response)
            raise TransientError("the connection broke off")

    def line(self, response: Response) -> bytes:
        """Return the next line of a body.

        Raises:
            TransientError: it ends early.
            SelfError: it is too long.

        """
        try:
            line = response.body.readline(_MAX_LINE)
        except (OSError, http.client.HTTPException) as error:
            self.drop(response)
            raise TransientError(f"the connection broke off ({error or type(error).__name__})") from None
        self.fetched += len(line)
        if len(line) == _MAX_LINE:
            self.drop(response)
            raise SelfError("the server answers with something else than parts of a file")
        return line

    def drop(self, response: Response) -> None:
        """Have no more of an answer, which a server may never end."""
        response.body.close()
        key = urlsplit(response.url)[:2]
        connection = self._connections.pop((key[0], key[1]), None)
        if connection is not None:
            connection.close()

    def expect(self, response: Response, url: str, *statuses: int) -> None:
        """See that an answer is one of those that are expected.

        Raises:
            TransientError: it may be the next time.
            SelfError: it is another one.

        """
        if response.status in statuses:
            return
        reason = f"the server answers {response.status} {response.body.reason}".rstrip()
        pause = response.headers.get("retry-after", "")
        remaining = response.headers.get("x-ratelimit-remaining")
        self.drop(response)
        if remaining == "0":
            raise SelfError(f"cannot read {url}: {reason}, as too much was asked of it from this address: wait an hour")
        if response.status in _TEMPORARY:
            raise TransientError(reason, float(pause) if re.fullmatch("[0-9]{1,6}", pause) else None)
        raise SelfError(f"cannot read {url}: {reason}")

    def _send(self, url: str, headers: Mapping[str, str] | None) -> Response:
        try:
            parts = urlsplit(url)
            path = quote(parts.path or "/", safe=_SAFE) + ("?" + quote(parts.query, safe=_SAFE) if parts.query else "")
        except ValueError:
            raise SelfError(f"{url!r} is no address on the web") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise SelfError(f"{url} is no address on the web")
        key = (parts.scheme, parts.netloc)
        # A server may have closed a connection that has been idle.
        for is_new in (key not in self._connections, True):
            try:
                if is_new:
                    self._connections.pop(key, None)
                connection = self._connections.get(key)
                if connection is None:
                    connection = self._connections[key] = _connect(parts.scheme, parts.netloc)
                target = url if isinstance(connection, _ProxyConnection) else path
                self.requests += 1
                connection.request("GET", target, headers=_all_headers(connection, headers))
                body = connection.getresponse()
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._connections.pop(key, None)
                if not is_new:
                    continue
                raise _failed(parts.netloc, error) from None
            return Response(body.status, {name.lower(): value for name, value in body.getheaders()}, body, url)
        raise AssertionError  # the last try returns or raises


class _ProxyConnection(http.client.HTTPConnection):
    """A connection to a proxy that is asked for whole addresses.

    Attributes:
        credentials: for the proxy, as its header has them; empty for none.

    """

    credentials = ""


def _all_headers(connection: http.client.HTTPConnection, headers: Mapping[str, str] | None) -> dict[str, str]:
    # Without the first one servers may compress what they send, and ranges count bytes of that.
    found = {"Accept-Encoding": "identity", "User-Agent": "appimage-self", **(headers or {})}
    if isinstance(connection, _ProxyConnection) and connection.credentials:
        found["Proxy-Authorization"] = connection.credentials
    return found


def _connect(scheme: str, netloc: str) -> http.client.HTTPConnection:
    proxies = getproxies()
    address = proxies.get(scheme) or proxies.get("all") or ""
    if not address or proxy_bypass(netloc):
        if scheme == "https":
            return http.client.HTTPSConnection(netloc, timeout=SECONDS, context=_tls())
        return http.client.HTTPConnection(netloc, timeout=SECONDS)
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise SelfError(f"the proxy {proxy.scheme}://{proxy.hostname} is of a kind that cannot be used: http can")
    credentials = ""
    if proxy.username is not None:
        plain = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        credentials = "Basic " + base64.b64encode(plain.encode()).decode()
    if scheme == "http":
        plain_connection = _ProxyConnection(proxy.hostname, proxy.port or 80, timeout=SECONDS)
        plain_connection.credentials = credentials
        return plain_connection
    tunnel = http.client.HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=SECONDS, context=_tls())
    tunnel.set_tunnel(netloc, headers={"Proxy-Authorization": credentials} if credentials else {})
    return tunnel


@functools.lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _failed(host: str, error: Exception) -> SelfError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return SelfError(f"the certificate of {host} is not trusted: {error.verify_message}")
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return TransientError(f"{host} does not answer in time")
    return TransientError(f"no connection to {host} ({error or type(error).__name__})")


def _follow(place: str, location: str) -> str:
    """Return where a redirect leads; never from https to anything else.

    Raises:
        SelfError: it leads nowhere, or to less protection.

    """
    allowed = {"https"} if urlsplit(place).scheme == "https" else {"http", "https"}
    try:
        target = urljoin(place, location)
        scheme = urlsplit(target).scheme
    except ValueError:
        raise SelfError(f"{place} leads to {location!r}, which is no address") from None
    if not location or scheme not in allowed:
        raise SelfError(f"{place} leads to {target or 'nothing'}, which is not as well protected")
    return target


def beside(url: str, reference: str) -> str:
    """Return an address relative to another one, which is not to be less protected either.

    Raises:
        SelfError: it would be.

    """
    return _follow(url, reference)


def retry(url: str, attempt: Callable[[], T]) -> T:
    """Try until it works, or has been tried often enough.

    Raises:
        SelfError: it does not.

    """
    pause = _FIRST_PAUSE
    for left in reversed(range(_TRIES)):
        try:
            return attempt()
        except TransientError as error:  # noqa: PERF203 - a try is far slower
            if not left:
                raise SelfError(f"cannot read {url}: {error} ({_TRIES} tries)") from None
            time.sleep(min(max(pause, error.pause or 0), _MAX_PAUSE))
            pause *= 2
    raise AssertionError  # the last try returns or raises


def is_protected(url: str) -> bool:
    """Whether nobody on the way can change what comes from an address: by TLS, or as it is this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.hostname or "") in {"localhost", "127.0.0.1", "::1"}
