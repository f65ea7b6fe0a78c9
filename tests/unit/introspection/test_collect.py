# SPDX-License-Identifier: MIT
"""What comes along for an application with PyGObject, and what the build says of it."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.introspection.closed import close_repository
from hatch_appimage.introspection.collect import Introspection, collect_introspection
from hatch_appimage.introspection.settings import IntrospectionSettings
from hatch_appimage.layout import AppDir
from hatch_appimage.python import BundledPython
from hatch_appimage.sources.imports import Reached
from hatch_appimage.sources.reach import Reach
from hatch_appimage.sources.reader import SourceReader
from hatch_appimage.system import System
from support.archive import TRIPLET
from support.elf_fixtures import library
from support.typelibs import typelib, write_typelib

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.libraries.apt import Apt
    from support.archive import Archive

# Newer than what this machine may have installed.
NEWEST = "9:1"


class Scene:
    """An AppDir with PyGObject and an application, on a machine with GTK."""

    def __init__(self, root: Path) -> None:
        self.appdir = AppDir(root / "AppDir", "my-app")
        stdlib = self.appdir.lib / "python3.12"
        self.site = stdlib / "site-packages"
        executable = self.appdir.bin / "python3.12"
        self.python = BundledPython("3.12.0", executable, stdlib, (self.site,), executable, root)
        self.root = root / "machine"
        self.lib = self.root / "usr/lib/x86_64-linux-gnu"
        for soname in ("libgtk-4.so.1", "libglib-2.0.so.0", "libX11.so.6"):
            library(soname).write(self.lib / soname)
        typelibs = self.lib / "girepository-1.0"
        for name in ("GLib-2.0", "GObject-2.0", "Gio-2.0", "Pango-1.0"):
            write_typelib(typelibs, name, libraries="libglib-2.0.so.0")
        write_typelib(typelibs, "Gdk-4.0", "Gio-2.0", "Pango-1.0", libraries="libgtk-4.so.1")
        write_typelib(typelibs, "Gtk-4.0", "Gdk-4.0", libraries="libgtk-4.so.1,libX11.so.6")
        for version in ("3.0", "4.0"):
            write_typelib(typelibs, f"GdkX11-{version}")
        write_typelib(typelibs, "Unusual-1")
        self.write("gi/__init__.py", "gi.require_version('Unusual', '1')")
        self.write("gi/overrides/Gdk.py", "from gi.repository import GdkX11, GdkNone")

    def write(self, name: str, text: str) -> Path:
        path = self.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def collect(self, *namespaces: str, apt: Apt | None = None, remedy: str = "", release: str = "") -> Introspection:
        modules = {path.stem: Reached(path, None) for path in self.site.glob("*.py")}
        own = frozenset(reached.path for reached in modules.values())
        return collect_introspection(
            self.appdir,
            ARCHITECTURES["x86_64"],
            self.python,
            Reach(modules, frozenset(), own=own),
            IntrospectionSettings(namespaces),
            reader=SourceReader(),
            system=System(self.root, (self.lib,), release=release),
            apt=apt,
            remedy=remedy,
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_namespaces_of_the_code(scene: Scene) -> None:
    """Those that PyGObject names for itself come with theirs, in their version."""
    scene.write("my_app.py", "gi.require_version('Gtk', '4.0')\nfrom gi.repository import Gtk")
    found = scene.collect()
    names = ("GLib-2.0", "GObject-2.0", "Gdk-4.0", "GdkX11-4.0", "Gio-2.0", "Gtk-4.0", "Pango-1.0")
    assert found.typelibs == names
    assert {f"girepository-1.0/{name}.typelib" for name in names} <= found.collected.files.keys()
    # What is left to every machine is.
    assert found.collected.opened == ("libglib-2.0.so.0", "libgtk-4.so.1")
    assert found.collected.included == ("@fonts", "libvulkan.so.1")
    assert (scene.appdir.lib / "gio/modules").is_dir()


def test_icons_and_types(scene: Scene) -> None:
    for name in ("index.theme", "symbolic/a.svg", "scalable/b.svg", "16x16/c.png", "cursors/d"):
        path = scene.root / "usr/share/icons/Adwaita" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    found = scene.collect("Gtk-4.0")
    share = scene.appdir.usr / "share"
    copied = {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}
    assert copied == {f"icons/Adwaita/{name}" for name in ("index.theme", "symbolic/a.svg", "scalable/b.svg")}
    assert found.data == sum(len(name) for name in ("index.theme", "symbolic/a.svg", "scalable/b.svg"))


def test_without_pygobject(scene: Scene) -> None:
    (scene.site / "gi/__init__.py").unlink()
    scene.write("my_app.py", "from gi.repository import Gtk")
    assert scene.collect() == Introspection()
    assert not scene.appdir.lib.joinpath("gio").exists()


@pytest.mark.parametrize("installed", [True, False])
def test_gstreamer_for_qt(scene: Scene, *, installed: bool) -> None:
    """QtMultimedia of Qt 5 plays with it; whoever does not use that has none of its plugins of Qt left."""
    (scene.site / "gi/__init__.py").unlink()
    if installed:
        library("libgstplayback.so").write(scene.lib / "gstreamer-1.0/libgstplayback.so")
    assert scene.collect() == Introspection()
    library("libgstmediaplayer.so").write(scene.site / "PyQt5/Qt5/plugins/mediaservice/libgstmediaplayer.so")
    found = scene.collect()
    assert found.modules == (("libgstplayback.so",) if installed else ())
    assert found.collected.files.keys() == ({"gstreamer-1.0/libgstplayback.so"} if installed else set())
    assert found.collected.included == (("libgst*-1.0.so.0",) if installed else ())
    assert found.collected.complete == (("libgstreamer-1.0.so.0",) if installed else ())


def test_gstreamer_for_qt_beside_gtk(scene: Scene) -> None:
    library("libgstplayback.so").write(scene.lib / "gstreamer-1.0/libgstplayback.so")
    library("libgstmediaplayer.so").write(scene.site / "PyQt5/Qt5/plugins/mediaservice/libgstmediaplayer.so")
    found = scene.collect("Gtk-4.0")
    assert "gstreamer-1.0/libgstplayback.so" in found.collected.files
    assert found.collected.included == ("@fonts", "libvulkan.so.1", "libgst*-1.0.so.0")


def test_what_nothing_imports_does_not_count(scene: Scene) -> None:
    scene.write("package/backend_gtk4.py", "from gi.repository import Gtk")
    assert scene.collect().typelibs == ("GLib-2.0", "GObject-2.0", "Gio-2.0")


def test_missing(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    found = scene.collect("Adw-1")
    (message,) = caplog.messages
    system = System(scene.root, (scene.lib,))
    assert message == (
        f"{system} has no typelib of Adw-1, and so it is not in the image: install what has it (on Debian, packages "
        "may be called gir1.2-adw-1)"
    )
    assert found.missing == {"Adw-1": message}


def test_nothing_is_there(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """One line says so, and what keeps apt from getting it."""
    shutil.rmtree(scene.lib)
    found = scene.collect("Gtk-4.0", remedy="remove `this`")
    assert not found.typelibs
    (message,) = caplog.messages
    assert message.endswith(
        " has no typelib of GLib-2.0, GObject-2.0, Gio-2.0, Gtk-4.0, and so they are not in the image: remove `this` "
        "to have apt get them, or install what has them (on Debian, packages may be called gir1.2-glib-2.0, "
        "gir1.2-gtk-4.0)"
    )


def test_fetched(scene: Scene, archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """With the library that a typelib names, and as the machine's own; what is nowhere is told."""
    adwaita = library("libadwaita-1.so.0").write(tmp_path / "libadwaita")
    directory = f"./usr/lib/{TRIPLET}"
    description = typelib("Adw", "1", "Gtk-4.0", libraries="libadwaita-1.so.0")
    archive.add(
        "gir1.2-adw-1", {f"{directory}/girepository-1.0/Adw-1.typelib": description}, NEWEST, needs="libadwaita-1-0"
    )
    archive.add("libadwaita-1-0", {f"{directory}/libadwaita-1.so.0": adwaita.read_bytes()}, NEWEST)
    archive.sign()
    found = scene.collect("Adw-1", "None-2", apt=apt)
    assert {"Adw-1", "Gtk-4.0"} <= set(found.typelibs)
    assert "libadwaita-1.so.0" in found.collected.opened
    assert found.collected.missing == ("None-2.typelib",)
    assert {package.name for package in found.system.added} == {"gir1.2-adw-1", "libadwaita-1-0"}


def test_one_version_is_enough(scene: Scene, archive: Archive, apt: Apt, caplog: pytest.LogCaptureFixture) -> None:
    """Code asks for one after the other until there is one."""
    for version in ("4.0", "4.1", "5.0"):
        typelibs = f"./usr/lib/{TRIPLET}/girepository-1.0"
        archive.add(f"gir1.2-web-{version}", {f"{typelibs}/Web-{version}.typelib": typelib("Web", version)})
    archive.sign()
    found = scene.collect("Web-4.0", "Web-4.1", "Gtk-3.0", "Gtk-4.0", apt=apt)
    assert {package.name for package in found.system.added} == {"gir1.2-web-4.1"}
    assert sorted(found.missing) == ["Gtk-3.0", "Web-4.0"]
    assert not any("nor have the archives" in message for message in caplog.messages)


def test_missing_in_the_archives(scene: Scene, archive: Archive, apt: Apt, caplog: pytest.LogCaptureFixture) -> None:
    archive.sign()
    scene.collect("GstApp-1.0", apt=apt)
    (message,) = caplog.messages
    assert message.endswith(
        "has no typelib of GstApp-1.0, nor have the archives of its apt, and so it is not in the image: install what "
        "has it (on Debian, packages may be called gir1.2-gst-plugins-base-1.0)"
    )


def test_missing_in_a_release(scene: Scene, archive: Archive, apt: Apt, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing can be installed there."""
    archive.sign()
    scene.collect("Adw-1", apt=apt, release="debian:12")
    (message,) = caplog.messages
    assert message == (
        "debian:12 has no typelib of Adw-1, and so it is not in the image: set another `sysroot` that has it"
    )


def test_translations(scene: Scene) -> None:
    """Where there are windows, of the libraries that come along."""
    with (scene.lib / "libgtk-4.so.1").open("ab") as file:
        file.write(b"\0bindtextdomain\0gtk40\0")
    for name in ("de/LC_MESSAGES/gtk40.mo", "fr/LC_MESSAGES/gtk40.mo", "de/LC_MESSAGES/tar-1.mo"):
        path = scene.root / "usr/share/locale" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert scene.collect().translations == ()
    found = scene.collect("Gtk-4.0")
    share = scene.appdir.usr / "share"
    copied = {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}
    assert found.translations == ("gtk40",)
    assert copied == {"locale/de/LC_MESSAGES/gtk40.mo", "locale/fr/LC_MESSAGES/gtk40.mo"}


def test_webkit(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    write_typelib(scene.lib / "girepository-1.0", "WebKit2-4.1")
    scene.collect("WebKit2-4.1")
    (message,) = caplog.messages
    assert message.startswith(
        "WebKit2-4.1 is in the image and will not work on other systems: WebKitGTK starts processes of its own by a "
        "path that is compiled in"
    )


def test_not_known_to_work(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        scene.collect("Unusual", "Gtk-4.0")
    (message,) = caplog.messages
    assert message.startswith("Unusual-1 is in the image with its libraries, but is not known to work on other systems")


def test_directories_of_the_machine(scene: Scene) -> None:
    path = scene.appdir.lib / "libgirepository-1.0.so.1"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF\0/usr/lib/x86_64-linux-gnu\0girepository-1.0\0/usr/share/gir-1.0\0/usr/lib64/x\0")
    assert close_repository(scene.appdir) == 1
    assert path.read_bytes() == (
        b"\x7fELF\0/usr/\1\1\1/x86_64-linux-gnu\0girepository-1.0\0/usr/share/gir-1.0\0/usr/\1\1\x0164/x\0"
    )
