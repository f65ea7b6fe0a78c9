# SPDX-License-Identifier: MIT
"""`.zsync` files are those of zsyncmake, and the real client updates by them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.image.zsync import Layout, rolling_sums, write_zsync
from range_server import serving
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

TIME = 1_600_000_000


def noise(size: int) -> bytes:
    """Return bytes without any order, the same each time."""
    return hashlib.shake_128(str(size).encode()).digest(size)


def make(directory: Path, size: int, name: str = "a-1.0-x86_64.AppImage") -> Path:
    file = directory / name
    file.write_bytes(noise(size))
    os.utime(file, (TIME, TIME))
    return file


@pytest.mark.parametrize("size", [1, 2047, 2048, 2049, 50_000, 1_000_000, 3_000_001, 4_194_305])
def test_equals_zsyncmake(tmp_path: Path, size: int) -> None:
    file = make(tmp_path, size)
    zsyncmake = require("zsyncmake", "zsync")
    subprocess.run(
        [zsyncmake, "-u", file.name, "-o", "theirs", file.name], cwd=tmp_path, check=True, capture_output=True
    )
    description = write_zsync(file, url=file.name, mtime=TIME)
    assert description.path.name == "a-1.0-x86_64.AppImage.zsync"
    assert description.path.read_bytes() == (tmp_path / "theirs").read_bytes()


def test_larger_blocks_for_large_files() -> None:
    """Figures of zsyncmake 0.6.2."""
    assert Layout.for_size(99_999_999) == Layout(2048, 2, 2, 5)
    assert Layout.for_size(100_000_000) == Layout(4096, 2, 2, 5)


@pytest.mark.parametrize("block_size", [1, 7, 2048, 4096])
def test_rolling_sums(block_size: int) -> None:
    data = noise(block_size * 3)
    for number, total in enumerate(rolling_sums(data, block_size)):
        block = data[number * block_size : (number + 1) * block_size]
        first = sum(block) & 0xFFFF
        second = sum((block_size - place) * byte for place, byte in enumerate(block)) & 0xFFFF
        assert total == first.to_bytes(2, "big") + second.to_bytes(2, "big")


def test_the_real_client_updates(tmp_path: Path) -> None:
    old = make(tmp_path, 1_000_000, "old")
    new = tmp_path / "new"
    data = bytearray(old.read_bytes())
    data[500_000:500_000] = b"something new"
    data[900_000:900_001] = b"x"
    new.write_bytes(data)
    write_zsync(new, url=new.name, mtime=TIME)
    with serving(tmp_path) as server:
        output = tmp_path / "updated"
        client = require("zsync", "zsync")
        command: list[str | Path] = [client, "-i", old, "-o", output, f"{server.url}/new.zsync"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        assert output.read_bytes() == bytes(data)
        assert 0 < server.sent["new"] < 30_000
