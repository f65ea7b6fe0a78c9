# SPDX-License-Identifier: MIT
"""From which places a Python source finds other files: its own, or others. Nothing of it is run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from hatch_appimage.syntax import last_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    Parents = Mapping[ast.AST, ast.AST]

# Functions, methods and attributes that make the same file's path of a path, and those that make another one of it.
_SAME_PATH = frozenset(
    {
        "Path",
        "PosixPath",
        "PurePath",
        "PurePosixPath",
        "absolute",
        "abspath",
        "as_posix",
        "decode",
        "encode",
        "expanduser",
        "fsdecode",
        "fsencode",
        "fspath",
        "normcase",
        "normpath",
        "realpath",
        "resolve",
        "str",
    }
)
_OTHER_PATH = frozenset(
    {"basename", "commonpath", "dirname", "join", "joinpath", "name", "parent", "parents", "relative_to", "relpath"}
    | {"split", "splitext", "stem", "suffix", "with_name", "with_stem", "with_suffix"}
)
# What leads from a path to the directory that it is in.
_UPWARDS = frozenset({"dirname", "parent"})
# Attributes of another module, or of its specification, that say in which directories its content is, or which file.
_DIRECTORIES_OF = frozenset({"__path__", "submodule_search_locations"})
_ATTRIBUTES_OF_FILES = frozenset({"__file__", "origin"})
# Functions that say in which file an object was made, and those that say what lies in a package.
_FILE_OF = frozenset({"getfile", "getsourcefile"})
_CONTENT_OF = frozenset({"contents", "files", "resource_listdir"})
# By these names a module means itself, or the package that it is in.
_OWN_NAMES = frozenset({"__name__", "__package__"})
# Functions that find modules in the directories of a package, those without sources, too.
_FINDING = frozenset({"extend_path", "iter_modules", "walk_packages"})


def is_own_path(node: ast.AST) -> bool:
    """Whether an expression is the path of the module that it is in."""
    return isinstance(node, ast.Name) and node.id == "__file__" and isinstance(node.ctx, ast.Load)


def leads_elsewhere(node: ast.AST, parents: Parents) -> bool:
    """Whether an expression of a path is only there to find another path."""
    parent = parents[node]
    if isinstance(parent, ast.Attribute):
        name, whole = parent.attr, parents.get(parent, parent)
    elif isinstance(parent, ast.Call):
        name, whole = last_name(parent.func), parent
    else:
        return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div)
    return name in _OTHER_PATH or (name in _SAME_PATH and whole in parents and leads_elsewhere(whole, parents))


def leads_out(node: ast.AST, parents: Parents) -> bool:
    """Whether an expression leads to a directory that is neither the one that the source is in, nor below that.

    It leads upwards from there, or begins where another module is.

    """
    if is_own_path(node):
        return _steps_upwards(node, parents) > 1
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        is_listed = node.attr in _DIRECTORIES_OF and not _finds_modules(parents[node])
        return is_listed or (node.attr in _ATTRIBUTES_OF_FILES and leads_elsewhere(node, parents))
    if isinstance(node, ast.Call):
        name = last_name(node.func)
        is_of_other = name in _CONTENT_OF and any(last_name(each) not in _OWN_NAMES for each in node.args[:1])
        return is_of_other or (name in _FILE_OF and leads_elsewhere(node, parents))
    return False


def _finds_modules(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) or (isinstance(node, ast.Call) and last_name(node.func) in _FINDING)


def _steps_upwards(node: ast.AST, parents: Parents) -> int:
    """Return by how many directories the expression around a path leads upwards from it."""
    steps = 0
    parent = parents.get(node)
    while isinstance(parent, ast.Attribute | ast.BinOp | ast.Call | ast.Subscript):
        if isinstance(parent, ast.Attribute):
            steps += parent.attr in _UPWARDS
        elif isinstance(parent, ast.Call):
            steps += last_name(parent.func) in _UPWARDS and node in parent.args
            steps += sum(map(_count_upwards, parent.args))
        elif isinstance(parent, ast.BinOp):
            steps += _count_upwards(parent.right)
        elif last_name(parent.value) == "parents":
            steps += 1 + _number(parent.slice)
        node, parent = parent, parents.get(parent)
    return steps


def _count_upwards(node: ast.expr) -> int:
    """Return how often a part of a path leads upwards."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.split(r"[/\\]", node.value).count("..")
    return 0


def _number(node: ast.expr) -> int:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else 1
