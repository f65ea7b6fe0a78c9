# SPDX-License-Identifier: MIT
"""Put a new image together from what older ones have of it, what an interrupted update has brought, and the rest."""

from __future__ import annotations

import hashlib
import mmap
import os

from .blocks import digest_of, find_blocks
from .ranges import Part, RemoteFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .blocks import BlockMap
    from .engine import Progress, Release
    from .web import Web

_CHUNK_SIZE = 1 << 20


def assemble(web: Web, release: Release, seeds: list[str], part: BinaryIO, progress: Progress) -> None:
    """Fill the file for the new image.

    Args:
        web: fetches.
        release: what is wanted.
        seeds: paths of older images.
        part: the file, in which there may be something of an earlier try.
        progress: is told how far it has got.

    Raises:
        SelfError: something cannot be fetched; what has come stays.
        OSError: the file cannot be written.

    """
    is_resumed = part.seek(0, os.SEEK_END) > 0
    _fetch_once(web, release, seeds, part, progress)
    if is_resumed and not is_announced(part, release):  # what was there may have been of another image
        part.truncate(0)
        _fetch_once(web, release, seeds, part, progress)


def _fetch_once(web: Web, release: Release, seeds: list[str], part: BinaryIO, progress: Progress) -> None:
    remote = RemoteFile(web, release.url, release.size)
    if release.blocks:
        _fetch_blocks(remote, release.blocks, seeds, part, progress)
    else:
        _fetch_all(remote, part, progress)
    part.flush()


def _fetch_all(remote: RemoteFile, part: BinaryIO, progress: Progress) -> None:
    """Fetch a file to its end, from where an earlier try has got to."""
    part.truncate(min(part.seek(0, os.SEEK_END), remote.size))
    done = part.seek(0, os.SEEK_END)

    def write(position: int, data: bytes) -> None:
        part.seek(position)
        part.write(data)
        progress(position + len(data), remote.size)

    if done < remote.size:
        remote.fetch([Part(done, remote.size)], write)


def _fetch_blocks(remote: RemoteFile, wanted: BlockMap, seeds: list[str], part: BinaryIO, progress: Progress) -> None:
    """Put a file together from blocks of older ones, and from those that have to be fetched."""
    have = _blocks_in_place(wanted, part)
    os.posix_fallocate(part.fileno(), 0, wanted.size)
    part.truncate(wanted.size)
    for seed in seeds:
        have |= _copy_blocks(wanted, have, seed, part)
    missing = [block for number, block in enumerate(wanted.blocks) if number not in have]
    done = [wanted.size - sum(block.size for block in missing)]

    def write(position: int, data: bytes) -> None:
        part.seek(position)
        part.write(data)
        done[0] = min(done[0] + len(data), wanted.size)
        progress(done[0], wanted.size)

    progress(done[0], wanted.size)
    if missing:
        remote.fetch([Part(block.start, block.start + block.size) for block in missing], write)


def _blocks_in_place(wanted: BlockMap, part: BinaryIO) -> set[int]:
    """Return the numbers of blocks that an interrupted update has brought."""
    if not part.seek(0, os.SEEK_END):
        return set()
    found = set()
    for number, block in enumerate(wanted.blocks):
        part.seek(block.start)
        if digest_of(part.read(block.size)) == block.digest:
            found.add(number)
    return found


def _copy_blocks(wanted: BlockMap, have: set[int], seed: str, part: BinaryIO) -> set[int]:
    """Copy what is missing from an older image; return the numbers of those blocks."""
    copied: set[int] = set()
    try:
        descriptor = os.open(seed, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # there is no previous image
        return copied
    with os.fdopen(descriptor, "rb") as file:
        if len(have) == len(wanted.blocks) or not file.seek(0, os.SEEK_END):
            return copied
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            places = find_blocks(wanted, image)
            for number, block in enumerate(wanted.blocks):
                if number not in have and block.digest in places:
                    start = places[block.digest]
                    part.seek(block.start)
                    part.write(image[start : start + block.size])
                    copied.add(number)
    return copied


def is_announced(part: BinaryIO, release: Release) -> bool:
    """Whether a file is what was announced."""
    sha1, sha256 = hashlib.sha1(), hashlib.sha256()  # noqa: S324 - what .zsync files have; the signature protects
    part.seek(0)
    for chunk in iter(lambda: part.read(_CHUNK_SIZE), b""):
        sha1.update(chunk)
        sha256.update(chunk)
    return sha1.hexdigest() == release.sha1 and release.sha256 in {"", sha256.hexdigest()}
