# SPDX-License-Identifier: MIT
"""The commands that the installed packages bring, and which of them the image starts."""

from __future__ import annotations

import ast
import logging
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.project.entry_points import EntryPoint, parse_object
from hatch_appimage.python.installed import directories_of_modules, installed_distributions, paths_of
from hatch_appimage.suggest import list_names
from hatch_appimage.syntax import parse_if_python

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from importlib.metadata import PathDistribution

    from hatch_appimage.appdir.settings import LauncherSettings
    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

# The groups of entry points that installers make scripts of.
_SCRIPT_GROUPS = ("console_scripts", "gui_scripts")

# How a module comes to names that are not in its text.
_BINDS_OTHERWISE = re.compile(
    r"\bimport\s*\*|__getattr__|__dict__|\b(?:globals|locals|vars|exec|setattr|modules|attach\w*|lazy\w*)\b"
)
_CALLABLES = (ast.FunctionDef, ast.ClassDef)


def find_commands(settings: LauncherSettings, appdir: AppDir, python: BundledPython) -> EntryPoint:
    """See which commands were installed, and return the entry point with what its command calls.

    Args:
        settings: what the image starts.
        appdir: with everything installed.
        python: its Python.

    Raises:
        AppImageError: one of the commands was not installed.

    """
    owners = _scripts(appdir, python)
    entry_point = settings.entry_point
    wanted = {"entry-point": [entry_point.command] * entry_point.installed, "entry-points": settings.entry_points}
    for option, names in wanted.items():
        for name in names:
            if name not in owners:
                known = f"there are {list_names(name, sorted(owners))}" if owners else "there are none"
                raise AppImageError(
                    f"`{option}` names the script `{name}`, which neither the project nor a dependency installs: "
                    f"{known}"
                )
    for name in dict.fromkeys(chain.from_iterable(wanted.values())):
        if len(owners[name]) > 1:
            packages = " and ".join(sorted(owner.metadata["Name"] for owner in owners[name]))
            log.warning("The script `%s` is installed by %s: one of them replaced the other's", name, packages)
    if entry_point.module is not None or entry_point.program is not None:
        return entry_point
    return _called_by(appdir.bin / entry_point.command, owners[entry_point.command])


def find_linked(
    settings: LauncherSettings, entry_point: EntryPoint, appdir: AppDir, python: BundledPython
) -> tuple[EntryPoint, ...]:
    """Return the entry points that start by links, other than the one that starts anyway.

    Args:
        settings: what the image starts.
        entry_point: what starts without a link.
        appdir: with everything installed.
        python: its Python.

    """
    owners = _scripts(appdir, python)
    names = [name for name in dict.fromkeys(settings.entry_points) if name != entry_point.command]
    return tuple(_called_by(appdir.bin / name, owners[name]) for name in names)


def _scripts(appdir: AppDir, python: BundledPython) -> dict[str, list[PathDistribution]]:
    """Return the names of all installed scripts, each with the packages that install one of this name."""
    owners: dict[str, list[PathDistribution]] = {}
    for distribution in installed_distributions(python):
        for path in paths_of(distribution):
            if path.parent == appdir.bin and path.is_file():
                owners.setdefault(path.name, []).append(distribution)
    return owners


def _called_by(script: Path, owners: Iterable[PathDistribution]) -> EntryPoint:
    """Return the entry point that a script was made for; if that is none, the script itself."""
    text = script.read_bytes().decode(errors="replace")
    for found in chain.from_iterable(owner.entry_points for owner in owners):
        called = parse_object(found.value) if found.group in _SCRIPT_GROUPS and found.name == script.name else None
        # Of two packages with a command of this name, the one that was installed last has its script there.
        if called and re.search(rf"^from {re.escape(called[0])} import ", text, re.MULTILINE):
            return EntryPoint(script.name, *called, gui=found.group == "gui_scripts", installed=True)
    return EntryPoint(script.name, None, None, installed=True)


def check_scripts(entry_point: EntryPoint, links: Sequence[str], appdir: AppDir, relocated: Collection[str]) -> None:
    """See that the bundled Python can run what the image starts.

    Args:
        entry_point: what it starts.
        links: names of scripts that start by links.
        appdir: where they are.
        relocated: the names of all scripts that run on the bundled Python.

    Raises:
        AppImageError: it cannot.

    """
    for option, names in {"entry-point": [entry_point.command], "entry-points": links}.items():
        for name in names:
            if name not in relocated:
                kind = "a program of its own" if read_elf(appdir.bin / name) else "no script of Python 3"
                raise AppImageError(
                    f"`{option}` names `{name}`, which is {kind}: an image starts what runs on its Python, so name a "
                    "Python script, or a `module:function` of the project that starts this one"
                )


def check_entry_point(entry_point: EntryPoint, python: BundledPython) -> None:
    """See that what the image shall start was installed.

    Modules are looked for by their files, not imported: the image may be for another machine.

    Raises:
        AppImageError: the module is not there, or has not the function.

    """
    if entry_point.module is None:
        return
    parts = entry_point.module.split(".")
    directories = [*directories_of_modules(python), python.stdlib]
    if not any(_has_module(directory, parts) for directory in directories):
        raise AppImageError(
            f"The entry point `{entry_point.command}` needs the module `{entry_point.module}`, which neither the "
            f"project's wheel nor a dependency installs: is it among the files that the wheel is made of?"
        )
    if entry_point.attribute is not None:
        _check_name(entry_point, entry_point.attribute.split(".")[0], directories)
    runs_package = entry_point.attribute is None and any(Path(directory, *parts).is_dir() for directory in directories)
    if runs_package and not any(_has_module(directory, [*parts, "__main__"]) for directory in directories):
        raise AppImageError(f"`-m {entry_point.module}` cannot run: the package has no `__main__` module")


def _check_name(entry_point: EntryPoint, name: str, directories: Iterable[Path]) -> None:
    """See that a module has a name, as far as its source tells; what is compiled is not read."""
    parts = str(entry_point.module).split(".")
    for directory in directories:
        place = directory.joinpath(*parts)
        sources = [it for it in (place / "__init__.py", place.with_name(f"{place.name}.py")) if it.is_file()]
        if not sources:
            continue
        text = sources[0].read_bytes().decode(errors="replace")
        if re.search(rf"\b{name}\b", text) or _BINDS_OTHERWISE.search(text) or _has_module(directory, [*parts, name]):
            return
        tree = parse_if_python(text)
        known = [it.name for it in tree.body if isinstance(it, _CALLABLES)] if tree else []
        there = f": there are {list_names(name, known)}" if known else ""
        raise AppImageError(
            f"The entry point `{entry_point.command}` needs `{name}` of the module `{entry_point.module}`, and "
            f"{sources[0].name} of that does not define it{there}"
        )


def _has_module(directory: Path, parts: list[str]) -> bool:
    place = directory.joinpath(*parts)
    if place.is_dir() or place.with_name(f"{place.name}.py").is_file():
        return True
    return any(place.parent.glob(f"{place.name}.*so"))
