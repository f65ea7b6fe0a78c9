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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.wheel import Wheel
from hatch_appimage.syntax import parse_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: What a program without ``__version__`` is.
NO_VERSION = "0.0.0"
_MAIN = "__main__.py"
# What starts a directory, the first that there is; a module that is named like the directory comes last.
_STARTING = (_MAIN, "main.py", "app.py")
# What no program consists of: hatchling leaves out what Git ignores, and this where there is no Git.
_OUTPUT = frozenset({"__pycache__", "build", "dist", "node_modules", "venv"})
_NO_FILES = (".*", "*.AppImage", "*.AppImage.*", "*.pyc", *(f"/{name}" for name in _OUTPUT))


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
        """The name of the module that runs as ``__main__``."""
        return self.source.parent.name if self.is_package else self.source.stem

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
    def imports_from_beside(self) -> list[str]:
        """The names of the modules that lie beside it and that it imports, wherever it does."""
        found = [name.partition(".")[0] for name in _imported(ast.walk(self.tree))]
        return [name for name in dict.fromkeys(found) if name != self.module and self._is_beside(name)]

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
    files = [Program(path, directory) for path in sorted(root.glob("*.py")) if path.is_file()]
    packages = [
        Program(path, directory, is_package=True)
        for path in sorted(root.glob(f"*/{_MAIN}"))
        if path.parent.name.isidentifier() and path.parent.name not in _OUTPUT and not _is_environment(path.parent)
    ]
    by_name = {str(program): program for program in (*files, *packages)}
    return Programs(by_name, _find_main(by_name, root, packages or files), uv_root)


def _find_main(by_name: Mapping[str, Program], root: Path, others: list[Program]) -> str | None:
    named = f"{root.name.replace('-', '_')}.py"
    found = next((name for name in (*_STARTING, named, f"{root.name}.py") if name in by_name), None)
    return found or (str(others[0]) if len(others) == 1 else None)


def build_program_wheel(
    table: Mapping[str, Any], root: Path, directory: Path, *, only: Sequence[Path] | None = None
) -> Wheel:
    """Make the wheel of a program.

    Args:
        table: what stands for its ``[project]``.
        root: where its files lie.
        directory: an empty one, for the wheel and what is made on the way.
        only: the files that go into it; None for all but hidden ones, virtual environments, what earlier builds made,
            and what Git ignores.

    Raises:
        AppImageError: hatchling refuses a field of the table.

    """
    place = program_directory(table["name"])
    files = _find_files(root, directory) if only is None else only
    included = {str(path): f"{place}/{path.relative_to(root)}" for path in files}
    if files:
        # Whatever else runs on the image's Python finds the modules, too, behind all others (`site` reads the file).
        path_file = directory / f"{place}.pth"
        path_file.write_text(f"{place}\n", encoding="utf-8")
        included[str(path_file)] = path_file.name
    try:
        builder = _builder(root, directory, table, {"force-include": included, "bypass-selection": True})
        (path,) = builder.build(directory=str(directory / "wheel"), versions=["standard"])
    except (TypeError, ValueError) as error:
        raise AppImageError(f"{root}: {error}") from error
    return Wheel.read(Path(path))


def _builder(root: Path, directory: Path, table: Mapping[str, Any], wheel: Mapping[str, Any]) -> WheelBuilder:
    tables = {"build": {"targets": {"wheel": dict(wheel)}}, "metadata": {"allow-direct-references": True}}
    config, plugins = {"project": dict(table), "tool": {"hatch": tables}}, PluginManager()
    # hatchling would take a `hatch.toml` beside the files for this project's.
    return WheelBuilder(str(root), plugins, config, ProjectMetadata(str(directory), plugins, config))


def _find_files(root: Path, directory: Path) -> list[Path]:
    names = [
        path.name
        for path in sorted(root.iterdir())
        if not path.name.startswith(".") and path.name not in _OUTPUT and not _is_environment(path)
    ]
    selection = {"only-include": names, "exclude": list(_NO_FILES)}
    builder = _builder(root, directory, {"name": "files", "version": NO_VERSION}, selection)
    return [Path(file.path) for file in builder.recurse_included_files()] if names else []


def _is_environment(path: Path) -> bool:
    return (path / "pyvenv.cfg").is_file()


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
