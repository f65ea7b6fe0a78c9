# SPDX-License-Identifier: MIT
"""Fails on a line that tests know."""

import warnings


def fail() -> float:
    return 1 / 0


def warn() -> None:
    warnings.warn("careful", stacklevel=1)
