# SPDX-License-Identifier: MIT
"""Put a new image into the place of an old one: at every moment one of the two is there, whole.

No name in the image's directory is trusted: whoever may write there can have put a link, or a file of theirs, under
each of them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import NamedTuple

from .errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Iterator

_ATTEMPTS = 3
_CHUNK_SIZE = 1 << 20


class Place(NamedTuple):
    """The path of an image, and the names beside it.

    Attributes:
        path: of the image, behind all links.

    """

    path: str

    @classmethod
    def of(cls, path: str) -> Place:
        """Follow the links to an image: the file is replaced, and links stay."""
        return cls(os.path.realpath(path))

    @property
    def directory(self) -> str:
        """Where the image lies."""
        return os.path.dirname(self.path)

    @property
    def previous(self) -> str:
        """Where the old image is until the next update."""
        return self.path + ".previous"

    @property
    def part(self) -> str:
        """Where the new image is until it is whole."""
        return os.path.join(self.directory, f".{os.path.basename(self.path)}.part")

    @property
    def _link(self) -> str:
        """Where the old image is before it becomes the previous one."""
        return os.path.join(self.directory, f".{os.path.basename(self.path)}.old")

    def check(self) -> None:
        """See that an image can be replaced here, and that not everybody can do so.

        Raises:
            SelfError: why not.

        """
        mode = os.stat(self.directory).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise SelfError(f"everybody can write to {self.directory}, so nothing is safe there: move {self.path}")
        if os.access(self.directory, os.W_OK):
            return
        if os.statvfs(self.directory).f_flag & os.ST_RDONLY:
            raise SelfError(f"{self.directory} is on a read-only file system: copy the image elsewhere")
        raise SelfError(f"you may not write to {self.directory}: ask who may, or copy the image elsewhere")

    @contextmanager
    def open_part(self) -> Iterator[BinaryIO]:
        """Open the file for the new image, which may be there from an earlier try, and keep others from doing so.

        It stays if what is done with it is interrupted, and goes if the disk is full.

        Raises:
            SelfError: another update is under way, or what is there belongs to somebody else.

        """
        with os.fdopen(self._open_part(), "rb+") as file:
            try:
                yield file
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                    raise
                self.discard_part()
                raise SelfError(
                    f"there is no room for the new image in {self.directory}: nothing was changed"
                ) from None

    def _open_part(self) -> int:
        for _ in range(_ATTEMPTS):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            try:
                descriptor = os.open(self.part, flags, 0o600)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EACCES}:
                    self._clear(self.part)
                    continue
                raise
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid != os.geteuid():
                os.close(descriptor)
                self._clear(self.part)
                continue
            _lock(descriptor, self.path)
            if _is_at(descriptor, self.part):
                return descriptor
            os.close(descriptor)  # the update that had it is done
        raise SelfError(f"{self.part} cannot be used: see who makes it, and remove it")

    def _clear(self, path: str) -> None:
        """Remove what has no business where we put something."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError:
            raise SelfError(f"{path} is in the way, and is not yours: have it removed") from None

    def discard_part(self) -> None:
        """Remove what has come of the new image."""
        with suppress(OSError):
            os.unlink(self.part)

    def publish(self, part: BinaryIO, old: os.stat_result) -> None:
        """Replace the image.

        Args:
            part: the new image, from `open_part`.
            old: the image that was there when this began.

        Raises:
            SelfError: it is another one by now.
            OSError: something cannot be done; the image is as it was.

        """
        part.flush()
        _take_over(part.fileno(), self.path, old)
        os.fsync(part.fileno())
        now = os.lstat(self.path)
        if (now.st_dev, now.st_ino) != (old.st_dev, old.st_ino):
            raise SelfError(f"{self.path} was replaced meanwhile, by another update or by hand")
        if not _is_at(part.fileno(), self.part):
            raise SelfError(f"{self.part} was replaced by somebody")
        self._keep_previous(old)
        os.rename(self.part, self.path)
        _sync(self.directory)

    def _keep_previous(self, old: os.stat_result) -> None:
        self._clear(self._link)
        try:
            os.link(self.path, self._link, follow_symlinks=False)
        except OSError:  # no hard links here, or not of files of others
            _copy(self.path, self._link, old)
        os.rename(self._link, self.previous)
        self._clear(self._link)  # to rename one link to another of the same file does nothing

    def roll_back(self, previous: BinaryIO) -> None:
        """Exchange the image with the previous one.

        Args:
            previous: that one, from `open_previous`, while nobody else updates.

        Raises:
            SelfError: it is another one by now.
            OSError: something cannot be done; the image is as it was.

        """
        old = os.lstat(self.path)
        if not _is_at(previous.fileno(), self.previous):
            raise SelfError(f"{self.previous} was replaced meanwhile")
        self._clear(self._link)
        try:
            os.link(self.path, self._link, follow_symlinks=False)
        except OSError:
            _copy(self.path, self._link, old)
        os.rename(self.previous, self.path)
        os.rename(self._link, self.previous)
        _sync(self.directory)

    @contextmanager
    def open_previous(self) -> Iterator[BinaryIO]:
        """Open the previous image.

        Raises:
            SelfError: there is none, or it belongs to somebody who could not have put it there.

        """
        try:
            descriptor = os.open(self.previous, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            raise SelfError(f"there is no {self.previous}") from None
        with os.fdopen(descriptor, "rb") as file:
            status, image = os.fstat(descriptor), os.lstat(self.path)
            if not stat.S_ISREG(status.st_mode) or status.st_uid not in {0, os.geteuid(), image.st_uid}:
                raise SelfError(f"{self.previous} is not yours")
            if status.st_ino == image.st_ino:
                raise SelfError(f"{self.previous} is the same image")
            yield file


def _lock(descriptor: int, path: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SelfError(f"another update of {path} is under way") from None


def _is_at(descriptor: int, path: str) -> bool:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (status.st_dev, status.st_ino) == (mine.st_dev, mine.st_ino)


def _take_over(descriptor: int, path: str, old: os.stat_result) -> None:
    """Give a new file what an old one has: owner, extended attributes, permissions."""
    new = os.fstat(descriptor)
    for owner, group in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
        if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid):
            break
        with suppress(PermissionError):
            os.fchown(descriptor, owner, group)
            break
    for name in _attributes(path):
        with suppress(OSError):
            os.setxattr(descriptor, name, os.getxattr(path, name, follow_symlinks=False))
    os.fchmod(descriptor, old.st_mode & 0o777 | stat.S_IXUSR)


def _attributes(path: str) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []


def _copy(path: str, target: str, old: os.stat_result) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(path, "rb") as source, os.fdopen(os.open(target, flags, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, _CHUNK_SIZE)
            file.flush()
            _take_over(file.fileno(), path, old)
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            os.unlink(target)
        raise


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
