# SPDX-License-Identifier: MIT
"""Reads itself."""

from pathlib import Path


def first_line() -> str:
    return Path(__file__).read_text(encoding="utf-8").splitlines()[0]
