# SPDX-License-Identifier: MIT
"""What a Python source imports, by its statements and by calls of functions. Nothing of it is run."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import dataclass
from importlib.util import resolve_name
from typing import TYPE_CHECKING

from hatch_appimage.syntax import Nodes, last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Functions that import what their first argument names.
IMPORTING = frozenset({"__import__", "import_module", "run_module"})
# What modules call by this package for what they import once it is used. That is for a module like any import: most of
# it is used when anything in the package is.
_LAZY = "lazy_loader"
# The most frequent statements that have no others within them.
_SIMPLE = (ast.Expr, ast.Assign, ast.Return, ast.Import, ast.ImportFrom, ast.AnnAssign, ast.Raise)
# What Python itself imports for a function that is built in.
_BUILTINS = {"breakpoint": "pdb", "help": "pydoc"}


@dataclass(frozen=True)
class Import:
    """What a module imports.

    Attributes:
        name: absolute; of ``from a import b`` it is ``a.b``, which may be no module but something in ``a``.
        deferred: a function does it, when it is called.
        optional: it is in a ``try``, or under a condition.
        dynamic: the name is an argument of a function such as ``importlib.import_module()``.

    """

    name: str
    deferred: bool = False
    optional: bool = False
    dynamic: bool = False


def find_imports(words: frozenset[str], tree: ast.Module, nodes: Nodes, package: str) -> list[Import]:
    """Return what a parsed source imports, wherever in it.

    Args:
        words: all words in it.
        tree: the source.
        nodes: all of that.
        package: the absolute name of the package that it is in.

    """
    calls = () if words.isdisjoint(IMPORTING) else _calls(nodes, package)
    lazy = _lazy(nodes, package) if _LAZY in words else ()
    return [*_statements(tree.body, package), *calls, *lazy]


def _statements(body: Iterable[ast.stmt], package: str) -> Iterator[Import]:
    waiting = deque((node, False, False) for node in body)
    while waiting:
        node, deferred, optional = waiting.popleft()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            deferred = True
        elif isinstance(node, ast.If) and is_for_type_checkers(node.test):
            waiting += ((child, deferred, optional) for child in node.orelse)
            continue
        elif isinstance(node, (ast.If, ast.Try)):
            optional = True
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for imported in names_of(node, package):
                yield Import(imported, deferred, optional)
        if not isinstance(node, _SIMPLE):
            waiting += ((child, deferred, optional) for child in _children(node))


def _children(node: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements within a statement."""
    for field in ("body", "orelse", "finalbody"):
        yield from getattr(node, field, ())
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield from part.body


def is_for_type_checkers(test: ast.expr) -> bool:
    """Whether a condition holds for type checkers only."""
    return last_name(test) == "TYPE_CHECKING"


def names_of(node: ast.stmt, package: str) -> Iterator[str]:
    """Yield the absolute names that a statement imports; of ``from a import b`` that is ``a.b``."""
    if isinstance(node, ast.Import):
        yield from (_moved(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute("." * node.level + (node.module or ""), package)
        for alias in node.names if base else ():
            yield _moved(base if alias.name == "*" else f"{base}.{alias.name}")


def _absolute(name: str, package: str) -> str:
    """Return an absolute name; an empty one if there is none, as the name leads out of its package."""
    try:
        return resolve_name(name, package) if name.startswith(".") else name
    except ImportError:
        return ""


def _moved(name: str) -> str:
    """Return the module behind a name of ``six.moves``, whose modules are made when they are imported."""
    moved = name.removeprefix("six.moves.")
    return name if moved == name else moved.split("_")[0]


def _calls(nodes: Nodes, package: str) -> Iterator[Import]:
    """Yield what functions import that are called with a name."""
    for node in nodes.of(ast.Call):
        if absolute := _absolute(name_of_import(node), package):
            yield Import(absolute, deferred=True, optional=True, dynamic=True)


def _lazy(nodes: Nodes, package: str) -> Iterator[Import]:
    """Yield what lazy_loader imports for a module, which says its names: ``attach(__name__, {"a"}, {"b": ["c"]})``.

    That of ``attach_stub()`` stands in the stub beside the module.
    """
    for node in nodes.of(ast.Call):
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        if called_name(node) == "load":
            yield from (Import(name, optional=True) for name in _texts(arguments[:1]))
        elif called_name(node) == "attach":
            names = (each for part in arguments for each in getattr(part, "keys", getattr(part, "elts", ())))
            yield from (Import(f"{package}.{name}", optional=True) for name in _texts(names))


def _texts(nodes: Iterable[ast.AST | None]) -> Iterator[str]:
    """Yield the texts among constants."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def has_lazy_stub(words: frozenset[str]) -> bool:
    """Whether a module imports, once that is used, what the stub beside it does; words are all that are in it."""
    return {_LAZY, "attach_stub"} <= words


def name_of_import(node: ast.AST) -> str:
    """Return the name that a function is called with which imports by name, be it relative or not; "" for none."""
    arguments = node.args if isinstance(node, ast.Call) and called_name(node) in IMPORTING else []
    argument = arguments[0] if arguments else None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else ""


def called_name(node: ast.AST) -> str:
    """Return the name of the function that an expression calls, without what it is an attribute of; "" for none."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def imports_in_functions(words: frozenset[str], nodes: Nodes, found: Iterable[Import]) -> bool:
    """Whether functions import anything when they are called.

    Args:
        words: all words in the module.
        nodes: all of it.
        found: what it imports.

    """
    if any(each.deferred and not each.dynamic for each in found):
        return True
    if words.isdisjoint(IMPORTING):
        return False
    calls = {id(call) for call in nodes.of(ast.Call) if called_name(call) in IMPORTING}
    functions = [*nodes.of(ast.FunctionDef), *nodes.of(ast.AsyncFunctionDef), *nodes.of(ast.Lambda)] if calls else []
    return any(id(node) in calls for function in functions for node in Nodes(function).all)


def imports_of_builtins(nodes: Nodes) -> frozenset[str]:
    """Return the modules that Python imports for functions that are built in and that a source calls."""
    called = {call.func.id for call in nodes.of(ast.Call) if isinstance(call.func, ast.Name)}
    return frozenset(module for name, module in _BUILTINS.items() if name in called)
