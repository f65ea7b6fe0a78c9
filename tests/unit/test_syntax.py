# SPDX-License-Identifier: MIT
"""Trees of sources are walked faster than by `ast`, to the same nodes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hatch_appimage.syntax import Nodes, children

TREES = [ast.parse(Path(module.__file__ or "").read_bytes()) for module in (ast, pytest)]
CONTEXTS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)


def known(tree: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(tree) if not isinstance(node, CONTEXTS)]


@pytest.mark.parametrize("tree", TREES)
def test_all_nodes_in_the_same_order(tree: ast.AST) -> None:
    assert Nodes(tree).all == known(tree)


@pytest.mark.parametrize("tree", TREES)
def test_by_type(tree: ast.AST) -> None:
    nodes = Nodes(tree)
    for kind in (ast.Call, ast.Name, ast.alias, ast.Constant, ast.Module):
        assert list(nodes.of(kind)) == [node for node in known(tree) if type(node) is kind]


def test_of_a_type_that_there_is_none_of() -> None:
    assert Nodes(ast.parse("")).of(ast.Call) == []


def test_children_that_are_missing() -> None:
    """A keyword argument without a default, and the key of ``**``, are None among others."""
    source = "def f(a, *, b, c=1): return {'a': 1, **b}\nglobal x"
    for node in ast.walk(ast.parse(source)):
        assert children(node) == [each for each in ast.iter_child_nodes(node) if not isinstance(each, CONTEXTS)]


def test_match_statements() -> None:
    tree = ast.parse("match x:\n  case {'a': [1, *_], **rest} | P(y=2) as z if z: import a\n")
    assert Nodes(tree).all == known(tree)
