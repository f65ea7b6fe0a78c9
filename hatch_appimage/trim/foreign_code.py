# SPDX-License-Identifier: MIT
"""Find out whether an application runs code that is not in its image: its users' scripts, plugins and settings."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING

from hatch_appimage import syntax
from hatch_appimage.results import digest_code
from hatch_appimage.sources import imports
from hatch_appimage.sources.files import is_python
from hatch_appimage.sources.imports import IMPORTING, called_name
from hatch_appimage.sources.mentions import read_mentions
from hatch_appimage.syntax import last_name, parse_if_python

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.results import Results
    from hatch_appimage.sources.files import Source

_CODE = digest_code(__file__, imports.__file__, syntax.__file__)
# Functions and classes that run what a file or a person says.
_LOADERS = frozenset({
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
# What an application starts with the interpreter may be code in a string, put together in any way; and what it imports
# by a name that it does not say may be anything. Packages do such things for applications that ask them to.
_INTERPRETER = "sys.executable"
_STARTING = re.compile(
    rb"(?<!\w)(?:subprocess|create_subprocess_\w+|Popen|popen|exec[lv]\w*|spawn\w*|posix_spawn\w*)(?!\w)"
)
_OF_APPLICATIONS = IMPORTING | {_INTERPRETER}
_EXECUTING = frozenset({"eval", "exec"})
_ADDING = frozenset({"append", "extend", "insert"})
_NAMES = b"|".join(sorted(name.encode() for name in _LOADERS))
_LOADER = re.compile(rb"(?<!\w)(?:" + _NAMES + rb")(?!\w)")
# What has to be in a source for it to be parsed.
_CANDIDATE = re.compile(
    rb"(?<!\w)(?:" + _NAMES + rb"|exec|eval|__import__|import_module|run_module|sys\.path|sys\.executable)(?!\w)"
)
_WORD = re.compile(rb"[A-Za-z_]\w*")
_DOTTED = re.compile(rb"[A-Za-z_]\w*(?:\.\w+)+")
#: Packages that execute only what they have written themselves, such as the methods of a class or a template's code.
_GENERATORS = (
    "PyQt5",
    "PyQt6",
    "attr",
    "cattr",
    "cattrs",
    "cffi",
    "decorator",
    "jinja2",
    "msgspec",
    "numpy",
    "pandas",
    "pycparser",
    "pydantic",
    "six",
    "sqlalchemy",
    "typing_extensions",
    "typing_inspection",
    "werkzeug",
)
#: Modules that run the code of their users where an application asks them to, with the words one of which it then uses.
_ON_REQUEST: Mapping[str, Sequence[str]] = {
    "flask.cli": ("FlaskGroup", "ScriptInfo", "flask.cli"),
    "flask.config": ("from_envvar", "from_pyfile"),
    "pygments.formatters": ("load_formatter_from_file",),
    "pygments.lexers": ("load_lexer_from_file",),
    "uvicorn.main": ("app_dir", "uvicorn.main"),
    "werkzeug.debug.console": ("DebuggedApplication", "use_debugger", "werkzeug.debug"),
}


def find_foreign_code(
    sources: Sequence[Source], reached: Collection[Path], own: Collection[Path], results: Results
) -> str | None:
    """Return what runs code that is not in the image, and why; None if nothing is seen to.

    That is a call of `exec` or `eval` with something else than a constant, of what loads modules from files, or
    of an interpreter for people, and a change of `sys.path`; in the application itself also `sys.executable`, and an
    import by a name that is not said.

    Args:
        sources: the files that can run code.
        reached: those of modules that are imported.
        own: modules of the application itself, and of what it starts; all files of their packages count, and all that
            belong to none.
        results: where it is kept what sources do.

    """
    owners = {source.owner for source in sources if source.path in own} | {None}
    applications = [source for source in sources if source.owner in owners]
    others = [source for source in sources if source.path in reached and source.owner not in owners]
    # Much may be left unread: the first that is found is enough.
    for source in applications:
        for action in _actions_of(source, results):
            if action != _INTERPRETER or any(map(_starts_processes, applications)):
                return f"{source.place} has `{action}`"
    words: set[str] | None = None
    for source in others:
        actions = _counting(source, _actions_of(source, results))
        if actions and (requests := _ON_REQUEST.get(_module_of(source))):
            words = _words_of(applications, results) if words is None else words
            actions = actions if not words.isdisjoint(requests) else []
        if actions:
            return f"{source.place} has `{actions[0]}`"
    return None


def _starts_processes(source: Source) -> bool:
    data = source.path.read_bytes()
    return is_python(source.path, data) and bool(_STARTING.search(data))


def _actions_of(source: Source, results: Results) -> Sequence[str]:
    data = source.path.read_bytes()
    return _actions(data, results) if is_python(source.path, data) else _loaders(data)


def _loaders(data: bytes) -> list[str]:
    """Return what a file that is no source names of that which loads code: it may be compiled."""
    return [name.decode() for name in sorted(_LOADER.findall(data))] if data.startswith(b"\x7fELF") else []


def _words_of(sources: Iterable[Source], results: Results) -> set[str]:
    """Return all that sources name, and the names of what they import."""
    words: set[str] = set()
    for source in sources:
        data = source.path.read_bytes()
        mentions = read_mentions(data, ".".join(source.place.parent.parts), results)
        for name in mentions.imports if mentions else ():
            words |= {name, name.rpartition(".")[0]}
        words.update(word.decode() for pattern in (_WORD, _DOTTED) for word in set(pattern.findall(data)))
    return words


def _module_of(source: Source) -> str:
    parts = source.place.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _counting(source: Source, actions: Sequence[str]) -> Sequence[str]:
    """Return what counts of that which a module of a dependency does."""
    actions = [action for action in actions if action not in _OF_APPLICATIONS]
    if source.place.parts[0] in _GENERATORS and _module_of(source) not in _ON_REQUEST:
        return [action for action in actions if action not in _EXECUTING]
    return actions


def _actions(data: bytes, results: Results) -> list[str]:
    """Return what a source does that runs other code."""
    if not _CANDIDATE.search(data):
        return []

    def compute() -> bytes:
        tree = parse_if_python(data)
        found = map(_action, ast.walk(tree)) if tree else {name.decode() for name in _CANDIDATE.findall(data)}
        return json.dumps(sorted(filter(None, found))).encode()

    found: list[str] = json.loads(results.compute((b"foreign code", _CODE, data), compute))
    return found


def _action(node: ast.AST) -> str | None:
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return "sys.path" if any(map(_is_path, targets)) else None
    if _is_of_sys(node, "executable"):
        return _INTERPRETER
    if isinstance(node, ast.Name | ast.Attribute | ast.alias):
        name = node.name if isinstance(node, ast.alias) else last_name(node)
        return name if name in _LOADERS else None
    return _action_of_call(node) if isinstance(node, ast.Call) else None


def _action_of_call(node: ast.Call) -> str | None:
    if isinstance(node.func, ast.Name) and node.func.id in _EXECUTING:
        is_constant = not node.args or isinstance(node.args[0], ast.Constant)
        return None if is_constant else node.func.id
    if (importer := called_name(node)) in IMPORTING:
        return importer if node.args and not _begins_with_package(node.args[0]) else None
    is_change = isinstance(node.func, ast.Attribute) and node.func.attr in _ADDING and _is_path(node.func.value)
    return "sys.path" if is_change else None


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
