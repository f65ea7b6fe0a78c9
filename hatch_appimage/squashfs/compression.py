# SPDX-License-Identifier: MIT
"""Compress and decompress single blocks, each a whole stream of its own."""

from __future__ import annotations

import zlib
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs.format import MAXIMUM_BLOCK_SIZE, Compression, SquashFSError
from hatch_appimage.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_appimage.results import Results

_DEFAULT_LEVELS: Final = {Compression.GZIP: 9, Compression.ZSTD: 15}
_LEVELS: Final = {Compression.GZIP: range(1, 10), Compression.ZSTD: range(1, 23)}

# Section "Compression Options". GZIP: level, window bits, strategies. ZSTD: level. Each is left out where it holds the
# level that readers take for granted.
_GZIP_OPTIONS: Final = Struct("<IHH")
_GZIP_WINDOW: Final = 15
_ZSTD_OPTIONS: Final = Struct("<I")
_LEVELS_TAKEN_FOR_GRANTED: Final = {Compression.GZIP: 9, Compression.ZSTD: 15}

# What a stream may ask of a decoder's memory: the format never needs a larger window than the largest block.
_ZSTD_WINDOW_LOG: Final = MAXIMUM_BLOCK_SIZE.bit_length() - 1
_XZ_MEMORY: Final = 16 * MAXIMUM_BLOCK_SIZE


def parse_compression(name: str, level: int | None) -> tuple[Compression, int]:
    """Check a compressor's name and level as users give them.

    Args:
        name: ``gzip`` or ``zstd``.
        level: None for the default.

    Raises:
        SquashFSError: the name is unknown, or the compressor has no such level.

    """
    compression = next((known for known in _LEVELS if known.name.lower() == name), None)
    if compression is None:
        names = " and ".join(sorted(known.name.lower() for known in _LEVELS))
        raise SquashFSError(f"Unknown compression {name!r}: there are {names}")
    levels = _LEVELS[compression]
    if level is None:
        return compression, _DEFAULT_LEVELS[compression]
    if level not in levels:
        raise SquashFSError(f"The level of {name} goes from {levels.start} to {levels.stop - 1}, and is not {level}")
    return compression, level


def compressor_options(compression: Compression, level: int) -> bytes:
    """Return what the image records of the compressor; nothing where readers know it without."""
    if level == _LEVELS_TAKEN_FOR_GRANTED[compression]:
        return b""
    if compression is Compression.GZIP:
        return _GZIP_OPTIONS.pack(level, _GZIP_WINDOW, 0)
    return _ZSTD_OPTIONS.pack(level)


def new_compressor(compression: Compression, level: int) -> Callable[[bytes | memoryview], bytes]:
    """Return a function that compresses one block.

    It belongs to one thread: zstd's tables are set up once and used again for every block.
    """
    if compression is Compression.GZIP:
        return partial(zlib.compress, level=level)
    compressor = zstd.ZstdCompressor(level)
    return partial(compressor.compress, mode=zstd.ZstdCompressor.FLUSH_FRAME)


class CachedCompressor:
    """Compresses blocks, unless that has been done before; it belongs to one thread.

    Args:
        compression: how.
        level: how hard.
        results: where compressed blocks are kept.

    """

    def __init__(self, compression: Compression, level: int, results: Results) -> None:
        self._compress = new_compressor(compression, level)
        self._how = f"SquashFS block {compression.name} {level} {library_version(compression)}".encode()
        self._results = results

    def __call__(self, block: bytes | memoryview) -> bytes:
        """Compress one block."""
        return self._results.compute((self._how, block), lambda: self._compress(block))

    def knows(self, block: bytes | memoryview) -> bool:
        """Whether a block has been compressed before."""
        return self._results.has((self._how, block))


def library_version(compression: Compression) -> str:
    """Return the version of the library that compresses, on which the bytes depend."""
    return zlib.ZLIB_RUNTIME_VERSION if compression is Compression.GZIP else zstd.zstd_version


def decompress(compression: Compression, data: bytes, limit: int) -> bytes:
    """Decompress one block of at most ``limit`` bytes.

    Raises:
        SquashFSError: it is damaged, cut off, larger, asks for more memory than any block needs, or its compressor is
            not supported.

    """
    if compression not in _DECOMPRESSORS:
        raise SquashFSError(f"Its compression {compression.name.lower()} is not supported")
    try:
        return _DECOMPRESSORS[compression](data, limit)
    except ValueError as error:
        raise SquashFSError(f"A block cannot be decompressed: {error}") from error


def _gunzip(data: bytes, limit: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        block = decompressor.decompress(data, limit)
        # The checksum may be unread where the block has exactly the limit's size.
        block += decompressor.decompress(decompressor.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return _whole(block, limit, end=decompressor.eof)


def _unzstd(data: bytes, limit: int) -> bytes:
    decompressor = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
    try:
        block = decompressor.decompress(data, limit)
        if not decompressor.eof and not decompressor.needs_input:
            block += decompressor.decompress(b"", 1)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error
    return _whole(block, limit, end=decompressor.eof)


def _unxz(data: bytes, limit: int) -> bytes:
    # Pythons are built without it where liblzma's headers were missing; only other people's images need it.
    import lzma  # noqa: PLC0415

    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)
    try:
        block = decompressor.decompress(data, limit)
        if not decompressor.eof and not decompressor.needs_input:
            block += decompressor.decompress(b"", 1)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from error
    return _whole(block, limit, end=decompressor.eof)


def _whole(block: bytes, limit: int, *, end: bool) -> bytes:
    if len(block) > limit:
        raise ValueError(f"it is larger than {limit} bytes")
    if not end:
        raise ValueError("it is cut off")
    return block


_DECOMPRESSORS: Final = {Compression.GZIP: _gunzip, Compression.XZ: _unxz, Compression.ZSTD: _unzstd}
