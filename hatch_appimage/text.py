# SPDX-License-Identifier: MIT
"""How messages write sizes, and text that strangers wrote; and how names of files write letters with accents."""

from __future__ import annotations

import unicodedata
from typing import Final

# Latin letters that Unicode does not take for others with marks.
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H"}
)


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


def without_accents(text: str) -> str:
    """Write Latin letters in ASCII; all others stay."""
    letters = unicodedata.normalize("NFKD", text).translate(_LETTERS)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
