# SPDX-License-Identifier: MIT
"""What a Python source does with the files of Python sources, as far as its text shows it. Nothing of it is run."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.sources.places import is_own_path, leads_elsewhere, leads_out
from hatch_appimage.syntax import children, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_appimage.syntax import Nodes

# A source without any of these, and without a string that ends like a source's name, does nothing with sources.
_WORDS = frozenset({"SOURCE_SUFFIXES", "__file__", "findsource", "getsource", "getsourcelines"})
_NAMED = re.compile(rb"\.py(?:\$|\\Z)?['\"]")
# A source that looks for others beside itself says where that is.
_PLACES = re.compile(
    rb"\b(?:__file__|__path__|getfile|getsourcefile|iter_modules|pkg_resources|importlib_resources"
    rb"|submodule_search_locations)\b"
    rb"|\bimportlib(?:\.| +import +)resources\b"
)
# So does one that asks for the file of a module that need not be imported for that.
_FILE_OF_SPEC = frozenset({"find_spec", "origin"})
# What is a module's own package, where it asks `importlib.resources` for the files of one.
_OWN_PACKAGE = frozenset({"__name__", "__package__", "__spec__", "parent"})
# Functions of `inspect` that raise OSError where a source is missing.
_READING = frozenset({"findsource", "getsource", "getsourcelines"})
# What may be named by an `except` for it to cope with that.
_COPING = frozenset({"BaseException", "EnvironmentError", "Exception", "IOError", "OSError"})
_SUFFIX = ".py"
# What means every source: the end of a name, or a pattern; regular expressions, and a list of `importlib.machinery`.
_ALL = frozenset({_SUFFIX, f"*{_SUFFIX}"})
_MATCHING_ALL = re.compile(r"\S*\\\.py(?:\$|\\Z)?")
_SUFFIXES = "SOURCE_SUFFIXES"
# What `%` and `str.format` put a part of the name in for.
_FILLED_IN = re.compile(r"%[sdr]|\{[^{}]*\}")
# What a name may begin with, where another string is put behind it.
_BEGINNING = re.compile(r"(?:\S*/)?([\w.-]+)")


@dataclass(frozen=True)
class SourceUse:
    """What a module does with sources.

    Attributes:
        names: the names of sources in its strings, which may be the ends of paths, with `*` for what is not known; also
            those of what it puts such a string behind, as in ``f"template_{name}"``.
        lists: it looks for all sources in a directory that it knows from its own place, or another module's.
        elsewhere: that directory is not its own, nor below that.
        itself: it does something else with its own path than to find other files from there.
        others: it asks for the sources of functions or modules, and does not cope where there are none.
        packages: it asks `importlib.resources` for the files of packages whose names it is given.

    """

    names: tuple[str, ...] = ()
    lists: bool = False
    elsewhere: bool = False
    itself: bool = False
    others: bool = False
    packages: bool = False


def find_source_use(source: bytes, words: frozenset[str], nodes: Nodes) -> SourceUse:
    """Return what a module does with sources.

    Args:
        source: the module's own.
        words: all words in it.
        nodes: all of it.

    """
    if words.isdisjoint(_WORDS) and not _NAMED.search(source):
        return SourceUse()
    parents = {child: node for node in nodes.all for child in children(node)}
    texts = set(_texts(parents))
    names = {text for text in texts if text.rpartition("/")[2] not in _ALL}
    beginnings = set(_beginnings(parents)) if names else set()
    joined = {beginning + name.rpartition("/")[2] for beginning in beginnings for name in names if "*" not in name}
    knows_place = _PLACES.search(source) is not None or words >= _FILE_OF_SPEC
    lists = (len(names) < len(texts) or _SUFFIXES in words) and knows_place
    return SourceUse(
        names=tuple(sorted(names | joined)),
        lists=lists,
        elsewhere=lists and any(leads_out(node, parents) for node in parents),
        itself=any(is_own_path(node) and not leads_elsewhere(node, parents) for node in parents),
        others=any(_reads_others(node) and not _copes(node, parents) for node in parents),
        packages="resources" in words and any(map(_asks_for_package, parents)),
    )


def _texts(parents: Mapping[ast.AST, ast.AST]) -> Iterator[str]:
    """Yield the strings that end like the name of a source, docstrings excepted; regular expressions as the suffix."""
    for node in parents:
        if not isinstance(node, ast.Constant) or isinstance(parents[node], ast.Expr):
            continue
        text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
        if not isinstance(text, str):
            continue
        if _MATCHING_ALL.fullmatch(text):
            yield _SUFFIX
        elif re.fullmatch(r"\S*\.py", text):
            before = "*" if isinstance(parents[node], ast.JoinedStr) else ""
            yield before + _FILLED_IN.sub("*", text)


def _beginnings(parents: Mapping[ast.AST, ast.AST]) -> Iterator[str]:
    """Yield the strings, without directories, that others are put behind."""
    for node in parents:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        parent, text = parents[node], node.value
        is_first = (isinstance(parent, ast.JoinedStr) and parent.values[:-1] == [node]) or (
            isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add) and node is parent.left
        )
        if not is_first:
            text, *others = _FILLED_IN.split(text)
            is_first = others == [""]
        if is_first and (match := _BEGINNING.fullmatch(text)):
            yield match[1]


def _reads_others(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) in _READING


def _asks_for_package(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or last_name(node.func) != "files" or len(node.args) != 1:
        return False
    (package,) = node.args
    return isinstance(package, (ast.Attribute, ast.Name)) and last_name(package) not in _OWN_PACKAGE


def _copes(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether an exception of an expression is caught where it stands, in the same function."""
    while not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)):
        parent = parents[node]
        if isinstance(parent, ast.Try) and node in parent.body and any(map(_catches, parent.handlers)):
            return True
        if isinstance(parent, ast.With) and any(map(_suppresses, parent.items)):
            return True
        node = parent
    return False


def _catches(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(last_name(node) in _COPING for node in ast.walk(handler.type))


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    return (
        isinstance(call, ast.Call)
        and last_name(call.func) == "suppress"
        and any(last_name(argument) in _COPING for argument in call.args)
    )
