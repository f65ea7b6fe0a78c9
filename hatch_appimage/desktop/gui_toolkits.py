# SPDX-License-Identifier: MIT
"""Whether a command that is declared for terminals has windows, as its module imports a toolkit for these."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hatch_appimage.project.entry_points import modules_at_start
from hatch_appimage.sources.imports import Modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.desktop.settings import DesktopSettings
    from hatch_appimage.layout import AppDir
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

# Modules of applications with windows. Those that also draw into files, such as matplotlib, are none of them.
_TOOLKITS = (
    *("PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy"),
    *("gi.repository.Gtk", "gi.repository.Adw", "gtk"),
    *("tkinter", "customtkinter", "ttkbootstrap", "FreeSimpleGUI", "PySimpleGUI"),
    *("arcade", "pygame", "pyglet", "kivy", "kivymd", "wx", "toga", "flet", "dearpygui", "webview", "nicegui.native"),
)

# Names of their files and directories: without what other packages have, too, and with GTK's typelibs.
_FILES = {name.partition(".")[0] for name in _TOOLKITS} - {"gi", "nicegui"} | {"Gtk-3", "Gtk-4"}


def is_of_toolkit(file: str) -> bool:
    """Whether a file or directory of this name belongs to a toolkit, such as `PySide6` or `_tkinter.so`."""
    return file.partition(".")[0].removeprefix("_") in _FILES


def warn_of_terminal(settings: DesktopSettings, entry_point: EntryPoint, appdir: AppDir, python: BundledPython) -> None:
    """Say it where an application with windows would open a terminal beside them, unless the project wants that.

    Args:
        settings: what the project says of its looks.
        entry_point: what starts.
        appdir: with everything installed.
        python: its Python.

    """
    if entry_point.gui or settings.terminal is not None or settings.desktop_file is not None:
        return
    if toolkit := find_toolkit(entry_point, appdir, python):
        log.warning(
            "`%s` will open a terminal beside its windows, as it imports %s but is a script for terminals: declare it "
            "in [project.gui-scripts], or set `terminal` to `false`, or to `true` if it is to be so",
            entry_point.command,
            toolkit,
        )


def find_toolkit(entry_point: EntryPoint, appdir: AppDir, python: BundledPython) -> str | None:
    """Return the toolkit for windows that what starts imports at its top; None for none."""
    return next((toolkit for name in _imported(entry_point, appdir, python) if (toolkit := toolkit_of(name))), None)


def _imported(entry_point: EntryPoint, appdir: AppDir, python: BundledPython) -> Iterator[str]:
    names = modules_at_start(entry_point, appdir.bin)
    if entry_point.module is None:
        yield from names
        return
    modules = Modules(python.site_packages)
    if entry_point.attribute is None:
        names.append(f"{entry_point.module}.__main__")
    for name in names:
        for found in modules.imports_of(name):
            if not found.deferred and not found.optional:
                yield found.name


def toolkit_of(name: str) -> str | None:
    """Return the toolkit for windows that the name of an imported module is one of; None for none."""
    return next((toolkit for toolkit in _TOOLKITS if name == toolkit or name.startswith(f"{toolkit}.")), None)
