# SPDX-License-Identifier: MIT
"""By what name desktops know the windows of an application."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from hatch_appimage.desktop.entry import DesktopEntry
from hatch_appimage.desktop.settings import DesktopSettings
from hatch_appimage.desktop.window_name import choose_window_class, warn_of_unnamed_windows
from hatch_appimage.layout import AppDir
from hatch_appimage.project.entry_points import EntryPoint

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.python import BundledPython

ENTRY_POINT = EntryPoint("paint", "app", "main", gui=True, installed=True)
QT = 'on Wayland: call `QGuiApplication.setDesktopFileName("org.example.Paint")` before the first window is shown'
TK = 'which are all called `Tk`: create the first one by `tkinter.Tk(className="paint")`'


@pytest.fixture
def python(tmp_path: Path) -> BundledPython:
    (tmp_path / "site" / "app").mkdir(parents=True)
    (tmp_path / "site" / "app" / "__init__.py").touch()
    return cast("BundledPython", SimpleNamespace(site_packages=(tmp_path / "site",)))


def settings(**values: Any) -> DesktopSettings:
    return DesktopSettings(app_id="org.example.Paint", **values)


class TestClass:
    def test_of_a_toolkit_that_takes_it(self, python: BundledPython) -> None:
        plugins = python.site_packages[0] / "PySide6" / "Qt" / "plugins" / "platforms"
        plugins.mkdir(parents=True)
        (plugins / "libqxcb.so").touch()
        assert choose_window_class(settings(), ENTRY_POINT, python) == "org.example.Paint"
        given = settings(desktop_keys={"StartupWMClass": "mine"})
        assert choose_window_class(given, ENTRY_POINT, python) == "mine"
        entry = DesktopEntry(("[Desktop Entry]", "StartupWMClass=other"))
        assert choose_window_class(settings(desktop_file=entry), ENTRY_POINT, python) == "other"

    def test_of_others(self, python: BundledPython) -> None:
        """The Qt of OpenCV is not what shows the application's windows."""
        plugins = python.site_packages[0] / "cv2" / "qt" / "plugins" / "platforms"
        plugins.mkdir(parents=True)
        (plugins / "libqxcb.so").touch()
        assert choose_window_class(settings(), ENTRY_POINT, python) == "paint"


class TestHint:
    def warn(self, python: BundledPython, source: str, *, other: str = "", **values: Any) -> None:
        (python.site_packages[0] / "app" / "__init__.py").write_text(source)
        (python.site_packages[0] / "app" / "other.py").write_text(other)
        own = (python.site_packages[0] / "app").glob("*.py")
        warn_of_unnamed_windows(settings(**values), ENTRY_POINT, AppDir(python.site_packages[0], "app"), python, own)

    @pytest.mark.parametrize(
        ("source", "hint"),
        [
            ("from PySide6.QtWidgets import QApplication", QT),
            ("import PyQt6.QtWidgets", QT),
            ("import tkinter", TK),
        ],
    )
    def test_for_toolkits(
        self, python: BundledPython, caplog: pytest.LogCaptureFixture, source: str, hint: str
    ) -> None:
        self.warn(python, source)
        assert caplog.messages == [f"Docks will show no icon for the windows of `paint` {hint}"]

    @pytest.mark.parametrize(
        ("source", "other"),
        [
            ("import pygame", ""),
            ("import PyQt6\nPyQt6.QtGui.QGuiApplication.setDesktopFileName('paint')", ""),
            ("import PyQt6", "app.setDesktopFileName(ID)"),
            ("import tkinter", "root = tkinter.Tk(className='paint')"),
        ],
    )
    def test_of_what_names_its_windows(
        self, python: BundledPython, caplog: pytest.LogCaptureFixture, source: str, other: str
    ) -> None:
        self.warn(python, source, other=other)
        assert caplog.messages == []

    def test_of_what_the_project_says(self, python: BundledPython, caplog: pytest.LogCaptureFixture) -> None:
        self.warn(python, "import tkinter", desktop_keys={"StartupWMClass": "Tk"})
        self.warn(python, "import tkinter", terminal=True)
        self.warn(python, "import PyQt6", terminal=True)
        assert caplog.messages == []
