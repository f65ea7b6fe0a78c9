# SPDX-License-Identifier: MIT
"""Read ZIP archives (APPNOTE.TXT of PKWARE, 6.3.10), with the modes and links that Info-ZIP writes on Unix."""

from __future__ import annotations

import lzma
import stat
import struct
import time
import zlib
from calendar import timegm
from functools import partial
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile, ZipFile

from hatch_appimage.unpack.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from zipfile import ZipInfo

# What archives begin with: an entry, or the end of an empty one (4.3.7, 4.3.16).
MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")

#: What zipfile and the decompressors raise where an archive is damaged, or is of a kind that they cannot read.
DAMAGED: Final = (
    BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
)

_CHUNK_SIZE: Final = 1 << 20
# PATH_MAX of Linux, which counts a NUL.
_TARGET_LIMIT: Final = 4096
# "Version made by" (4.4.2.2): the upper half of the external attributes is st_mode then.
_UNIX: Final = 3
# A bit of the flags (4.4.4): the name is UTF-8; without it zipfile takes it for code page 437.
_UTF8: Final = 0x800
_KINDS: Final = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMBOLIC_LINK, 0: Kind.FILE}


def read_zip(archive: Path) -> Iterator[Entry]:
    """Iterate over the entries of a ZIP archive.

    Raises:
        zipfile.BadZipFile: it is damaged. The decompressors raise exceptions of their own.

    """
    with ZipFile(archive) as file:
        for info in file.infolist():
            yield _entry(file, info)


def _entry(archive: ZipFile, info: ZipInfo) -> Entry:
    # In its `filename` zipfile has changed what it takes for separators and ends.
    name = info.orig_filename
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    kind = Kind.DIRECTORY if name.endswith("/") else _KINDS.get(stat.S_IFMT(mode), Kind.OTHER)
    return Entry(
        path=name.encode("utf-8" if info.flag_bits & _UTF8 else "cp437"),
        kind=kind,
        mode=stat.S_IMODE(mode),
        mtime=_mtime(info),
        size=info.file_size,
        target=_target(archive, info) if kind is Kind.SYMBOLIC_LINK else b"",
        read=partial(_read, archive, info),
    )


def _mtime(info: ZipInfo) -> int:
    """Return the time of an entry, in seconds since the epoch; 0 where there is none, as its bits are zero then."""
    try:
        return timegm(time.struct_time((*info.date_time, 0, 0, 0)))
    except ValueError:
        return 0


def _target(archive: ZipFile, info: ZipInfo) -> bytes:
    with archive.open(info) as file:
        return file.read(_TARGET_LIMIT)


def _read(archive: ZipFile, info: ZipInfo) -> Iterator[bytes]:
    with archive.open(info) as file:
        while piece := file.read(_CHUNK_SIZE):
            yield piece
