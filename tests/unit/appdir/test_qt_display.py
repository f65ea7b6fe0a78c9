# SPDX-License-Identifier: MIT
"""What programs of Qt read to open a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.qt_display import add_display_files
from hatch_appimage.elf import read_elf
from hatch_appimage.libraries.symbol_versions import Graph
from support.elf_fixtures import library

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.elf import Elf

QT = "usr/lib/python3/site-packages/PySide6/Qt"
CORE, GUI, XCB = f"{QT}/lib/libQt6Core.so.6", f"{QT}/lib/libQt6Gui.so.6", "usr/lib/libxcb-cursor.so.0"
OTHER = "usr/lib/python3/site-packages/cv2"
LOADS: Mapping[str, frozenset[str]] = {
    GUI: frozenset({CORE}),
    f"{QT}/plugins/platforms/libqxcb.so": frozenset({GUI, XCB}),
    f"{QT}/plugins/platforms/libqvnc.so": frozenset({GUI, "usr/lib/libkrb5.so.3"}),
    f"{QT}/plugins/imageformats/libqsvg.so": frozenset({GUI}),
    f"{QT}/plugins/wayland-shell-integration/libxdg-shell.so": frozenset({GUI}),
    f"{OTHER}/qt/plugins/platforms/libqxcb.so": frozenset({f"{OTHER}/libQt5Gui.so.5.15.2"}),
}


@pytest.fixture
def elf(tmp_path: Path) -> Elf:
    found = read_elf(library("").write(tmp_path / "library"))
    assert found is not None
    return found


@pytest.fixture
def graph(elf: Elf) -> Graph:
    return Graph(dict.fromkeys([*LOADS, *frozenset().union(*LOADS.values())], elf), LOADS)


def test_order(graph: Graph) -> None:
    """Each plugin of these kinds for this Qt, and what those for desktops load, behind what is read before."""
    order = add_display_files(["AppRun", CORE, GUI], graph)
    assert order == (
        "AppRun",
        CORE,
        GUI,
        f"{QT}/plugins/platforms/libqvnc.so",
        f"{QT}/plugins/platforms/libqxcb.so",
        f"{QT}/plugins/wayland-shell-integration/libxdg-shell.so",
        XCB,
    )
    assert add_display_files(order, graph) == order


@pytest.mark.parametrize("order", [(), ("AppRun", CORE), (f"{QT}/plugins/imageformats/libqsvg.so",)])
def test_no_windows(graph: Graph, order: tuple[str, ...]) -> None:
    assert add_display_files(order, graph) == order


def test_other_qt(graph: Graph) -> None:
    """OpenCV has one of its own."""
    gui = f"{OTHER}/libQt5Gui.so.5.15.2"
    assert add_display_files([gui], graph) == (gui, f"{OTHER}/qt/plugins/platforms/libqxcb.so")
