# SPDX-License-Identifier: MIT
"""Blocks of Zstandard's frames: where they end, in all forms of a frame's header, and in what is no frame."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatch_appimage.appdir.appimage_self.zstd_frame import MAGIC, find_block_ends
from hatch_appimage.zstd import zstd

# The most that a block of a frame holds, in bytes.
BLOCK = 128 << 10


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("content_size", [False, True])
@pytest.mark.parametrize("size", [0, 1, 300, 70_000, 5 * BLOCK])
def test_ends(size: int, *, content_size: bool, checksum: bool) -> None:
    """The last end is that of the frame, and there is a block for each 128 KiB that cannot be compressed."""
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {parameter.checksum_flag: int(checksum), parameter.content_size_flag: int(content_size)}
    frame = zstd.compress(os.urandom(size), options=options)
    ends = find_block_ends(b"before" + frame + b"behind", len(b"before"))
    assert ends[-1] == len(b"before") + len(frame)
    assert len(ends) == max(1, -(-size // BLOCK))
    assert ends == sorted(set(ends))


def test_same_byte_again_and_again() -> None:
    """A block of one byte, which says how often that is repeated."""
    frame = zstd.compress(bytes(3 * BLOCK))
    assert find_block_ends(frame, 0)[-1] == len(frame)


def test_begins_alike() -> None:
    """The reason for all this: frames whose contents begin alike do, too, up to the block in which they differ."""
    content = os.urandom(4 * BLOCK)
    changed = content[: 3 * BLOCK + 5] + b"changed" + content[3 * BLOCK + 12 :]
    frames = [zstd.compress(each) for each in (content, changed)]
    third = find_block_ends(frames[0], 0)[2]
    assert find_block_ends(frames[1], 0)[2] == third
    assert frames[0][:third] == frames[1][:third]


def test_cut_off() -> None:
    frame = zstd.compress(os.urandom(3 * BLOCK))
    ends = find_block_ends(frame, 0)
    assert find_block_ends(frame[:-1], 0) == ends[:-1]
    assert find_block_ends(frame[: ends[0]], 0) == ends[:1]
    assert find_block_ends(frame[:5], 0) == []


@given(st.binary(max_size=300))
def test_anything(data: bytes) -> None:
    ends = find_block_ends(MAGIC + data, 0)
    assert all(len(MAGIC) < end <= len(MAGIC + data) for end in ends)
    assert find_block_ends(data, 0) == [] or data.startswith(MAGIC)


def test_made_to_harm() -> None:
    """Blocks without content, one after another."""
    assert len(find_block_ends(MAGIC + bytes(1 << 20), 0)) == 1 << 12
