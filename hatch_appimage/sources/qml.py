# SPDX-License-Identifier: MIT
"""What QML documents import, be they files of their own or in Qt's resources. Nothing of them is run."""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

from hatch_appimage.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator

# An import of a document (https://doc.qt.io/qt-6/qtqml-syntax-imports.html), a line of a qmldir file, or an import of a
# script (`.import`), wherever it is: in a string that becomes a document, too.
_IMPORT = re.compile(rb"(?<!\w)(?:import|depends)\s+([A-Za-z_]\w*(?:\.\w+)*)")
# One of Qt's own modules in a program or library, whose resources have documents.
_EMBEDDED = re.compile(rb"import (Qt\w*(?:\.\w+)*)")
_RESOURCES = b"qres"
_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">4sIIII")
_ZSTD = b"\x28\xb5\x2f\xfd"


def qml_imports(data: bytes) -> set[str]:
    """Return the names of QML modules that documents import, and qmldir files depend on; and of others, too."""
    return {name.decode() for name in _IMPORT.findall(data)}


def embedded_imports(data: bytes) -> set[str]:
    """Return the names of Qt's QML modules that documents in a program or library import."""
    return {name.decode() for name in _EMBEDDED.findall(data)}


def read_resources(data: bytes) -> Iterator[bytes]:
    """Yield the contents of the files in a binary resource file of Qt (``rcc --binary``)."""
    if data.startswith(_RESOURCES) and len(data) >= _HEADER.size:
        offsets = sorted(_HEADER.unpack_from(data)[2:])
        start = _HEADER.unpack_from(data)[3]
        end = next((offset for offset in offsets if offset > start), len(data))
        yield from read_entries(data[start:end])


def read_entries(data: bytes) -> Iterator[bytes]:
    """Yield the contents of the files in the data of Qt's resources: each with its length before it, or compressed."""
    place = 0
    while place + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        yield _expand(data[place : place + length])
        place += length


def _expand(entry: bytes) -> bytes:
    """Return what was compressed by zlib, behind its length, or zstd; anything else as it is."""
    try:
        if entry.startswith(_ZSTD):
            return zstd.decompress(entry)
        return zlib.decompress(entry[_LENGTH.size :])
    except (zlib.error, zstd.ZstdError):
        return entry
