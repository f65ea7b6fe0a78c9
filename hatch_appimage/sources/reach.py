# SPDX-License-Identifier: MIT
"""Which modules an application reaches by its imports, and which of them every start needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.python.installed import directories_of_modules, files_of, installed_distributions, name_of, paths_of
from hatch_appimage.sources.imports import Modules, follow, is_extension

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint, PathDistribution
    from pathlib import Path

    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.facts import Facts
    from hatch_appimage.sources.imports import Reached
    from hatch_appimage.sources.reader import SourceReader
    from hatch_appimage.sources.statements import Import

# What every start of the interpreter imports.
_ALWAYS = ("encodings", "site")
_TKINTER = frozenset({"_tkinter", "tkinter", "turtle"})
_COMMANDS = frozenset({"console_scripts", "gui_scripts"})
# Groups of entry points by which tools that build, pack or test projects find their plugins.
_TOOLS = re.compile(r"(?:distutils|setuptools|egg_info)\..*|pyinstaller40|pkg_config|hatch|pytest11")


@dataclass(frozen=True)
class Reach:
    """What an application imports.

    Attributes:
        modules: what can be imported, by name: by the application's own modules wherever in them, by all others at
            their top level.
        required: the files of the modules without which the entry point's module cannot be imported.
        plotter: the module of the application that opens windows with matplotlib; None if none does.
        doubt: the module of a dependency that imports tkinter in a function, which is not followed; None if none does.
        own: the sources and extension modules of the application itself, and of the packages with what it starts.

    """

    modules: Mapping[str, Reached]
    required: frozenset[Path]
    plotter: str | None = None
    doubt: str | None = None
    own: frozenset[Path] = frozenset()

    @property
    def files(self) -> frozenset[Path]:
        """The files of all modules."""
        return frozenset(module.path for module in self.modules.values())


def find_reach(
    python: BundledPython,
    project: str,
    first: Iterable[str],
    commands: Iterable[str] = (),
    *,
    reader: SourceReader | None = None,
) -> Reach:
    """Follow the imports of a project that is installed.

    The application's own modules are those of the project, and of the installed packages that have what the image
    starts. Plugins count as imported: modules that entry points of any installed package name.

    Args:
        python: the Python that it is installed into.
        project: its name.
        first: the names of the modules that the image starts with.
        commands: the names of other installed scripts that it starts.
        reader: knows what sources import.

    """
    installed = installed_distributions(python)
    project_modules = _modules_of([each for each in installed if _is_named(each, project)], python)
    points = [point for distribution in installed for point in _entry_points(distribution)]
    started = [name for module in first for name in (module, f"{module}.__main__")]  # -m runs the latter, where it is
    directories = [*directories_of_modules(python), python.stdlib, *python.extension_directories]
    linked = _modules_of_commands(points, set(commands))
    begun = set(filter(None, map(Modules(directories).find, [*started, *linked])))
    owners = [each for each in installed if not begun.isdisjoint(paths_of(each))]
    own = begun.union(project_modules, _modules_of(owners, python))
    stdlib = (python.stdlib, *python.extension_directories)
    modules = Modules(directories, own, stdlib=stdlib, reader=reader)
    plugins = [_module_of(point) for point in points if _is_plugin(point)]
    roots = [*_ALWAYS, *started, *linked, *project_modules.values(), *plugins]
    reached = follow(roots, modules, lambda _: True)
    required = follow([*_ALWAYS, *started], modules, _is_required)
    return Reach(
        reached,
        frozenset(module.path for module in required.values()),
        _find_plotter(modules, [*project_modules.values(), *_names_of(reached, own)]),
        _find_doubt(python, modules, reached),
        frozenset(own),
    )


def find_reach_of_commands(python: BundledPython, *, reader: SourceReader | None = None) -> frozenset[Path]:
    """Return the files of the modules that installed commands import, at their top level.

    The application may start each of them, whatever it imports itself.

    Args:
        python: the Python that they are installed into.
        reader: knows what sources import.

    """
    points = [point for each in installed_distributions(python) for point in _entry_points(each)]
    stdlib = (python.stdlib, *python.extension_directories)
    modules = Modules([*directories_of_modules(python), *stdlib], stdlib=stdlib, reader=reader)
    reached = follow([_module_of(point) for point in points if point.group in _COMMANDS], modules, lambda _: True)
    return frozenset(module.path for module in reached.values())


def _is_plugin(point: EntryPoint) -> bool:
    return point.group not in _COMMANDS and not _TOOLS.fullmatch(point.group)


def _is_required(found: Import) -> bool:
    return not (found.deferred or found.optional)


def _is_named(distribution: PathDistribution, name: str) -> bool:
    return name_of(distribution) == canonicalize_name(name)


def _modules_of(packages: Iterable[PathDistribution], python: BundledPython) -> dict[Path, str]:
    """Return the names of the modules of installed packages by their sources and extension modules."""
    found = {}
    for file in chain.from_iterable(files_of(package, python) for package in packages):
        *parents, last = str(file.place).split("/")
        if file.importable and (last.endswith(".py") or is_extension(last)) and file.path.is_file():
            stem = last.split(".")[0]
            found[file.path] = ".".join(parents if stem == "__init__" else (*parents, stem))
    return found


def _entry_points(distribution: PathDistribution) -> Sequence[EntryPoint]:
    try:
        return list(distribution.entry_points)
    except (TypeError, ValueError):  # a line of the file is none of its format
        return []


def _modules_of_commands(points: Iterable[EntryPoint], names: set[str]) -> list[str]:
    return [_module_of(point) for point in points if point.group in _COMMANDS and point.name in names]


def _module_of(point: EntryPoint) -> str:
    return re.split(r"[:\[]", point.value)[0].strip()


def _names_of(reached: Mapping[str, Reached], own: Iterable[Path]) -> list[str]:
    return [name for name, module in reached.items() if module.path in own]


def _find_plotter(modules: Modules, names: Iterable[str]) -> str | None:
    return next((name for name in names if (facts := modules.facts_of(name)) and facts.plots), None)


def _find_doubt(python: BundledPython, modules: Modules, reached: Mapping[str, Reached]) -> str | None:
    """Return the name of the first module of a dependency that imports tkinter when a function of it is called."""
    directories = tuple(f"{directory}/" for directory in python.site_packages)
    for name, module in reached.items():
        path = str(module.path)
        is_installed_source = path.startswith(directories) and path.endswith(".py")
        if is_installed_source and module.path not in modules.own and _defers_tkinter(modules.facts_of(name)):
            return name
    return None


def _defers_tkinter(facts: Facts | None) -> bool:
    return facts is not None and any(
        found.deferred and not found.dynamic and found.name.partition(".")[0] in _TKINTER for found in facts.imports
    )
