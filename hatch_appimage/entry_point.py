# SPDX-License-Identifier: MIT
"""Which command of the project an image starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from keyword import kwlist
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from hatch_appimage.project import Project

# https://packaging.python.org/en/latest/specifications/entry-points/#data-model
_NAME = rf"(?!(?:{'|'.join(kwlist)})\b)[^\W\d]\w*"
_OBJECT = re.compile(rf"(?P<module>{_NAME}(?:\.{_NAME})*)\s*:\s*(?P<attribute>{_NAME}(?:\.{_NAME})*)\s*(?:\[.*\])?")
_MODULE = re.compile(rf"-m\s+(?P<module>{_NAME}(?:\.{_NAME})*)")


@dataclass(frozen=True)
class EntryPoint:
    """A command and what it calls.

    Attributes:
        command: the name of its script in the image.
        module: what it imports.
        attribute: the function that it calls there; None runs the module itself, as ``python -m`` does.
        gui: it is one of ``[project.gui-scripts]``.
        installed: installing the wheel makes its script; otherwise the launcher writes one.

    """

    command: str
    module: str
    attribute: str | None
    gui: bool = False
    installed: bool = False


def choose_entry_point(setting: str | None, project: Project) -> EntryPoint:
    """Find the entry point that a project means.

    Args:
        setting: a key of the project's scripts, ``module:function`` or ``-m module``; None for the only script, or the
            one that is named like the project.
        project: whose scripts there are to choose from.

    Raises:
        ValueError: there is no such entry point, or none stands out; the message completes "Field `...` ".

    """
    scripts = {**project.scripts, **project.gui_scripts}
    if setting is None:
        return _installed(_default_script(scripts, project), project)
    if setting in scripts:
        return _installed(setting, project)
    command: str = canonicalize_name(project.name)
    if command in scripts or command.startswith("python"):
        command += "-appimage"  # that name is taken, by a script of the project or by the interpreter
    if match := _MODULE.fullmatch(setting):
        return EntryPoint(command, match["module"], None)
    if match := _OBJECT.fullmatch(setting):
        return EntryPoint(command, match["module"], match["attribute"])
    known = f"one of the project's scripts ({', '.join(scripts)}), " if scripts else ""
    raise ValueError(f"must be {known}`module:function` or `-m module`, not `{setting}`")


def _default_script(scripts: dict[str, str], project: Project) -> str:
    if not scripts:
        raise ValueError(
            "is needed, as the project has no [project.scripts] or [project.gui-scripts]: "
            "set it to `module:function` or `-m module`"
        )
    if len(scripts) == 1:
        return next(iter(scripts))
    for name in scripts:
        if canonicalize_name(name) == canonicalize_name(project.name):
            return name
    raise ValueError(f"is needed, as none of the project's scripts is named like it: choose {' or '.join(scripts)}")


def _installed(command: str, project: Project) -> EntryPoint:
    gui = command in project.gui_scripts
    value = project.gui_scripts[command] if gui else project.scripts[command]
    match = _OBJECT.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"names the script `{command}`, whose value `{value}` is not of the form `module:function`")
    return EntryPoint(command, match["module"], match["attribute"], gui=gui, installed=True)
