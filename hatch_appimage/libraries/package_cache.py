# SPDX-License-Identifier: MIT
"""Unpacked packages in the user's cache, each in a directory that is named after the digest of its file."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.cache import cache_directory, is_unchanged, locked, seal
from hatch_appimage.system import AddedPackage
from hatch_appimage.unpack import unpack_package

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Package:
    """A package that an archive has (deb-control(5)).

    Attributes:
        name: of the package.
        version: the one that apt would install, or that a lock names.
        digest: the SHA-256 of its file in hexadecimal, by the archive's signed index or by a lock.
        file: the path of its file, below the address of the archive.
        size: of its file, in bytes.
        needs: the names of the packages that it depends on, alternatives among them.

    """

    name: str
    version: str
    digest: str
    file: str
    size: int
    needs: tuple[str, ...] = ()


def package_directory() -> Path:
    """Return the directory of all packages, which only this user can change."""
    return cache_directory() / "packages"


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Provide a directory for what is about to become a package of the cache; it is gone afterwards."""
    directory = package_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory, prefix=".get-") as name:
        yield Path(name)


def find_unpacked(package: Package) -> AddedPackage | None:
    """Return a package if it is there, as it was unpacked once; None if it is not."""
    root = package_directory() / package.digest
    return _added(package, root) if root.is_dir() and is_unchanged(root) else None


def unpack(package: Package, file: Path, work: Path) -> AddedPackage:
    """Unpack a package, if no other build has done so meanwhile, and return it.

    Args:
        package: it.
        file: its file, whose digest has been verified.
        work: where it is unpacked first (`temporary_directory`).

    Raises:
        AppImageError: it is damaged, or has in it what is refused.

    """
    root = package_directory() / package.digest
    with locked(root):
        if found := find_unpacked(package):
            return found
        shutil.rmtree(root, ignore_errors=True)
        new = work / package.digest
        new.mkdir()
        unpack_package(file, new)
        new.rename(root)
        seal(root)
    return _added(package, root)


def _added(package: Package, root: Path) -> AddedPackage:
    return AddedPackage(package.name, package.version, package.digest, root, package.file, package.size)
