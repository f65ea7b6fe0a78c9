# SPDX-License-Identifier: MIT
"""What a module of the standard library needs, function by function. Nothing of it is run.

Most modules import little at their top, and much in functions that few programs call. So a module falls into units: its
body, which runs when it is imported, and each function and method, which runs only where something names it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_appimage.sources.statements import is_for_type_checkers, name_of_import, names_of
from hatch_appimage.syntax import children, last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: The names of the units that are no functions: what runs at the import of a module, and what `python -m` runs.
BODY = ""
MAIN = "__main__"

_WORD = re.compile(r"[A-Za-z_]\w*")
_CONVERSION = re.compile(r"%[a-z]")
# What has to be more than a mere underscore.
_AFFIX = re.compile(r"(?<!\w)(?:_(?=\w*[A-Za-z])\w+|[A-Za-z]\w*_)(?!\w)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")
# Ends of names that are those of machines or files: cmd.exe, code.example.org.
_NO_MODULES = frozenset({"com", "exe", "htm", "net", "org", "txt"})
# Code or a command that imports or runs a module, in a string.
_COMMAND = re.compile(
    r"(?:(?:^|[;\n'\"(])\s*(?:import|from)|(?<!\w)-m)\s+([A-Za-z_][\w.]*(?:(?:\s+as\s+\w+)?\s*,\s*[A-Za-z_][\w.]*)*)"
)
_ALIAS = re.compile(r"\s+as\s+\w+")
# Decorators that only change how a function is called; with any other one it may be called by whoever it told of it.
_HARMLESS = frozenset({
    "abstractmethod",
    "asynccontextmanager",
    "cache",
    "cached_property",
    "classmethod",
    "contextmanager",
    "coroutine",
    "deleter",
    "final",
    "getter",
    "lru_cache",
    "property",
    "recursive_repr",
    "setter",
    "staticmethod",
    "wraps",
})  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
_IMPORTS = (ast.Import, ast.ImportFrom)
# Expressions that may look something up in a dictionary.
_LOOKING_UP = (ast.Call, ast.Compare, ast.Subscript)
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})


def modules_in_text(text: str) -> list[str]:
    """Return the names in a string that are those of modules by their form: with a dot, or in code or a command."""
    # Most strings are known to have none much sooner than by a search for them.
    dotted = _DOTTED.findall(text) if "." in text else ()
    commands = _COMMAND.findall(text) if "import" in text or "from" in text or "-m" in text else ()
    names = (name for found in commands for name in _ALIAS.sub("", found).split(","))
    return [*(name for name in dotted if name.rpartition(".")[2] not in _NO_MODULES), *map(str.strip, names)]


def affixes_in_text(text: str) -> list[str]:
    """Return the words in a string that may be the beginning or end of a name: they end or begin with ``_``."""
    return _AFFIX.findall(_CONVERSION.sub(" ", text)) if "_" in text else []


@dataclass(frozen=True)
class Fallback:
    """Imports for the case that others fail.

    Attributes:
        tried: absolute names of what is imported first.
        imports: absolute names of what is imported instead.

    """

    tried: frozenset[str]
    imports: frozenset[str]


@dataclass(frozen=True)
class Unit:
    """A part of a module that runs as a whole, or not at all.

    Attributes:
        name: of the function; `BODY` or `MAIN` for what is none.
        imports: absolute names of modules, or of what is in them.
        fallbacks: imports that are made only if others fail.
        names: all that it names, be it in code or in strings.
        affixes: the beginnings and ends of names in strings, as in ``getattr(self, "do_" + command)``.
        modules: names in strings that are those of modules, by their form or by what is done with them. A word alone
            is none: there are modules called ``code`` and ``this``.

    """

    name: str
    imports: frozenset[str] = frozenset()
    fallbacks: tuple[Fallback, ...] = ()
    names: frozenset[str] = frozenset()
    affixes: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()


@dataclass
class _Draft:
    """A unit that is being read."""

    name: str
    imports: set[str] = field(default_factory=set)
    fallbacks: list[Fallback] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    affixes: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)

    def finish(self) -> Unit:
        sets = map(frozenset, (self.names, self.affixes, self.modules))
        return Unit(self.name, frozenset(self.imports), tuple(self.fallbacks), *sets)

    def add_text(self, text: str) -> None:
        if text.isascii() and text.isidentifier() and "_" not in text:  # as most texts: no more than a name
            self.names.add(text)
            return
        self.names.update(_WORD.findall(text))
        self.affixes.update(affixes_in_text(text))
        self.modules.update(modules_in_text(text))


def find_units(tree: ast.Module, package: str) -> tuple[Unit, ...]:
    """Return the units of a module.

    Functions that Python calls by itself (``__getattr__``) and those that a decorator tells others of belong to the
    body. Docstrings, ``__all__``, imports for type checkers, and what is looked up in ``sys.modules`` do not count.

    Args:
        tree: the module.
        package: the absolute name of the package that it is in.

    """
    body = _Draft(BODY)
    others: list[_Draft] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _FUNCTIONS) and not _runs_by_itself(node):
            waiting += (*node.decorator_list, node.args)
            others.append(_read_part(node.name, node.body, package))
        elif isinstance(node, ast.If) and _is_main(node.test):
            waiting += node.orelse
            others.append(_read_part(MAIN, node.body, package))
        else:
            waiting += _read_node(node, body, package)
    return tuple(draft.finish() for draft in (body, *others))


def _read_part(name: str, nodes: Iterable[ast.AST], package: str) -> _Draft:
    """Read what is a unit as a whole."""
    draft = _Draft(name)
    waiting = list(nodes)
    while waiting:
        waiting += _read_node(waiting.pop(), draft, package)
    return draft


def _runs_by_itself(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function may be called though nothing names it: Python does, or whom a decorator told of it."""
    is_special = function.name.startswith("__") and function.name.endswith("__")
    return is_special or not _HARMLESS.issuperset(map(_decorator, function.decorator_list))


def _decorator(node: ast.expr) -> str:
    return last_name(node.func if isinstance(node, ast.Call) else node)


def _is_main(test: ast.expr) -> bool:
    """Whether this is ``__name__ == "__main__"``."""
    return isinstance(test, ast.Compare) and last_name(test.left) == "__name__"


def _read_node(node: ast.AST, draft: _Draft, package: str) -> Iterable[ast.AST]:
    """Add what a node names to a unit; return those of its children that are to be read as well."""
    # The most frequent ones first: there are half a million nodes in a standard library.
    if isinstance(node, ast.Name):
        draft.names.add(node.id)
        return ()
    if isinstance(node, ast.Attribute):
        draft.names.add(node.attr)
        return (node.value,)
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            draft.add_text(node.value)
        return ()
    if isinstance(node, ast.expr):
        return _read_expression(node, draft)
    return _read_statement(node, draft, package)


def _read_expression(node: ast.expr, draft: _Draft) -> Iterable[ast.AST]:
    if isinstance(node, ast.Call) and (name := name_of_import(node)):
        draft.modules.add(name)
    looked_up = _looked_up_modules(node) if isinstance(node, _LOOKING_UP) else ()
    return [child for child in children(node) if child not in looked_up] if looked_up else children(node)


def _read_statement(node: ast.AST, draft: _Draft, package: str) -> Iterable[ast.AST]:
    """Read a statement, or what is neither that nor an expression: the arguments of a function, a handler."""
    if isinstance(node, _ASSIGNMENTS):
        return () if _names_exports(node) else children(node)
    if isinstance(node, ast.Expr):  # a docstring names nothing that is used
        return () if isinstance(node.value, ast.Constant) else (node.value,)
    if isinstance(node, _IMPORTS):
        draft.imports.update(names_of(node, package))
        draft.names.update(part for alias in node.names for part in _WORD.findall(alias.name))
        return ()
    if isinstance(node, ast.If) and is_for_type_checkers(node.test):
        return node.orelse
    if isinstance(node, ast.Try):
        return _read_try(node, draft, package)
    return children(node)


def _read_try(node: ast.Try, draft: _Draft, package: str) -> Iterator[ast.AST]:
    tried = frozenset(name for each in node.body for name in _imported(each, package))
    yield from (*node.body, *node.orelse, *node.finalbody)
    for handler in node.handlers:
        if handler.type:
            yield handler.type
        # A handler for several kinds of errors may run for another reason.
        is_fallback = bool(tried) and last_name(handler.type) in _IMPORT_ERRORS and _only_imports(node.body)
        for each in handler.body:
            if is_fallback and isinstance(each, _IMPORTS):
                draft.fallbacks.append(Fallback(tried, frozenset(_imported(each, package))))
            else:
                yield each


def _only_imports(body: Iterable[ast.stmt]) -> bool:
    return all(isinstance(each, (*_IMPORTS, ast.Assign, ast.Pass)) for each in body)


def _imported(node: ast.stmt, package: str) -> list[str]:
    return list(names_of(node, package))


def _names_exports(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> bool:
    """Whether an assignment is to ``__all__``, whose strings name nothing that is used."""
    targets = node.targets if isinstance(node, ast.Assign) else (node.target,)
    return "__all__" in map(last_name, targets)


def _looked_up_modules(node: ast.Subscript | ast.Call | ast.Compare) -> Sequence[ast.AST]:
    """Return the expressions that are looked up in ``sys.modules``: that imports nothing."""
    if isinstance(node, ast.Subscript):
        return [node.slice] if last_name(node.value) == "modules" else []
    if isinstance(node, ast.Compare):
        return [node.left] if last_name(node.comparators[0]) == "modules" else []
    return node.args if isinstance(node.func, ast.Attribute) and last_name(node.func.value) == "modules" else []
