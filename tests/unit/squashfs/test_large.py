# SPDX-License-Identifier: MIT
"""SquashFS images of trees that are large in one way or another."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.squashfs import SquashFSImage, tree, write_squashfs
from support.squashfs_trees import BLOCK_SIZE, kernel_mounted, noise

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer

pytestmark = pytest.mark.slow

GIB = 1 << 30
MEMORY = 400 << 20

# Writes an image and prints the peak of its own memory, in bytes.
PROGRAM = """
import re, sys
from pathlib import Path
from hatch_appimage.squashfs import write_squashfs
with open(sys.argv[2], "wb") as file:
    write_squashfs(Path(sys.argv[1]), file, mtime=0, level=int(sys.argv[3]), block_size=int(sys.argv[4]))
# Not ru_maxrss, which begins with the peak of the process that started this one.
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024)
"""


def peak_memory(root: Path, image: Path, level: int, block_size: int) -> int:
    command: list[str | Path] = [sys.executable, "-c", PROGRAM, root, image, str(level), str(block_size)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class TestMemory:
    @pytest.mark.parametrize(("level", "block_size"), [(1, 4096), (1, 1 << 17), (9, 1 << 20)])
    def test_few_large_files(self, level: int, block_size: int, tmp_path: Path) -> None:
        root = tmp_path / "tree"
        root.mkdir()
        # Of equal size, so that both are read twice.
        half = noise(1 << 20)
        for name in ("first", "second"):
            with (root / name).open("wb") as file:
                for _ in range(256):
                    file.write(half)
                    file.write(name.encode().ljust(1 << 20, b"."))
        assert peak_memory(root, tmp_path / "image", level, block_size) < MEMORY

    def test_many_small_files(self, tmp_path: Path) -> None:
        content = noise(1 << 20)
        for number in range(50_000):
            if number % 1000 == 0:
                directory = tmp_path / "tree" / str(number)
                directory.mkdir(parents=True)
            (directory / f"{number}.py").write_bytes(content[number : number + 10_000])
        assert peak_memory(tmp_path / "tree", tmp_path / "image", 1, 1 << 17) < MEMORY


@pytest.mark.usefixtures("needs_root")
def test_file_of_more_than_4_gib(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    with (root / "file").open("wb") as file:
        file.write(b"start")
        file.seek(4 * GIB + 5)
        file.write(b"end")
    with (tmp_path / "image").open("wb+") as file:
        write_squashfs(root, file, mtime=0)
        image = SquashFSImage(file)
        (entry,) = image
        assert entry.size == 4 * GIB + 8
        *_, last = image.chunks(entry)
        assert last == b"\0" * 5 + b"end"
    with kernel_mounted(tmp_path / "image") as mounted, (mounted / "file").open("rb") as file:
        assert file.read(10) == b"start" + b"\0" * 5
        file.seek(-6, os.SEEK_END)
        assert file.read() == b"\0\0\0end"


class Hollow(io.FileIO):
    """A file that has holes where data would be below 4 GiB."""

    def write(self, content: ReadableBuffer, /) -> int:
        size = len(memoryview(content))
        if size < 1 << 16 or self.tell() + size > 4 * GIB:
            return super().write(content)
        self.seek(size, os.SEEK_CUR)
        return size


@pytest.mark.usefixtures("needs_root")
def test_data_behind_4_gib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads what fills these 4 GiB, so that they need not be on disk."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a").touch()
    os.truncate(root / "a", 4 * GIB + (1 << 20))
    piece, read = noise(tree.CHUNK_SIZE), tree._read_piece
    monkeypatch.setattr(
        tree, "_read_piece", lambda path, *place: piece[: place[-1]] if path == b"a" else read(path, *place)
    )
    (root / "behind").write_bytes(noise(200_000, 1))
    (root / "small").write_bytes(noise(2000, 2))
    with Hollow(tmp_path / "image", "wb+") as file:
        write_squashfs(root, file, mtime=0, level=1)
        image = SquashFSImage(file)
        assert image.superblock.inode_table > 4 * GIB
        for entry in image:
            if entry.path != b"a":
                assert image.read(entry) == (root / entry.path.decode()).read_bytes()
    with kernel_mounted(tmp_path / "image") as mounted:
        for name in ("behind", "small"):
            assert (mounted / name).read_bytes() == (root / name).read_bytes()


@pytest.mark.usefixtures("needs_root")
def test_directory_of_70_000_files(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    # More than 16 bits can count.
    names = [f"{number * 7919 % 70_000} {'n' * (number % 50)}" for number in range(70_000)]
    for name in names:
        (root / name).touch()
    with (tmp_path / "image").open("wb+") as file:
        write_squashfs(root, file, mtime=None, block_size=BLOCK_SIZE)
        assert [entry.path.decode() for entry in SquashFSImage(file)] == sorted(names)
    with kernel_mounted(tmp_path / "image") as mounted:
        for name in names[::500]:
            assert (mounted / name).exists()
            assert not (mounted / f"{name}~").exists()
        assert sorted(place.name for place in mounted.iterdir()) == sorted(names)
