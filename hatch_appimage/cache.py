# SPDX-License-Identifier: MIT
"""What builds keep for later ones: nothing of it is used that has changed meanwhile, or that others can change."""

from __future__ import annotations

import atexit
import errno
import fcntl
import functools
import logging
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from platformdirs import user_cache_path

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

#: The directories of the cache, and what is in them.
PARTS: Final = {
    "answers": "lists of what can be downloaded",
    "built": "wheels of packages that come as sources, and the tools that built them",
    "downloads": "Pythons as they were downloaded",
    "packages": "unpacked packages of Debian or Ubuntu, with libraries that the machine lacks",
    "python": "unpacked Pythons",
    "results": "what builds need not do twice: compressed blocks, bytecode and the like",
    "roots": "root file systems for `hatch-appimage try`",
}

_DANGER = ", who could change what is bundled"


def cache_directory() -> Path:
    """Return the directory of what can be fetched again (XDG Base Directory Specification); it may not exist.

    Where somebody else could change what lies there, as in a container that has a user's cache mounted, or where it
    cannot be made, as without a home directory, it is one that lasts as long as this process.
    """
    directory = user_cache_path("hatch-appimage")
    if os.path.isdir(directory) and (problem := _find_problem(directory)):  # noqa: PTH112 - it may be unsearchable
        return instead_of(directory, f"{problem}{_DANGER}", "XDG_CACHE_HOME")
    return instead_of(directory, "cannot be written", "XDG_CACHE_HOME") if is_unwritable(directory) else directory


def is_unwritable(directory: Path) -> bool:
    """Whether nothing can be written into a directory, or it can neither be found nor made."""
    try:
        there = next(path for path in (directory, *directory.parents) if path.exists())
    except OSError:  # one of its parents can be searched by others only
        return True
    return not os.access(there, os.W_OK | os.X_OK)


@functools.cache
def instead_of(directory: Path, problem: str, variable: str) -> Path:
    """Say why a cache is not used, and return a directory that is gone when this process ends.

    Args:
        directory: the cache.
        problem: what is wrong with it.
        variable: that names another one.

    """
    log.warning("The cache %s %s, and is not used: set %s to a directory of yours", directory, problem, variable)
    instead = tempfile.mkdtemp(prefix="hatch-appimage-cache-")
    atexit.register(shutil.rmtree, instead, ignore_errors=True)
    return Path(instead)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Let one process at a time change a file or directory of the cache; the others find it when it is their turn.

    Args:
        target: what is changed; directories above it are made.

    Raises:
        AppImageError: somebody else could change it, too.

    """
    for directory in (cache_directory(), target.parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(directory)
    with open_file(target.with_name(f"{target.name}.lock"), os.O_RDWR | os.O_CREAT) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_own(directory: Path) -> bool:
    """Whether only this user can change what lies in a directory."""
    return _find_problem(directory) is None


def _find_problem(directory: Path) -> str | None:
    """Return why a directory is not this user's alone; None if it is."""
    found = directory.stat()
    if found.st_uid != os.geteuid():
        return f"belongs to the user {found.st_uid}"
    return "is writable by everybody" if found.st_mode & stat.S_IWOTH else None


def _check_owner(directory: Path) -> None:
    if problem := _find_problem(directory):
        raise AppImageError(f"The cache {directory} {problem}{_DANGER}: set XDG_CACHE_HOME to a directory of yours")


def discard_unless_file(path: Path, *, writing: bool = False) -> None:
    """Remove what lies in the place of a file of the cache: a link, a device, or a file with another name elsewhere.

    Args:
        path: where there may be a file, or nothing.
        writing: the file is to be written to.

    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or (writing and found.st_nlink > 1):
        path.unlink()


def open_file(path: Path, flags: int) -> BinaryIO:
    """Open a file of the cache, and nothing else that may have come to lie in its place; nothing is truncated.

    Args:
        path: where it is.
        flags: of open(2), one of ``O_RDONLY`` and ``O_RDWR`` among them.

    Raises:
        AppImageError: it is a link, a directory, a device or the like.

    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise
    else:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "rb")
        os.close(descriptor)
    raise AppImageError(f"{path} in the cache is a link, or no regular file: remove it")


def seal(tree: Path) -> None:
    """Note what is in a directory of the cache, for `is_unchanged`."""
    file = _seal_of(tree)
    new = file.with_name(f"{file.name}.part")
    new.write_text(f"{_digest_of(tree)}\n", encoding="ascii")
    new.replace(file)


def is_unchanged(tree: Path) -> bool:
    """Tell whether a directory has what it had when it was sealed; one that was not is sealed as it is now.

    Bytecode does not count: Python writes it when it likes, and it is never bundled.
    """
    try:
        noted = _seal_of(tree).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:  # it was made by an earlier release
        seal(tree)
        return True
    return noted == _digest_of(tree)


def _seal_of(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.sha256")


def _digest_of(tree: Path) -> str:
    """Return a digest of all names, modes, links and contents of a directory."""
    digest = sha256()
    for directory, directories, names in os.walk(tree):
        directories[:] = sorted(name for name in directories if name != "__pycache__")
        for name in sorted([*directories, *names]):
            path = Path(directory, name)
            mode = path.lstat().st_mode
            digest.update(f"{path.relative_to(tree)}\0{mode:o}\0".encode(errors="surrogateescape"))
            if stat.S_ISLNK(mode):
                digest.update(os.fsencode(path.readlink()) + b"\0")
            elif stat.S_ISREG(mode):
                digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()
