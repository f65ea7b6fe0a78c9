# SPDX-License-Identifier: MIT
"""Which architecture the programs of an AppDir are for."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hatch_appimage.architecture import ARCHITECTURES, architecture_of
from hatch_appimage.errors import AppImageError
from hatch_appimage.pack.contents import read_start
from hatch_appimage.squashfs.tree import File
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.pack.contents import Contents

# The beginning of an ELF header (System V ABI, chapter 4): magic, class, byte order; and at offset 18 the machine.
_MAGIC = b"\x7fELF"
_BITS = {b"\x01": 32, b"\x02": 64}
_LITTLE_ENDIAN = b"\x01"
_MACHINE = struct.Struct("<H")
_MACHINE_OFFSET = 18


def find_architecture(contents: Contents, apprun: File, where: str) -> Architecture:
    """Return the architecture of an AppDir: that of AppRun, or, if it is a script, of its programs and libraries.

    Args:
        contents: of the AppDir.
        apprun: what it starts.
        where: its path, for messages.

    Raises:
        AppImageError: it is for none, for several, or for one that there is no runtime for.
        OSError: a file cannot be read.

    """
    names = {name: "AppRun"} if (name := _name(apprun)) else _names(contents)
    if not names:
        raise AppImageError(f"{where} has no program or library that tells its architecture: give it with `--arch`")
    if len(names) > 1:
        found = ", ".join(f"{name} ({printable(path)})" for name, path in sorted(names.items()))
        raise AppImageError(f"{where} has programs for several architectures: {found}. Choose one with `--arch`")
    (name,) = names
    if name not in ARCHITECTURES:
        raise AppImageError(f"{where} is for {name}, and images can be for {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def _names(contents: Contents) -> dict[str, str]:
    """Return the architectures of all programs and libraries, each with a file that is for it."""
    found: dict[str, str] = {}
    for node in contents:
        if isinstance(node, File) and (node.permissions & 0o111 or b".so" in node.name) and (name := _name(node)):
            found.setdefault(name, node.path.decode("utf-8", "surrogateescape"))
    return found


def _name(file: File) -> str | None:
    """Return the architecture of a file; None for one that is no ELF file."""
    start = read_start(file)
    bits = _BITS.get(start[4:5])
    if not start.startswith(_MAGIC) or bits is None or len(start) < _MACHINE_OFFSET + _MACHINE.size:
        return None
    if start[5:6] != _LITTLE_ENDIAN:
        return "a big-endian machine"
    return architecture_of(_MACHINE.unpack_from(start, _MACHINE_OFFSET)[0], bits)
