# SPDX-License-Identifier: MIT
"""Images as other tools make them: a SquashFS of mksquashfs behind a runtime."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What appimagetool 1.9 gives mksquashfs (its src/appimagetool.c).
APPIMAGETOOL = ("-comp", "zstd", "-b", "1M", "-root-owned", "-noappend", "-mkfs-time", "0")
# What its predecessor of AppImageKit gives it, whose runtime reads gzip and xz only.
APPIMAGEKIT = ("-comp", "gzip", "-root-owned", "-noappend", "-mkfs-time", "0")


def pack_command(tree: Path, image: Path, *options: str) -> list[str | Path]:
    """Return the command that packs a directory with mksquashfs."""
    return ["mksquashfs", tree, image, *options, "-quiet", "-no-progress"]


def pack(tree: Path, image: Path, *options: str) -> Path:
    """Pack a directory with mksquashfs."""
    subprocess.run(pack_command(tree, image, *options), check=True, stdout=subprocess.DEVNULL)
    return image


def join(runtime: Path, squashfs: Path, image: Path) -> Path:
    """Put a runtime and an image together."""
    image.write_bytes(runtime.read_bytes() + squashfs.read_bytes())
    image.chmod(0o755)
    return image
