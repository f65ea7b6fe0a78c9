# SPDX-License-Identifier: MIT
"""Where the blocks of a Zstandard frame end (RFC 8878, section 3.1.1), without decompressing it.

A frame has its blocks one after another, and what is compressed in one does not depend on the bytes of later ones. So
two frames whose contents begin alike have blocks in common, though they differ as a whole.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

MAGIC = b"\x28\xb5\x2f\xfd"
_HEADER_SIZE = 3
_CHECKSUM_SIZE = 4
# What the frame header has besides its first byte, in bytes, by the bits of that byte.
_DICTIONARY_SIZES = (0, 1, 2, 4)
_CONTENT_SIZES = (0, 2, 4, 8)
_RLE = 1
# A frame that is made to harm could have us count for ever.
_MAX_BLOCKS = 1 << 12


def find_block_ends(data: bytes | mmap.mmap, start: int) -> list[int]:
    """Return where the blocks of a frame end; the last end, with its checksum, is that of the frame.

    Args:
        data: has the frame in it.
        start: where the frame begins, in bytes.

    Returns:
        the ends, from the beginning of the data, in bytes; of something that is no frame, or not a whole one, those
        of as many blocks as make sense.

    """
    ends: list[int] = []
    at = start + len(MAGIC)
    if data[start:at] != MAGIC or at >= len(data):
        return ends
    descriptor = data[at]
    is_single = bool(descriptor & 0x20)
    content_size = _CONTENT_SIZES[descriptor >> 6] or int(is_single)
    at += 1 + (not is_single) + _DICTIONARY_SIZES[descriptor & 3] + content_size
    while len(ends) < _MAX_BLOCKS and at + _HEADER_SIZE <= len(data):
        header = int.from_bytes(data[at : at + _HEADER_SIZE], "little")
        is_last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += _HEADER_SIZE + (1 if kind == _RLE else size)
        if is_last and descriptor & 4:
            at += _CHECKSUM_SIZE
        if at > len(data):
            break
        ends.append(at)
        if is_last:
            break
    return ends
