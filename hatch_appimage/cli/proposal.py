# SPDX-License-Identifier: MIT
"""What a project's table says at first: as little as it has to, from what lies in the project."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hatch_appimage.desktop.gui_toolkits import toolkit_of
from hatch_appimage.desktop.icon import Icon
from hatch_appimage.errors import AppImageError, ConfigurationError
from hatch_appimage.options import Settings
from hatch_appimage.packages.lock import Lock
from hatch_appimage.project.entry_points import choose_entry_point
from hatch_appimage.sources.imports import Modules, follow
from hatch_appimage.workspace import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.project.metadata import Project

# Where no file of a project lies that its image would show.
_OTHER_DIRECTORIES = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "target", "venv"})
_TESTS = frozenset({"test", "tests", "testing"})
_MAX_DEPTH = 8
_MAX_FILES = 20_000
# Where Python's packages lie in a project.
_SOURCES = ("src", ".", "python", "lib")
_ICON = re.compile(r"(?P<name>.+?)(?:[-_.]?\d+(?:x\d+)?)?\.(?:svg|png)")
_ICON_NAMES = ("icon", "appicon", "logo")
# Classifiers (of the package index) and the categories of menus that they mean, the most telling first
# (https://specifications.freedesktop.org/menu-spec/latest/category-registry.html).
_CATEGORIES = {
    "Games/Entertainment": ("Game",),
    "Multimedia :: Sound/Audio": ("AudioVideo", "Audio"),
    "Multimedia :: Video": ("AudioVideo", "Video"),
    "Multimedia :: Graphics": ("Graphics",),
    "Education": ("Education",),
    "Scientific/Engineering": ("Science",),
    "Office/Business": ("Office",),
    "Communications": ("Network",),
    "Internet": ("Network",),
    "Software Development": ("Development",),
    "System": ("System",),
}
# Chapters of docs/recipes.md, by the first part of a toolkit's name.
_RECIPES = {
    **dict.fromkeys(("PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy"), "qt"),
    **dict.fromkeys(("gi", "gtk"), "gtk"),
    **dict.fromkeys(("tkinter", "customtkinter", "ttkbootstrap", "FreeSimpleGUI", "PySimpleGUI"), "tk"),
}
_RECIPES_PAGE = "https://github.com/hatch-appimage/hatch-appimage/blob/main/docs/recipes.md"
# The versions that python-build-standalone has, the newest first.
_PYTHONS = tuple(f"3.{minor}" for minor in range(14, 8, -1))


@dataclass(frozen=True)
class Choice:
    """One thing that was decided for a project.

    Attributes:
        label: what it is about, in a word.
        text: what was chosen.
        reason: why.
        options: what is written into the table for it; nothing where the default is meant.

    """

    label: str
    text: str
    reason: str
    options: Mapping[str, Any]


def propose(project: Project) -> list[Choice]:
    """Decide what a project's table says at first.

    Args:
        project: whose it is.

    Raises:
        AppImageError: nothing in the project says what its image starts.

    """
    files = sorted(_files(project.root), key=lambda path: (len(path.parts), path))
    start, entry_point = _find_start(project, files)
    entry = _first_taken(project, start.options, "desktop-file", (it for it in files if it.suffix == ".desktop"))
    metainfo = (it for it in files if it.name.endswith((".metainfo.xml", ".appdata.xml")))
    toolkit = _find_toolkit(project, entry_point, files)
    choices = [start, _find_icon(project, files)]
    if entry:
        choices.append(Choice("desktop", entry, "the desktop entry of the project", {"desktop-file": entry}))
    else:
        choices.append(_find_categories(project.root))
    taken = {key: value for choice in choices for key, value in choice.options.items()}
    if found := _first_taken(project, taken, "metainfo", metainfo):
        choices.append(Choice("metainfo", found, "the metainfo file of the project", {"metainfo": found}))
    if toolkit:
        choices.append(_show_toolkit(toolkit, entry_point, is_described=bool(entry)))
    return [*choices, _find_python(project), *_find_lock(project)]


def _files(root: Path) -> Iterator[Path]:
    """Yield the files of a project that could be meant, as paths in it; not those of tests or of a build."""
    count = 0
    for directory, names, files in os.walk(root):
        here = Path(directory)
        if len(here.relative_to(root).parts) >= _MAX_DEPTH:
            names.clear()
        unwanted = _OTHER_DIRECTORIES | _TESTS
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".") and name not in unwanted and not (here / name / "pyvenv.cfg").exists()
        )
        for name in files:
            yield (here / name).relative_to(root)
        count += len(files)
        if count > _MAX_FILES:
            return


def _find_start(project: Project, files: Sequence[Path]) -> tuple[Choice, EntryPoint]:
    scripts = {**project.scripts, **project.gui_scripts}
    try:
        found = choose_entry_point(None, project, complete=project.complete)
        reason = "the only script" if len(scripts) == 1 else "the script that is named like the project"
        return Choice("starts", found.command, reason, {}), found
    except ValueError as error:
        if scripts:
            name = next(iter(project.gui_scripts or project.scripts))
            kind = "gui-scripts" if project.gui_scripts else "scripts"
            setting, reason = name, f"the first of [project.{kind}], as none is named like the project"
        else:
            setting, reason = _find_module(project, files), "there are no scripts, and this module can be run"
        try:
            found = choose_entry_point(setting, project, complete=project.complete)
        except ValueError:
            raise AppImageError(f"Option `entry-point` {error}") from error
        return Choice("starts", setting, reason, {"entry-point": setting}), found


def _find_module(project: Project, files: Sequence[Path]) -> str:
    """Return the module that is run with ``-m``: the only package with a ``__main__``, or what has the project's name.

    Raises:
        AppImageError: there is none, or several that could be meant.

    """
    own: str = canonicalize_name(project.name).replace("-", "_")
    names = {it.parent.name for it in files if it.name == "__main__.py" and str(it.parent.parent) in _SOURCES}
    names |= {own for it in files if it.name == f"{own}.py" and str(it.parent) in _SOURCES}
    if own in names or len(names) == 1:
        return f"-m {own if own in names else names.pop()}"
    several = f"there are several: {', '.join(sorted(names))}" if names else "there is no package with a __main__.py"
    raise AppImageError(
        f"Nothing says what the image of {project.name} is to start: it has no [project.scripts], and {several}. "
        "Name a function in [project.scripts] or [project.gui-scripts]"
    )


def _find_icon(project: Project, files: Iterable[Path]) -> Choice:
    name: str = canonicalize_name(project.name)
    wanted = (*dict.fromkeys((name, name.replace("-", "_"), name.replace("-", ""))), *_ICON_NAMES)

    def place(path: Path) -> int | None:
        match = _ICON.fullmatch(path.name.lower())
        stem = match["name"].replace("app-", "app").replace("app_", "app") if match else ""
        return next((number for number, known in enumerate(wanted) if stem in (known, f"{known}.symbolic")), None)

    found = []
    for path in files:
        if (number := place(path)) is not None and (icon := _read_icon(project.root / path)):
            is_square = icon.size is None or icon.size[0] == icon.size[1]
            # Drawings are sharp in every size; of pictures, the largest one is.
            found.append((not is_square, number, icon.size is not None, -(icon.size or (0,))[0], path))
    if not found:
        names = ", ".join(f"{it}.svg" for it in dict.fromkeys((name, *_ICON_NAMES)))
        return Choice("icon", "a generated one", f"there is no {names} or .png", {})
    chosen = min(found)[-1].as_posix()
    return Choice("icon", chosen, "found by its name", {"icon": chosen})


def _read_icon(path: Path) -> Icon | None:
    try:
        return Icon.read(path)
    except (OSError, ValueError):
        return None


def _first_taken(project: Project, options: Mapping[str, Any], key: str, files: Iterable[Path]) -> str | None:
    """Return the first file that an option takes beside others."""
    for path in files:
        try:
            Settings.read({**options, key: path.as_posix()}, project)
        except ConfigurationError:
            continue
        return path.as_posix()
    return None


def _find_categories(root: Path) -> Choice:
    tables = (("project",), ("tool", "poetry"), ("tool", "flit", "metadata"))
    found = [read_table(root / "pyproject.toml", *keys) or {} for keys in tables]
    classifiers = [str(text) for table in found for text in table.get("classifiers") or ()]
    for topic, categories in _CATEGORIES.items():
        for text in classifiers:
            if f"{text} ::".startswith(f"Topic :: {topic} ::"):
                return Choice("categories", ", ".join(categories), f"as of `{text}`", {"categories": list(categories)})
    return Choice("categories", "Utility", "no classifier of the project names a topic that menus have", {})


def _find_toolkit(project: Project, entry_point: EntryPoint, files: Iterable[Path]) -> str | None:
    """Return the toolkit for windows that the project's own modules import; None for none."""
    if entry_point.module is None:
        return None
    own = {project.root / path for path in files if path.suffix == ".py"}
    modules = Modules([project.root / directory for directory in _SOURCES], own)
    start = [entry_point.module, *([] if entry_point.attribute else [f"{entry_point.module}.__main__"])]
    reached = follow(start, modules, lambda found: not found.optional)
    imported = (found.name for name in reached for found in modules.imports_of(name) if not found.optional)
    return next(filter(None, map(toolkit_of, imported)), None)


def _show_toolkit(toolkit: str, entry_point: EntryPoint, *, is_described: bool) -> Choice:
    recipe = _RECIPES.get(toolkit.partition(".")[0])
    hint = f"see {_RECIPES_PAGE}#{recipe}" if recipe else "the build collects what it needs"
    if entry_point.gui or is_described:
        return Choice("toolkit", toolkit, hint, {})
    reason = f"no terminal beside its windows, although it is in [project.scripts]; {hint}"
    return Choice("toolkit", toolkit, reason, {"terminal": False})


def _find_python(project: Project) -> Choice:
    here = platform.python_version()
    allowed = SpecifierSet(project.requires_python)
    newest = next((version for version in _PYTHONS if allowed.contains(f"{version}.99")), None)
    if allowed.contains(here, prereleases=True) or newest is None:
        older = f'; `python = "{newest}"` is downloaded and starts on older systems' if newest else ""
        return Choice("python", f"the one that runs the build, here {here}", f"none is named{older}", {})
    reason = f"the newest that `requires-python` allows, and {here} here is not"
    return Choice("python", newest, reason, {"python": newest})


def _find_lock(project: Project) -> Iterator[Choice]:
    if lock := Lock.find(project.root):
        yield Choice("lock", lock.path.name, f"found {lock.found}", {})
    elif (project.root / "poetry.lock").is_file():
        yield Choice("lock", "poetry.lock", "it is there", {"lock": "poetry.lock"})
