# SPDX-License-Identifier: MIT
"""Unpack archives that nobody vouches for: nothing lands outside, no device, no set-uid bit, no link that leads out."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError, explain_os_error
from hatch_appimage.format import find_squashfs
from hatch_appimage.squashfs import SquashFSImage
from hatch_appimage.text import printable
from hatch_appimage.unpack.deb import extract_data
from hatch_appimage.unpack.entry import Entry, Kind
from hatch_appimage.unpack.tar import read_tar
from hatch_appimage.unpack.writer import RefusedError, Writer
from hatch_appimage.unpack.zip import DAMAGED, MAGICS, read_zip
from hatch_appimage.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hatch_appimage.squashfs import Entry as SquashFSEntry

# What the libraries raise that archives are read with, where there is something wrong with one.
_DAMAGED = (tarfile.TarError, zstd.ZstdError, *DAMAGED)
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMBOLIC_LINK}


def unpack_archive(archive: Path, directory: Path, *, source: str) -> None:
    """Unpack a ZIP archive, or a tar archive, compressed by gzip, bzip2, xz, Zstandard or not at all.

    Args:
        archive: the file.
        directory: an empty directory, which is empty again if something goes wrong.
        source: where the archive is from, as messages say it.

    Raises:
        AppImageError: it is damaged, no archive, has something in it that is refused, or there is no room for it.

    """
    with archive.open("rb") as file:
        is_zip = file.read(4) in MAGICS
    with _whole_or_nothing(directory, source):
        Writer(directory, archive.stat().st_size).write(read_zip(archive) if is_zip else read_tar(archive))


def unpack_system(archive: Path, directory: Path, *, source: str) -> None:
    """Unpack a tar archive of a system's root directory, or a layer of one, compressed or not; devices are left out.

    Args:
        archive: the file.
        directory: an empty directory, which is empty again if something goes wrong. Links in it are those of the
            system: they mean other places here, and must not be followed.
        source: where the archive is from, as messages say it.

    Raises:
        AppImageError: it is damaged, no archive, has something in it that is refused, or there is no room for it.

    """
    with _whole_or_nothing(directory, source):
        Writer(directory, archive.stat().st_size, is_system=True).write(read_tar(archive))


def unpack_package(package: Path, directory: Path) -> None:
    """Unpack the files of a Debian package (deb(5)); its scripts are not looked at, and devices are left out.

    Args:
        package: the file.
        directory: an empty directory, as of `unpack_system`.

    Raises:
        AppImageError: it is damaged, no package, has something in it that is refused, or there is no room for it.

    """
    with TemporaryDirectory(prefix="hatch-appimage-package-") as place:
        with _whole_or_nothing(directory, package.name):
            data = extract_data(package, Path(place))
        unpack_system(data, directory, source=package.name)


def unpack_appimage(image: Path, directory: Path, below: Collection[str]) -> None:
    """Unpack directories of an AppImage; it is read, and not run.

    Args:
        image: the file.
        directory: an empty directory, which is empty again if something goes wrong.
        below: the directories to unpack, as paths in the image; those that are not there are left out.

    Raises:
        AppImageError: it is no AppImage, is damaged, has something in it that is refused, or there is no room for it.

    """
    wanted = [os.fsencode(name) for name in below]
    with image.open("rb") as file, _whole_or_nothing(directory, image.name):
        squashfs = SquashFSImage(file, find_squashfs(image))
        entries = (_entry(squashfs, entry) for entry in squashfs if _is_wanted(entry.path, wanted))
        Writer(directory, image.stat().st_size).write(entries)


def _is_wanted(path: bytes, below: Iterable[bytes]) -> bool:
    """Whether a path is one of some directories, one of their parents, or lies in one."""
    return any((path + b"/").startswith(name + b"/") or (name + b"/").startswith(path + b"/") for name in below)


def _entry(squashfs: SquashFSImage, entry: SquashFSEntry) -> Entry:
    return Entry(
        path=entry.path,
        kind=_KINDS.get(stat.S_IFMT(entry.mode), Kind.OTHER),
        mode=entry.mode,
        mtime=entry.mtime,
        size=entry.size,
        target=entry.target,
        read=partial(squashfs.chunks, entry),
    )


@contextmanager
def _whole_or_nothing(directory: Path, source: str) -> Iterator[None]:
    """Say in one line what is wrong with an archive, and remove what was unpacked of it."""
    try:
        yield
    except BaseException as error:
        for path in directory.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if isinstance(error, RefusedError):
            raise RefusedError(f"{source} is refused: {error}") from error
        if isinstance(error, (OSError, *_DAMAGED)):
            raise AppImageError(f"{source} cannot be unpacked: {printable(_reason(error, directory))}") from error
        raise


def _reason(error: Exception, directory: Path) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return f"{error.strerror} in {directory}"
        return explain_os_error(error)
    first, *rest = str(error).splitlines() or ["it is cut off"]
    return "it is no tar archive" if rest else first  # tarfile lists why it is not of each kind that it knows
