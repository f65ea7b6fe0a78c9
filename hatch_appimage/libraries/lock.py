# SPDX-License-Identifier: MIT
"""The lock of what libraries are fetched from: packages of a distribution, with versions and digests.

It is TOML: ``version = 1``, and a table for each architecture that images were built for, with

- ``system``: the distribution and its release, such as ``debian:12``;
- ``missing``: the sonames of libraries, and the names of typelibs, that the archives did not have;
- ``packages``: an array of tables with ``name``, ``version``, ``file`` (its path below the address of the archive),
  ``size`` (of that file, in bytes), ``sha256`` (in hexadecimal) and ``licences`` (as Debian calls them), in the order
  in which they are searched.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import tomli_w

from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.licences import find_licence, read_licences
from hatch_appimage.libraries.package_cache import Package
from hatch_appimage.toml import read_toml
from hatch_appimage.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.system import AddedPackage, System

_VERSION: Final = 1
_HEADER: Final = """\
# The packages of a distribution that libraries of the AppImage were fetched from, by architecture.
# hatch-appimage wrote this once and does not change it: remove it to have it made anew.
"""
# Debian Policy, sections 5.6.1 and 5.6.12. They become arguments of apt, and none is to be taken for an option.
_PATTERNS: Final = {
    "name": re.compile(r"[a-z0-9][a-z0-9+.-]+"),
    "version": re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~-]*"),
    "file": re.compile(r"(?!/)(?!.*\.\./)[\w./+:~%-]+"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}


@dataclass(frozen=True)
class PinnedPackage:
    """A package that was fetched.

    Attributes:
        name: of the package.
        version: of it.
        file: the path of its file, below the address of the archive.
        size: of that file, in bytes.
        sha256: of that file, in hexadecimal.
        licences: what Debian calls those of what is in it; empty where it says so only in prose.

    """

    name: str
    version: str
    file: str
    size: int
    sha256: str
    licences: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def package(self) -> Package:
        """What an archive has of it."""
        return Package(self.name, self.version, self.sha256, self.file, self.size)

    @property
    def architecture(self) -> str:
        """What dpkg calls its architecture, as it stands in the file's name; ``all`` for those without one."""
        return self.file.rpartition("_")[2].removesuffix(".deb")

    @classmethod
    def of(cls, added: AddedPackage, system: System) -> PinnedPackage:
        """Return what is said of a package that was added to a system."""
        licence = find_licence(added.name, system)
        licences = read_licences(licence) if licence else ()
        return cls(added.name, added.version, added.file, added.size, added.digest, licences)

    @classmethod
    def read(cls, document: Any) -> PinnedPackage:
        """Read it from a lock.

        Raises:
            ValueError: it has not what it must have; the text says what.

        """
        if not isinstance(document, dict):
            raise ValueError("a package is no table")  # noqa: TRY004 - it is a wrong value of a document
        for key, pattern in _PATTERNS.items():
            value = document.get(key)
            if not isinstance(value, str) or not pattern.fullmatch(value):
                raise ValueError(f"`{key}` of a package is {value!a}")
        size = document.get("size")
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"`size` of a package is {size!a}")
        return cls(*(document[key] for key in ("name", "version", "file", "size", "sha256")))


@dataclass(frozen=True)
class PinnedPackages:
    """All packages that were fetched for an image.

    Attributes:
        system: the distribution and its release, such as ``debian:12``.
        packages: in the order in which they are searched.
        missing: the sonames and names of files of what the archives did not have.

    """

    system: str = ""
    packages: tuple[PinnedPackage, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How much is downloaded, in bytes."""
        return sum(package.size for package in self.packages)

    @classmethod
    def of(cls, system: System, missing: Iterable[str]) -> PinnedPackages:
        """Return what was added to a system, and what it lacks all the same."""
        packages = tuple(PinnedPackage.of(added, system) for added in system.added)
        return cls(name_system(system), packages, tuple(sorted(missing))) if packages else cls()

    @classmethod
    def read(cls, document: Any) -> PinnedPackages:
        """Read the part of a lock for one architecture.

        Raises:
            ValueError: it has not what it must have; the text says what.

        """
        match document:
            case {"system": str(system), "missing": [*missing], "packages": [*packages]}:
                return cls(system, tuple(map(PinnedPackage.read, packages)), tuple(map(str, missing)))
        raise ValueError("an architecture is no table with `system`, `missing` and `packages`")

    def to_document(self) -> dict[str, Any]:
        """Return the part of a lock."""
        packages = [{**vars(package), "licences": list(package.licences)} for package in self.packages]
        return {"system": self.system, "missing": list(self.missing), "packages": packages}


@dataclass(frozen=True)
class LibraryLock:
    """A lock.

    Attributes:
        path: of the file, which may not be there yet.
        parts: what it has, by the names of architectures.

    """

    path: Path
    parts: Mapping[str, PinnedPackages] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.path.name

    @classmethod
    def read(cls, path: Path) -> LibraryLock:
        """Read a lock; one that is not there is empty.

        Raises:
            AppImageError: it cannot be read.

        """
        document = read_toml(path) if path.exists() else {"version": _VERSION}
        version = document.pop("version", None)
        if version != _VERSION:
            raise AppImageError(f"names no lock of libraries that can be read: in {path}, `version` is {version}")
        try:
            return cls(path, {name: PinnedPackages.read(part) for name, part in document.items()})
        except ValueError as error:
            raise AppImageError(
                f"names no lock of libraries: {path}: {error}; remove it to have it made anew"
            ) from error

    def of(self, architecture: Architecture) -> PinnedPackages | None:
        """Return what it has for an architecture; None if it has nothing yet."""
        return self.parts.get(architecture.name)

    def check_system(self, locked: PinnedPackages, system: System) -> None:
        """See that packages are for the system that libraries are taken from.

        Raises:
            AppImageError: they are for another one.

        """
        name = name_system(system)
        if locked.system != name:
            # Only with a release as `sysroot` is the C library among what is fetched.
            whole = any(each.name == "libc6" for each in locked.packages)
            way_out = f'set `sysroot = "{locked.system}"`, or ' if whole else ""
            raise AppImageError(
                f"{self} has packages of {locked.system}, and libraries are taken from {name}: "
                f"{way_out}remove {self} to have it made anew"
            )

    def check_complete(self, architecture: Architecture, lacking: Iterable[str]) -> None:
        """See that nothing is missing that was there when the lock was made.

        Raises:
            AppImageError: it is out of date.

        """
        if new := sorted({*lacking}.difference(self.parts[architecture.name].missing)):
            raise AppImageError(
                f"{self} is out of date, as no package in it has {', '.join(new)}: remove it to have it made anew"
            )


def write_library_lock(path: Path, architecture: Architecture, packages: PinnedPackages) -> LibraryLock:
    """Write the part of a lock for an architecture, beside those of others; whole or not at all.

    Raises:
        AppImageError: what is there is no lock.
        OSError: it cannot be written.

    """
    lock = LibraryLock.read(path)
    lock = replace(lock, parts={**lock.parts, architecture.name: packages})
    write_whole(path, format_lock(lock.parts))
    return lock


def format_lock(parts: Mapping[str, PinnedPackages]) -> str:
    """Return the text of a lock."""
    document = {name: parts[name].to_document() for name in sorted(parts)}
    return _HEADER + tomli_w.dumps({"version": _VERSION, **document})


def name_system(system: System) -> str:
    """Return the distribution and the release that a system is of, such as ``debian:12`` (os-release(5))."""
    if system.release:
        return system.release
    try:
        known = platform.freedesktop_os_release()
    except OSError:
        return str(system)
    return f"{known['ID']}:{known.get('VERSION_ID') or known.get('VERSION_CODENAME') or 'rolling'}"
