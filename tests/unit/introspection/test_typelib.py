# SPDX-License-Identifier: MIT
"""What is read from the header of a typelib, and which files are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.introspection.typelib import read_typelib
from support.typelibs import typelib, write_typelib

if TYPE_CHECKING:
    from pathlib import Path


def test_header(tmp_path: Path) -> None:
    path = write_typelib(tmp_path, "Gdk-4.0", "Gio-2.0", "PangoCairo-1.0", libraries="libgtk-4.so.1,libgdk.so.2")
    found = read_typelib(path)
    assert (str(found), found.namespace, found.version) == ("Gdk-4.0", "Gdk", "4.0")
    assert found.dependencies == (("Gio", "2.0"), ("PangoCairo", "1.0"))
    assert found.libraries == ("libgtk-4.so.1", "libgdk.so.2")


def test_without_dependencies_and_libraries(tmp_path: Path) -> None:
    found = read_typelib(write_typelib(tmp_path, "xlib-2.0"))
    assert (found.dependencies, found.libraries) == ((), ())


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is no typelib"),
        (b"\x7fELF" + bytes(200), "is no typelib of the version that is known"),
        (
            typelib("Gtk", "4.0")[:16] + b"\x05" + typelib("Gtk", "4.0")[17:],
            "is no typelib of the version that is known",
        ),
        (typelib("Gtk", "4.0") + b"\0", "is damaged: it has"),
        (typelib("Gtk", "4.0").replace(b"4.0\0", b"4.0!"), "is damaged: an offset leads out of it"),
        (typelib("Gtk", "4.0")[:48] + b"\xff\xff\0\0" + typelib("Gtk", "4.0")[52:], "is damaged"),
    ],
)
def test_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    (tmp_path / "a.typelib").write_bytes(data)
    with pytest.raises(AppImageError, match=problem):
        read_typelib(tmp_path / "a.typelib")
