# SPDX-License-Identifier: MIT
"""Downloads from a server of this machine: whole, broken off, refused and false ones."""

from __future__ import annotations

import io
import multiprocessing
import os
from functools import partial
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

import pytest

from hatch_appimage import download as module
from hatch_appimage.cache import cache_directory, is_unchanged, seal
from hatch_appimage.download import download, fetch_json, is_offline, waiting_for
from hatch_appimage.errors import AppImageError
from support.machine import NOBODY
from support.mirror import Answer, serve
from support.tools import require_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.mirror import Mirror

DATA = Random(1).randbytes(3_000_000)  # noqa: S311 - any bytes do
DIGEST = sha256(DATA).hexdigest()
PATH = "/python.tar.gz"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as mirror:
        mirror.files[PATH] = DATA
        yield mirror


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(module.OFFLINE, raising=False)
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    return tmp_path / "cache" / "hatch-appimage" / "downloads"


def left_in(cache: Path) -> list[str]:
    """Return what is in the cache but the files that locks are on."""
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock") if cache.exists() else []


def test_once(mirror: Mirror, cache: Path) -> None:
    path = download(mirror.url + PATH, DIGEST)
    assert (path, path.read_bytes()) == (cache / DIGEST, DATA)
    assert download(mirror.url + PATH, DIGEST.upper()) == path
    assert mirror.requests == [(PATH, None)]
    assert left_in(cache) == [DIGEST]


def resumed_at(mirror: Mirror) -> list[int]:
    """Return where each request but the first wants to go on."""
    return [int((wanted or "=-1-")[6:-1]) for _, wanted in mirror.requests[1:]]


def test_resumed(mirror: Mirror) -> None:
    """A server that breaks off, twice."""
    mirror.answers[PATH] = [Answer(stop_after=1_000_000), Answer(stop_after=900_000)]
    assert download(mirror.url + PATH, DIGEST).read_bytes() == DATA
    first, second = resumed_at(mirror)
    assert 500_000 < first <= 1_000_000
    assert first + 500_000 < second <= first + 900_000


def test_truncated_without_a_length(mirror: Mirror, cache: Path) -> None:
    """Only the digest can tell."""
    mirror.answers[PATH] = [Answer(stop_after=1_000_000, length=False)]
    with pytest.raises(AppImageError, match=r"is not what it should be: its SHA-256 is"):
        download(mirror.url + PATH, DIGEST)
    assert left_in(cache) == []


def test_resumed_by_the_next_build(mirror: Mirror, cache: Path) -> None:
    mirror.answers[PATH] = [Answer(stop_after=1_000_000)] + [Answer(status=503)] * 4
    with pytest.raises(AppImageError, match=r"^Cannot download .*: the server answers 503 .* \(5 tries\)$"):
        download(mirror.url + PATH, DIGEST)
    assert download(mirror.url + PATH, DIGEST).read_bytes() == DATA
    assert 500_000 < resumed_at(mirror)[-1] <= 1_000_000
    assert left_in(cache) == [DIGEST]


def test_server_without_ranges(mirror: Mirror) -> None:
    mirror.answers[PATH] = [Answer(stop_after=1_000_000), Answer(ranges=False)]
    assert download(mirror.url + PATH, DIGEST).read_bytes() == DATA


def test_complete_when_it_was_left(mirror: Mirror, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{DIGEST}.part").write_bytes(DATA)
    assert download(mirror.url + PATH, DIGEST).read_bytes() == DATA


@pytest.mark.parametrize("rest", [b"x" * 1000, DATA + b"more"])
def test_rest_of_another_file(mirror: Mirror, cache: Path, rest: bytes) -> None:
    """What an earlier build left need not be of this file."""
    cache.mkdir(parents=True)
    (cache / f"{DIGEST}.part").write_bytes(rest)
    assert download(mirror.url + PATH, DIGEST).read_bytes() == DATA
    assert left_in(cache) == [DIGEST]


def test_another_file_than_the_digest_says(mirror: Mirror, cache: Path) -> None:
    wanted = "0" * 64
    with pytest.raises(AppImageError) as caught:
        download(mirror.url + PATH, wanted)
    assert str(caught.value) == (
        f"{mirror.url}{PATH} is not what it should be: its SHA-256 is {DIGEST}, and {wanted} was expected"
    )
    assert left_in(cache) == []


@pytest.mark.parametrize("change", [b"", DATA[:-1], b"x" + DATA[1:]], ids=["empty", "truncated", "changed"])
def test_changed_in_the_cache(
    mirror: Mirror, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, change: bytes
) -> None:
    path = download(mirror.url + PATH, DIGEST)
    path.write_bytes(change)
    assert download(mirror.url + PATH, DIGEST).read_bytes() == DATA
    (message,) = caplog.messages
    assert message == (
        f"{path} in the cache has changed since it was fetched, and is removed: its SHA-256 is "
        f"{sha256(change).hexdigest()}"
    )
    assert len(mirror.requests) == 2
    path.write_bytes(change)
    monkeypatch.setenv(module.OFFLINE, "1")
    with pytest.raises(AppImageError, match=r"^http://.* is not in the cache, and HATCH_APPIMAGE_OFFLINE allows no"):
        download(mirror.url + PATH, DIGEST)
    assert left_in(cache) == []


@pytest.mark.parametrize("name", ["", ".part"])
@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "fifo"])
def test_something_else_in_its_place(mirror: Mirror, cache: Path, tmp_path: Path, name: str, kind: str) -> None:
    """What it leads to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    cache.mkdir(parents=True)
    place = cache / f"{DIGEST}{name}"
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "hard link":
        os.link(victim, place)
    else:
        place.symlink_to(victim if kind == "link" else tmp_path / "nothing")
    path = download(mirror.url + PATH, DIGEST)
    assert (path.is_symlink(), path.read_bytes()) == (False, DATA)
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "nothing").exists()
    assert left_in(cache) == [DIGEST]


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory"])
def test_lock_that_is_none(mirror: Mirror, cache: Path, tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    cache.mkdir(parents=True)
    lock = cache / f"{DIGEST}.lock"
    if kind == "fifo":
        os.mkfifo(lock)
    elif kind == "directory":
        lock.mkdir()
    else:
        lock.symlink_to(victim if kind == "link" else tmp_path / "nothing")
    with pytest.raises(AppImageError) as caught:
        download(mirror.url + PATH, DIGEST)
    assert str(caught.value) == f"{lock} in the cache is a link, or no regular file: remove it"
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "nothing").exists()
    assert mirror.requests == []


def test_lock_is_not_emptied(mirror: Mirror, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / f"{DIGEST}.lock").write_bytes(b"something")
    download(mirror.url + PATH, DIGEST)
    assert (cache / f"{DIGEST}.lock").read_bytes() == b"something"


def test_part_of_the_cache_of_everybody(mirror: Mirror, cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    with pytest.raises(AppImageError) as caught:
        download(mirror.url + PATH, DIGEST)
    assert str(caught.value) == (
        f"The cache {cache} is writable by everybody, who could change what is bundled: set XDG_CACHE_HOME to a "
        "directory of yours"
    )


@pytest.mark.parametrize("mode", [0o777, pytest.param(0o700, marks=pytest.mark.root)])
def test_cache_of_others(mirror: Mirror, cache: Path, caplog: pytest.LogCaptureFixture, mode: int) -> None:
    """As in a container that has somebody's cache mounted: the build goes on without it."""
    cache.parent.mkdir(parents=True)
    cache.parent.chmod(mode)
    if mode == 0o700:
        require_root()
        os.chown(cache.parent, NOBODY, NOBODY)
    file = download(mirror.url + PATH, DIGEST)
    assert sha256(file.read_bytes()).hexdigest() == DIGEST
    assert file == download(mirror.url + PATH, DIGEST)
    assert not file.is_relative_to(cache.parent)
    assert list(cache.parent.iterdir()) == []
    whose = "is writable by everybody" if mode == 0o777 else f"belongs to the user {NOBODY}"
    assert f"The cache {cache.parent} {whose}" in caplog.text


def test_cache_that_cannot_be_made(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As for a user without a home directory."""
    home = tmp_path / "home"
    home.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    file = download(mirror.url + PATH, DIGEST)
    assert file == download(mirror.url + PATH, DIGEST)
    (message,) = caplog.messages
    assert message == (
        f"The cache {home}/cache/hatch-appimage cannot be written, and is not used: set XDG_CACHE_HOME to a "
        "directory of yours"
    )


def test_own_cache_is_nobody_elses(mirror: Mirror, cache: Path) -> None:
    download(mirror.url + PATH, DIGEST)
    assert cache.stat().st_mode & 0o077 == cache.parent.stat().st_mode & 0o077 == 0


def test_broken_answer_offline(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.files["/api"] = b"[1]"
    fetch_json(f"{mirror.url}/api")
    (answer,) = (path for path in (cache_directory() / "answers").iterdir() if path.suffix != ".lock")
    answer.write_bytes(b"[1")
    monkeypatch.setenv(module.OFFLINE, "1")
    with pytest.raises(AppImageError, match="is not in the cache"):
        fetch_json(f"{mirror.url}/api")


@pytest.mark.parametrize("change", ["content", "mode", "name", "new", "link", "gone", "__pycache__"])
def test_sealed_directory(tmp_path: Path, change: str) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "__pycache__").mkdir(parents=True)
    (tree / "a" / "file").write_text("x")
    (tree / "link").symlink_to("a/file")
    seal(tree)
    assert is_unchanged(tree)
    (tmp_path / "elsewhere").symlink_to("a")
    file, link = tree / "a" / "file", tree / "link"
    changes: dict[str, Callable[[], object]] = {
        "content": partial(file.write_text, "y"),
        "mode": partial(file.chmod, 0o755),
        "name": partial(file.rename, tree / "a" / "other"),
        "new": (tree / "a" / "new").touch,
        "link": partial((tmp_path / "elsewhere").replace, link),
        "gone": link.unlink,
        "__pycache__": (tree / "a" / "__pycache__" / "file.pyc").touch,
    }
    changes[change]()
    assert is_unchanged(tree) == (change == "__pycache__")


def test_directory_of_an_earlier_release(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    assert is_unchanged(tree)
    (tree / "new").touch()
    assert not is_unchanged(tree)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_tried_again(mirror: Mirror, status: int) -> None:
    mirror.answers[PATH] = [Answer(status=status, body=b"no")] * 4
    assert download(mirror.url + PATH, DIGEST).read_bytes() == DATA
    assert len(mirror.requests) == 5


def test_pauses(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is twice the one before, at least as long as the server wants, and never endless."""
    pauses: list[float] = []
    monkeypatch.setattr(module, "_PAUSE", 1.0)
    monkeypatch.setattr("time.sleep", pauses.append)
    wants = ["", "7", "9999", "Wed, 21 Oct 2026 07:28:00 GMT"]
    mirror.answers[PATH] = [Answer(status=429, headers={"Retry-After": want}) for want in wants]
    download(mirror.url + PATH, DIGEST)
    assert pauses == [1, 7, 60, 8]


@pytest.mark.parametrize(
    ("status", "said"), [(403, "403 Forbidden"), (404, "404 Not Found"), (401, "401 Unauthorized")]
)
def test_refused(mirror: Mirror, cache: Path, status: int, said: str) -> None:
    mirror.answers[PATH] = [Answer(status=status)]
    with pytest.raises(AppImageError) as caught:
        download(mirror.url + PATH, DIGEST)
    assert str(caught.value) == f"Cannot download {mirror.url}{PATH}: the server answers {said}"
    assert len(mirror.requests) == 1
    assert left_in(cache) == []


def test_asked_too_much(mirror: Mirror) -> None:
    mirror.answers[PATH] = [Answer(status=403, headers={"X-RateLimit-Remaining": "0"})]
    with pytest.raises(
        AppImageError, match=r"403 Forbidden, as too much was asked of it from this address: wait an hour$"
    ):
        download(mirror.url + PATH, DIGEST)


def test_no_server() -> None:
    with serve() as gone:
        pass
    with pytest.raises(AppImageError, match=r"^Cannot download http://127.0.0.1:\d+/x: no connection: .* \(5 tries\)$"):
        download(f"{gone.url}/x", DIGEST)


@pytest.mark.parametrize("url", ["http://", "https://[::1/x", "http:///x"])
def test_no_address(url: str) -> None:
    with pytest.raises(AppImageError, match=r": it is no address of a file on the web$"):
        download(url, DIGEST)


@pytest.mark.parametrize("value", ["1", "true"])
def test_offline(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(module.OFFLINE, value)
    with pytest.raises(AppImageError) as caught:
        download(mirror.url + PATH, DIGEST)
    assert str(caught.value) == (
        f"{mirror.url}{PATH} is not in the cache, and HATCH_APPIMAGE_OFFLINE allows no download: build once without it"
    )
    with pytest.raises(AppImageError, match="not in the cache"):
        fetch_json(f"{mirror.url}/api")
    assert mirror.requests == []
    monkeypatch.delenv(module.OFFLINE)
    path = download(mirror.url + PATH, DIGEST)
    monkeypatch.setenv(module.OFFLINE, value)
    assert download(mirror.url + PATH, DIGEST) == path


@pytest.mark.parametrize("value", ["", "0"])
def test_not_offline(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(module.OFFLINE, value)
    assert not is_offline()


def _download(url: str) -> str:
    return download(url, DIGEST).name


@pytest.mark.slow
def test_by_several_builds_at_once(mirror: Mirror, cache: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(_download, [mirror.url + PATH] * 8) == [DIGEST] * 8
    assert mirror.requests == [(PATH, None)]
    assert left_in(cache) == [DIGEST]


def test_proxy(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror is asked for an address of the web, as proxies are."""
    url = "http://python.invalid/a.tar"
    mirror.files[url] = DATA
    monkeypatch.setenv("http_proxy", mirror.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert download(url, DIGEST).read_bytes() == DATA


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_progress(mirror: Mirror, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
    monkeypatch.setattr(module, "_PROGRESS_AFTER", -1.0)
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    download(mirror.url + PATH, DIGEST)
    if terminal:
        assert "\r  python.tar.gz: 3.0 of 3.0 MB\x1b[K" in stderr.getvalue()
        assert stderr.getvalue().endswith("\r\x1b[K")
    else:
        assert stderr.getvalue() == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_waiting_for_another_program(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> None:
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    with waiting_for("Python"):
        pass
    assert stderr.getvalue() == ("\r  getting Python ...\x1b[K\r\x1b[K" if terminal else "")


def test_answers(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{mirror.url}/api?per_page=100"
    mirror.files["/api?per_page=100"] = b'[{"a": "\xc3\xa4"}]'
    assert fetch_json(url) == [{"a": "ä"}]
    mirror.files["/api?per_page=100"] = b"[]"
    assert fetch_json(url) == []
    monkeypatch.setenv(module.OFFLINE, "1")
    assert fetch_json(url) == []


def test_no_answer(mirror: Mirror) -> None:
    mirror.files["/api"] = b"<html>"
    with pytest.raises(AppImageError, match=r"^http://.*/api answers with something else than JSON$"):
        fetch_json(f"{mirror.url}/api")
    mirror.answers["/api"] = [Answer(status=500)] * 5
    with pytest.raises(AppImageError, match=r"the server answers 500"):
        fetch_json(f"{mirror.url}/api")
    assert not list((cache_directory() / "answers").glob("*.part"))


def test_relative_cache_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "hatch-appimage"
