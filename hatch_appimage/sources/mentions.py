# SPDX-License-Identifier: MIT
"""What a Python source names: the modules that it imports, and those and files in its strings. Nothing of it is run."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_appimage.sources.statements import find_imports
from hatch_appimage.syntax import Nodes, children, last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_appimage.sources.statements import Import

# By convention, functions that say where a package has its C headers: whoever compiles against it calls them.
HEADER_FUNCTIONS = frozenset({"get_include", "get_includes"})
# What stands in a text for a part that is not known before the program runs.
UNKNOWN = "{}"

_RUNNER = "pytest"
_JOINING = frozenset({"join", "joinpath"})
# Methods of strings and paths to which an argument is only something to compare with.
_COMPARING = frozenset({"endswith", "is_relative_to", "removeprefix", "removesuffix", "startswith"})
# Functions of `re`, whose first argument is a pattern.
_MATCHING = frozenset({"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub"})
# Functions that make another path, or the text of it, of a path.
_PATHS = frozenset({"Path", "PurePath", "abspath", "dirname", "fspath", "normpath", "realpath", "resolve", "str"})
# Nodes that may have children whose strings name nothing.
_WITH_IDLE = frozenset({ast.Assign, ast.AugAssign, ast.BinOp, ast.Call, ast.Compare, ast.Expr, ast.FunctionDef})
# Nodes that may put a path together.
_JOINED = frozenset({ast.BinOp, ast.Call})


@dataclass(frozen=True)
class Mentions:
    """What a source names.

    Attributes:
        imports: absolute names of modules, or of what is in them.
        texts: strings, without docstrings; the parts of a path that are joined stand in one.
        calls: whether it uses one of `HEADER_FUNCTIONS`.
        defines: whether it has one.

    """

    imports: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    calls: bool = False
    defines: bool = False


def find_mentions(
    words: frozenset[str], tree: ast.Module, nodes: Nodes, imports: Iterable[Import], package: str
) -> Mentions:
    """Return what a source names.

    These do not count, as they open and import nothing: paths that are only compared with others, prefixes that
    ``startswith()`` is asked for, patterns of ``re``, sets that are taken from other ones, and code that imports pytest
    before all else, which does not run without it.

    Args:
        words: all words in it.
        tree: the source, parsed; code that does not count is cut from it.
        nodes: all of that.
        imports: all that it imports.
        package: the absolute name of the package that it is in.

    """
    if _RUNNER in words and _cut_runners(nodes):
        nodes = Nodes(tree)
        imports = find_imports(words, tree, nodes, package)
    has_headers = not words.isdisjoint(HEADER_FUNCTIONS)
    return Mentions(
        frozenset(found.name for found in imports),
        frozenset(_Texts(tree, nodes).find()),
        has_headers and any(map(_calls_header_function, nodes.all)),
        has_headers and any(map(_is_header_function, nodes.all)),
    )


def _cut_runners(nodes: Nodes) -> bool:
    """Empty the module, or those of its functions, that cannot run where pytest is not installed."""
    bodies: list[ast.Module | ast.FunctionDef | ast.AsyncFunctionDef] = [
        *nodes.of(ast.Module),
        *nodes.of(ast.FunctionDef),
        *nodes.of(ast.AsyncFunctionDef),
    ]
    found = [node for node in bodies if any(map(_needs_runner, node.body))]
    for node in found:
        node.body = []
    return bool(found)


def _needs_runner(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Import):
        return any(alias.name.partition(".")[0] == _RUNNER for alias in statement.names)
    if isinstance(statement, ast.ImportFrom):
        return not statement.level and (statement.module or "").partition(".")[0] == _RUNNER
    call = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
    if not isinstance(call, ast.Call) or not call.args:
        return False
    argument = call.args[0]
    return "import" in last_name(call.func) and isinstance(argument, ast.Constant) and argument.value == _RUNNER


def _calls_header_function(node: ast.AST) -> bool:
    return (node.name if isinstance(node, ast.alias) else last_name(node)) in HEADER_FUNCTIONS


def _is_header_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name in HEADER_FUNCTIONS


class _Texts:
    """Finds the strings of a source that count."""

    def __init__(self, tree: ast.Module, nodes: Nodes) -> None:
        self._tree = tree
        self._nodes = nodes

    @cached_property
    def _compared(self) -> frozenset[str]:
        return _compared_names(self._tree, self._nodes)

    def find(self) -> Iterator[str]:
        waiting: list[ast.AST] = [self._tree]
        while waiting:
            node = waiting.pop()
            # Half of all nodes are names and what they are attributes of.
            if isinstance(node, ast.Name):
                continue
            if isinstance(node, ast.Attribute):
                waiting.append(node.value)
            elif isinstance(node, ast.Constant):
                if isinstance(node.value, str):
                    yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(map(_piece, node.values))
                waiting += (part for part in node.values if isinstance(part, ast.FormattedValue))
            elif type(node) in _JOINED and (parts := _joined(node)):
                texts, others = _runs(parts)
                yield from texts
                waiting += others
            else:
                waiting += self._counting(node)

    def _counting(self, node: ast.AST) -> Iterable[ast.AST]:
        """Return the children of a node, but for those whose strings name nothing."""
        found = children(node)
        if type(node) not in _WITH_IDLE:
            return found
        idle = {id(child) for child in self._idle(node)}
        return [child for child in found if id(child) not in idle] if idle else found

    def _idle(self, node: ast.AST) -> Iterable[ast.AST]:
        """Yield those children of a node whose strings name nothing."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring
            yield node.value
        elif isinstance(node, ast.FunctionDef) and _is_header_function(node):
            yield from node.body
        elif isinstance(node, ast.Compare):  # a name may be imported that equals one of these, but not a path
            yield from filter(_is_path, _compared_with(node))
        elif isinstance(node, ast.Call):
            yield from (each for each in _compared_with(node) if not isinstance(each, ast.Call) or _is_path(each))
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Sub):  # from another set
            operand = node.right if isinstance(node, ast.BinOp) else node.value
            yield from [operand] if isinstance(operand, ast.Set) else []
        elif isinstance(node, ast.Assign) and _is_path(node.value) and _has_string(node.value):
            yield from [node.value] if self._compared.issuperset(_targets(node)) else []


def _runs(parts: Iterable[ast.expr]) -> tuple[list[str], list[ast.expr]]:
    """Return each run of constants among the parts of a path as one text, and the other parts."""
    runs: list[list[str]] = [[]]
    others = []
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            runs[-1].append(part.value)
        else:
            others.append(part)
            runs.append([])
    return ["/".join(run) for run in runs if run], others


def _piece(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else UNKNOWN


def _joined(node: ast.AST) -> list[ast.expr] | None:
    """Return the parts of a path that an expression joins; None for any other expression."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*(_joined(node.left) or [node.left]), node.right]
    if isinstance(node, ast.Call) and last_name(node.func) in _JOINING:
        # What is joined to: os.path.join() has it among its arguments.
        start = [node.func.value] if isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath" else []
        return [*start, *node.args]
    return None


def _compared_with(node: ast.Compare | ast.Call) -> Iterator[ast.expr]:
    """Yield the operands of a comparison: of an operator, of a method that compares, or a pattern that is matched."""
    if isinstance(node, ast.Compare):
        yield from (node.left, *node.comparators)
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _COMPARING:
        yield from node.args
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _MATCHING and last_name(node.func.value) == "re":
        yield from node.args[:1]


def _is_path(node: ast.AST) -> bool:
    """Whether an expression does no more than to put a path together."""
    if isinstance(node, ast.BinOp):
        return _is_part(node.left) and _is_part(node.right)
    if isinstance(node, ast.Call):
        parts = _joined(node) or (node.args if last_name(node.func) in _PATHS else None)
        return parts is not None and all(map(_is_part, parts))
    return False


def _is_part(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant | ast.JoinedStr | ast.Name | ast.Attribute) or _is_path(node)


def _has_string(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in ast.walk(node))


def _targets(node: ast.Assign) -> list[str]:
    """Return the names of the variables that a value is assigned to, and an empty one for any other place."""
    return [target.id if isinstance(target, ast.Name) else "" for target in node.targets]


def _compared_names(tree: ast.Module, nodes: Nodes) -> frozenset[str]:
    """Return the names of variables whose values are never more than compared, wherever in the module.

    Names of different functions count as one. Whatever other modules can import counts as used.
    """
    comparisons: list[ast.Compare | ast.Call] = [*nodes.of(ast.Compare), *nodes.of(ast.Call)]
    harmless = {id(operand) for comparison in comparisons for operand in _compared_with(comparison)}
    copies: dict[str, set[str]] = {}
    for node in nodes.of(ast.Assign):
        if isinstance(node.value, ast.Name) and "" not in _targets(node):
            harmless.add(id(node.value))
            copies.setdefault(node.value.id, set()).update(_targets(node))
    names = nodes.of(ast.Name)
    used = {node.id for node in names if isinstance(node.ctx, ast.Load) and id(node) not in harmless}
    public = {name for node in tree.body if isinstance(node, ast.Assign) for name in _targets(node)}
    used |= {name for name in public if not name.startswith("_")}
    while more := {name for name, targets in copies.items() if name not in used and targets & used}:
        used |= more
    return frozenset(node.id for node in names) - used
