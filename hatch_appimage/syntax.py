# SPDX-License-Identifier: MIT
"""Parse sources that others wrote."""

from __future__ import annotations

import ast
import warnings
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Node = TypeVar("Node", bound=ast.AST)


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


# Fields whose values are names, numbers and operators: no statement or expression is in one.
_LEAVES = frozenset({"arg", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "module", "op",
                     "ops", "simple", "type_comment"})  # fmt: skip


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The other fields of each type of nodes."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        return self.setdefault(kind, tuple(name for name in kind._fields if name not in _LEAVES))


_FIELDS = _Fields({ast.Constant: (), ast.Global: (), ast.Nonlocal: (), ast.alias: ()})


def children(node: ast.AST) -> list[ast.AST]:
    """Return what is directly in a node, but for operators and contexts; faster than `ast.iter_child_nodes()`."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if not value:
            continue
        if isinstance(value, list):
            # Keys that are unpacked, and arguments without a default, stand there as None.
            found += filter(None, value) if None in value else value
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


class Nodes:
    """The nodes of a tree by their types, found in one walk for all who look for some."""

    def __init__(self, tree: ast.AST) -> None:
        self._tree = tree

    @cached_property
    def all(self) -> Sequence[ast.AST]:
        """All nodes but operators and contexts, breadth first."""
        found = [self._tree]
        for node in found:  # grows meanwhile
            if isinstance(node, ast.Attribute):
                found.append(node.value)
            elif _FIELDS[type(node)]:
                found += children(node)
        return found

    @cached_property
    def _by_type(self) -> Mapping[type[ast.AST], list[Any]]:
        found = defaultdict(list)
        for node in self.all:
            found[type(node)].append(node)
        return found

    def of(self, kind: type[Node]) -> Sequence[Node]:
        """Return the nodes of one type, breadth first."""
        return self._by_type.get(kind, [])
