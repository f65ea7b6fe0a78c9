# SPDX-License-Identifier: MIT
"""Recipes of python-appimage (https://python-appimage.readthedocs.io/en/latest/apps/), as options of ours.

A recipe is a directory with ``requirements.txt``, ``entrypoint.sh``, and the desktop entry, icon and AppStream file of
the application. Its entry point is a shell script; an image of ours starts no shell, so that what such scripts usually
consist of is understood, and nothing else.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from packaging.requirements import Requirement

REQUIREMENTS = "requirements.txt"
_ENTRY_POINT = "entrypoint.*"
# What is replaced in a recipe's files, and stands as a word without blanks in what is read here.
_TEMPLATE = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")
_PYTHON, _VERSION = "@python-executable@", "@python-version@"
# A command of the image, by any of the paths that python-appimage has it at.
_COMMAND = re.compile(rf"\$(?:APPDIR|\{{APPDIR\}})/(?:usr|opt/python(?:{_VERSION}|[\d.]+))/bin/(?P<name>[\w.+-]+)")
_PYTHON_COMMAND = re.compile(rf"python[\d.]*(?:{_VERSION})?")
_MODULE = re.compile(r"\w+(?:\.\w+)*")
# `-c 'from module import main; main()'`, which is what scripts of `module:main` consist of.
_CALL = re.compile(
    r"(?:import sys;\s*)?from (?P<module>[\w.]+) import (?P<name>\w+);\s*"
    r"(?:(?P<called>\w+)\(\)|sys\.exit\((?P<exited>\w+)\(\)\));?"
)
# Options of the interpreter: these are always in effect in an image, and those can be set.
_ISOLATING = re.compile(r"-[IEsS]+")
_OPTIONS = re.compile(r"-(?:u|b|bb|B|q|d|v)")
_ICONS = ("png", "svg")


@dataclass(frozen=True)
class Recipe:
    """What a recipe says.

    Attributes:
        root: its directory.
        settings: the options that it stands for; paths are relative to the directory.

    """

    root: Path
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What python-appimage calls it if there is no desktop entry."""
        return self.root.name

    def package(self, requirements: Iterable[Requirement]) -> Requirement | None:
        """Return the requirement that is the application itself: named like the recipe or its desktop entry."""
        desktop = str(self.settings.get("desktop-file", "")).removesuffix(".desktop").rpartition(".")[2]
        names = {canonicalize_name(name) for name in (self.name, desktop) if name}
        return next((each for each in requirements if canonicalize_name(each.name) in names), None)


def is_recipe(root: Path) -> bool:
    """Whether a directory is a recipe."""
    return any(root.glob(_ENTRY_POINT)) and (any(root.glob("*.desktop")) or (root / REQUIREMENTS).is_file())


def read_recipe(root: Path, given: Collection[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        root: its directory.
        given: keys of options that are set elsewhere: what says them in the recipe is not read.

    Raises:
        AppImageError: it has several files for one thing, or its entry point is none that an image can have.

    """
    settings: dict[str, Any] = {}
    desktop = _only(root, "*.desktop")
    if desktop:
        settings["desktop-file"] = desktop.name
        if names := _values(desktop, "Name"):
            settings["name"] = names[0]
    if icon := _find_icon(root, desktop):
        settings["icon"] = icon.name
    if metainfo := _only(root, "*.appdata.xml", "*.metainfo.xml"):
        settings["metainfo"] = metainfo.name
    if (root / REQUIREMENTS).is_file():
        settings["requirements-file"] = REQUIREMENTS
    entry_point = _only(root, _ENTRY_POINT)
    if entry_point and "entry-point" not in given:
        settings |= read_entry_point(entry_point)
    for path in filter(None, (desktop, metainfo)):
        _refuse_templates(path)
    return Recipe(root, settings)


def _only(root: Path, *patterns: str) -> Path | None:
    found = sorted(path for pattern in patterns for path in root.glob(pattern))
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise AppImageError(f"{root} has {names}, and a recipe has one such file: remove those that do not count")
    return found[0] if found else None


def _find_icon(root: Path, desktop: Path | None) -> Path | None:
    """Return the icon that the desktop entry names, or that is named like the directory."""
    names = [root.name]
    if desktop:
        names = [*_values(desktop, "Icon")[:1], *names]
    candidates = (root / f"{name}.{suffix}" for name in names for suffix in _ICONS)
    return next((path for path in candidates if path.is_file()), None)


def _values(desktop: Path, key: str) -> list[str]:
    """Return the values of a key of a desktop entry in all its groups; what is wrong with the file is said later."""
    text = desktop.read_text(encoding="utf-8", errors="replace")
    return re.findall(rf"^{key}[ \t]*=[ \t]*(\S.*?)[ \t\r]*$", text, re.MULTILINE)


def _refuse_templates(path: Path) -> None:
    if match := _TEMPLATE.search(path.read_text(encoding="utf-8", errors="replace")):
        raise AppImageError(f"{path} has {match[0]}, which nothing replaces here: write what it stands for")


def read_entry_point(path: Path) -> dict[str, Any]:
    """Return the options that a recipe's shell script stands for.

    Raises:
        AppImageError: it does something else than to start one module, function or command with its arguments.

    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    commands = {number: line.strip() for number, line in enumerate(lines, 1) if line.partition("#")[0].strip()}
    settings = _read_line(next(iter(commands.values()))) if len(commands) == 1 else None
    if settings is None:
        raise AppImageError(
            f"{path}{f', line {max(commands)}' if commands else ''}: an image starts no shell, and all that is "
            'understood is one line such as `{{ python-executable }} -m module "$@"` or `{{ python-executable }} '
            '${APPDIR}/usr/bin/command "$@"`: set `entry-point` to what it starts, and `environment` and '
            "`python-options` if it needs them"
        )
    return settings


def _read_line(line: str) -> dict[str, Any] | None:
    """Return the options that a line stands for; None if there are none."""
    try:
        words = shlex.split(_TEMPLATE.sub(r"@\1@", line))
    except ValueError:
        return None
    if words[:1] == ["exec"]:
        words = words[1:]
    if not words or not line.endswith('"$@"'):
        return None
    program, *arguments = words[:-1] or [""]
    command = _COMMAND.fullmatch(program)
    if program == _PYTHON or (command and _PYTHON_COMMAND.fullmatch(command["name"])):
        return _read_arguments(arguments)
    return {"entry-point": command["name"]} if command and not arguments else None


def _read_arguments(words: list[str]) -> dict[str, Any] | None:
    """Return the options that the arguments of Python stand for."""
    options: list[str] = []
    while words and (_ISOLATING.fullmatch(words[0]) or _OPTIONS.fullmatch(words[0])):
        if _OPTIONS.fullmatch(words[0]):
            options.append(words[0])
        words = words[1:]
    settings = {"python-options": options} if options else {}
    match words:
        case ["-m", module] if _MODULE.fullmatch(module):
            return {**settings, "entry-point": f"-m {module}"}
        case ["-c", code] if call := _CALL.fullmatch(code.strip()):
            if call["name"] == (call["called"] or call["exited"]):
                return {**settings, "entry-point": f"{call['module']}:{call['name']}"}
        case [path] if command := _COMMAND.fullmatch(path):
            return {**settings, "entry-point": command["name"]}
    return None
