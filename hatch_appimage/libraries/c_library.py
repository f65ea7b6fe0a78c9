# SPDX-License-Identifier: MIT
"""What becomes of the C library: the image brings one along, or the target system's is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.libraries.bundle import BundledLibrary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.symbol_versions import RequiredVersion, Version
    from hatch_appimage.system import System


@dataclass(frozen=True)
class CLibrary:
    """The C library in an image.

    Attributes:
        family: ``glibc`` or ``musl``.
        version: of it.
        needed: the version that the image needs, and which files need it: the image's own is used where the target
            system has none or an older one; None if it is always used.
        libstdcxx: the version of libstdc++ that the image needs, which lies beside it; None for none.
        loader: its loader, relative to the C library's directory in the image.
        files: its libraries and those beside it.
        size: of all that was copied, in bytes.

    """

    family: str
    version: Version
    needed: RequiredVersion | None
    loader: str
    files: tuple[BundledLibrary, ...]
    size: int
    libstdcxx: RequiredVersion | None = None

    def __str__(self) -> str:
        return f"{self.family} {'.'.join(map(str, self.version))}"

    def directory(self, appdir: AppDir) -> Path:
        """Return where it is in an image."""
        return appdir.musl if self.family == "musl" else appdir.glibc


@dataclass(frozen=True)
class NoCLibrary:
    """The target system's C library is used.

    Attributes:
        reason: why, to go on with after a colon.

    """

    reason: str


def copied(
    sources: Mapping[Path, Path], packages: Mapping[Path, str], appdir: AppDir, system: System
) -> tuple[BundledLibrary, ...]:
    """Return what was copied into an image.

    Args:
        sources: the files that were copied, by what became of them.
        packages: Debian's packages that they are from.
        appdir: where they are now.
        system: the machine that they are from.

    """
    return tuple(
        BundledLibrary.of(str(target.relative_to(appdir.lib)), target, source, packages.get(source), system)
        for target, source in sorted(sources.items())
    )
