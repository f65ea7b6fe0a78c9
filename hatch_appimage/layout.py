# SPDX-License-Identifier: MIT
"""The AppDir: the directory that becomes the image. The one place that knows the paths inside it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def files_below(directory: Path) -> Iterator[Path]:
    """Yield the regular files of a directory and of all below it, in a fixed order; links are not followed.

    Like `os.walk`, it passes over directories that cannot be read.
    """
    return (Path(entry.path) for _, entries in walk(directory) for entry in entries)


def walk(directory: Path) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Yield a directory and all below it, each with the entries of its regular files, as `files_below` has them."""
    waiting = [str(directory)]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError:
            continue
        yield place, [entry for entry in entries if entry.is_file(follow_symlinks=False)]
        waiting += (entry.path for entry in reversed(entries) if entry.is_dir(follow_symlinks=False))


@dataclass(frozen=True)
class ExtraFiles:
    """How many of the project's extra files were copied."""

    count: int


@dataclass(frozen=True)
class AppDir:
    """A directory of the layout that AppImage tools know.

    Attributes:
        root: its path on this machine.
        app_id: the name that the desktop entry, the icon and the directory of what is said of the image share.

    """

    root: Path
    app_id: str

    @property
    def apprun(self) -> Path:
        """What the runtime starts."""
        return self.root / "AppRun"

    @property
    def usr(self) -> Path:
        """The prefix of the bundled Python."""
        return self.root / "usr"

    @property
    def bin(self) -> Path:
        """The commands, and the launcher that stands for the interpreter."""
        return self.usr / "bin"

    @property
    def libexec(self) -> Path:
        """The interpreter itself, which is not started by its name.

        It lies as deep as ``bin``: CPython finds its prefix from either, and entries of search paths from its old place
        stay right.
        """
        return self.usr / "libexec"

    @property
    def exposed(self) -> Path:
        """The launcher that an exposed interpreter starts others by; they are no more isolated than it is itself."""
        return self.libexec / "exposed"

    @property
    def commands(self) -> Path:
        """Links to the commands, for an application that wants them on its PATH; never one to the interpreter."""
        return self.libexec / "commands"

    @property
    def process_names(self) -> Path:
        """Links to the interpreter that are named like the commands, as the kernel then names their processes so."""
        return self.libexec / "process-names"

    @property
    def self_test(self) -> Path:
        """The program of ``--appimage-self-test``, by which the runtime tells that the image has one (``main.c``)."""
        return self.libexec / "self-test"

    @property
    def manage(self) -> Path:
        """The program of ``--appimage-self``, by which the runtime tells that the image manages itself (``main.c``)."""
        return self.libexec / "appimage-self"

    @property
    def identity(self) -> Path:
        """What an image that manages itself knows of itself; it has the version in it."""
        return self.manage / "image.json"

    @property
    def lib(self) -> Path:
        """Shared libraries, with the standard library beside them."""
        return self.usr / "lib"

    @property
    def glibc(self) -> Path:
        """The C library for systems that lack it, outside of all search paths."""
        return self.lib / "glibc"

    @property
    def musl(self) -> Path:
        """The C library of a Python for musl, in a directory that is laid out like the root of a system."""
        return self.lib / "musl"

    @property
    def getenv(self) -> Path:
        """The library with toolkits' ``getenv()``, alone."""
        return self.lib / "getenv"

    @property
    def applications(self) -> Path:
        """Where the desktop entry is found after integration."""
        return self.usr / "share" / "applications"

    @property
    def icons(self) -> Path:
        """The icon theme that every other one inherits from."""
        return self.usr / "share" / "icons" / "hicolor"

    @property
    def metainfo(self) -> Path:
        """What software centres show of the application (AppStream)."""
        return self.usr / "share" / "metainfo"

    @property
    def pylock(self) -> Path:
        """The lock file of the packages inside (PEP 751)."""
        return self.usr / "share" / self.app_id / "pylock.toml"

    @property
    def library_lock(self) -> Path:
        """The lock of the packages that libraries were fetched from."""
        return self.usr / "share" / self.app_id / "libraries.toml"

    @property
    def sbom(self) -> Path:
        """The bill of materials (CycloneDX)."""
        return self.usr / "share" / self.app_id / "sbom.cdx.json"

    @property
    def build_record(self) -> Path:
        """What a rebuild needs to know."""
        return self.usr / "share" / self.app_id / "build.json"

    def files(self) -> Iterator[Path]:
        """Yield the regular files of the tree in a fixed order."""
        return files_below(self.root)

    def names(self, paths: Iterable[Path]) -> frozenset[str]:
        """Return the paths below the root of what lies in the tree."""
        return frozenset(str(path.relative_to(self.root)) for path in paths)

    def add(self, files: Iterable[tuple[Path, str]]) -> ExtraFiles:
        """Copy extra files into the tree; they replace what is there.

        Args:
            files: pairs of a path on this machine and the one below the root, with ``/`` between its parts.

        Raises:
            OSError: a file cannot be read, or the tree has a directory where it is to go.

        """
        count = 0
        for source, destination in files:
            target = self.root / destination
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink():
                target.unlink()
            elif target.is_dir():  # the copy would go into it, by another name
                raise IsADirectoryError(errno.EISDIR, f"A directory is where {source} is to go", destination)
            shutil.copy2(source, target)
            count += 1
        return ExtraFiles(count)

    def take(self, other: AppDir) -> None:
        """Move all of another tree on the same file system into this one; files replace those that are there.

        Raises:
            OSError: a file is to go where this tree has a directory, or the other way round.

        """
        for directory, directories, names in os.walk(other.root):
            target = self.root / Path(directory).relative_to(other.root)
            for name in list(directories):
                if not os.path.lexists(target / name):
                    Path(directory, name).rename(target / name)
                    directories.remove(name)
            for name in names:
                Path(directory, name).replace(target / name)

    def normalize_modes(self) -> None:
        """Make all of the tree readable for everyone: whoever mounts the image is not who built it.

        With it the builder's umask is gone from the image.
        """
        for directory, _, names in os.walk(self.root):
            Path(directory).chmod(0o755)
            for name in names:
                path = Path(directory, name)
                mode = path.lstat().st_mode
                if stat.S_ISREG(mode):
                    path.chmod(0o755 if mode & 0o111 or path == self.apprun else 0o644)
