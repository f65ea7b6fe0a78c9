# SPDX-License-Identifier: MIT
"""Compress the blocks of large files before their image is written, while something else is waited for."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from hatch_appimage.squashfs.compression import CachedCompressor, parse_compression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.results import Results


@contextmanager
def compressing_ahead(
    root: Path, results: Results, *, compression: str, level: int | None, block_size: int
) -> Iterator[None]:
    """Have the blocks of files that have one of their own compressed during the block of code, as far as it lasts.

    Of what is kept, the writer of the image then finds what it would compress itself. A file that changes or vanishes
    meanwhile is of no harm: blocks are kept by their content.

    Args:
        root: the directory that an image will be made of.
        results: where compressed blocks are kept; where none are kept, nothing is done.
        compression: as for `write_squashfs`.
        level: likewise.
        block_size: likewise.

    Raises:
        SquashFSError: there is no such compression.

    """
    compress = CachedCompressor(*parse_compression(compression, level), results)
    ended = Event()

    def work() -> None:
        with suppress(OSError):
            for path in _large_files(root, block_size):
                with path.open("rb") as file:
                    block = file.read(block_size)
                    if compress.knows(block):  # an earlier image had all of the file
                        continue
                    while block and not ended.is_set():
                        compress(block)
                        block = file.read(block_size)

    # One thread: the other processors have what this is done beside.
    with ThreadPoolExecutor(1, "compressing ahead") as pool:
        working = pool.submit(work) if results.are_kept else None
        try:
            yield
        finally:
            ended.set()
        if working:
            working.result()


def _large_files(root: Path, size: int) -> list[Path]:
    """Return the files of at least a size, in bytes; the largest come first, as most is gained by them."""
    found = []
    for directory, _, names in os.walk(root):
        for path in (Path(directory, name) for name in names):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size >= size:
                found.append((-status.st_size, path))
    return [path for _, path in sorted(found)]
