# SPDX-License-Identifier: MIT
"""The time of every file in an image that is to have the same bytes each time."""

from __future__ import annotations

import os
from typing import Final

from hatch_appimage.errors import AppImageError

_VARIABLE: Final = "SOURCE_DATE_EPOCH"
# What hatchling takes where nobody says anything (hatchling.builders.utils), so that all that it builds has one time.
_DEFAULT: Final = 1580601600
# SquashFS has 32 bits for it.
_END: Final = 1 << 32


def reproducible_timestamp() -> int:
    """Return the time of every file in an image, in seconds since the epoch: ``SOURCE_DATE_EPOCH``, or a fixed one.

    https://reproducible-builds.org/specs/source-date-epoch/

    Raises:
        AppImageError: the variable has no such time.

    """
    value = os.environ.get(_VARIABLE, str(_DEFAULT))
    try:
        timestamp = int(value)
    except ValueError:
        timestamp = -1
    if not 0 <= timestamp < _END:
        raise AppImageError(f"{_VARIABLE} must be a number of seconds from 0 to {_END - 1}, not `{value}`")
    return timestamp
