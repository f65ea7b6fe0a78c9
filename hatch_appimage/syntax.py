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


def parse_if_python(source: str | bytes) -> ast.Module | None:
    """Return the tree of a source; None if it is no Python 3, or nested too deeply."""
    try:
        return parse_source(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def last_name(node: ast.AST | None) -> str:
    """Return the last part of the name that an expression is, such as `b` for `a.b`; "" if it is no name."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
