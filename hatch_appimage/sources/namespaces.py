# SPDX-License-Identifier: MIT
"""Which namespaces of GObject introspection a Python source names for PyGObject. Nothing of it is run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from hatch_appimage.sources.statements import called_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_appimage.sources.statements import Import
    from hatch_appimage.syntax import Nodes

# Its attributes are namespaces.
_REPOSITORY = "gi.repository."
_NAME, _VERSION = re.compile(r"[A-Za-z_]\w*"), re.compile(r"\d+(\.\d+)*")
_ONE, _MANY = "require_version", "require_versions"


def find_namespaces(words: frozenset[str], nodes: Nodes, imports: Iterable[Import]) -> tuple[tuple[str, str], ...]:
    """Return the namespaces that a source imports or asks for, each with its version, or "" where it names none.

    Args:
        words: all words in it.
        nodes: all of it.
        imports: all that it imports.

    """
    found = {(name.split(".")[2], "") for name in (each.name for each in imports) if name.startswith(_REPOSITORY)}
    if _ONE in words or _MANY in words:
        found |= {pair for call in nodes.of(ast.Call) for pair in _required(call)}
    return tuple(sorted(found))


def _required(call: ast.Call) -> Iterator[tuple[str, str]]:
    """Yield what ``gi.require_version("Gtk", "4.0")`` or ``gi.require_versions({"Gtk": "4.0"})`` asks for."""
    name = called_name(call)
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name == _ONE and len(arguments) == 2:  # noqa: PLR2004 - namespace and version
        yield from _pair(*arguments)
    elif name == _MANY and arguments and isinstance(arguments[0], ast.Dict):
        for key, value in zip(arguments[0].keys, arguments[0].values, strict=True):
            yield from _pair(key, value)


def _pair(name: ast.expr | None, version: ast.expr) -> Iterator[tuple[str, str]]:
    if isinstance(name, ast.Constant) and isinstance(version, ast.Constant):
        pair = str(name.value), str(version.value)
        # Others have functions of this name, too.
        if _NAME.fullmatch(pair[0]) and _VERSION.fullmatch(pair[1]):
            yield pair
