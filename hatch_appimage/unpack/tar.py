# SPDX-License-Identifier: MIT
"""Read tar archives, compressed by gzip, bzip2, xz, Zstandard or not at all."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from hatch_appimage.unpack.entry import Entry, Kind
from hatch_appimage.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK_SIZE: Final = 1 << 20
_MAX_PADDING: Final = 64 << 20
# What compressed files begin with: RFC 1952, 2.3.1; bzip2; the .xz file format, 2.1.1.1; RFC 8878, 3.1.1.
_OPENERS: Final[dict[bytes, Callable[[Path], object]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x28\xb5\x2f\xfd": zstd.open,
}
# Headers that only carry names and the like of the entry behind them. They are read into memory.
_CARRIERS: Final = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MAX_CARRIED: Final = 1 << 20


class _Header(tarfile.TarInfo):
    """A header; what is none ends the archive only where a block of zeros says so (POSIX.1-2017, pax, "ustar").

    tarfile takes a damaged header, and the end of the file, for the end of the archive.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        return _checked(buf, partial(super().frombuf, buf, encoding, errors))

    @classmethod
    def _frombuf(cls, buf: bytes, encoding: str, errors: str, **options: bool) -> _Header:
        """Do the same where tarfile, since CPython's gh-141707, calls this and not the former."""
        return _checked(buf, partial(super()._frombuf, buf, encoding, errors, **options))  # type: ignore[misc]

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Header:
        """Do the same for what extended headers say (CPython's gh-130577)."""
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.InvalidHeaderError as error:  # type: ignore[attr-defined] # typeshed lacks it
            raise tarfile.ReadError(str(error)) from error


def _checked(buf: bytes | bytearray, read: Callable[[], _Header]) -> _Header:
    try:
        header = read()
    except tarfile.HeaderError as error:
        if buf == bytes(tarfile.BLOCKSIZE):
            raise
        raise tarfile.ReadError("it is cut off" if not buf else str(error)) from error
    if header.size < 0 or (header.type in _CARRIERS and header.size > _MAX_CARRIED):
        raise tarfile.ReadError(f"the header of an entry says that {header.size} bytes belong to it")
    return header


def read_tar(archive: Path) -> Iterator[Entry]:
    """Iterate over the entries of a tar archive.

    Raises:
        tarfile.TarError: it is damaged. The decompressors raise exceptions of their own.

    """
    with (
        _decompressed(archive) as stream,
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header, encoding="utf-8", errors="surrogateescape") as tar,
    ):
        for member in tar:
            yield _entry(tar, member)
        _read_to_the_end(stream)


@contextmanager
def _decompressed(archive: Path) -> Iterator[BinaryIO]:
    with archive.open("rb") as file:
        start = file.read(max(map(len, _OPENERS)))
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    with cast("BinaryIO", opener(archive) if opener else archive.open("rb")) as stream:
        yield stream


def _read_to_the_end(stream: BinaryIO) -> None:
    """Read what is behind the end of the archive: more blocks of zeros, and what a compressor verifies the whole by."""
    for _ in range(_MAX_PADDING // _CHUNK_SIZE):
        if not stream.read(_CHUNK_SIZE):
            return
    raise tarfile.ReadError(f"more than {_MAX_PADDING} bytes follow its end")


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    if member.size < 0:  # as a pax header can say
        raise tarfile.ReadError(f"{member.name!a} has {member.size} bytes")
    return Entry(
        path=_encode(member.name),
        kind=_kind(member),
        mode=member.mode,
        mtime=member.mtime,
        size=member.size,
        target=_encode(member.linkname),
        read=partial(_read, tar, member),
    )


def _kind(member: tarfile.TarInfo) -> Kind:
    if member.isdir():
        return Kind.DIRECTORY
    if member.issym():
        return Kind.SYMBOLIC_LINK
    if member.islnk():
        return Kind.HARD_LINK
    return Kind.FILE if member.isreg() else Kind.OTHER


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    file = tar.extractfile(member)
    if file is not None:
        while piece := file.read(_CHUNK_SIZE):
            yield piece


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
