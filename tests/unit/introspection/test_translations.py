# SPDX-License-Identifier: MIT
"""Which translations come along for the libraries of GTK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.introspection.translations import domains_in, find_translations
from hatch_appimage.system import AddedPackage, System

if TYPE_CHECKING:
    from pathlib import Path

BINDS = b"\0bindtextdomain\0"


def write(root: Path, *names: str, directory: str = "usr/share/locale") -> None:
    for name in names:
        language, _, domain = name.partition("/")
        path = root / directory / language / "LC_MESSAGES" / f"{domain}.mo"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{root.name} {name}")


def test_domains_of_a_library() -> None:
    """Words that are no names of libraries are names of programs, or nothing of the kind."""
    texts = b"gtk40\0tar\0libadwaita\0gdk-pixbuf\0gtk40-properties\0/usr/share/locale\0a text\0"
    assert domains_in(BINDS + texts) == {"gtk40", "libadwaita", "gdk-pixbuf"}
    assert domains_in(b"\0" + texts) == set()


def test_of_machine_and_packages(tmp_path: Path) -> None:
    """The machine's come first, as everywhere."""
    machine, package = tmp_path / "machine", tmp_path / "package"
    write(machine, "de/gtk40", "de/tar")
    write(machine, "pt_BR/gtk40", directory="usr/share/locale-langpack")
    write(package, "de/gtk40", "fr/gtk40", "de/glib20")
    system = System(machine, (), (AddedPackage("libgtk-4-common", "1", "0", package, "", 0),))
    found = find_translations({"gtk40", "glib20", "none-1"}, system)
    texts = {place: path.read_text() for files in found.values() for place, path in files.items()}
    assert list(found) == ["glib20", "gtk40"]
    assert texts == {
        "locale/de/LC_MESSAGES/glib20.mo": "package de/glib20",
        "locale/de/LC_MESSAGES/gtk40.mo": "machine de/gtk40",
        "locale/fr/LC_MESSAGES/gtk40.mo": "package fr/gtk40",
        "locale/pt_BR/LC_MESSAGES/gtk40.mo": "machine pt_BR/gtk40",
    }
