# SPDX-License-Identifier: MIT
"""How commands end."""

from __future__ import annotations

from hatch_appimage.errors import explain_os_error
from hatch_appimage.text import printable

# Exit statuses, beside 0.
WRONG = 1
MISSING = 1
UNREADABLE = 2
UNSIGNED = 3
BAD_SIGNATURE = 4
OTHER_KEY = 5
DAMAGED = 6
# As of a program that SIGINT ends, in a shell.
INTERRUPTED = 130


def explain(error: Exception) -> str:
    """Return what went wrong, one line for each error."""
    if isinstance(error, OSError):
        return explain_os_error(error)
    return "\n".join(map(printable, str(error).split("\n")))
