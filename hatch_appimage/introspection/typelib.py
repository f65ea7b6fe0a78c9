# SPDX-License-Identifier: MIT
"""The header of a typelib: which namespace it describes, and what that needs.

The format is that of ``girepository/gitypelib-internal.h`` in GLib: a header of integers, most of them offsets of
strings in the file that end with a NUL.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b"GOBJ\nMETADATA\r\n\x1a"
# Magic, version, numbers of entries, directory, attributes; then the offsets of dependencies, the file's size, and the
# offsets of namespace, version and shared libraries. Typelibs have the byte order of their machine, and all
# architectures of ours are little-endian.
_HEADER = struct.Struct("<16s 2B 3H 3I 5I")
_FIELDS = 5
_MAJOR = 4


@dataclass(frozen=True)
class Typelib:
    """What a typelib says of itself.

    Attributes:
        path: the file.
        namespace: such as ``Gtk``.
        version: of the namespace, such as ``4.0``.
        dependencies: pairs of namespace and version that it refers to.
        libraries: the sonames that have its functions, as they are opened.

    """

    path: Path
    namespace: str
    version: str
    dependencies: tuple[tuple[str, str], ...]
    libraries: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.namespace}-{self.version}"


def read_typelib(path: Path) -> Typelib:
    """Read the header of a typelib.

    Raises:
        AppImageError: the file is none, or damaged.

    """
    data = path.read_bytes()
    if len(data) < _HEADER.size:
        raise AppImageError(f"{path} is no typelib")
    magic, major, *numbers = _HEADER.unpack_from(data)
    dependencies, size, namespace, version, libraries = numbers[-_FIELDS:]
    if magic != _MAGIC or major != _MAJOR:
        raise AppImageError(f"{path} is no typelib of the version that is known ({_MAJOR})")
    if size != len(data):
        raise AppImageError(f"{path} is damaged: it has {len(data)} bytes in place of {size}")
    texts = [_text(data, offset, path) for offset in (dependencies, namespace, version, libraries)]
    needed = (name.rpartition("-") for name in texts[0].split("|") if name)
    return Typelib(
        path,
        namespace=texts[1],
        version=texts[2],
        dependencies=tuple((name, number) for name, _, number in needed),
        libraries=tuple(filter(None, texts[3].split(","))),
    )


def _text(data: bytes, offset: int, path: Path) -> str:
    """Return the string at an offset; "" for the offset 0, which stands for none."""
    end = data.find(b"\0", offset)
    if offset >= len(data) or end < 0:
        raise AppImageError(f"{path} is damaged: an offset leads out of it")
    return data[offset:end].decode("utf-8", "replace") if offset else ""
