# SPDX-License-Identifier: MIT
"""A line on the terminal that tells what is going on, and is gone afterwards."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


def find_terminal() -> TextIO | None:
    """Return the standard error stream; None if it is not a terminal."""
    return sys.stderr if sys.stderr.isatty() else None


@contextmanager
def status_line(terminal: TextIO | None) -> Iterator[Callable[[str], None]]:
    """Provide a function that shows a text in place of the one before; the last one is erased at the end.

    Args:
        terminal: where it is shown; None for nowhere.

    """
    shown = False

    def show(text: str) -> None:
        nonlocal shown
        if terminal is not None:
            terminal.write(f"\r{text}\x1b[K")  # ECMA-48, EL: erase to the end of the line
            terminal.flush()
            shown = True

    try:
        yield show
    finally:
        if shown:
            show("")
