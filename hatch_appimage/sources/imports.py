# SPDX-License-Identifier: MIT
"""Follow the imports of Python modules by their sources: nothing of them is run."""

from __future__ import annotations

import ast
import json
from collections import deque
from dataclasses import astuple, dataclass
from importlib.machinery import SOURCE_SUFFIXES
from importlib.util import resolve_name
from typing import TYPE_CHECKING

from hatch_appimage import syntax
from hatch_appimage.results import NO_RESULTS, digest_code
from hatch_appimage.syntax import last_name, parse_if_python

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from hatch_appimage.results import Results

#: Functions that import what their first argument names.
IMPORTING = frozenset({"__import__", "import_module", "run_module"})
_INIT = "__init__"
_CODE = digest_code(__file__, syntax.__file__)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


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


@dataclass(frozen=True)
class Reached:
    """A module that is imported.

    Attributes:
        path: its source, or its extension module.
        importer: the name of the module that was first seen to import it; None where the search began.

    """

    path: Path
    importer: str | None


class Modules:
    """Finds modules as Python does: packages before extension modules before sources, directory by directory.

    Args:
        directories: what ``sys.path`` would have.
        own: sources whose functions are looked into, and their calls of functions that import by a name; and extension
            modules that import tkinter if they name it.
        results: where it is kept what sources import.

    """

    def __init__(self, directories: Sequence[Path], own: Collection[Path] = (), results: Results = NO_RESULTS) -> None:
        self.own = own
        self._results = results
        self._imports: dict[str, list[Import]] = {}
        self._directories: dict[str, tuple[Path, ...]] = {"": tuple(directories)}
        self._files: dict[str, Path | None] = {"": None}
        self._names: dict[Path, frozenset[str]] = {}

    def find(self, name: str) -> Path | None:
        """Return the file of a module by its absolute name; None for what has none, as what is built in."""
        if name not in self._files:
            parent, _, last = name.rpartition(".")
            self.find(parent)
            self._files[name], self._directories[name] = self._look(last, self._directories[parent])
        return self._files[name]

    def imports_of(self, name: str) -> list[Import]:
        """Return what a module imports, which is read once.

        Of an extension module that is what the source imports that it was compiled from, if it lies beside it.

        """
        if name not in self._imports:
            self._imports[name] = list(self._read(name))
        return self._imports[name]

    def _read(self, name: str) -> Iterator[Import]:
        path = self.find(name)
        if path is not None and is_extension(path.name):
            if path in self.own and b"tkinter" in path.read_bytes():
                yield Import("tkinter", deferred=True, optional=True)
            path = _source_of(path)
        if path is not None and path.is_file():
            yield from read_imports(path, name, deep=path in self.own, results=self._results)

    def _look(self, last: str, directories: Iterable[Path]) -> tuple[Path | None, tuple[Path, ...]]:
        portions = []
        for directory in directories:
            is_package = last in self._list(directory)
            if is_package and (package := self._choose(directory / last, _INIT)):
                return package, (directory / last,)
            if module := self._choose(directory, last):
                return module, ()
            if is_package and (directory / last).is_dir():  # of a namespace package (PEP 420)
                portions.append(directory / last)
        return None, tuple(portions)

    def _choose(self, directory: Path, stem: str) -> Path | None:
        names = self._list(directory)
        extensions = (name for name in sorted(names) if name.startswith(f"{stem}.") and is_extension(name))
        sources = (name for suffix in SOURCE_SUFFIXES if (name := f"{stem}{suffix}") in names)
        return next((directory / name for name in (*extensions, *sources)), None)

    def _list(self, directory: Path) -> frozenset[str]:
        if directory not in self._names:
            try:
                self._names[directory] = frozenset(entry.name for entry in directory.iterdir())
            except OSError:
                self._names[directory] = frozenset()
        return self._names[directory]


def _source_of(path: Path) -> Path:
    """Return where the source is that a module was compiled from, if it lies beside it; the source itself for one."""
    return path.with_name(f"{path.name.split('.')[0]}{SOURCE_SUFFIXES[0]}") if is_extension(path.name) else path


def is_extension(name: str) -> bool:
    """Whether a file's name is one of an extension module."""
    return name.endswith(".so")


def follow(roots: Iterable[str], modules: Modules, wanted: Callable[[Import], bool]) -> dict[str, Reached]:
    """Find all modules that are imported, directly or by others, breadth first.

    Args:
        roots: the names of the modules to begin with.
        modules: where modules are.
        wanted: whether an import counts.

    """
    reached: dict[str, Reached] = {}
    waiting: deque[tuple[str, str | None]] = deque((root, None) for root in roots)
    while waiting:
        name, importer = waiting.popleft()
        for module in _with_parents(name):
            path = modules.find(module)
            if module in reached or path is None:
                continue
            reached[module] = Reached(path, importer)
            waiting += ((imported.name, module) for imported in modules.imports_of(module) if wanted(imported))
    return reached


def defers_imports(names: Iterable[str], directories: Sequence[Path]) -> bool:
    """Whether functions import anything in some modules, or in others of their packages that these import.

    Args:
        names: of the modules.
        directories: where they are; what is elsewhere does not count.

    """
    names = list(names)
    packages = {name.partition(".")[0] for name in names}
    reached = follow(
        names,
        Modules(directories),
        lambda found: not found.deferred and found.name.partition(".")[0] in packages,
    )
    return any(_imports_in_function(module.path) for module in reached.values())


def _imports_in_function(path: Path) -> bool:
    tree = parse_if_python(path.read_bytes()) if (path := _source_of(path)).is_file() else None
    functions = (node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)) if tree else ()
    return any(
        isinstance(node, (ast.Import, ast.ImportFrom)) or called_name(node) in IMPORTING
        for function in functions
        for node in ast.walk(function)
    )


def called_name(node: ast.AST) -> str:
    """Return the name of the function that an expression calls, without what it is an attribute of; "" for none."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""


def _with_parents(name: str) -> Iterator[str]:
    """Yield a module's packages and its name, in the order in which they are imported."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def read_imports(path: Path, name: str, *, deep: bool, results: Results = NO_RESULTS) -> list[Import]:
    """Return what a source imports; nothing where it is no Python 3.

    Args:
        path: the source.
        name: the module's absolute name.
        deep: look into functions, and for imports by a name in a string.
        results: where it is kept for later builds.

    """
    source = path.read_bytes()
    package = name if path.stem == _INIT else name.rpartition(".")[0]

    def compute() -> bytes:
        tree = parse_if_python(source)
        found = find_imports(tree, package, deep=deep) if tree else []
        return json.dumps([astuple(each) for each in found]).encode()

    dependencies = (b"imports", _CODE, package.encode("utf-8", "surrogateescape"), bytes([deep]), source)
    return [Import(*values) for values in json.loads(results.compute(dependencies, compute))]


def find_imports(tree: ast.Module, package: str, *, deep: bool) -> list[Import]:
    """Return what a parsed source imports.

    Args:
        tree: the source.
        package: the absolute name of the package that it is in.
        deep: look into functions, and for imports by a name in a string.

    """
    found = list(_statements(tree.body, package, deep=deep))
    return found + (list(_calls(tree, package)) if deep else [])


def _statements(body: Iterable[ast.stmt], package: str, *, deep: bool) -> Iterator[Import]:
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
        for imported in names_of(node, package):
            yield Import(imported, deferred, optional)
        if deep or not deferred:
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


def _calls(tree: ast.AST, package: str) -> Iterator[Import]:
    """Yield what functions import that are called with a name."""
    for node in ast.walk(tree):
        if absolute := _absolute(name_of_import(node), package):
            yield Import(absolute, deferred=True, optional=True, dynamic=True)


def name_of_import(node: ast.AST) -> str:
    """Return the name that a function is called with which imports by name, be it relative or not; "" for none."""
    arguments = node.args if isinstance(node, ast.Call) and called_name(node) in IMPORTING else []
    argument = arguments[0] if arguments else None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else ""
