# SPDX-License-Identifier: MIT
"""Parse sources that others wrote."""

from __future__ import annotations

import ast
import warnings


def parse_source(source: str | bytes) -> ast.Module:
    """Parse a Python source, without the compiler's warnings about it: they are for its authors, not for its users.

    Raises:
        SyntaxError: it is no Python 3.
        ValueError: it has null bytes.
        RecursionError: it is nested too deeply.
        MemoryError: the same, for the parser's stack.

    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
