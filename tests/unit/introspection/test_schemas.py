# SPDX-License-Identifier: MIT
"""Which schemas come along, and that they are compiled."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.introspection import schemas
from hatch_appimage.introspection.schemas import compile_schemas, find_schemas, names_in
from hatch_appimage.layout import AppDir
from hatch_appimage.system import System
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

KEY = '<key name="on" type="b"><default>true</default></key>'


def put(directory: Path, name: str, content: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"<schemalist>{content}</schemalist>")
    return path


def schema(name: str, content: str = KEY, more: str = "") -> str:
    return f'<schema id="{name}" path="/{name.replace(".", "/")}/"{more}>{content}</schema>'


@pytest.fixture
def system(tmp_path: Path) -> System:
    directory = tmp_path / "machine/usr/share/glib-2.0/schemas"
    child = '<child name="colors" schema="org.gtk.Settings.Colors"/>'
    put(directory, "org.gtk.Settings.gschema.xml", schema("org.gtk.Settings", child))
    put(directory, "org.gtk.Colors.gschema.xml", schema("org.gtk.Settings.Colors"))
    enum = '<key name="style" enum="org.gnome.desktop.GDesktopStyle"><default>"plain"</default></key>'
    put(directory, "org.gnome.desktop.gschema.xml", schema("org.gnome.desktop.style", enum))
    enums = '<enum id="org.gnome.desktop.GDesktopStyle"><value nick="plain" value="0"/></enum>'
    put(directory, "org.gnome.desktop.enums.xml", enums)
    put(directory, "org.other.gschema.xml", schema("org.other.thing"))
    return System(tmp_path / "machine", ())


def found(system: System, *names: bytes) -> list[str]:
    return [path.name for path in find_schemas(names, system)]


def test_names() -> None:
    data = b"\0org.gtk.Settings\0\xffg_settings_new\0a.b\0'org.gnome.desktop.style'"
    assert names_in(data) == {b"org.gtk.Settings", b"org.gnome.desktop.style"}


def test_named_with_what_they_build_on(system: System) -> None:
    assert found(system) == []
    assert found(system, b"org.gtk.Settings") == ["org.gtk.Colors.gschema.xml", "org.gtk.Settings.gschema.xml"]
    assert found(system, b"org.gnome.desktop.style") == [
        "org.gnome.desktop.enums.xml",
        "org.gnome.desktop.gschema.xml",
    ]


def test_compiled_with_those_of_the_project(system: System, tmp_path: Path) -> None:
    gsettings = require("gsettings", "libglib2.0-bin")
    appdir = AppDir(tmp_path / "AppDir", "my-app")
    directory = appdir.usr / "share/glib-2.0/schemas"
    put(directory, "org.mine.gschema.xml", schema("org.mine.app"))
    assert compile_schemas(find_schemas({b"org.gnome.desktop.style"}, system), appdir, system) == 3
    listed = subprocess.run(
        [gsettings, "--schemadir", directory, "list-recursively", "org.mine.app"],
        check=True,
        capture_output=True,
        text=True,
        env={"GSETTINGS_BACKEND": "memory"},
    )
    assert listed.stdout == "org.mine.app on true\n"
    assert sorted(path.name for path in directory.iterdir()) == ["gschemas.compiled", "org.mine.gschema.xml"]


def test_none(system: System, tmp_path: Path) -> None:
    appdir = AppDir(tmp_path / "AppDir", "my-app")
    assert compile_schemas([], appdir, system) == 0
    assert not appdir.root.exists()


def test_no_compiler(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(schemas, "_beside_libraries", lambda _: iter(()))
    with pytest.raises(AppImageError, match=r"glib-compile-schemas is missing that compiles them: install it"):
        compile_schemas(find_schemas({b"org.gtk.Settings"}, system), AppDir(tmp_path / "AppDir", "a"), system)


def test_damaged(system: System, tmp_path: Path) -> None:
    require("glib-compile-schemas", "libglib2.0-bin")
    path = put(tmp_path, "a.gschema.xml", "<schema>")
    with pytest.raises(AppImageError, match="compile schemas"):
        compile_schemas([path], AppDir(tmp_path / "AppDir", "a"), system)
