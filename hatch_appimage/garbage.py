# SPDX-License-Identifier: MIT
"""How often Python looks for garbage that only a search finds: objects that refer to each other."""

from __future__ import annotations

import atexit
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# How many more objects there must be than at the last search; each takes about 100 bytes. Python's own is below 1000.
_MORE_OBJECTS: Final = 200_000


@contextmanager
def searched_for_rarely() -> Iterator[None]:
    """Have garbage searched for rarely during a block, and not at the end of the process.

    A build reads a lot and throws little away, so most searches go through everything for nothing.
    """
    before = gc.get_threshold()
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    gc.set_threshold(_MORE_OBJECTS, *before[1:])
    try:
        yield
    finally:
        # All counts as old from here on; otherwise the next object would have everything searched.
        gc.freeze()
        gc.unfreeze()
        gc.set_threshold(*before)
