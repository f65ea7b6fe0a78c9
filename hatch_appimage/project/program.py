# SPDX-License-Identifier: MIT
"""Programs that no build back end knows: a script, or a directory of modules, as ``python FILE`` runs them.

They are installed as they lie, into a directory of their own below ``site-packages`` that cannot be imported by its
name. It comes first on the path of modules, as the directory of a script does, so that what lies beside a program is
found by it, and shadows nothing for anybody else.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.syntax import parse_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

#: What a program without ``__version__`` is.
NO_VERSION = "0.0.0"
_MAIN = "__main__.py"
# What starts a directory, the first that there is; a module that is named like the directory comes last.
_STARTING = (_MAIN, "main.py", "app.py")
#: What parses arguments, and so understands `--help` for a program. Any other one could do its work instead.
PARSERS = frozenset({
    *("absl", "argparse", "clap", "click", "cleo", "cyclopts", "defopt", "docopt", "fire", "getopt", "jsonargparse"),
    *("optparse", "plac", "plumbum", "rich_click", "simple_parsing", "tap", "typer", "tyro"),
})  # fmt: skip
#: Directories of what has been built, at the top of a program.
OUTPUT = frozenset({"__pycache__", "build", "dist"})
# How the tag of a cache begins (https://bford.info/cachedir/).
_CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"


@dataclass(frozen=True)
class Program:
    """What starts as ``python FILE`` or ``python -m PACKAGE`` does, with its directory first on the path of modules.

    Attributes:
        source: the file, for a package its ``__main__.py``.
        directory: where its files are installed, below ``site-packages``.
        is_package: it runs as ``-m`` does.

    """

    source: Path
    directory: str
    is_package: bool = False

    @property
    def module(self) -> str:
        """The name of the module that runs as ``__main__``; its file is installed as a source of that name."""
        return self.source.parent.name if self.is_package else self.source.stem.replace(".", "_")

    @property
    def root(self) -> Path:
        """Where the modules lie that come first."""
        return self.source.parent.parent if self.is_package else self.source.parent

    def __str__(self) -> str:
        return f"-m {self.module}" if self.is_package else self.source.name

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed source.

        Raises:
            AppImageError: it is no Python 3.

        """
        try:
            return parse_source(self.source.read_bytes())
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise AppImageError(f"{self.source}{line} is no Python 3: {reason}") from error

    @property
    def version(self) -> str:
        """The text that ``__version__`` is set to, as Flit takes it; `NO_VERSION` if there is none.

        Raises:
            AppImageError: it is no version (PEP 440).

        """
        for name, value in _assigned(self.tree):
            if name == "__version__" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                try:
                    return str(Version(value.value))
                except InvalidVersion as error:
                    raise AppImageError(
                        f"{self.source} sets `__version__` to `{value.value}`, which is no version (PEP 440)"
                    ) from error
        return NO_VERSION

    @property
    def summary(self) -> str:
        """The first line of the docstring, as Flit takes it; empty if there is none."""
        return (ast.get_docstring(self.tree) or "").strip().partition("\n")[0].strip()

    @property
    def imports(self) -> list[str]:
        """The names of the modules that it imports at its top and that do not lie beside it."""
        return [name for name in _imported_at_top(self.tree) if not self._is_beside(name)]

    @property
    def parses_arguments(self) -> bool:
        """Whether it imports, anywhere, what parses command lines: others need not know ``--help``."""
        return not PARSERS.isdisjoint(name.partition(".")[0] for name in _imported(ast.walk(self.tree)))

    @property
    def imports_from_beside(self) -> list[str]:
        """The names of the modules that lie beside it and that it imports, wherever it does."""
        found = [name.partition(".")[0] for name in _imported(ast.walk(self.tree))]
        return [name for name in dict.fromkeys(found) if name != self.module and self._is_beside(name)]

    @property
    def files_beside(self) -> list[str]:
        """The names of files beside it that are texts in it, if it asks where it lies itself."""
        nodes = list(ast.walk(self.tree))
        if not any(isinstance(node, ast.Name) and node.id == "__file__" for node in nodes):
            return []
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        names = {path.name for path in self.root.iterdir() if path != self.source}
        return sorted(texts & names)

    def _is_beside(self, name: str) -> bool:
        place = self.root / name.partition(".")[0]
        # A directory without `__init__.py` is found after all installed packages of its name only.
        return place.with_name(f"{place.name}.py").is_file() or (place / "__init__.py").is_file()


@dataclass(frozen=True)
class Programs:
    """The programs of a directory.

    Attributes:
        by_name: all of them: ``name.py`` for a file, ``-m name`` for a package.
        main: the name of the one that starts if the user names no other; None if none stands out.
        uv_root: the directory whose settings of uv count, with a ``pyproject.toml`` if the program has some itself.

    """

    by_name: Mapping[str, Program] = field(default_factory=dict)
    main: str | None = None
    uv_root: Path | None = None


def program_directory(name: str) -> str:
    """Return where the files of a program are installed, below ``site-packages``: no module has such a name."""
    return f"{canonicalize_name(name)}-app"


def find_programs(root: Path, name: str, uv_root: Path | None = None) -> Programs:
    """Look for what can start in a directory.

    Args:
        root: the directory.
        name: of what is packed.
        uv_root: see `Programs`.

    """
    directory = program_directory(name)
    files = [Program(path, directory) for path in sorted(root.glob("*.py")) if path.is_file() and "." not in path.stem]
    packages = [
        Program(path, directory, is_package=True)
        for path in sorted(root.glob(f"*/{_MAIN}"))
        if path.parent.name.isidentifier() and path.parent.name not in OUTPUT and not find_foreign_kind(path.parent)
    ]
    by_name = {str(program): program for program in (*files, *packages)}
    return Programs(by_name, _find_main(by_name, root, packages or files), uv_root)


def _find_main(by_name: Mapping[str, Program], root: Path, others: list[Program]) -> str | None:
    named = f"{root.name.replace('-', '_')}.py"
    found = next((name for name in (*_STARTING, named, f"{root.name}.py") if name in by_name), None)
    return found or (str(others[0]) if len(others) == 1 else None)


def find_foreign_kind(directory: Path) -> str | None:
    """Return what a directory is, by what is in it, if that is no part of a program; None if it may be one."""
    if (directory / "pyvenv.cfg").is_file():
        return "a virtual environment"
    if (directory / "conda-meta" / "history").is_file():
        return "an environment of conda"
    if directory.name == "node_modules" and directory.is_dir():
        return "packages of npm"
    if (directory / "HEAD").is_file() and all((directory / name).is_dir() for name in ("objects", "refs")):
        return "a Git repository"
    tag = directory / "CACHEDIR.TAG"
    return "a cache" if tag.is_file() and tag.read_bytes().startswith(_CACHE_TAG) else None


def _imported_at_top(tree: ast.Module) -> list[str]:
    return list(_imported(tree.body))


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.value
