# SPDX-License-Identifier: MIT
"""Blocks that are compressed before their image is written."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.results import NO_RESULTS, Results
from hatch_appimage.squashfs import SquashFSError, compressing_ahead, write_squashfs

if TYPE_CHECKING:
    from pathlib import Path

HOW: dict[str, Any] = {"compression": "zstd", "level": 3, "block_size": 4096}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "usr").mkdir(parents=True)
    (root / "usr" / "large").write_bytes(os.urandom(2000).hex().encode() * 5)
    (root / "small").write_bytes(b"small")
    (root / "link").symlink_to("usr/large")
    (root / "away").symlink_to("nowhere")
    return root


def image(tree: Path, results: Results = NO_RESULTS) -> bytes:
    output = io.BytesIO()
    write_squashfs(tree, output, mtime=1, results=results, **HOW)
    return output.getvalue()


def entries(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def wait_for(directory: Path, count: int) -> None:
    ends = time.monotonic() + 30
    while len(entries(directory)) < count:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_an_image_finds_the_blocks_of_large_files(tree: Path, tmp_path: Path) -> None:
    kept = tmp_path / "results"
    results = Results(kept, 10**9)
    with compressing_ahead(tree, results, **HOW):
        wait_for(kept, 5)  # 20,000 bytes
    before = {path: path.stat().st_mtime_ns for path in entries(kept)}
    assert image(tree, results) == image(tree)
    added = set(entries(kept)) - before.keys()
    assert len(added) == 1  # the block of the small file
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_an_earlier_image_had_is_not_read_again(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(tmp_path / "results", 10**9)
    image(tree, results)
    compressed: list[Any] = []
    monkeypatch.setattr(Results, "compute", lambda *arguments: compressed.append(arguments))
    with compressing_ahead(tree, results, **HOW):
        time.sleep(0.2)
    assert not compressed
    (tree / "usr" / "large").write_bytes(b"another" * 5000)
    with compressing_ahead(tree, results, **HOW):
        time.sleep(0.2)
    assert len(compressed) == 9  # 35,000 bytes


def test_what_changes_meanwhile_is_of_no_harm(tree: Path, tmp_path: Path) -> None:
    results = Results(tmp_path / "results", 10**9)
    with compressing_ahead(tree, results, **HOW):
        (tree / "usr" / "large").write_bytes(b"another" * 5000)
        (tree / "usr" / "large").rename(tree / "larger")
    assert image(tree, results) == image(tree)


def test_nothing_is_done_where_nothing_is_kept(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed: list[Any] = []
    monkeypatch.setattr(Results, "compute", lambda *arguments: compressed.append(arguments))
    with compressing_ahead(tree, NO_RESULTS, **HOW):
        time.sleep(0.2)
    assert not compressed


def test_it_ends_with_the_block(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = []

    def compute(_: Results, dependencies: Any, __: Any) -> bytes:
        compressed.append(dependencies)
        time.sleep(0.1)
        return b""

    monkeypatch.setattr(Results, "compute", compute)
    (tree / "huge").write_bytes(bytes(4096 * 1000))
    with pytest.raises(ZeroDivisionError), compressing_ahead(tree, Results(tmp_path / "results", 1), **HOW):
        raise ZeroDivisionError
    assert len(compressed) < 10


def test_compression_that_is_not_known(tree: Path) -> None:
    with (
        pytest.raises(SquashFSError, match="Unknown compression"),
        compressing_ahead(tree, NO_RESULTS, compression="lzo", level=None, block_size=4096),
    ):
        pass
