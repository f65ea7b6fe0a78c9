# SPDX-License-Identifier: MIT
"""Downloads: verified before anything uses them, resumed, tried again, and kept in a cache that builds share."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hatch_appimage.cache import cache_directory, discard_unless_file, locked, open_file
from hatch_appimage.errors import AppImageError
from hatch_appimage.terminal import find_terminal, status_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO, TypeVar

    import requests

    T = TypeVar("T")

log = logging.getLogger(__name__)

# Only what is cached is used when this is set to anything but nothing or 0.
OFFLINE = "HATCH_APPIMAGE_OFFLINE"

_CONNECT_SECONDS = 20
_READ_SECONDS = 60
# How often something is tried, and how long the first pause in between is; each is twice the one before.
_TRIES = 5
_PAUSE = 1.0
# A server may ask for longer pauses, up to this.
_MAX_PAUSE = 60.0
# Answers that may be others in a moment (RFC 9110, RFC 6585).
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK_SIZE = 1 << 18
_PROGRESS_AFTER = 1.0
_MEGABYTE = 1_000_000


class _TransientError(Exception):
    """A try failed in a way that the next one may not.

    Attributes:
        pause: how long the server asks to wait, in seconds; None if it does not say.

    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        self.pause = pause
        super().__init__(reason)


def is_offline() -> bool:
    """Whether the user allows no downloads."""
    return os.environ.get(OFFLINE, "") not in {"", "0"}


def download(url: str, digest: str) -> Path:
    """Return a file from the web, from the cache if it has been fetched before.

    Args:
        url: where it is; proxies and certificates are taken from the environment, as requests does.
        digest: its SHA-256 in hexadecimal.

    Returns:
        its path in the cache; it is not to be changed.

    Raises:
        AppImageError: it cannot be had, or is another file than the digest says; nothing of it is left then.

    """
    target = cache_directory() / "downloads" / digest.lower()
    part = target.with_name(f"{target.name}.part")
    with locked(target):
        discard_unless_file(target)
        discard_unless_file(part, writing=True)
        if _is_whole(target):
            return target
        if is_offline():
            raise _not_cached(url)
        resumed = part.exists()
        _retry(url, lambda: _fetch(url, part))
        found = _digest(part)
        if found != target.name and resumed:  # what was there before may have been of another file
            part.unlink()
            _retry(url, lambda: _fetch(url, part))
            found = _digest(part)
        if found != target.name:
            part.unlink()
            raise AppImageError(
                f"{url} is not what it should be: its SHA-256 is {found}, and {target.name} was expected"
            )
        part.replace(target)
        return target


def fetch_json(url: str) -> Any:
    """Return the answer of an API; offline, what it was the last time.

    Raises:
        AppImageError: it cannot be had, or is no JSON.

    """
    target = cache_directory() / "answers" / sha256(url.encode()).hexdigest()
    with locked(target):
        if is_offline():
            return _read_json(target, url)
        part = target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        _retry(url, lambda: _fetch(url, part))
        try:
            answer = json.loads(part.read_bytes())
        except ValueError as error:
            part.unlink()
            raise AppImageError(f"{url} answers with something else than JSON") from error
        part.replace(target)
        return answer


def _is_whole(target: Path) -> bool:
    """Tell whether a file of the cache is what its name says; one that has changed is removed."""
    try:
        found = _digest(target)
    except FileNotFoundError:
        return False
    if found == target.name:
        return True
    log.warning("%s in the cache has changed since it was fetched, and is removed: its SHA-256 is %s", target, found)
    target.unlink()
    return False


def _read_json(target: Path, url: str) -> Any:
    try:
        with open_file(target, os.O_RDONLY) as file:
            return json.loads(file.read())
    except (FileNotFoundError, ValueError) as error:
        raise _not_cached(url) from error


def _not_cached(url: str) -> AppImageError:
    return AppImageError(f"{url} is not in the cache, and {OFFLINE} allows no download: build once without it")


def _retry(url: str, attempt: Callable[[], T]) -> T:
    """Try until it works, or has been tried often enough."""
    pause = _PAUSE
    for left in reversed(range(_TRIES)):
        try:
            return attempt()
        except _TransientError as error:  # noqa: PERF203 - a try is far slower
            if not left:
                raise AppImageError(f"Cannot download {url}: {error} ({_TRIES} tries)") from error
            time.sleep(min(max(pause, error.pause or 0), _MAX_PAUSE))
            pause *= 2
    raise AssertionError  # the last try returns or raises


def _fetch(url: str, part: Path) -> None:
    """Fetch a file to its end, from where an earlier try has got to."""
    import requests  # noqa: PLC0415 - loading it takes long, and most builds download nothing

    have = part.stat().st_size if part.exists() else 0
    # Without the second one servers may compress what they send, and ranges count bytes of that.
    headers = {"Range": f"bytes={have}-"} if have else {}
    headers["Accept-Encoding"] = "identity"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(_CONNECT_SECONDS, _READ_SECONDS)) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                # There is no more of it, or what is there is of another file; the digest will tell.
                if answer.headers.get("Content-Range") != f"bytes */{have}":
                    part.unlink()
                    raise _TransientError("the file has changed meanwhile")
                return
            _check_status(answer, url)
            resumed = answer.status_code == requests.codes.partial_content
            with open_file(part, os.O_RDWR | os.O_CREAT) as file:
                file.truncate(have if resumed else 0)
                file.seek(0, os.SEEK_END)
                _copy(answer, file, have if resumed else 0)
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    ) as error:
        raise AppImageError(f"Cannot download {url}: it is no address of a file on the web") from error
    except requests.exceptions.RequestException as error:
        raise _TransientError(_reason(error)) from error


def _check_status(answer: requests.Response, url: str) -> None:
    if answer.ok:
        return
    reason = f"the server answers {answer.status_code} {answer.reason or ''}".rstrip()
    if answer.status_code in _TEMPORARY:
        pause = answer.headers.get("Retry-After", "")
        raise _TransientError(reason, float(pause) if pause.isdigit() else None)
    if answer.headers.get("X-RateLimit-Remaining") == "0":
        reason += ", as too much was asked of it from this address: wait an hour"
    raise AppImageError(f"Cannot download {url}: {reason}")


def _copy(answer: requests.Response, file: BinaryIO, have: int) -> None:
    length = answer.headers.get("Content-Length", "")
    expected = have + int(length) if length.isdigit() else None
    name = urlsplit(answer.url).path.rpartition("/")[2]
    of = f" of {expected / _MEGABYTE:.1f}" if expected else ""
    start = time.monotonic()
    with status_line(find_terminal()) as show:
        for piece in answer.iter_content(_CHUNK_SIZE):
            file.write(piece)
            have += len(piece)
            if time.monotonic() - start > _PROGRESS_AFTER:
                show(f"  {name}: {have / _MEGABYTE:.1f}{of} MB")
    if expected is not None and have < expected:
        raise _TransientError(f"it ended after {have} of {expected} bytes")


def _reason(error: requests.exceptions.RequestException) -> str:
    """Say in a few words why a request failed; requests nests the reasons of the libraries below it."""
    import requests  # noqa: PLC0415 - as above

    if isinstance(error, requests.exceptions.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the server's certificate is not trusted: {error}"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy refuses: {error}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return f"no connection: {error}"


@contextlib.contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Say on a terminal what is being waited for while another program downloads it."""
    with status_line(find_terminal()) as show:
        show(f"  getting {what} ...")
        yield


def _digest(path: Path) -> str:
    digest = sha256()
    with open_file(path, os.O_RDONLY) as file:
        while piece := file.read(_CHUNK_SIZE):
            digest.update(piece)
    return digest.hexdigest()
