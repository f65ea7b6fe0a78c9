# SPDX-License-Identifier: MIT
"""How hard an image is compressed; `benchmarks/compression.py` measures what a choice costs and brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Preset:
    """A value of the option `compression`.

    Attributes:
        compressor: ``zstd`` or ``gzip``.
        level: of the compressor.
        block_size: how much is compressed at once, in bytes. Larger blocks are compressed better; to read anything, the
            whole block that it is in is decompressed.

    """

    compressor: str
    level: int
    block_size: int


# In larger blocks, zstd's levels up to 15 search in simpler ways: 9 with 1 MiB gives what 15 does with 128 KiB, in a
# sixth of the time. Between 12 and 16 the time is fivefold, and beyond 18 nothing is gained.
PRESETS: Final = {
    "default": Preset("zstd", 9, 1 << 20),
    "fast": Preset("zstd", 3, 1 << 20),
    "small": Preset("zstd", 22, 1 << 20),
    "gzip": Preset("gzip", 9, 1 << 17),
}
