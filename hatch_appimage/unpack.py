# SPDX-License-Identifier: MIT
"""Unpack archives that nobody vouches for: nothing lands outside, no device, no set-uid, no link out of the folder."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.image import find_squashfs
from hatch_appimage.squashfs import SquashFSImage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

# Frames of Zstandard (RFC 8878, 3.1.1): tarfile knows the other compressors by itself.
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def unpack_archive(archive: Path, folder: Path, *, source: str) -> None:
    """Unpack a tar archive, compressed by gzip, bzip2, xz, Zstandard or not at all.

    Args:
        archive: the file.
        folder: an empty folder.
        source: where the archive is from, for people.

    Raises:
        AppImageError: it is damaged, no tar archive, or has something in it that is refused.

    """
    if not hasattr(tarfile, "data_filter"):  # PEP 706 came to 3.10 and 3.11 with their later releases
        raise AppImageError("Archives are unpacked safely by Python 3.10.12, 3.11.4, 3.12 or newer: update Python")
    try:
        with archive.open("rb") as file:
            compressed = file.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC
        if compressed:
            with zstd.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                tar.extractall(folder, filter="data")
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise AppImageError(f"{source} is refused: {error}") from error
    except (tarfile.TarError, zstd.ZstdError, zlib.error, EOFError, UnicodeError) as error:
        raise AppImageError(f"{source} cannot be unpacked: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    first, *rest = str(error).splitlines() or ["it is cut off"]
    return "it is no tar archive" if rest else first  # tarfile lists why it is not of each kind that it knows


def unpack_appimage(image: Path, folder: Path, below: Collection[str]) -> None:
    """Unpack folders of an AppImage; it is read, and not run.

    Args:
        image: the file.
        folder: an empty folder.
        below: the folders to unpack, as paths in the image; those that are not there are left out.

    Raises:
        AppImageError: it is no AppImage, is damaged, or has a link out of the folder.

    """
    with image.open("rb") as file:
        squashfs = SquashFSImage(file, find_squashfs(image))
        for entry in squashfs:
            path = os.fsdecode(entry.path)
            # Their parents come before what is in them.
            if not any(f"{path}/".startswith(f"{name}/") or f"{name}/".startswith(f"{path}/") for name in below):
                continue
            target = folder / path
            if stat.S_ISDIR(entry.mode):
                target.mkdir(exist_ok=True)
            elif stat.S_ISLNK(entry.mode):
                link = os.fsdecode(entry.target)
                if link.startswith("/") or os.path.normpath(PurePosixPath(path).parent / link).startswith(".."):
                    raise AppImageError(f"{image.name} is refused: {path} is a link out of it, to {link}")
                target.symlink_to(link)
            elif stat.S_ISREG(entry.mode):
                with target.open("xb") as output:
                    for piece in squashfs.chunks(entry):
                        output.write(piece)
                target.chmod(0o755 if entry.mode & stat.S_IXUSR else 0o644)
