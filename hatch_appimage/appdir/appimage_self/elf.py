# SPDX-License-Identifier: MIT
"""The sections of an image's runtime that tools read and write (AppImage specification, "Type 2 image format")."""

from __future__ import annotations

import hashlib
import os
import struct
from typing import NamedTuple

from .errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

UPDATE_INFORMATION = ".upd_info"
SIGNATURE = ".sha256_sig"
KEY = ".sig_key"
#: Both are zeros in what is signed (AppImageUpdate, src/util/updatableappimage.cpp).
UNSIGNED = (SIGNATURE, KEY)

# System V ABI, "ELF Header": e_shoff, and e_shentsize, e_shnum, e_shstrndx; by e_ident[EI_CLASS].
_HEADERS = {1: ("<I", 32, 46, "<IIIIIIIIII", 40), 2: ("<Q", 40, 58, "<IIQQQQIIQQ", 64)}
_LITTLE_ENDIAN = 1
_MAX_SECTIONS = 256
# Of one that is read, in bytes: somebody's key could keep us busy for ever.
_MAX_SECTION = 1 << 14
_MAX_NAMES = 1 << 16
_CHUNK_SIZE = 1 << 20


class Runtime(NamedTuple):
    """What begins an image.

    Attributes:
        machine: for which kind of machine it is (e_machine).
        end: its size in bytes; the file system follows.
        sections: offset and size of each section, in bytes, by its name.

    """

    machine: int
    end: int
    sections: dict[str, tuple[int, int]]


def read_runtime(file: BinaryIO) -> Runtime:
    """Read the beginning of a type-2 AppImage.

    Raises:
        SelfError: it is none, or it is damaged.

    """
    try:
        return _read(file)
    except (struct.error, ValueError, OverflowError, KeyError, IndexError):
        raise SelfError("it is no AppImage, or its runtime is damaged") from None


def _read(file: BinaryIO) -> Runtime:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = file.read(64)
    if header[:4] != b"\x7fELF" or header[8:11] != b"AI\x02" or header[5] != _LITTLE_ENDIAN:
        raise SelfError("it is no type-2 AppImage")
    offset_form, offset_at, counts_at, form, entry_size = _HEADERS[header[4]]
    (machine,) = struct.unpack_from("<H", header, 18)
    (offset,) = struct.unpack_from(offset_form, header, offset_at)
    given_size, count, names = struct.unpack_from("<HHH", header, counts_at)
    end = offset + count * entry_size
    if given_size != entry_size or not 0 < count <= _MAX_SECTIONS or end > size:
        raise SelfError("its runtime is damaged")
    file.seek(offset)
    table = file.read(count * entry_size)
    entries = [struct.unpack_from(form, table, number * entry_size) for number in range(count)]
    file.seek(entries[names][4])
    text = file.read(min(entries[names][5], _MAX_NAMES))
    sections = {}
    for entry in entries:
        name = text[entry[0] : text.index(b"\0", entry[0])].decode("ascii") if entry[0] < len(text) else ""
        if name in {UPDATE_INFORMATION, SIGNATURE, KEY}:
            if entry[4] + entry[5] > end or entry[5] > _MAX_SECTION:
                raise SelfError("its runtime is damaged")
            sections[name] = (entry[4], entry[5])
    places = sorted(sections.values())
    if any(offset + length > following for (offset, length), (following, _) in zip(places, places[1:])):
        raise SelfError("its runtime is damaged")
    return Runtime(machine, end, sections)


def read_section(file: BinaryIO, runtime: Runtime, name: str) -> bytes:
    """Return what is in a section, up to the first NUL; nothing if there is no such section."""
    offset, size = runtime.sections.get(name, (0, 0))
    file.seek(offset)
    return file.read(size).split(b"\0", 1)[0]


def signed_digest(file: BinaryIO, runtime: Runtime) -> str:
    """Return the SHA-256 of an image as it was before it was signed, in hexadecimal."""
    digest = hashlib.sha256()
    places = sorted(runtime.sections[name] for name in UNSIGNED if name in runtime.sections)
    position = 0
    for offset, size in [*places, (file.seek(0, os.SEEK_END), 0)]:
        file.seek(position)
        left = offset - position
        while left > 0:
            chunk = file.read(min(left, _CHUNK_SIZE))
            if not chunk:
                raise SelfError("it became shorter while it was read")
            digest.update(chunk)
            left -= len(chunk)
        digest.update(bytes(size - max(position - offset, 0)))
        position = max(position, offset + size)
    return digest.hexdigest()
