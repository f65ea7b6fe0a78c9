# SPDX-License-Identifier: MIT
"""What installing an image has put where, so that nothing else is ever removed.

A record is a JSON file. It is written before what it names, and removed after it, so that an installation that was
interrupted is known, too. Only its owner's own is believed: whoever installs for another user removes nothing by it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from typing import NamedTuple

from .errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Mapping

    #: What is to be at a path: the bytes of a file, or where a symbolic link leads.
    Content = bytes | str

_LINK = "-> "


class Record(NamedTuple):
    """What was put where.

    Attributes:
        image: the path of the image that it is for.
        files: paths, each with digests of what was put there; there are two where an installation was interrupted.
        directories: those that were not there before, outer ones first.
        before: files of the desktop's own tools that were there before.
        links: the directory of links to the image's commands; None if there are none.

    """

    image: str
    files: dict[str, list[str]]
    directories: list[str]
    before: list[str]
    links: str | None

    @classmethod
    def read(cls, path: str) -> Record | None:
        """Read a record; None if there is none.

        Raises:
            SelfError: it is damaged, or somebody else's.

        """
        try:
            with open(path, encoding="utf-8") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    raise SelfError(f"{path}, which says what was installed, is another user's: it is not believed")
                found = json.load(file)
            return cls(
                image=found["image"],
                files=_read_files(found["files"], os.path.dirname(os.path.dirname(path))),
                directories=list(found["directories"]),
                before=list(found["before"]),
                links=found["links"],
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SelfError(f"{path}, which says what was installed, is damaged: remove it") from error

    def write(self, path: str) -> None:
        """Write it, whole or not at all."""
        replace_file(path, json.dumps(self._asdict(), indent=1).encode())


def _read_files(files: Mapping[str, list[str]], data: str) -> dict[str, list[str]]:
    """Return the files of a record; but for links they are below the data directory that it is in."""
    for path, digests in files.items():
        is_below = path.startswith(f"{data}/") and os.path.normpath(path) == path
        if not is_below and not all(each.startswith(_LINK) for each in digests):
            raise ValueError(path)
    return {path: list(digests) for path, digests in files.items()}


def digest(content: Content) -> str:
    """Return what a record has of a file or a link."""
    return _LINK + content if isinstance(content, str) else hashlib.sha256(content).hexdigest()


def digest_of(path: str) -> str | None:
    """Return the same of what is at a path; None if there is nothing."""
    try:
        if os.path.islink(path):
            return _LINK + os.readlink(path)
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def check_free(contents: Mapping[str, Content], old: Record | None) -> None:
    """See that all paths are free, or have what is to be there or was put there before.

    Raises:
        SelfError: something else is at one of them.

    """
    for path, content in contents.items():
        there = digest_of(path)
        if there not in {None, digest(content), *(old.files.get(path, ()) if old else ())}:
            raise SelfError(f"{path} is there already and is not this image's: remove or rename it first")


def put(contents: Mapping[str, Content], path: str, new: Record, old: Record | None) -> Record:
    """Put files and links in their places, and write a record of it.

    Args:
        contents: what is to be at each absolute path.
        path: of the record.
        new: what the record is to have, other than what is put.
        old: the record of the last installation; what it has besides is removed.

    Returns:
        the record that was written.

    Raises:
        SelfError: something else is at one of the paths; nothing was changed.
        OSError: something cannot be written.

    """
    check_free(contents, old)
    files = {each: [digest(content)] for each, content in contents.items()}
    known = old.files if old else {}
    both = {each: [*known.get(each, ()), *files.get(each, ())] for each in (*known, *files)}
    made = [*(old.directories if old else []), *_missing_directories([*contents, path])]
    new = new._replace(files=files, directories=made, before=old.before if old else new.before)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    new._replace(files=both).write(path)
    for each, content in contents.items():
        os.makedirs(os.path.dirname(each), exist_ok=True)
        _place(each, content)
    take_away({each: digests for each, digests in known.items() if each not in files}, ())
    new.write(path)
    return new


def take_away(files: Mapping[str, list[str]], directories: Iterable[str]) -> list[str]:
    """Remove what was put, and directories that are empty then.

    Args:
        files: paths, each with digests of what was put there.
        directories: outer ones first.

    Returns:
        the paths of files that stay because somebody has changed them.

    """
    changed = []
    for path, digests in files.items():
        there = digest_of(path)
        if there in digests:
            os.unlink(path)
        elif there is not None:
            changed.append(path)
    for directory in sorted(directories, key=len, reverse=True):
        with suppress(OSError):
            os.rmdir(directory)
    return changed


def replace_file(path: str, data: bytes) -> None:
    """Write a file, whole or not at all; its mode is that of any new file."""
    descriptor, part = tempfile.mkstemp(prefix=".appimage-self-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(file.fileno(), 0o666 & ~mask)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _place(path: str, content: Content) -> None:
    if digest_of(path) == digest(content):
        return
    if isinstance(content, bytes):
        replace_file(path, content)
        return
    with suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(content, path)


def _missing_directories(paths: Iterable[str]) -> list[str]:
    missing = set()
    for path in paths:
        directory = os.path.dirname(path)
        while not os.path.lexists(directory):
            missing.add(directory)
            directory = os.path.dirname(directory)
    return sorted(missing, key=len)
