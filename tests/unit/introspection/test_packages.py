# SPDX-License-Identifier: MIT
"""Which packages have typelibs and what goes with them, from an archive of our own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.introspection.modules import find_modules
from hatch_appimage.introspection.packages import fetch_companions, fetch_typelibs, package_names
from hatch_appimage.introspection.places import LOADERS, PIXBUF
from hatch_appimage.introspection.programs import run_program
from hatch_appimage.introspection.repository import Repository
from hatch_appimage.introspection.shared_data import find_types
from hatch_appimage.system import System
from support.archive import TRIPLET
from support.tools import require
from support.typelibs import typelib

if TYPE_CHECKING:
    from hatch_appimage.libraries.apt import Apt
    from support.archive import Archive

LIB = f"./usr/lib/{TRIPLET}"
# Newer than what this machine may have installed.
NEWEST = "9:1"


def add_typelib(archive: Archive, package: str, *names: str, needs: str = "libc6", provides: str = "") -> None:
    """Put a package with typelibs of some namespaces into an archive, such as ``Gtk-4.0``."""
    files: dict[str, bytes | Path] = {
        f"{LIB}/girepository-1.0/{name}.typelib": typelib(*name.rsplit("-", 1)) for name in names
    }
    archive.add(package, files, NEWEST, needs=needs, provides=provides)


@pytest.fixture
def machine(tmp_path: Path) -> System:
    """Return a machine that has nothing."""
    (tmp_path / "machine").mkdir()
    return System(tmp_path / "machine", ())


def fetch(machine: System, apt: Apt, *pairs: tuple[str, str]) -> tuple[set[str], set[str]]:
    """Return the names of typelibs that are there after they were fetched, and of the packages."""
    system = fetch_typelibs(pairs, machine, native_architecture(), apt)
    found = (Repository(system).find(*pair) for pair in pairs)
    return {path.stem for path in found if path}, {package.name for package in system.added}


@pytest.mark.parametrize(
    ("namespace", "version", "names"),
    [
        ("Gtk", "4.0", ["gir1.2-gtk-4.0"]),
        ("Gst", "1.0", ["gir1.2-gst-1.0", "gir1.2-gstreamer-1.0"]),
        ("GstApp", "1.0", ["gir1.2-gstapp-1.0", "gir1.2-gst-plugins-base-1.0"]),
        ("JavaScriptCore", "6.0", ["gir1.2-javascriptcore-6.0", "gir1.2-javascriptcoregtk-6.0"]),
        ("Soup", "", ["gir1.2-soup-"]),
    ],
)
def test_names(namespace: str, version: str, names: list[str]) -> None:
    assert package_names(namespace, version) == names


class TestTypelibs:
    def test_named_by_the_policy(self, archive: Archive, apt: Apt, machine: System) -> None:
        """With what it needs, but nothing that runs as a service."""
        needs = "gir1.2-yy-1, libzz1 (>= 1.0), dbus-user-session | dbus-session-bus"
        add_typelib(archive, "gir1.2-zz-1.0", "Zz-1.0", needs=needs)
        add_typelib(archive, "gir1.2-yy-1", "Yy-1")
        for name in ("libzz1", "dbus-user-session", "libunused1"):
            archive.add(name, {f"./usr/share/doc/{name}/copyright": b"Free."}, NEWEST)
        archive.sign()
        assert fetch(machine, apt, ("Zz", "1.0"), ("Yy", "1")) == (
            {"Zz-1.0", "Yy-1"},
            {"gir1.2-zz-1.0", "gir1.2-yy-1", "libzz1"},
        )

    def test_provided(self, archive: Archive, apt: Apt, machine: System) -> None:
        add_typelib(archive, "gir1.2-zz-1.0", "Zz-1.0", "ZzPart-1.0", provides="gir1.2-zzpart-1.0 (= 1.0)")
        archive.sign()
        assert fetch(machine, apt, ("ZzPart", "1.0")) == ({"ZzPart-1.0"}, {"gir1.2-zz-1.0"})

    def test_not_named_by_the_policy(self, archive: Archive, apt: Apt, machine: System) -> None:
        add_typelib(archive, "gir1.2-gst-plugins-base-1.0", "GstApp-1.0")
        archive.sign()
        assert fetch(machine, apt, ("GstApp", "1.0")) == ({"GstApp-1.0"}, {"gir1.2-gst-plugins-base-1.0"})

    def test_newest(self, archive: Archive, apt: Apt, machine: System) -> None:
        """Numbers and not texts are compared, and a name that only begins alike is another one."""
        for name, package in {"Zz-9": "zz-9", "Zz-10.0": "zz-10.0", "ZzMore-11": "zz-more-11"}.items():
            add_typelib(archive, f"gir1.2-{package}", name)
        archive.sign()
        assert fetch(machine, apt, ("Zz", "")) == ({"Zz-10.0"}, {"gir1.2-zz-10.0"})

    def test_not_there(self, archive: Archive, apt: Apt, machine: System, caplog: pytest.LogCaptureFixture) -> None:
        """A package that is called so and has another typelib is not kept."""
        add_typelib(archive, "gir1.2-zz-1.0", "Other-1.0")
        archive.sign()
        assert fetch(machine, apt, ("Zz", "1.0"), ("Yy", "2.0")) == (set(), set())
        assert caplog.messages == []

    def test_needs_what_is_not_there(
        self, archive: Archive, apt: Apt, machine: System, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The others are fetched all the same."""
        add_typelib(archive, "gir1.2-zz-1.0", "Zz-1.0", needs="libyy1")
        add_typelib(archive, "gir1.2-xx-1.0", "Xx-1.0")
        archive.sign()
        assert fetch(machine, apt, ("Zz", "1.0"), ("Xx", "1.0")) == ({"Xx-1.0"}, {"gir1.2-xx-1.0"})
        (message,) = caplog.messages
        assert message.startswith(f"A typelib of Zz that {machine} lacks cannot be fetched: ")


class TestCompanions:
    def names(self, machine: System, apt: Apt, *names: str, network: bool = False) -> set[str]:
        system = fetch_companions(names, machine, native_architecture(), apt, network=network)
        return {package.name for package in system.added}

    @pytest.fixture
    def packages(self, archive: Archive) -> None:
        for name in ("librsvg2-common", "adwaita-icon-theme", "glib-networking", "gstreamer1.0-plugins-base"):
            archive.add(name, {f"./usr/share/doc/{name}/copyright": b"Free."}, NEWEST)
        archive.sign()

    @pytest.mark.usefixtures("packages")
    def test_of_what_is_used(self, apt: Apt, machine: System) -> None:
        assert self.names(machine, apt) == set()
        assert self.names(machine, apt, "Gtk-4.0", "GdkPixbuf-2.0") == {"adwaita-icon-theme", "librsvg2-common"}
        assert self.names(machine, apt, "Gst-1.0", network=True) == {"glib-networking", "gstreamer1.0-plugins-base"}

    @pytest.mark.usefixtures("packages")
    def test_what_is_there(self, apt: Apt, machine: System) -> None:
        theme = machine.root / "usr/share/icons/Adwaita/index.theme"
        theme.parent.mkdir(parents=True)
        theme.touch()
        assert self.names(machine, apt, "Gtk-4.0", "GdkPixbuf-2.0") == {"librsvg2-common"}


class TestListsThatPackagesLack:
    """What a machine makes when a package is installed is made of its files, by its own program."""

    def test_loaders(self, archive: Archive, apt: Apt, machine: System) -> None:
        maker = b'#!/bin/sh\nfor path in "$@"; do printf \'"%s"\\n"svg" 6 "gdk-pixbuf"\\n\\n\' "$path"; done\n'
        files: dict[str, bytes | Path] = {
            f"{LIB}/{PIXBUF}/loaders/libpixbufloader-svg.so": b"",
            f"{LIB}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders": maker,
        }
        archive.add("librsvg2-common", files, NEWEST)
        archive.sign()
        system = fetch_companions(("GdkPixbuf-2.0",), machine, native_architecture(), apt, network=False)
        modules = find_modules(("GdkPixbuf-2.0",), system, network=False)
        assert modules.lists[LOADERS].strip() == '"libpixbufloader-svg.so"\n"svg" 6 "gdk-pixbuf"'
        assert modules.files["libpixbufloader-svg.so"].is_file()

    def test_types_of_files(self, archive: Archive, apt: Apt, machine: System, tmp_path: Path) -> None:
        files: dict[str, bytes | Path] = {
            "./usr/share/mime/packages/freedesktop.org.xml": b"types",
            "./usr/bin/update-mime-database": b'#!/bin/sh\ncp "$1/packages/freedesktop.org.xml" "$1/mime.cache"\n',
        }
        archive.add("shared-mime-info", files, NEWEST)
        archive.sign()
        assert list(find_types(machine, tmp_path / "none")) == []
        system = fetch_companions(("GdkPixbuf-2.0",), machine, native_architecture(), apt, network=False)
        ((place, path),) = find_types(system, tmp_path / "work")
        assert (place, path.read_text()) == ("mime/mime.cache", "types")

    def test_with_the_libraries_of_packages(self, archive: Archive, apt: Apt, tmp_path: Path) -> None:
        (tmp_path / "zz.c").write_text("int zz(void) { return 5; }")
        (tmp_path / "main.c").write_text(
            "#include <stdio.h>\nint zz(void);\n"
            'int main(int count, char **arguments) { printf("%d %s", zz(), arguments[count - 1]); }'
        )
        cc = require("cc", "gcc")
        subprocess.run(
            [cc, "-shared", "-fPIC", "-Wl,-soname,libzz.so", "zz.c", "-o", "libzz.so"], cwd=tmp_path, check=True
        )
        subprocess.run([cc, "main.c", "./libzz.so", "-o", "program"], cwd=tmp_path, check=True)
        archive.add("libzz1", {f"{LIB}/libzz.so": (tmp_path / "libzz.so").read_bytes()})
        archive.add("zz-bin", {"./usr/bin/program": (tmp_path / "program").read_bytes()}, needs="libzz1")
        archive.sign()
        architecture = native_architecture()
        system = System.read(Path("/"), architecture)
        for package in apt.get(apt.find(["libzz1", "zz-bin"]).values()):
            system = system.add(package, architecture)
        program = system.locate("/usr/bin/program")
        assert run_program(program, "more", system=system, doing="test") == "5 more"
