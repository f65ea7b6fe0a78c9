# SPDX-License-Identifier: MIT
"""Write the block map of an image, by which images that manage themselves fetch only the blocks that changed.

``appdir/appimage_self/blocks.py``, which reads it in those images, describes the format.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

from hatch_appimage.appdir.appimage_self.blocks import FORMAT, RECORD, RUNTIME_PIECE, SUFFIX, digest_of, head_of
from hatch_appimage.appdir.appimage_self.zstd_frame import find_block_ends
from hatch_appimage.format import file_digest, find_squashfs
from hatch_appimage.squashfs.extents import find_extents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from hatch_appimage.squashfs.extents import Extent

# What compressed blocks begin with is not looked at any further than this, in bytes; readers take no less than 2.
_MAX_MARK = 4
_MIN_MARK = 2
# What lies between blocks is cut into pieces of this size, in bytes.
_PIECE = 1 << 16
# Parts of compressed blocks that are smaller are not worth the bytes of a record of their own.
_MIN_PART = 1 << 10


@dataclass(frozen=True)
class WrittenMap:
    """A finished block map.

    Attributes:
        path: the file.
        blocks: how many it describes.

    """

    path: Path
    blocks: int


def write_block_map(image: Path, *, version: str) -> WrittenMap:
    """Describe the blocks of a finished image, in a file beside it whose name ends in ``.blocks``.

    Args:
        image: the image, of any tool.
        version: of what is in it.

    Returns:
        the map.

    Raises:
        AppImageError: it is no AppImage, or is damaged.
        OSError: the image cannot be read, or the map not be written.

    """
    offset = find_squashfs(image)
    with image.open("rb") as file:
        extents = find_extents(file, offset)
        records = [_record(file, start, end) for start, end in _cut(file, offset, extents, image.stat().st_size)]
        mark = _find_mark(file, offset, extents)
    header = {
        "appimage-blocks": FORMAT,
        "Filename": image.name,
        "Version": version,
        "Length": image.stat().st_size,
        "SHA-256": file_digest(image, sha256()).hex(),
        "Mark": mark.hex(),
        "Blocks": len(records),
    }
    text = "".join(f"{name}: {value}\n" for name, value in header.items())
    target = image.with_name(image.name + SUFFIX)
    try:
        target.write_bytes(text.encode() + b"\n" + b"".join(records))
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return WrittenMap(target, len(records))


def _cut(file: BinaryIO, offset: int, extents: list[Extent], size: int) -> Iterator[tuple[int, int]]:
    """Yield where each part of an image begins and ends, without gaps; the runtime is cut into equal pieces."""
    yield from _pieces(0, offset, RUNTIME_PIECE)
    position = offset
    for extent in extents:
        start = offset + extent.start
        yield from _pieces(position, start, _PIECE)
        position = start + extent.size
        yield from pairwise([start, *_inner_ends(file, offset, extent), position])
    yield from _pieces(position, size, _PIECE)


def _inner_ends(file: BinaryIO, offset: int, extent: Extent) -> Iterator[int]:
    """Yield where a compressed block can be cut, from the beginning of the file, in bytes."""
    if not extent.is_compressed:
        return
    start = offset + extent.start
    file.seek(start)
    data = file.read(extent.size)
    last = 0
    for end in find_block_ends(data, extent.header):
        if end - last >= _MIN_PART and len(data) - end >= _MIN_PART:
            yield start + end
            last = end


def _pieces(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    for position in range(start, end, size):
        yield position, min(position + size, end)


def _record(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    data = file.read(end - start)
    return RECORD.pack(end - start, head_of(data), digest_of(data))


def _find_mark(file: BinaryIO, offset: int, extents: list[Extent]) -> bytes:
    """Return what compressed blocks begin with: the magic number of the compressor's format."""
    beginnings = []
    for extent in extents:
        if extent.is_compressed:
            file.seek(offset + extent.start + extent.header)
            beginnings.append(file.read(_MAX_MARK))
    common = bytes(os.path.commonprefix(beginnings) or b"")  # noqa: RUF071 - of bytes, and no paths
    # A format without one: what the first block begins with finds that one at least.
    return common if len(common) >= _MIN_MARK else next(iter(beginnings), b"").ljust(_MIN_MARK, b"\0")
