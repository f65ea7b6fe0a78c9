# SPDX-License-Identifier: MIT
"""Makes typelibs that have nothing but a header."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"GOBJ\nMETADATA\r\n\x1a"
# Magic, major and minor version, reserved, entries, local entries, directory, attributes, their offset; offsets of
# dependencies, the size, and offsets of namespace, version and libraries (gitypelib-internal.h in GLib).
HEADER = struct.Struct("<16sBBHHHIIIIIIII")


def typelib(namespace: str, version: str, *dependencies: str, libraries: str = "") -> bytes:
    """Return the bytes of a typelib.

    Args:
        namespace: that it is of.
        version: of the namespace.
        dependencies: such as ``GLib-2.0``.
        libraries: with commas between them.

    """
    strings, offsets = b"", []
    for text in ("|".join(dependencies), namespace, version, libraries):
        offsets.append(HEADER.size + len(strings) if text else 0)
        strings += text.encode() + b"\0" if text else b""
    size = HEADER.size + len(strings)
    return HEADER.pack(MAGIC, 4, 0, 0, 0, 0, 0, 0, 0, offsets[0], size, *offsets[1:]) + strings


def write_typelib(directory: Path, name: str, *dependencies: str, libraries: str = "") -> Path:
    """Write a typelib called ``Gtk-4.0`` or the like into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    namespace, _, version = name.rpartition("-")
    path = directory / f"{name}.typelib"
    path.write_bytes(typelib(namespace, version, *dependencies, libraries=libraries))
    return path
