# SPDX-License-Identifier: MIT
"""Small images of several versions, with all that a release has beside them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.appdir.appimage_self.running import Image
from hatch_appimage.architecture import native_architecture
from hatch_appimage.format import UPDATE_INFORMATION, find_sections, write_section
from hatch_appimage.image.block_map import write_block_map
from hatch_appimage.image.sign import sign_file
from hatch_appimage.image.zsync import write_zsync
from hatch_appimage.runtime import runtime_path
from hatch_appimage.squashfs import write_squashfs

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.image.sign import Signer

ARCHITECTURE = native_architecture().name


@dataclass(frozen=True)
class Version:
    """An image and its companions.

    Attributes:
        path: of the image.

    """

    path: Path

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    def files(self, *, blocks: bool = True) -> dict[str, bytes]:
        """Return what a release has, by name."""
        names = [self.path.name, f"{self.path.name}.zsync", *([f"{self.path.name}.blocks"] if blocks else [])]
        return {name: self.path.with_name(name).read_bytes() for name in names}


def make_version(
    directory: Path, version: str, line: str, *, signer: Signer | None = None, content: bytes = b""
) -> Version:
    """Make an image of 12 files that all versions have, and one that none else has.

    Args:
        directory: where to; it is made.
        version: of the image.
        line: its update information.
        signer: who signs it.
        content: of the file that differs; random by default.

    """
    root = directory / "root"
    root.mkdir(parents=True)
    for number in range(12):
        (root / f"{number:02}").write_bytes(random.Random(number).randbytes(40_000) + bytes(100_000))  # noqa: S311 - no secret
    (root / "version").write_bytes(content or random.Random(version).randbytes(5000))  # noqa: S311 - no secret
    path = directory / f"app-{version}-{ARCHITECTURE}.AppImage"
    with path.open("xb+") as file:
        file.write(runtime_path(ARCHITECTURE).read_bytes())
        write_squashfs(root, file, mtime=0, last=["version"], level=1)
    write_section(path, find_sections(path), UPDATE_INFORMATION, line.encode())
    if signer:
        sign_file(path, signer)
    path.chmod(0o755)
    write_zsync(path, url=path.name, mtime=0)
    write_block_map(path, version=version)
    return Version(path)


def installed(path: Path, version: str) -> Image:
    """Return what an image of this version knows of itself."""
    return Image(
        path=str(path),
        root="/nonexistent",
        name="App",
        file_name="app",
        version=version,
        architecture=ARCHITECTURE,
        command="app self",
        commands=("app", "app-tool"),
        packages=(),
        sbom="sbom.cdx.json",
    )
