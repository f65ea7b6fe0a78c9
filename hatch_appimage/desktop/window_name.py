# SPDX-License-Identifier: MIT
"""The name by which desktops know whose a window is: what toolkits tell X11 (``WM_CLASS``) and Wayland (``app_id``).

By default that is the name of a program, which for Python is the interpreter's. The desktop entry has the same name as
``StartupWMClass``, because desktop integrations give its file another one.
"""

from __future__ import annotations

import logging
import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from hatch_appimage.desktop.gui_toolkits import find_toolkit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_appimage.desktop.settings import DesktopSettings
    from hatch_appimage.layout import AppDir
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

_QT_PLUGIN = "libqxcb.so"
# Other packages, such as OpenCV, have a Qt of their own for few windows.
_PLACE_IN_BINDINGS = "*/Qt*/plugins/platforms/"
# Variables that toolkits have the name from, by the names of their files: Qt's plugin for X11, SDL 2 and 3.
_VARIABLES = (
    (re.compile(re.escape(_QT_PLUGIN)), ("RESOURCE_NAME",)),
    (re.compile(r"libSDL2[-.].*"), ("SDL_VIDEO_X11_WMCLASS", "SDL_VIDEO_WAYLAND_WMCLASS")),
    (re.compile(r"libSDL3[-.].*"), ("SDL_APP_ID",)),
)
# What an application itself has to say, as no variable does: for each toolkit the word by which it does, and the call.
_CALLS = {
    "PyQt6": ("setDesktopFileName", "QGuiApplication.setDesktopFileName"),
    "PySide6": ("setDesktopFileName", "QGuiApplication.setDesktopFileName"),
    "tkinter": ("className", "tkinter.Tk"),
}


def variables_for_name(files: Iterable[str]) -> tuple[str, ...]:
    """Return the variables that toolkits among some files, given by their paths, have the name from."""
    names = {PurePath(file).name for file in files}
    return tuple(
        variable for pattern, variables in _VARIABLES if any(map(pattern.fullmatch, names)) for variable in variables
    )


def choose_window_class(settings: DesktopSettings, entry_point: EntryPoint, python: BundledPython) -> str:
    """Return the name that windows will have: the project's, or with Qt the id, or what other toolkits take by default.

    pygame gives SDL the name of the command by itself, which wins.
    """
    if settings.given_window_name:
        return settings.given_window_name
    has_qt = any(path for directory in python.site_packages for path in directory.glob(_PLACE_IN_BINDINGS + _QT_PLUGIN))
    return settings.app_id if has_qt else entry_point.command


def warn_of_unnamed_windows(
    settings: DesktopSettings, entry_point: EntryPoint, appdir: AppDir, python: BundledPython, own: Iterable[Path]
) -> None:
    """Say it where docks will not know whose the windows of an application are, as it has to name them itself.

    Args:
        settings: what the project says of its looks.
        entry_point: what starts.
        appdir: with everything installed.
        python: its Python.
        own: the application's modules.

    """
    toolkit = find_toolkit(entry_point, appdir, python)
    if settings.wants_terminal(entry_point) or toolkit not in _CALLS or entry_point.module is None:
        return
    word, call = _CALLS[toolkit]
    if any(word.encode() in path.read_bytes() for path in own if path.is_file()):
        return
    name = settings.given_window_name
    if toolkit == "tkinter" and name:
        return
    if toolkit == "tkinter":
        text = f'which are all called `Tk`: create the first one by `{call}(className="{entry_point.command}")`'
    else:
        text = f'on Wayland: call `{call}("{name or settings.app_id}")` before the first window is shown'
    log.warning("Docks will show no icon for the windows of `%s` %s", entry_point.command, text)
