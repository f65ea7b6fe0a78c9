# SPDX-License-Identifier: MIT
"""Write metadata: the inode and directory tables, and tables of records looked up by number.

Sections "Packing Metadata" and "Storing Lookup Tables" of the format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.squashfs.format import METADATA_HEADER, METADATA_SIZE, METADATA_UNCOMPRESSED, TABLE_LOCATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from struct import Struct


class MetadataWriter:
    """Cuts a stream of records into compressed metadata blocks.

    Attributes:
        blocks: the finished blocks as they stand in the image.

    """

    def __init__(self, compress: Callable[[bytes], bytes]) -> None:
        self.blocks = bytearray()
        self._compress = compress
        self._open = bytearray()

    @property
    def position(self) -> tuple[int, int]:
        """Return where the next record begins: its metadata block, from the start of the table, and offset in that."""
        return len(self.blocks), len(self._open)

    def write(self, record: bytes | bytearray) -> None:
        """Append a record, which may go on in the next block."""
        self._open += record
        while len(self._open) >= METADATA_SIZE:
            self.blocks += metadata_block(bytes(self._open[:METADATA_SIZE]), self._compress)
            del self._open[:METADATA_SIZE]

    def close(self) -> bytearray:
        """Finish the last block and return all of them."""
        if self._open:
            self.blocks += metadata_block(bytes(self._open), self._compress)
            self._open.clear()
        return self.blocks


def metadata_block(data: bytes, compress: Callable[[bytes], bytes] | None = None) -> bytes:
    """Return one metadata block: header and data, compressed where that is shorter."""
    compressed = compress(data) if compress else data
    if len(compressed) < len(data):
        return METADATA_HEADER.pack(len(compressed)) + compressed
    return METADATA_HEADER.pack(len(data) | METADATA_UNCOMPRESSED) + data


def lookup_table(
    record: Struct, records: Iterable[tuple[int, ...]], position: int, compress: Callable[[bytes], bytes]
) -> tuple[bytes, int]:
    """Return a lookup table and the position of its list of locations, which is the one readers want.

    Args:
        record: layout of a record.
        records: the fields of each.
        position: where in the image the table is put.
        compress: compresses one metadata block.

    """
    data = b"".join(record.pack(*fields) for fields in records)
    table = bytearray()
    locations = bytearray()
    for start in range(0, len(data), METADATA_SIZE):
        locations += TABLE_LOCATION.pack(position + len(table))
        table += metadata_block(data[start : start + METADATA_SIZE], compress)
    return bytes(table + locations), position + len(table)
