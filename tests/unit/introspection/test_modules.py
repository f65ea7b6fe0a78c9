# SPDX-License-Identifier: MIT
"""Which modules of GIO, gdk-pixbuf and GTK come along, and what their lists say in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.introspection.modules import find_modules
from hatch_appimage.introspection.places import IM_MODULES, LOADERS
from hatch_appimage.system import System

if TYPE_CHECKING:
    from pathlib import Path

PIXBUF = "gdk-pixbuf-2.0/2.10.0"


def put(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return the directory of a machine's libraries."""
    lib = tmp_path / "usr" / "lib"
    for name in ("dconfsettings", "giognutls", "gvfsdbus"):
        put(lib / "gio/modules" / f"lib{name}.so")
    put(
        lib / "gio/modules/giomodule.cache",
        "libgiognutls.so: gio-tls-backend\nlibdconfsettings.so: gsettings-backend\n",
    )
    return lib


def find(machine: Path, *names: str, network: bool = False) -> tuple[set[str], dict[str, str]]:
    found = find_modules(names, System(machine.parent.parent, (machine,)), network=network)
    assert all(path.is_file() for path in found.files.values())
    return set(found.files), dict(found.lists)


def test_gio(machine: Path) -> None:
    files, lists = find(machine)
    assert files == {"gio/modules/libdconfsettings.so"}
    assert lists == {"gio/modules/giomodule.cache": "libdconfsettings.so: gsettings-backend\n"}


def test_tls(machine: Path) -> None:
    files, _ = find(machine, network=True)
    assert files == {"gio/modules/libdconfsettings.so", "gio/modules/libgiognutls.so"}


def test_list_without_all_modules_is_left_out(machine: Path) -> None:
    """GIO takes what a list does not have for absent."""
    put(machine / "gio/modules/giomodule.cache", "libgiognutls.so: gio-tls-backend\n")
    assert find(machine)[1] == {}


def test_loaders(machine: Path) -> None:
    directory = machine / PIXBUF / "loaders"
    put(directory / "libpixbufloader-svg.so")
    entry = '"svg" 6 "gdk-pixbuf" "Scalable Vector Graphics" "LGPL"\n"image/svg+xml" ""\n\n'
    gone = f'"/usr/lib/{PIXBUF}/loaders/gone.so"\n"gone" 6 "gdk-pixbuf" "Gone" "LGPL"\n\n'
    put(
        machine / PIXBUF / "loaders.cache",
        f'# by a tool\n\n"/usr/lib/{PIXBUF}/loaders/libpixbufloader-svg.so"\n{entry}{gone}',
    )
    files, lists = find(machine, "GdkPixbuf-2.0")
    assert "libpixbufloader-svg.so" in files
    assert lists[LOADERS].strip() == f'"libpixbufloader-svg.so"\n{entry}'.strip()


def test_no_loaders(machine: Path) -> None:
    """An empty list keeps gdk-pixbuf from the machine's."""
    assert find(machine, "GdkPixbuf-2.0")[1][LOADERS] == ""


def test_gtk_3(machine: Path) -> None:
    base = machine / "gtk-3.0/3.0.0"
    put(base / "immodules/im-ibus.so")
    put(base / "immodules.cache", '"/usr/lib/gtk-3.0/3.0.0/immodules/im-ibus.so" \n"ibus" "IBus" "" "" "ja:ko:zh:*" \n')
    for name in ("cups", "file"):
        put(base / "printbackends" / f"libprintbackend-{name}.so")
    files, lists = find(machine, "Gtk-3.0")
    assert {"im-ibus.so", "gtk-3.0/3.0.0/printbackends/libprintbackend-file.so"} <= files
    assert not [name for name in files if "cups" in name]
    assert lists[IM_MODULES].startswith('"im-ibus.so" \n"ibus"')


def test_gtk_4(machine: Path) -> None:
    put(machine / "gtk-4.0/4.0.0/immodules/libim-ibus.so")
    files, lists = find(machine, "Gtk-4.0")
    assert "gtk-4.0/4.0.0/immodules/libim-ibus.so" in files
    assert IM_MODULES not in lists
