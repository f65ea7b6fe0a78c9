# SPDX-License-Identifier: MIT
"""Read Debian packages (deb(5)): ar archives of a version, an archive with control files, and one with the files."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC: Final = b"!<arch>\n"
_DATA: Final = "data.tar"
# ar(5): name, time, owner, group, mode, size, and an end mark.
_HEADER_SIZE: Final = 60
_NAME: Final = slice(0, 16)
_SIZE: Final = slice(48, 58)
_END: Final = slice(58, 60)
_END_MARK: Final = b"`\n"
_CHUNK_SIZE: Final = 1 << 20


def extract_data(package: Path, directory: Path) -> Path:
    """Write the tar archive with a package's files into a directory, as it is compressed, and return its path.

    Raises:
        tarfile.TarError: the file is no package, or is cut off.

    """
    with package.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise tarfile.ReadError("it is no Debian package")
        while header := file.read(_HEADER_SIZE):
            name, size = _parse(header)
            if name.startswith(_DATA):
                return _write(file, size, directory / _DATA)
            file.seek(size + size % 2, 1)  # each begins at an even offset
    raise tarfile.ReadError(f"it has no {_DATA}")


def _parse(header: bytes) -> tuple[str, int]:
    """Return the name and the size in bytes that a header says."""
    digits = header[_SIZE].strip()
    if header[_END] != _END_MARK or not digits.isdigit():
        raise tarfile.ReadError("it is cut off")
    return header[_NAME].decode("ascii", "replace").rstrip().rstrip("/"), int(digits)


def _write(file: BinaryIO, size: int, target: Path) -> Path:
    with target.open("wb") as copy:
        while size and (piece := file.read(min(size, _CHUNK_SIZE))):
            copy.write(piece)
            size -= len(piece)
    if size:
        raise tarfile.ReadError("it is cut off")
    return target
