# SPDX-License-Identifier: MIT
"""What took long to compute, kept in the user's cache by a digest of all that it depends on."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hatch_appimage.cache import cache_directory, is_own, open_file
from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: The variable that says how much is kept, in units of 10⁶ bytes; 0 for nothing.
LIMIT: Final = "HATCH_APPIMAGE_CACHE_MB"
_DEFAULT_LIMIT_MB: Final = 2000
# The share of the limit that stays, so that the next build need not prune again.
_AFTER_PRUNING: Final = 0.8

_DIGEST_SIZE: Final = sha256().digest_size
# Files up to this size, in bytes, are kept as they were changed: libraries for GPUs have gigabytes.
_MAX_FILE: Final = 64 << 20
# Before the content of a changed file: what the function that changed it returned.
_NUMBER_SIZE: Final = 8

# An entry's time says when it was last of use, to a day: those of no use for the longest time go first.
_DAY: Final = 24 * 3600


@dataclass(frozen=True)
class Entry:
    """A file of the cache.

    Attributes:
        path: of the file.
        size: in bytes.
        used: when it was last of use, in seconds since the epoch.

    """

    path: Path
    size: int
    used: float


class Results:
    """Results of computations.

    They are kept only where nobody else can change them. A damaged entry is computed again, and so is everything where
    there is no room or permission to keep it: nothing but time depends on this cache.
    """

    def __init__(self, directory: Path | None, limit: int) -> None:
        """Use a directory.

        Args:
            directory: where results are; it may not exist. None to keep nothing.
            limit: how much is kept, in bytes.

        """
        self._directory = directory if limit else None
        self._limit = limit
        self._grown = False

    @property
    def are_kept(self) -> bool:
        """Whether anything that is computed is kept."""
        return self._directory is not None

    @classmethod
    def of_user(cls) -> Results:
        """Return those of whoever runs this process.

        Raises:
            AppImageError: the variable with the limit is no number.

        """
        value = os.environ.get(LIMIT, "")
        if value and not value.isdecimal():
            raise AppImageError(f"{LIMIT} is to be a number, of megabytes, and is {value!r}")
        return cls(results_directory(), int(value or _DEFAULT_LIMIT_MB) * 10**6)

    def has(self, dependencies: Iterable[bytes | memoryview]) -> bool:
        """Whether something is kept for what a result depends on, as for `compute`; it may be damaged."""
        return self._directory is not None and self._path(self._directory, dependencies).exists()

    def compute(self, dependencies: Iterable[bytes | memoryview], function: Callable[[], bytes]) -> bytes:
        """Return what the function returned when it last depended on the same; several threads may ask.

        Args:
            dependencies: all that the result depends on: the data, a name for what is computed, and what identifies the
                code or library that computes it.
            function: computes it.

        """
        directory = self._directory
        if directory is None:
            return function()
        path = self._path(directory, dependencies)
        result = _read(path)
        if result is None:
            result = function()
            self._keep(path, result)
        return result

    def compute_all(
        self, dependencies: Sequence[Sequence[bytes]], function: Callable[[Sequence[int]], Sequence[bytes]]
    ) -> list[bytes]:
        """Return several results, of which those that are not known are computed together.

        Args:
            dependencies: what each of them depends on, as for `compute`.
            function: computes some of them, by their positions.

        """
        directory = self._directory
        if directory is None:
            return list(function(range(len(dependencies))))
        paths = [self._path(directory, each) for each in dependencies]
        known = dict(enumerate(map(_read, paths)))
        missing = [position for position, result in known.items() if result is None]
        for position, result in zip(missing, function(missing) if missing else (), strict=True):
            known[position] = result
            self._keep(paths[position], result)
        return [result for result in known.values() if result is not None]

    def change(self, path: Path, dependencies: Iterable[bytes | memoryview], function: Callable[[], int]) -> int:
        """Have a function change a file, or give the file what a file of the same content became by that function.

        Args:
            path: the file.
            dependencies: all that its new content depends on, apart from its old one.
            function: changes it, or leaves it as it is.

        Returns:
            What the function returned: a number from 0 on.

        """
        if self._directory is None or path.stat().st_size > _MAX_FILE:
            return function()
        before = path.read_bytes()
        is_done = False

        def change() -> bytes:
            nonlocal is_done
            is_done = True
            number = function().to_bytes(_NUMBER_SIZE, "little")
            after = path.read_bytes()
            return number if after == before else number + after

        result = self.compute([*dependencies, before], change)
        after = memoryview(result)[_NUMBER_SIZE:]
        if after and not is_done:
            _replace(path, after)
        return int.from_bytes(result[:_NUMBER_SIZE], "little")

    def prune(self) -> None:
        """Keep within the limit, if anything has been added."""
        if self._directory is None or not self._grown:
            return
        entries = sorted(list_entries(self._directory), key=lambda entry: entry.used)
        size = sum(entry.size for entry in entries)
        if size <= self._limit:
            return
        for entry in entries:
            if size <= self._limit * _AFTER_PRUNING:
                break
            with suppress(OSError):
                entry.path.unlink()
            size -= entry.size

    def _path(self, directory: Path, dependencies: Iterable[bytes | memoryview]) -> Path:
        key = _digest(dependencies)
        return directory / key[:2] / key[2:]

    def _keep(self, path: Path, result: bytes) -> None:
        try:
            _write(path, result)
        except OSError:
            self._directory = None  # the next would fail as well
        else:
            self._grown = True


#: Keeps nothing.
NO_RESULTS: Final = Results(None, 0)


@functools.cache
def digest_code(*files: str) -> bytes:
    """Return what stands for some modules, and for the Python that runs them, among what a result depends on.

    Args:
        files: paths of the modules' sources, and of programs that they run.

    """
    digest = sha256(sys.version.encode())
    for file in files:
        digest.update(Path(file).read_bytes())
    return digest.digest()


def results_directory() -> Path | None:
    """Return where the user's results are; None where others could change them, or nothing can be made."""
    directory = cache_directory() / "results"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory if is_own(directory) else None
    except OSError:
        return None


def list_entries(directory: Path) -> Iterator[Entry]:
    """Yield the files below a directory of the cache; those that vanish meanwhile are passed over."""
    for place, _, names in os.walk(directory):
        for name in names:
            path = Path(place, name)
            with suppress(OSError):
                found = path.lstat()
                yield Entry(path, found.st_size, found.st_mtime)


def _digest(dependencies: Iterable[bytes | memoryview]) -> str:
    digest = sha256()
    for dependency in dependencies:
        digest.update(len(dependency).to_bytes(8, "little"))
        digest.update(dependency)
    return digest.hexdigest()


def _read(path: Path) -> bytes | None:
    """Return a result whose digest, which is before it, is right."""
    try:
        with open_file(path, os.O_RDONLY) as file:
            entry = file.read()
            if time.time() - os.fstat(file.fileno()).st_mtime > _DAY:
                os.utime(file.fileno())
    except (AppImageError, OSError):
        return None
    digest, result = entry[:_DIGEST_SIZE], entry[_DIGEST_SIZE:]
    return result if sha256(result).digest() == digest else None


def _write(path: Path, result: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _written_beside(path, (sha256(result).digest(), result)):
        pass


def _replace(path: Path, content: memoryview) -> None:
    """Give a file another content, with its mode and its times; other names of the same file keep theirs."""
    with _written_beside(path, (content,)) as beside:
        shutil.copystat(path, beside)


@contextmanager
def _written_beside(path: Path, content: Iterable[bytes | memoryview]) -> Iterator[Path]:
    """Provide a new file that takes the place of the path in the end, as a whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(content)
        yield Path(name)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
