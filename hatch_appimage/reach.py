# SPDX-License-Identifier: MIT
"""Which modules an application reaches by its imports, and which of them every start needs."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.imports import Modules, follow
from hatch_appimage.install import installed_distributions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_appimage.imports import Import, Reached
    from hatch_appimage.python import BundledPython

# What every start of the interpreter imports.
_ALWAYS = ("encodings", "site")
_PLOTTING = re.compile(rb"\b(?:pyplot|pylab)\b")
_WINDOWS = frozenset({"pause", "show"})


@dataclass(frozen=True)
class Reach:
    """What an application imports.

    Attributes:
        modules: what can be imported, by name: by the project's own modules wherever in them, by all others at their
            top level.
        required: the files of the modules without which the entry point's module cannot be imported.
        plotter: the module of the project that opens windows with matplotlib; None if none does.

    """

    modules: Mapping[str, Reached]
    required: frozenset[Path]
    plotter: str | None = None

    def __str__(self) -> str:
        return f"{len(self.modules)} modules are within reach"

    @property
    def files(self) -> frozenset[Path]:
        """The files of all modules."""
        return frozenset(module.path for module in self.modules.values())


def find_reach(python: BundledPython, project: str, first: Iterable[str], commands: Iterable[str] = ()) -> Reach:
    """Follow the imports of a project that is installed.

    Args:
        python: the Python that it is installed into.
        project: its name.
        first: the names of the modules that the image starts with.
        commands: the names of other installed scripts that it starts.

    """
    own = _modules_of(python, project)
    started = [name for module in first for name in (module, f"{module}.__main__")]  # -m runs the latter, where it is
    folders = [*python.site_packages, python.stdlib, *_extension_folders(python)]
    files = filter(None, map(Modules(folders).find, started))
    modules = Modules(folders, {*own.values(), *files})
    reached = follow([*_ALWAYS, *started, *_modules_of_commands(python, commands), *own], modules, lambda _: True)
    required = follow([*_ALWAYS, *started], modules, _is_required)
    return Reach(
        reached,
        frozenset(module.path for module in required.values()),
        next((name for name, path in own.items() if _opens_plots(path)), None),
    )


def _is_required(found: Import) -> bool:
    return not (found.deferred or found.optional)


def _extension_folders(python: BundledPython) -> list[Path]:
    return sorted(python.stdlib.parent.parent.glob(f"lib*/{python.stdlib.name}/lib-dynload"))


def _modules_of(python: BundledPython, project: str) -> dict[str, Path]:
    """Return the sources of a distribution by their modules' names."""
    found = {}
    for distribution in installed_distributions(python):
        if canonicalize_name(distribution.metadata["Name"]) == canonicalize_name(project):
            for file in distribution.files or ():
                if file.suffix == ".py" and ".." not in file.parts:
                    parts = file.with_suffix("").parts
                    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                    found[name] = Path(str(file.locate()))
    return found


def _modules_of_commands(python: BundledPython, commands: Iterable[str]) -> list[str]:
    names = set(commands)
    return [
        point.value.partition(":")[0].strip()
        for distribution in (installed_distributions(python) if names else ())
        for point in distribution.entry_points
        if point.group in {"console_scripts", "gui_scripts"} and point.name in names
    ]


def _opens_plots(path: Path) -> bool:
    """Whether a source has matplotlib open a window: it names pyplot and calls what shows its figures."""
    source = path.read_bytes()
    if not _PLOTTING.search(source):
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(
        (call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "")) in _WINDOWS for call in calls
    )
