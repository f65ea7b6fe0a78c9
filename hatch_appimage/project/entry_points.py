# SPDX-License-Identifier: MIT
"""Which command of the project an image starts."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from keyword import kwlist
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.suggest import list_names
from hatch_appimage.syntax import parse_source

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.project.metadata import Project
    from hatch_appimage.project.program import Program, Programs

# https://packaging.python.org/en/latest/specifications/entry-points/#data-model
_NAME = rf"(?!(?:{'|'.join(kwlist)})\b)[^\W\d]\w*"
_OBJECT = re.compile(rf"(?P<module>{_NAME}(?:\.{_NAME})*)\s*:\s*(?P<attribute>{_NAME}(?:\.{_NAME})*)\s*(?:\[.*\])?")
_MODULE = re.compile(rf"-m\s+(?P<module>{_NAME}(?:\.{_NAME})*)")
# What no file is named, and what no desktop entry or line of AppRun can hold.
_NO_FILE_NAME = re.compile(r"\.{0,2}|.*[\x00-\x1f\x7f-\x9f/].*", re.DOTALL)
_MAX_FILE_NAME = 255


@dataclass(frozen=True)
class EntryPoint:
    """A command and what it calls.

    Attributes:
        command: the name of its script in the image.
        module: what it imports; None for a script that is a file of its own, and for the command of a dependency until
            that is installed.
        attribute: the function that it calls there; None runs the module itself, as ``python -m`` does.
        gui: it is one of ``[project.gui-scripts]``.
        installed: installing the wheel makes its script; otherwise the launcher writes one.
        program: the file or package that it runs, if it is one of a directory that is no project.

    """

    command: str
    module: str | None
    attribute: str | None
    gui: bool = False
    installed: bool = False
    program: Program | None = None


def choose_entry_point(setting: str | None, project: Project, *, complete: bool = True) -> EntryPoint:
    """Find the entry point that a project means.

    Args:
        setting: a key of the project's scripts, the name of another installed command, ``module:function`` or
            ``-m module``, or a file of what is no project; None for the only script, or the one that is named like the
            project.
        project: whose scripts there are to choose from.
        complete: nothing that is installed can bring further commands.

    Raises:
        ValueError: there is no such entry point, or none stands out; the message completes "Option `...` ".

    """
    scripts = {**project.scripts, **project.gui_scripts}
    programs = project.programs.by_name if project.programs else {}
    if setting is None and project.programs:
        setting = _default_program(project.programs)
    if setting is None:
        return _installed(_default_script(scripts, project, complete=complete), project)
    if setting in scripts:
        return _installed(setting, project)
    command: str = canonicalize_name(project.name)
    if command in scripts or command.startswith("python"):
        command += "-appimage"  # that name is taken, by a script of the project or by the interpreter
    if setting in programs:
        program = programs[setting]
        return EntryPoint(command, None, None, gui=program.source.suffix == ".pyw", program=program)
    if match := _MODULE.fullmatch(setting):
        return EntryPoint(command, match["module"], None)
    if match := _OBJECT.fullmatch(setting):
        return EntryPoint(command, match["module"], match["attribute"])
    if not complete and not setting.startswith("-") and ":" not in setting:
        return EntryPoint(check_command(setting), None, None, installed=True)
    known = f"one of the project's scripts ({list_names(setting, scripts)}), " if scripts else ""
    known += f"one of the files ({list_names(setting, programs)}), " if programs else ""
    other = "" if complete else "the command of a dependency, "
    raise ValueError(f"must be {known}{other}`module:function` or `-m module`, not `{setting}`")


def choose_links(names: tuple[str, ...] | None, project: Project, *, complete: bool = True) -> tuple[str, ...]:
    """Find the commands that start by links of their names.

    Args:
        names: of the project's scripts or of other installed commands; None for all of the former.
        project: whose scripts there are to choose from.
        complete: nothing that is installed can bring further commands.

    Raises:
        ValueError: there is no such command; the message completes "Option `...` ".

    """
    scripts = {**project.scripts, **project.gui_scripts}
    for name in scripts if names is None else names:
        check_command(name)
        if complete and name not in scripts:
            known = f"there are {list_names(name, scripts)}" if scripts else "it has none"
            raise ValueError(f"names `{name}`, which is no script of the project: {known}")
    return tuple(scripts) if names is None else names


def check_command(name: str) -> str:
    """Return the name of a command.

    Raises:
        ValueError: its script cannot be a file, or be started by a desktop; the message completes "Option `...` ".

    """
    if _NO_FILE_NAME.fullmatch(name) or len(name.encode()) > _MAX_FILE_NAME:
        raise ValueError(f"names the script {name!r}, which is no possible name of a file")
    if "=" in name:
        # Desktop Entry Specification, "The Exec key".
        raise ValueError(f"names the script `{name}`, which no desktop starts: a program's name cannot have `=` in it")
    return name


def parse_object(value: str) -> tuple[str, str] | None:
    """Return the module and the function that the value of an entry point names; None if it names none."""
    match = _OBJECT.fullmatch(value.strip())
    return (match["module"], match["attribute"]) if match else None


def modules_at_start(entry_point: EntryPoint, scripts: Path) -> list[str]:
    """Return the names of the modules that a start imports first.

    Args:
        entry_point: what starts.
        scripts: the directory of the installed commands; what one that is a file of its own imports at its top counts.

    """
    if entry_point.module is not None:
        return [entry_point.module]
    if entry_point.program is not None:
        return entry_point.program.imports
    modules: list[str] = []
    for node in parse_source((scripts / entry_point.command).read_bytes()).body:
        if isinstance(node, ast.Import):
            modules += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
    return modules


def _default_program(programs: Programs) -> str:
    if programs.main is None:
        known = f"a file ({', '.join(programs.by_name)}), " if programs.by_name else ""
        raise ValueError(
            f"is needed, as no file is called `main.py`, `app.py`, `__main__.py` or like the directory: set it to "
            f"{known}the command of a dependency, `module:function` or `-m module`"
        )
    return programs.main


def _default_script(scripts: dict[str, str], project: Project, *, complete: bool) -> str:
    if not scripts:
        other = "" if complete else "the command of a dependency, "
        raise ValueError(
            "is needed, as the project has no [project.scripts] or [project.gui-scripts]: "
            f"set it to {_list_packages_that_run(project.root)}{other}`module:function` or `-m module`"
        )
    if len(scripts) == 1:
        return next(iter(scripts))
    for name in scripts:
        if canonicalize_name(name) == canonicalize_name(project.name):
            return name
    raise ValueError(f"is needed, as none of the project's scripts is named like it: choose {' or '.join(scripts)}")


def _list_packages_that_run(root: Path) -> str:
    """List what can be set for packages of a project that have a ``__main__``, for the middle of a sentence."""
    names = sorted({it.parent.name for place in (root, root / "src") for it in place.glob("*/__main__.py")})
    return "".join(f"`-m {name}`, " for name in names if re.fullmatch(_NAME, name))


def _installed(command: str, project: Project) -> EntryPoint:
    gui = command in project.gui_scripts
    value = project.gui_scripts[command] if gui else project.scripts[command]
    called = parse_object(value)
    if called is None:
        raise ValueError(f"names the script `{command}`, whose value `{value}` is not of the form `module:function`")
    return EntryPoint(check_command(command), *called, gui=gui, installed=True)
