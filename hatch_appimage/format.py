# SPDX-License-Identifier: MIT
"""The AppImage format: where its parts are, and the sections of the runtime that tools read and write."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from hatch_appimage.elf import read_sections
from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from hashlib import _Hash as Hash
    from pathlib import Path

# AppImage specification, "Type 2 image format": the magic at offset 8.
MAGIC_OFFSET = 8
MAGIC = b"AI\x02"
_MAGIC_OF_TYPE_1 = b"AI\x01"
_CHUNK_SIZE = 1 << 20

# Sections that tools read from the file (type2-runtime, src/runtime/data_sections.ld).
UPDATE_INFORMATION = ".upd_info"
DIGEST = ".digest_md5"
SIGNATURE = ".sha256_sig"
KEY = ".sig_key"


def find_squashfs(path: Path) -> int:
    """Return where in an AppImage its file system begins, in bytes: right behind the ELF file.

    Where that ends is computed as the usual runtime does it (type2-runtime, ``src/runtime/runtime.c``).

    Raises:
        AppImageError: it is no type-2 AppImage.

    """
    with path.open("rb") as file:
        start = file.read(MAGIC_OFFSET + len(MAGIC))
    if start[MAGIC_OFFSET:] == _MAGIC_OF_TYPE_1:
        raise AppImageError(f"{path} is an AppImage of type 1, which is an ISO 9660 image: only type 2 can be read")
    if not start.startswith(b"\x7fELF") or start[MAGIC_OFFSET:] != MAGIC:
        raise AppImageError(f"{path} is no type-2 AppImage")
    sections = read_sections(path)
    end, size = max(sections.end, sections.last_end), path.stat().st_size
    if not end:
        raise AppImageError(f"{path} has no section headers, by which readers find the image behind it")
    if end > size:
        raise AppImageError(f"{path} is cut off: its ELF header puts the image at {end}, and it has {size} bytes")
    return end


def find_sections(path: Path) -> dict[str, tuple[int, int]]:
    """Return offset and size of the sections of an AppImage that tools read, by their names, as far as they are there.

    Raises:
        AppImageError: it is no type-2 AppImage, or a section is not in its runtime.

    """
    end = find_squashfs(path)
    places = read_sections(path).places
    found = {name: places[name] for name in (UPDATE_INFORMATION, DIGEST, SIGNATURE, KEY) if name in places}
    for name, (offset, size) in found.items():
        if offset + size > end:
            raise AppImageError(
                f"{path} is damaged: its section `{name}` ends at {offset + size}, its runtime at {end}"
            )
    return found


def read_section(path: Path, name: str) -> bytes:
    """Return what is in a section of an AppImage, up to the first NUL; nothing if it has no such section.

    Raises:
        AppImageError: it is no AppImage.

    """
    offset, size = find_sections(path).get(name, (0, 0))
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size).split(b"\0")[0]


def write_section(path: Path, sections: Mapping[str, tuple[int, int]], name: str, content: bytes) -> None:
    """Replace what is in a section.

    Args:
        path: the AppImage.
        sections: where its sections are.
        name: of the section.
        content: shorter than the section, as readers stop at a NUL; the digest alone fills its section.

    Raises:
        AppImageError: the runtime has no such section, or too small a one.

    """
    offset, size = sections.get(name, (0, 0))
    if len(content) > size - (name != DIGEST):
        room = f"room for {size - 1} bytes" if size else "no such section"
        raise AppImageError(f"{len(content)} bytes do not fit into the section `{name}`: the runtime has {room}")
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(content.ljust(size, b"\0"))


def file_digest(path: Path, digest: Hash, zeroed: Iterable[tuple[int, int]] = ()) -> bytes:
    """Return the digest of a file.

    Args:
        path: the file.
        digest: a new object of hashlib.
        zeroed: offsets and sizes of ranges that count as if they were zeros; in a damaged file they may overlap.

    """
    with path.open("rb") as file:
        position = 0
        for offset, size in sorted(zeroed):
            start, end = max(offset, position), max(offset + size, position)
            _digest_range(file, start - position, digest)
            digest.update(bytes(end - start))
            position = end
            file.seek(position)
        _digest_range(file, None, digest)
    return digest.digest()


def _digest_range(file: BinaryIO, size: int | None, digest: Hash) -> None:
    """Read on, up to a number of bytes or to the end."""
    while piece := file.read(_CHUNK_SIZE if size is None else min(size, _CHUNK_SIZE)):
        digest.update(piece)
        size = None if size is None else size - len(piece)
