# SPDX-License-Identifier: MIT
"""What a Python source does that may run code from elsewhere. Nothing of it is run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from hatch_appimage.sources.statements import IMPORTING, called_name
from hatch_appimage.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from hatch_appimage.syntax import Nodes

#: Functions and classes that run what a file or a person says.
LOADERS = frozenset({
    "InteractiveConsole",
    "InteractiveInterpreter",
    "SourceFileLoader",
    "SourcelessFileLoader",
    "addsitedir",
    "exec_module",
    "execfile",
    "load_module",
    "load_source",
    "run_path",
    "spec_from_file_location",
})  # fmt: skip
#: Functions that run what they are given.
EXECUTING = frozenset({"eval", "exec"})
#: What starts the interpreter.
INTERPRETER = "sys.executable"
_ADDING = frozenset({"append", "extend", "insert"})
# What has to be in a source for it to do any of this; and "sys" with one of the others.
_WORDS = LOADERS | EXECUTING | IMPORTING
_OF_SYS = frozenset({"executable", "path"})
_TEXT = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(_WORDS))}|sys\.path|sys\.executable)(?!\w)")
_KINDS = (ast.Assign, ast.AugAssign, ast.Name, ast.Attribute, ast.alias, ast.Call)


def find_actions(words: frozenset[str], nodes: Nodes) -> tuple[str, ...]:
    """Return what a source does that runs other code, by the names that it has for that, sorted.

    Args:
        words: all words in it.
        nodes: all of it.

    """
    if words.isdisjoint(_WORDS) and ("sys" not in words or words.isdisjoint(_OF_SYS)):
        return ()
    own = LOADERS & {node.name for node in nodes.of(ast.FunctionDef)}
    found = (_action(node, own) for kind in _KINDS for node in nodes.of(kind))
    return tuple(sorted(filter(None, found)))


def find_actions_in_text(source: bytes) -> tuple[str, ...]:
    """Return what a source may do that is no Python 3, or of a newer one: every word counts."""
    return tuple(sorted(set(_TEXT.findall(source.decode("latin-1")))))


def _action(node: ast.AST, own: Collection[str]) -> str | None:
    """Return what a node does; `own` are functions of the source itself that are called like those of others."""
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return "sys.path" if any(map(_is_path, targets)) else None
    if _is_of_sys(node, "executable"):
        return INTERPRETER
    if isinstance(node, ast.Name | ast.Attribute | ast.alias):
        name = node.name if isinstance(node, ast.alias) else last_name(node)
        return name if name in LOADERS and not (name in own and _is_own(node)) else None
    return _action_of_call(node) if isinstance(node, ast.Call) else None


def _action_of_call(node: ast.Call) -> str | None:
    if isinstance(node.func, ast.Name) and node.func.id in EXECUTING:
        is_constant = not node.args or isinstance(node.args[0], ast.Constant)
        return None if is_constant else node.func.id
    if (importer := called_name(node)) in IMPORTING:
        return importer if node.args and not _begins_with_package(node.args[0]) else None
    is_change = isinstance(node.func, ast.Attribute) and node.func.attr in _ADDING and _is_path(node.func.value)
    return "sys.path" if is_change else None


def _is_own(node: ast.AST) -> bool:
    """Whether a name is one of the source itself, or of the object whose method uses it."""
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and last_name(node.value) in {"cls", "self"})


def _begins_with_package(name: ast.expr) -> bool:
    """Whether a name that is imported says at least in which package it is: what it may be is in the image, or not."""
    if isinstance(name, ast.JoinedStr):
        return bool(name.values) and _begins_with_package(name.values[0])
    if isinstance(name, ast.BinOp):
        return _begins_with_package(name.left)
    if isinstance(name, ast.FormattedValue):
        return _begins_with_package(name.value)
    # These are the names of the package itself, or of a module in it.
    is_own = isinstance(name, ast.Name) and name.id in {"__name__", "__package__"}
    return is_own or (isinstance(name, ast.Constant) and isinstance(name.value, str))


def _is_path(node: ast.AST) -> bool:
    """Whether this is ``sys.path``, or a part of it."""
    if isinstance(node, ast.Subscript):
        return _is_path(node.value)
    return _is_of_sys(node, "path")


def _is_of_sys(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == name and last_name(node.value) == "sys"
