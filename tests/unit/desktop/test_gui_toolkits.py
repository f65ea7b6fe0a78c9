# SPDX-License-Identifier: MIT
"""Applications with windows that are declared for terminals."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from hatch_appimage.desktop.gui_toolkits import warn_of_terminal
from hatch_appimage.desktop.settings import DesktopSettings
from hatch_appimage.layout import AppDir
from hatch_appimage.project.entry_points import EntryPoint

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.desktop.entry import DesktopEntry
    from hatch_appimage.python import BundledPython


def warn(directory: Path, source: str, *, gui: bool = False, attribute: str | None = "main", **settings: Any) -> None:
    site = directory / "site"
    (site / "app").mkdir(parents=True)
    (site / "app" / "__init__.py").write_text("" if attribute is None else source)
    (site / "app" / "__main__.py").write_text(source)
    python = cast("BundledPython", SimpleNamespace(site_packages=(site,)))
    entry_point = EntryPoint("paint", "app", attribute, gui=gui, installed=True)
    desktop = DesktopSettings(app_id="app", **settings)
    warn_of_terminal(desktop, entry_point, AppDir(directory / "AppDir", "app"), python)


@pytest.mark.parametrize(
    ("source", "toolkit"),
    [
        ("from PySide6.QtWidgets import QApplication", "PySide6"),
        ("import os, tkinter.ttk", "tkinter"),
        ("from gi.repository import GLib, Gtk", "gi.repository.Gtk"),
        ("import wx\ndef main(): pass", "wx"),
    ],
)
@pytest.mark.parametrize("attribute", ["main", None])
def test_hint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str, toolkit: str, attribute: str | None
) -> None:
    warn(tmp_path, source, attribute=attribute)
    assert caplog.messages == [
        (
            f"`paint` will open a terminal beside its windows, as it imports {toolkit} but is a script for terminals: "
            "declare it in [project.gui-scripts], or set `terminal` to `false`, or to `true` if it is to be so"
        )
    ]


@pytest.mark.parametrize(
    "source",
    [
        "def main():\n    import tkinter",
        "try:\n    import PyQt6\nexcept ImportError:\n    pass",
        "from gi.repository import Gio",
        "import wxyz, matplotlib",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import wx",
    ],
)
def test_no_window_for_sure(tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str) -> None:
    warn(tmp_path, source)
    assert caplog.messages == []


@pytest.mark.parametrize(
    "settings",
    [{"gui": True}, {"terminal": True}, {"terminal": False}, {"desktop_file": cast("DesktopEntry", object())}],
)
def test_project_has_decided(tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, Any]) -> None:
    warn(tmp_path, "import wx", **settings)
    assert caplog.messages == []
