# SPDX-License-Identifier: MIT
"""Write the ``.zsync`` file of an image, by which a client fetches only what changed.

The format is that of zsyncmake 0.6.2 to the byte: it is what every client reads (http://zsync.moria.org.uk/paper).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha1
from typing import TYPE_CHECKING, BinaryIO

from hatch_appimage.errors import AppImageError
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# As many blocks are summed up at once.
_BATCH = 2048
# Sums of a block have less than 32 bits: 4096 * 4097 / 2 * 255 < 2 ** 31.
_LANE = 4
# From this size on, in bytes, blocks are larger.
_LARGE = 100_000_000


@dataclass(frozen=True)
class Layout:
    """How a file is cut, and how much is told of each block.

    Attributes:
        block_size: in bytes.
        matches: how many blocks that follow each other a client has to find.
        sum_bytes: of the rolling sum.
        hash_bytes: of the MD4 digest.

    """

    block_size: int
    matches: int
    sum_bytes: int
    hash_bytes: int

    @classmethod
    def for_size(cls, size: int) -> Layout:
        """Choose what zsyncmake 0.6.2 chooses for a file of some bytes (its ``make.c``)."""
        block_size = 2048 if size < _LARGE else 4096
        matches = 2 if size > block_size else 1
        bits = math.log(size) / math.log(2) + math.log(block_size) / math.log(2)
        sum_bytes = min(max(math.ceil((bits - 8.6) / matches / 8), 2), 4)
        blocks = 1 + size // block_size
        hash_bytes = max(
            math.ceil((20 + (math.log(size) + math.log(blocks)) / math.log(2)) / matches / 8),
            int((7.9 + (20 + math.log(blocks) / math.log(2))) / 8),
        )
        return cls(block_size, matches, sum_bytes, hash_bytes)


@dataclass(frozen=True)
class Description:
    """A finished ``.zsync`` file.

    Attributes:
        path: the file.
        layout: how the image is cut.

    """

    path: Path
    layout: Layout


def write_zsync(image: Path, *, url: str, mtime: int) -> Description:
    """Describe a file for zsync clients, in a file beside it whose name ends in ``.zsync``.

    Args:
        image: the file.
        url: of the file, relative to that of the description; special characters of file names are escaped in it.
        mtime: the time that a client gives the file, in seconds since the epoch.

    Returns:
        the description.

    Raises:
        AppImageError: the file has a name that cannot stand in the description.
        OSError: the image cannot be read, or the description not be written.

    """
    if not image.name.isprintable():
        raise AppImageError(f"The name `{printable(image.name)}` cannot stand in a .zsync file")
    size = image.stat().st_size
    layout = Layout.for_size(size)
    digest = sha1()  # noqa: S324 - the format wants it; it protects from accidents
    with image.open("rb") as file:
        sums = b"".join(_describe(file, layout, digest.update))
    header = {
        "zsync": "0.6.2",
        "Filename": image.name,
        "MTime": formatdate(mtime).replace("-0000", "+0000"),
        "Blocksize": layout.block_size,
        "Length": size,
        "Hash-Lengths": f"{layout.matches},{layout.sum_bytes},{layout.hash_bytes}",
        "URL": url,
        "SHA-1": digest.hexdigest(),
    }
    text = "".join(f"{name}: {value}\n" for name, value in header.items())
    target = image.with_name(f"{image.name}.zsync")
    try:
        target.write_bytes(text.encode() + b"\n" + sums)
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return Description(target, layout)


def _describe(file: BinaryIO, layout: Layout, see: Callable[[bytes], None]) -> Iterator[bytes]:
    """Yield the records of all blocks: the end of the rolling sum, and the beginning of the MD4 digest."""
    from Crypto.Hash import MD4  # noqa: PLC0415 - loading it takes long, and not every image is updated by zsync

    while data := file.read(layout.block_size * _BATCH):
        see(data)
        data += bytes(-len(data) % layout.block_size)
        for number, total in enumerate(rolling_sums(data, layout.block_size)):
            block = data[number * layout.block_size : (number + 1) * layout.block_size]
            digest = MD4.new(block).digest()  # noqa: S303 - the format's
            yield total[4 - layout.sum_bytes :] + digest[: layout.hash_bytes]


def rolling_sums(data: bytes, block_size: int) -> list[bytes]:
    """Return the rolling sum of every block, as zsync writes it: two numbers of 16 bits, big-endian.

    The first is the sum of a block's bytes, the second the sum of all sums on the way there. All blocks are summed up
    at once: one large integer has a lane for each of them.

    Args:
        data: whole blocks.
        block_size: 4096 at most, in bytes.

    """
    count = len(data) // block_size
    plain = running = 0
    lanes = bytearray(count * _LANE)
    for column in range(block_size):
        lanes[::_LANE] = data[column::block_size]
        plain += int.from_bytes(lanes, "little")
        running += plain
    totals = (struct.unpack(f"<{count}I", total.to_bytes(count * _LANE, "little")) for total in (plain, running))
    return [struct.pack(">HH", first & 0xFFFF, second & 0xFFFF) for first, second in zip(*totals, strict=True)]
