# SPDX-License-Identifier: MIT
"""How messages write sizes, and text that strangers wrote."""

from __future__ import annotations


def format_size(size: int) -> str:
    """Write a size in bytes, in units of 1000."""
    if size < 1_000:  # noqa: PLR2004 - a kilobyte
        return f"{size} B"
    kilobytes = round(size / 1_000, 1)
    return f"{kilobytes} kB" if kilobytes < 1_000 else f"{size / 1_000_000:.1f} MB"  # noqa: PLR2004 - a megabyte


def printable(text: str | bytes) -> str:
    """Write a text in one line that any terminal takes: names of files need not be UTF-8, and may hold commands."""
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    readable = raw.decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in readable
    )
