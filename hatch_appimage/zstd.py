# SPDX-License-Identifier: MIT
"""Zstandard: the module of the standard library, or the same one from backports.zstd before Python 3.14."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
