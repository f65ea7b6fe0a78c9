# SPDX-License-Identifier: MIT
"""Block maps: what the build writes of an image, what is found by them, and maps that are made to harm."""

from __future__ import annotations

import hashlib
import mmap
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_appimage import cli
from hatch_appimage.appdir.appimage_self import blocks
from hatch_appimage.appdir.appimage_self.blocks import RECORD, Block, BlockMap, find_blocks, read_map
from hatch_appimage.appdir.appimage_self.errors import SelfError
from hatch_appimage.image.block_map import write_block_map
from hatch_appimage.runtime import runtime_path
from support.tools import require
from support.update_images import ARCHITECTURE, make_version

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "appimage-blocks: 1\nFilename: a\nVersion: 1\nLength: {}\nSHA-256: {}\nMark: {}\nBlocks: {}\n\n"


def make_map(sizes: list[int], *, length: int | None = None, mark: str = "28b52ffd", count: int | None = None) -> bytes:
    text = HEADER.format(
        sum(sizes) if length is None else length, "0" * 64, mark, len(sizes) if count is None else count
    )
    return text.encode() + b"".join(RECORD.pack(size, 0, bytes(16)) for size in sizes)


def found_in(wanted: BlockMap, image: Path) -> set[bytes]:
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        places = find_blocks(wanted, data)
        for block in wanted.blocks:
            if block.digest in places:
                start = places[block.digest]
                assert blocks.digest_of(data[start : start + block.size]) == block.digest
        return set(places)


def test_describes_an_image(tmp_path: Path) -> None:
    """All of it, and every block is found in the image itself."""
    image = make_version(tmp_path / "image", "1.0", "").path
    found = read_map(image.with_name(f"{image.name}.blocks").read_bytes(), "it")
    data = image.read_bytes()
    assert (found.name, found.version, found.size) == (image.name, "1.0", len(data))
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.mark == b"\x28\xb5\x2f\xfd"
    for block in found.blocks:
        piece = data[block.start : block.start + block.size]
        assert (block.digest, block.head) == (hashlib.sha256(piece).digest()[:16], blocks.head_of(piece))
    assert found_in(found, image) == {block.digest for block in found.blocks}


def test_is_made_anew_with_the_zsync_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after signing, since an old map is of another file."""
    image = make_version(tmp_path / "image", "1.0", "").path
    described = image.with_name(f"{image.name}.blocks")
    with image.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert cli.main(["zsync", str(image)]) == 0
    assert capsys.readouterr().out == f"{described}\n{image}.zsync\n"
    found = read_map(described.read_bytes(), "it")
    assert (found.version, found.sha256) == ("1.0", hashlib.sha256(image.read_bytes()).hexdigest())
    described.write_bytes(b"")
    assert cli.main(["zsync", str(image)]) != 0
    described.unlink()
    assert cli.main(["zsync", str(image)]) == 0
    assert not described.exists()


def test_changed_in_the_middle(tmp_path: Path) -> None:
    """What a file's block has in front of the change is found, though it is compressed as a whole."""
    packer = require("mksquashfs", "squashfs-tools")
    content = bytearray(os.urandom(1 << 19))
    images = []
    for number in range(2):
        source = tmp_path / f"source-{number}"
        source.mkdir()
        content[400_000] ^= number
        # Half of it can be compressed; without that it would be stored.
        (source / "file").write_bytes(content + bytes(1 << 19))
        packed = tmp_path / f"{number}.squashfs"
        options = [
            "-comp",
            "zstd",
            "-b",
            "1M",
            "-noappend",
            "-no-progress",
            "-quiet",
            "-all-time",
            "0",
            "-mkfs-time",
            "0",
        ]
        subprocess.run([packer, source, packed, *options], check=True, stdout=subprocess.DEVNULL)
        image = tmp_path / f"{number}.AppImage"
        image.write_bytes(runtime_path(ARCHITECTURE).read_bytes() + packed.read_bytes())
        images.append(image)
    wanted = read_map(write_block_map(images[1], version="2").path.read_bytes(), "it")
    found = found_in(wanted, images[0])
    missing = sum(block.size for block in wanted.blocks if block.digest not in found)
    assert 0 < missing < 150_000


@pytest.mark.parametrize("compressor", ["gzip", "zstd", "xz"])
def test_images_of_mksquashfs(tmp_path: Path, compressor: str) -> None:
    """Nearly all blocks of one that is packed in another order are found."""
    packer = require("mksquashfs", "squashfs-tools")
    source = make_version(tmp_path / "image", "1.0", "").path.parent / "root"
    images = []
    for number in range(2):
        if number:
            (source / "00").write_bytes(b"something else")
        packed = tmp_path / f"{number}.squashfs"
        options = ["-comp", compressor, "-noappend", "-no-progress", "-quiet", "-no-fragments"]
        subprocess.run([packer, source, packed, *options], check=True, stdout=subprocess.DEVNULL)
        image = tmp_path / f"{number}.AppImage"
        image.write_bytes(runtime_path(ARCHITECTURE).read_bytes() + packed.read_bytes())
        images.append(image)
    old, new = images
    wanted = read_map(write_block_map(new, version="2").path.read_bytes(), "it")
    found = found_in(wanted, old)
    missing = sum(block.size for block in wanted.blocks if block.digest not in found)
    assert missing < wanted.size * 0.05


@pytest.mark.parametrize(
    "data",
    [
        make_map([10, 0]),
        make_map([10], length=11),
        make_map([10], count=2),
        make_map([10], mark="28"),
        make_map([10], mark="zz"),
        make_map([10], mark="00" * 17),
        make_map([1 << 31], length=1 << 31),
        make_map([10])[:-1],
        make_map([10]).replace(b"Length: 10", b"Length: -10"),
        make_map([10]).replace(b"blocks: 1", b"blocks: 2"),
        b"",
    ],
)
def test_damaged(data: bytes) -> None:
    with pytest.raises(SelfError, match=r"damaged|no block map"):
        read_map(data, "it")


@given(st.binary(max_size=300))
def test_anything(data: bytes) -> None:
    with pytest.raises(SelfError):
        read_map(data, "it")


def test_made_to_harm(tmp_path: Path) -> None:
    """Marks everywhere, and blocks that all begin alike: it ends soon."""
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 18))
    head = blocks.head_of(bytes(16))
    wanted = [Block(number * 1000, 1000, head, number.to_bytes(16, "big")) for number in range(2000)]
    start = time.process_time()
    assert found_in(BlockMap("", "", 2_000_000, "", b"\0\0", tuple(wanted)), image) == set()
    assert time.process_time() - start < 10
