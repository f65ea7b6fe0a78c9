# SPDX-License-Identifier: MIT
"""What installed packages are known to open by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.libraries.by_name import OpenedByName, find_opened_by_name
from hatch_appimage.libraries.dependencies import Tree, read_directory
from support.elf_fixtures import library

if TYPE_CHECKING:
    from pathlib import Path


def find(directory: Path) -> OpenedByName:
    return find_opened_by_name(Tree(directory, ARCHITECTURES["x86_64"], read_directory(directory)), (directory,))


@pytest.mark.parametrize(
    "name",
    [
        "pygame.libs/libSDL2-2-ef8e5a36.0.so.0.3200.2",
        "sdl3/libSDL3.so.0",
        "glfw/x11/libglfw.so",
        "dearpygui/_dearpygui.so",
    ],
)
def test_what_a_library_names(tmp_path: Path, name: str) -> None:
    """Which ones it names depends on its build."""
    path = tmp_path / name
    library("", strings=("libXcursor.so.1", "libX11.so.6", "libXi.so.6", "not-libXss.so.1")).write(path)
    assert find(tmp_path) == OpenedByName((), {path: ("libXcursor.so.1", "libXi.so.6")})


@pytest.mark.parametrize(
    ("core", "user", "names"),
    [
        (
            "PySide6/Qt/lib/libQt6Core.so.6",
            "PySide6/Qt/plugins/tls/libqopensslbackend.so",
            ("libcrypto.so.3", "libssl.so.3"),
        ),
        (
            "PyQt5/Qt5/lib/libQt5Core.so.5",
            "PyQt5/Qt5/lib/libQt5Network.so.5",
            ("libcrypto.so.1.1", "libssl.so.1.1"),
        ),
    ],
)
def test_tls_of_qt(tmp_path: Path, core: str, user: str, names: tuple[str, ...]) -> None:
    """The core opens it, and does not have the names in it."""
    library("").write(tmp_path / core)
    assert find(tmp_path) == OpenedByName()
    library("").write(tmp_path / user)
    network = core.rpartition("/")[2].replace("Core", "Network")
    library("", network).write(tmp_path / "plugins/platforms/libqvnc.so")
    library("", network).write(tmp_path / "plugins/generic/libqtuiotouchplugin.so")
    assert find(tmp_path) == OpenedByName(), "nothing encrypts"
    library("", network).write(tmp_path / "QtNetwork.abi3.so")
    assert find(tmp_path) == OpenedByName((), {tmp_path / core: names})


def test_a_library_of_another_kind(tmp_path: Path) -> None:
    """It is not read, as most files are large."""
    library("", strings=("libXcursor.so.1",)).write(tmp_path / "a" / "other.so")
    assert find(tmp_path) == OpenedByName()


def test_what_a_wheel_brings_or_needs(tmp_path: Path) -> None:
    directory = tmp_path / "game.libs"
    names = ("libXcursor.so.1", "libXrandr.so.2", "libXss.so.1")
    path = directory / "libSDL2.so.0"
    library("", "libXss.so.1", rpath="$ORIGIN", strings=names).write(path)
    library("libXcursor.so.1").write(directory / "libXcursor.so.1")
    assert find(tmp_path) == OpenedByName((), {path: ("libXrandr.so.2",)})


@pytest.mark.parametrize(
    ("file", "soname"), [("pyglet/lib.py", "libXrender.so.1"), ("kivy/lib/mtdev.py", "libmtdev.so.1")]
)
def test_what_python_code_opens(tmp_path: Path, file: str, soname: str) -> None:
    assert find(tmp_path).modules == ()
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    assert soname in find(tmp_path).modules


def test_files(tmp_path: Path) -> None:
    opened = OpenedByName(("a", "b"), {tmp_path / "x": ("b", "c"), tmp_path / "y": ("c",)})
    assert opened.sonames == ("a", "b", "c")
    files = {"a": tmp_path / "liba", "b": tmp_path / "libb"}
    assert opened.for_modules(files) == files
    assert opened.for_libraries(files) == {tmp_path / "x": {"b": tmp_path / "libb"}}
