# SPDX-License-Identifier: MIT
"""Which typelibs an application needs, and where they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.introspection.repository import Repository, find_typelibs, sonames_of
from hatch_appimage.system import System
from support.typelibs import write_typelib

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    own, shared = tmp_path / "lib" / "girepository-1.0", tmp_path / "usr" / "lib" / "girepository-1.0"
    write_typelib(own, "GLib-2.0", libraries="libglib-2.0.so.0")
    write_typelib(own, "GObject-2.0", "GLib-2.0", libraries="libgobject-2.0.so.0,libglib-2.0.so.0")
    write_typelib(own, "Gio-2.0", "GObject-2.0", libraries="libgio-2.0.so.0")
    for version, library in (("3.0", "libgtk-3.so.0"), ("4.0", "libgtk-4.so.1"), ("10.0", "libgtk-10.so.1")):
        write_typelib(own, f"Gdk-{version}", "Gio-2.0", "cairo-1.0")
        write_typelib(own, f"Gtk-{version}", f"Gdk-{version}", libraries=library)
    write_typelib(shared, "cairo-1.0", "GObject-2.0", libraries="/opt/lib/libcairo-gobject.so.2")
    return Repository(System(tmp_path, (tmp_path / "lib",)))


ALWAYS = {"GLib-2.0", "GObject-2.0", "Gio-2.0"}


def test_always(repository: Repository) -> None:
    found, missing = find_typelibs([], repository)
    assert (set(found), missing) == (ALWAYS, [])


def test_with_what_they_need(repository: Repository) -> None:
    found, missing = find_typelibs([("Gtk", "3.0")], repository)
    assert (set(found), missing) == ({*ALWAYS, "Gtk-3.0", "Gdk-3.0", "cairo-1.0"}, [])


def test_version_of_what_another_needs(repository: Repository) -> None:
    """An import without a version means the one that is loaded by then."""
    found, _ = find_typelibs([("Gdk", ""), ("Gtk", ""), ("Gtk", "4.0")], repository)
    assert {name for name in found if name.startswith(("Gdk", "Gtk"))} == {"Gtk-4.0", "Gdk-4.0"}


def test_newest_version(repository: Repository) -> None:
    found, _ = find_typelibs([("Gtk", "")], repository)
    assert "Gtk-10.0" in found


def test_missing(repository: Repository) -> None:
    found, missing = find_typelibs([("Adw", "1"), ("Soup", ""), ("Gtk", "2.0")], repository)
    assert set(found) == ALWAYS
    assert sorted(missing) == [("Adw", "1"), ("Gtk", "2.0"), ("Soup", "")]


def test_sonames(repository: Repository) -> None:
    found, _ = find_typelibs([("cairo", "1.0")], repository)
    assert set(sonames_of(found.values())) == {
        "libglib-2.0.so.0",
        "libgobject-2.0.so.0",
        "libgio-2.0.so.0",
        "libcairo-gobject.so.2",
    }
