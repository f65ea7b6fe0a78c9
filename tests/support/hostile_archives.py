# SPDX-License-Identifier: MIT
"""Archives of every kind that we unpack, with the same entries in each, whatever these are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from hatch_appimage.architecture import native_architecture
from hatch_appimage.runtime import runtime_path
from hatch_appimage.unpack import unpack_appimage, unpack_archive
from support.tools import require

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar.zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}
KINDS = (*COMPRESSORS, "zip", "AppImage")

_TAR_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFSOCK: b"s",  # POSIX leaves letters like it to whoever wants them
}


@dataclass(frozen=True)
class Item:
    """An entry to be written.

    Attributes:
        path: its name, as it stands in the archive.
        mode: type and permissions, as in `st_mode`.
        data: of a file, or the target of a link.
        hard: it is a hard link to `data`.

    """

    path: bytes
    mode: int = stat.S_IFREG | 0o644
    data: bytes = b""
    hard: bool = False

    @property
    def type(self) -> int:
        return stat.S_IFMT(self.mode)


def file(path: bytes, data: bytes = b"", mode: int = 0o644) -> Item:
    return Item(path, stat.S_IFREG | mode, data)


def directory(path: bytes) -> Item:
    return Item(path, stat.S_IFDIR | 0o755)


def link(path: bytes, target: bytes) -> Item:
    return Item(path, stat.S_IFLNK | 0o777, target)


def hard_link(path: bytes, target: bytes) -> Item:
    return Item(path, data=target, hard=True)


def write_archive(path: Path, kind: str, items: Sequence[Item]) -> Path:
    """Write an archive of a kind; `path` gets its ending."""
    path = path.with_name(f"{path.name}.{kind}")
    if kind == "zip":
        _write_zip(path, items)
    elif kind == "AppImage":
        path.write_bytes(runtime_path(native_architecture().name).read_bytes() + _squashfs(items))
    else:
        path.write_bytes(COMPRESSORS[kind](_tar(items)))
    return path


def unpack(archive: Path, directory: Path, *tops: str) -> None:
    """Unpack an archive of any kind; of an AppImage `tops` are unpacked, its directories."""
    if archive.suffix == ".AppImage":
        unpack_appimage(archive, directory, tops)
    else:
        unpack_archive(archive, directory, source=archive.name)


def _tar(items: Sequence[Item]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for item in items:
            info = tarfile.TarInfo(_text(item.path))
            info.type = tarfile.LNKTYPE if item.hard else _TAR_TYPES[item.type]
            info.mode = stat.S_IMODE(item.mode)
            info.mtime = 1_600_000_000
            if item.hard or item.type == stat.S_IFLNK:
                info.linkname = _text(item.data)
                tar.addfile(_carried(info))
            else:
                info.size = len(item.data)
                tar.addfile(_carried(info), io.BytesIO(item.data))
    return output.getvalue()


def _carried(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Have what a header cannot say, a NUL, be said by a header of its own."""
    if "\0" in info.name:
        info.pax_headers, info.name = {"path": info.name}, "in another header"
    if "\0" in info.linkname:
        info.pax_headers, info.linkname = {"linkpath": info.linkname}, "in another header"
    return info


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


class _RawInfo(ZipInfo):
    """An entry whose name is written as it is."""

    __slots__ = ("raw",)
    raw: bytes

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's
        return self.raw, self.flag_bits


def _write_zip(path: Path, items: Sequence[Item]) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for number, item in enumerate(items):
            info = _RawInfo(str(number), (2020, 9, 13, 12, 26, 40))
            info.raw = item.path + (b"/" if item.type == stat.S_IFDIR else b"")
            info.create_system = 3
            info.external_attr = item.mode << 16
            info.compress_type = ZIP_DEFLATED
            with archive.open(info, "w") as output:
                output.write(item.data)


# mksquashfs packs what is on the disk, where there are no such names: each stands for one as long.
_NAMES = {b"..": b"@@", b"\0": b"%"}


def _squashfs(items: Sequence[Item]) -> bytes:
    with tempfile.TemporaryDirectory() as temporary:
        root, image = Path(temporary, "root"), Path(temporary, "image")
        root.mkdir()
        pseudo: list[str] = []
        for item in items:
            name = _stand_in(item.path)
            place = root / os.fsdecode(name)
            place.parent.mkdir(parents=True, exist_ok=True)
            if item.type in {stat.S_IFCHR, stat.S_IFBLK}:
                letter = "c" if item.type == stat.S_IFCHR else "b"
                pseudo += ["-p", f"{os.fsdecode(name)} {letter} 644 0 0 1 3"]
            else:
                _make(item, place)
        command = [require("mksquashfs", "squashfs-tools"), str(root), str(image), "-all-root", *pseudo]
        subprocess.run([*command, "-noI", "-noD", "-noF", "-noX", "-no-xattrs"], check=True, capture_output=True)
        data = image.read_bytes()
    # Names lie in the tables, behind the data; the offset of the table of inodes is at 64 in the superblock.
    (tables,) = struct.unpack_from("<Q", data, 64)
    end = data[tables:]
    for name, stand_in in _NAMES.items():
        end = end.replace(stand_in, name)
    return data[:tables] + end


def _stand_in(name: bytes) -> bytes:
    return b"/".join(_NAMES.get(part, part) for part in name.replace(b"\0", _NAMES[b"\0"]).split(b"/"))


def _make(item: Item, place: Path) -> None:
    if item.type == stat.S_IFDIR:
        place.mkdir(exist_ok=True)
    elif item.type == stat.S_IFLNK:
        place.symlink_to(os.fsdecode(item.data.replace(b"\0", _NAMES[b"\0"])))
    elif item.type == stat.S_IFIFO:
        os.mkfifo(place)
    elif item.type == stat.S_IFSOCK:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(place))
    else:
        place.write_bytes(item.data)
        place.chmod(stat.S_IMODE(item.mode))
