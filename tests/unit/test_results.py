# SPDX-License-Identifier: MIT
"""Results that are kept for later builds: never another one than would be computed."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.results import Results, list_entries, results_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DAY = 24 * 3600


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def results(directory: Path) -> Results:
    return Results(directory, 10**6)


def never() -> bytes:
    raise AssertionError("it was computed again")


def entry(directory: Path) -> Path:
    (found,) = list_entries(directory)
    return found.path


class TestCompute:
    def test_once(self, results: Results, directory: Path) -> None:
        assert results.compute([b"a"], lambda: b"result") == b"result"
        assert results.compute([b"a"], never) == b"result"
        assert Results(directory, 1).compute([b"a"], never) == b"result"

    def test_empty_result(self, results: Results) -> None:
        results.compute([b"a"], lambda: b"")
        assert results.compute([b"a"], never) == b""

    @pytest.mark.parametrize("other", [[], [b"b"], [b"a", b""], [b"", b"a"], [b"a", b"b"]])
    def test_other_dependencies(self, results: Results, other: list[bytes]) -> None:
        results.compute([b"a"], lambda: b"one")
        assert results.compute(other, lambda: b"two") == b"two"

    def test_boundaries_count(self, results: Results) -> None:
        results.compute([b"ab", b"c"], lambda: b"one")
        assert results.compute([b"a", b"bc"], lambda: b"two") == b"two"

    def test_what_raises_is_not_kept(self, results: Results) -> None:
        with pytest.raises(AssertionError):
            results.compute([b"a"], never)
        assert results.compute([b"a"], lambda: b"result") == b"result"

    def test_nothing_is_kept(self, directory: Path) -> None:
        results = Results(directory, 0)
        results.compute([b"a"], lambda: b"one")
        assert results.compute([b"a"], lambda: b"two") == b"two"
        results.prune()
        assert not directory.exists()

    def test_many_threads(self, results: Results) -> None:
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(results.compute([b"a"], lambda: b"x" * 100_000)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [b"x" * 100_000] * 8


class TestComputeAll:
    def test_what_is_missing_is_computed_together(self, results: Results) -> None:
        results.compute([b"b"], lambda: b"two")
        asked = []

        def function(missing: Sequence[int]) -> list[bytes]:
            asked.append(list(missing))
            return [b"one", b"three"]

        dependencies = [[b"a"], [b"b"], [b"c"]]
        assert results.compute_all(dependencies, function) == [b"one", b"two", b"three"]
        assert results.compute_all(dependencies, function) == [b"one", b"two", b"three"]
        assert asked == [[0, 2]]
        assert results.compute([b"c"], never) == b"three"

    def test_nothing_is_kept(self, directory: Path) -> None:
        results = Results(directory, 0)
        for _ in range(2):
            assert results.compute_all([[b"a"], [b"b"]], lambda missing: [bytes([each]) for each in missing]) == [
                b"\0",
                b"\1",
            ]
        assert not directory.exists()

    def test_none(self, results: Results) -> None:
        assert results.compute_all([], lambda _: [never()]) == []

    def test_where_nothing_can_be_written(self, directory: Path) -> None:
        directory.write_text("")
        results = Results(directory, 10**6)
        assert results.compute_all([[b"a"], [b"b"]], lambda _: [b"one", b"two"]) == [b"one", b"two"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replace_by_link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [cut, flip, lambda path: path.write_bytes(b""), replace_by_link, replace_by_pipe],
)
def test_damaged_entry_counts_as_none(results: Results, directory: Path, damage: Callable[[Path], object]) -> None:
    results.compute([b"a"], lambda: b"right")
    damage(entry(directory))
    assert results.compute([b"a"], lambda: b"right again") == b"right again"
    assert results.compute([b"a"], never) == b"right again"


def test_directory_in_the_place_of_an_entry(results: Results, directory: Path) -> None:
    results.compute([b"a"], lambda: b"one")
    replace_by_directory(entry(directory))
    assert results.compute([b"a"], lambda: b"two") == b"two"


def test_no_room(results: Results, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert results.compute([b"a"], lambda: b"one") == b"one"
    assert list(list_entries(directory)) == [], "nothing half-written stays"
    results.prune()


class TestChange:
    """Files that a function changes."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return self.put(tmp_path / "file")

    def put(self, path: Path) -> Path:
        path.write_bytes(b"before")
        path.chmod(0o750)
        os.utime(path, (1000, 1000))
        return path

    def change(self, path: Path) -> int:
        path.write_bytes(b"after")
        return 7

    def never(self) -> int:
        raise AssertionError("it was changed again")

    def test_once(self, results: Results, file: Path) -> None:
        assert results.change(file, [b"a"], lambda: self.change(file)) == 7
        other = self.put(file.with_name("other"))
        assert results.change(other, [b"a"], self.never) == 7
        assert (file.read_bytes(), other.read_bytes()) == (b"after", b"after")
        status = other.stat()
        assert (status.st_mode & 0o7777, status.st_mtime) == (0o750, 1000)
        assert sorted(path.name for path in file.parent.iterdir()) == ["file", "other", "results"]

    def test_what_stays_as_it_is(self, results: Results, file: Path) -> None:
        for function in (lambda: 0, self.never):
            inode = file.stat().st_ino
            assert results.change(file, [b"a"], function) == 0
            assert (file.read_bytes(), file.stat().st_ino) == (b"before", inode)

    def test_other_content_or_dependency(self, results: Results, file: Path) -> None:
        results.change(file, [b"a"], lambda: self.change(file))
        assert results.change(file, [b"a"], lambda: 1) == 1
        assert results.change(self.put(file), [b"b"], lambda: 2) == 2

    def test_other_names_of_the_file_keep_its_content(self, results: Results, file: Path) -> None:
        results.change(file, [b"a"], lambda: self.change(file))
        other = file.with_name("other")
        other.hardlink_to(self.put(file))
        results.change(file, [b"a"], self.never)
        assert other.read_bytes() == b"before"

    def test_damaged_entry(self, results: Results, directory: Path, file: Path) -> None:
        results.change(file, [b"a"], lambda: self.change(file))
        flip(entry(directory))
        assert results.change(self.put(file), [b"a"], lambda: self.change(file)) == 7
        assert file.read_bytes() == b"after"

    def test_failure_is_not_kept(self, results: Results, file: Path) -> None:
        with pytest.raises(AssertionError):
            results.change(file, [b"a"], self.never)
        assert results.change(file, [b"a"], lambda: self.change(file)) == 7

    @pytest.mark.parametrize("limit", ["_MAX_FILE", "nothing"])
    def test_not_kept(self, directory: Path, file: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
        results = Results(directory, 10**6)
        if limit == "nothing":
            results = Results(directory, 0)
        else:
            monkeypatch.setattr("hatch_appimage.results._MAX_FILE", 3)
        for _ in range(2):
            results.change(self.put(file), [b"a"], lambda: self.change(file))
        assert file.read_bytes() == b"after"
        assert list(list_entries(directory)) == []


class TestPrune:
    def fill(self, results: Results, directory: Path) -> list[Path]:
        """Keep five results of 300 kB; return them from the oldest to the youngest."""
        paths = []
        for number in range(5):
            before = {found.path for found in list_entries(directory)}
            results.compute([bytes([number])], lambda: bytes(300_000))
            (path,) = {found.path for found in list_entries(directory)} - before
            then = time.time() - (10 - number) * DAY
            os.utime(path, (then, then))
            paths.append(path)
        return paths

    def test_oldest_go(self, results: Results, directory: Path) -> None:
        paths = self.fill(results, directory)
        results.prune()
        assert [path.exists() for path in paths] == [False, False, False, True, True]

    def test_what_was_of_use_stays(self, results: Results, directory: Path) -> None:
        paths = self.fill(results, directory)
        results.compute([b"\0"], never)
        results.prune()
        assert [path.exists() for path in paths] == [True, False, False, False, True]

    def test_within_the_limit(self, directory: Path) -> None:
        results = Results(directory, 10**7)
        paths = self.fill(results, directory)
        results.prune()
        assert all(path.exists() for path in paths)


class TestOfUser:
    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("HATCH_APPIMAGE_CACHE_MB", raising=False)
        return tmp_path / "cache"

    def test_place(self, cache: Path) -> None:
        assert results_directory() == cache / "hatch-appimage" / "results"
        Results.of_user().compute([b"a"], lambda: b"result")
        assert Results.of_user().compute([b"a"], never) == b"result"
        assert (cache / "hatch-appimage" / "results").stat().st_mode & 0o777 == 0o700

    def test_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HATCH_APPIMAGE_CACHE_MB", "0")
        Results.of_user().compute([b"a"], lambda: b"one")
        assert Results.of_user().compute([b"a"], lambda: b"two") == b"two"

    @pytest.mark.parametrize("value", ["much", "-1", "1.5", " "])
    def test_bad_limit(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("HATCH_APPIMAGE_CACHE_MB", value)
        with pytest.raises(AppImageError) as caught:
            Results.of_user()
        assert str(caught.value) == f"HATCH_APPIMAGE_CACHE_MB is to be a number, of megabytes, and is {value!r}"

    def test_directory_that_everybody_can_write(self, cache: Path) -> None:
        place = cache / "hatch-appimage" / "results"
        place.mkdir(parents=True)
        place.chmod(0o777)
        assert results_directory() is None
        assert Results.of_user().compute([b"a"], lambda: b"one") == b"one"
        assert list(place.iterdir()) == []

    def test_no_directory_can_be_made(self, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
        """They are kept for as long as the build, then."""
        cache.write_text("a file")
        directory = results_directory()
        assert directory is not None
        assert list(directory.iterdir()) == []
        assert f"The cache {cache}/hatch-appimage cannot be written, and is not used" in caplog.text
