# SPDX-License-Identifier: MIT
"""The block map of an image: what its parts are, by which those that an older image has need not be fetched.

The file ``<image>.blocks`` begins with lines of text that end with an empty one::

    appimage-blocks: 1
    Filename: App-2.0-x86_64.AppImage
    Version: 2.0
    Length: 31457280
    SHA-256: <64 hexadecimal digits>
    Mark: 28b52ffd
    Blocks: 812

A record of 24 bytes follows for each block, in the order of the image, with no gap between blocks: its size in bytes
(32 bits), the CRC-32 of its first 16 bytes (or of all, if it has fewer), and the first 16 bytes of its SHA-256; numbers
have the highest byte first. Every compressed block of SquashFS, or what follows the two bytes of a header of metadata,
begins with the bytes of ``Mark``, by which one finds where blocks may begin in an image that there is no map of. Those
that Zstandard has compressed are further cut where blocks of theirs end, so that a block that changed in its middle is
not all fetched.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from itertools import islice
from typing import NamedTuple

from .errors import SelfError
from .zstd_frame import MAGIC, find_block_ends

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from typing import Iterator

SUFFIX = ".blocks"
FORMAT = "1"
RECORD = struct.Struct(">II16s")
HEAD_SIZE = 16
#: Of a map, in bytes.
MAX_SIZE = 16 << 20
_MAX_HEADER = 1 << 12
_MAX_BLOCK = 16 << 20
# A map may have so many blocks, and one more for so many bytes of the image.
_MIN_COUNT = 4096
_MIN_MEAN_SIZE = 256
_MARK_SIZES = range(2, 17)
# Before a block of metadata is its size (SquashFS, "Packing Metadata").
_METADATA_HEADER = 2
# The beginning of an image is cut every so many bytes, and so far: there are no marks in a runtime.
RUNTIME_PIECE = 4096
_RUNTIME_END = 1 << 21
# A map that is made to harm could have us look for ever: at so many places, and at so many times the image's bytes.
_MAX_STARTS = 1 << 21
_MAX_EFFORT = 16
# A block that is not even looked at counts as so many bytes.
_LOOKUP_EFFORT = 64


class Block(NamedTuple):
    """A part of an image.

    Attributes:
        start: where it is, in bytes.
        size: in bytes.
        head: the CRC-32 of its beginning.
        digest: the beginning of its SHA-256.

    """

    start: int
    size: int
    head: int
    digest: bytes


class BlockMap(NamedTuple):
    """All parts of an image.

    Attributes:
        name: of the image's file.
        version: of the image; empty if the map does not say.
        size: of the image, in bytes.
        sha256: of the image, in hexadecimal.
        mark: what compressed blocks begin with.
        blocks: the parts, in order.

    """

    name: str
    version: str
    size: int
    sha256: str
    mark: bytes
    blocks: tuple[Block, ...]


def digest_of(data: bytes) -> bytes:
    """Return what a map has of a block's content."""
    return hashlib.sha256(data).digest()[:16]


def head_of(data: bytes) -> int:
    """Return what a map has of a block's beginning."""
    return zlib.crc32(data[:HEAD_SIZE])


def read_map(data: bytes, url: str) -> BlockMap:
    """Read a block map.

    Raises:
        SelfError: it is none, or contradicts itself.

    """
    text, end, records = data.partition(b"\n\n")
    lines = [line.partition(": ") for line in text[:_MAX_HEADER].decode("utf-8", "replace").split("\n")]
    fields = {name: value for name, _, value in lines}
    if not end or lines[0] != ("appimage-blocks", ": ", FORMAT):
        raise SelfError(f"{url} is no block map, or of a newer kind")
    size, count = _number(fields, "Length"), _number(fields, "Blocks")
    mark = fields.get("Mark", "")
    sha256 = fields.get("SHA-256", "")
    if not re.fullmatch("[0-9a-f]{64}", sha256) or not re.fullmatch("([0-9a-f]{2})+", mark):
        raise SelfError(f"{url} is damaged")
    is_too_many = count > size // _MIN_MEAN_SIZE + _MIN_COUNT
    if len(mark) // 2 not in _MARK_SIZES or len(records) != count * RECORD.size or is_too_many:
        raise SelfError(f"{url} is damaged")
    blocks, start = [], 0
    for block_size, head, digest in RECORD.iter_unpack(records):
        blocks.append(Block(start, block_size, head, digest))
        start += block_size
        if not 0 < block_size <= _MAX_BLOCK:
            raise SelfError(f"{url} is damaged")
    if start != size:
        raise SelfError(f"{url} is damaged: its blocks have {start} bytes together, and the image {size}")
    name, version = fields.get("Filename", ""), fields.get("Version", "")
    return BlockMap(name, version, size, sha256, bytes.fromhex(mark), tuple(blocks))


def _number(fields: dict[str, str], name: str) -> int:
    text = fields.get(name, "")
    return int(text) if re.fullmatch("[0-9]{1,12}", text) else -1


def find_blocks(wanted: BlockMap, image: mmap.mmap) -> dict[bytes, int]:
    """Find the blocks of a map in another image.

    Args:
        wanted: the map.
        image: the other image's file.

    Returns:
        where each block begins in the image that is in it, by its digest.

    """
    search = _Search(wanted, image)
    for start in islice(_starts(wanted.mark, image), _MAX_STARTS):
        # A block begins where another one ends, though it be one that is not compressed.
        end: int | None = start
        while end is not None:
            end = search.match(end)
        if search.is_exhausted:
            break
    return search.found


class _Search:
    """Looks for the blocks of a map.

    Attributes:
        found: where each block begins that has been found, by its digest.
        is_exhausted: it has taken longer than it should.

    """

    def __init__(self, wanted: BlockMap, image: mmap.mmap) -> None:
        self.found: dict[bytes, int] = {}
        self.is_exhausted = False
        self._image = image
        self._effort = _MAX_EFFORT * len(image)
        self._by_head: dict[int, set[tuple[int, bytes]]] = {}
        for block in wanted.blocks:
            self._by_head.setdefault(block.head, set()).add((block.size, block.digest))

    def match(self, start: int) -> int | None:
        """See whether a block that has not been found yet begins at a place; return its end."""
        for size, digest in self._by_head.get(head_of(self._image[start : start + HEAD_SIZE]), ()):
            self._effort -= size + _LOOKUP_EFFORT
            if self._effort < 0:
                self.is_exhausted = True
                break
            if digest in self.found or start + size > len(self._image):
                continue
            if digest_of(self._image[start : start + size]) == digest:
                self.found[digest] = start
                return start + size
        return None


def _starts(mark: bytes, image: mmap.mmap) -> Iterator[int]:
    """Yield where blocks may begin."""
    yield from range(0, min(len(image), _RUNTIME_END), RUNTIME_PIECE)
    at = image.find(mark)
    while at >= 0:
        yield at
        if at >= _METADATA_HEADER:
            yield at - _METADATA_HEADER
        if mark == MAGIC:
            yield from find_block_ends(image, at)
        at = image.find(mark, at + 1)
