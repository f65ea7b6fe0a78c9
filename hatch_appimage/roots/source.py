# SPDX-License-Identifier: MIT
"""Where the root file system of a distribution comes from: a release, a directory, or an archive."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.roots.container_image import is_container_image, unpack_layers
from hatch_appimage.roots.debootstrap import release_root
from hatch_appimage.roots.releases import RELEASE, find_release
from hatch_appimage.unpack import unpack_system

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.architecture import Architecture


@contextmanager
def prepared_root(text: str, architecture: Architecture, mirror: str | None = None) -> Iterator[Path]:
    """Provide a root file system as a directory, in which nothing may be changed.

    Args:
        text: a release such as ``debian:11`` or ``ubuntu:jammy``, a directory with a root file system or a container
            image in it, or a tar archive of either.
        architecture: of the programs that are to run there.
        mirror: where the archive of a release is; None for where the machine's apt finds it.

    Raises:
        AppImageError: there is no such root, or it cannot be made.

    """
    path = Path(text).expanduser()
    if RELEASE.fullmatch(text) and not path.exists():
        yield release_root(find_release(text), architecture, mirror)
        return
    if mirror is not None:
        raise AppImageError(f"--mirror is for releases such as `debian:12`, and `{text}` is none")
    if not path.exists():
        raise AppImageError(f"`{text}` is neither a release such as `debian:12` nor a directory or an archive here")
    if path.is_dir() and not is_container_image(path):
        yield path
        return
    with TemporaryDirectory(prefix="hatch-appimage-root-") as directory:
        root = Path(directory, "root")
        _unpack(path, root, architecture)
        yield root


def _unpack(path: Path, root: Path, architecture: Architecture) -> None:
    """Make the root of an archive or of a container image."""
    root.mkdir(0o755)
    if path.is_dir():
        unpack_layers(path, root, architecture, source=str(path))
        return
    unpack_system(path, root, source=str(path))
    if is_container_image(root):
        image = root.rename(root.with_name("image"))
        root.mkdir(0o755)
        unpack_layers(image, root, architecture, source=str(path))
