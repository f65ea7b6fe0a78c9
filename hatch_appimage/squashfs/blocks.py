# SPDX-License-Identifier: MIT
"""Compress data blocks on all cores and write them in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from hatch_appimage.squashfs.format import BLOCK_UNCOMPRESSED

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType
    from typing import BinaryIO, TypeAlias

    from typing_extensions import Self

    Data: TypeAlias = bytes | memoryview
    # Is told where a block begins in the image, and its size field.
    Placed: TypeAlias = Callable[[int, int], object]

# Blocks in flight hold at most about this many bytes, or two blocks a thread: enough that no thread waits for a slow
# block at the head, and independent of the sizes of the files.
_WINDOW: Final = 32 << 20


class BlockWriter:
    """Writes compressed blocks; a context that on leaving drops what was not begun and waits for its threads.

    The threads never touch the output, so what is written does not depend on them.

    Attributes:
        position: of the next block, from the start of the image.

    """

    def __init__(
        self,
        output: BinaryIO,
        position: int,
        *,
        new_compressor: Callable[[], Callable[[Data], bytes]],
        block_size: int,
        threads: int,
    ) -> None:
        self.position = position
        self._output = output
        self._new_compressor = new_compressor
        self._thread = threading.local()
        self._pool = ThreadPoolExecutor(threads, "squashfs")
        self._pending: deque[tuple[Future[tuple[Data, int]] | None, Placed]] = deque()
        self._window = max(2 * threads, _WINDOW // block_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write(self, data: Data, placed: Placed) -> None:
        """Write a block behind all before it.

        Raises:
            OSError: the output took no more; this may be of an earlier block.

        """
        self._pending.append((self._pool.submit(self._compress, data), placed))
        self._write_some()

    def write_hole(self, placed: Placed) -> None:
        """Note a block of zeros, which takes no room."""
        self._pending.append((None, placed))
        self._write_some()

    def flush(self) -> None:
        """Write all that is left.

        Raises:
            OSError: the output took no more.

        """
        while self._pending:
            self._write_first()

    def _write_some(self) -> None:
        while self._pending and (len(self._pending) > self._window or self._first_is_ready()):
            self._write_first()

    def _first_is_ready(self) -> bool:
        future = self._pending[0][0]
        return future is None or future.done()

    def _write_first(self) -> None:
        future, placed = self._pending.popleft()
        if future is None:
            placed(self.position, 0)
            return
        data, size = future.result()
        self._output.write(data)
        placed(self.position, size)
        self.position += len(data)

    def _compress(self, data: Data) -> tuple[Data, int]:
        """Return the block as it is stored, and its size field."""
        try:
            compress: Callable[[Data], bytes] = self._thread.compress
        except AttributeError:
            compress = self._thread.compress = self._new_compressor()
        compressed = compress(data)
        if len(compressed) < len(data):
            return compressed, len(compressed)
        return data, len(data) | BLOCK_UNCOMPRESSED
