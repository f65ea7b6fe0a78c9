# SPDX-License-Identifier: MIT
"""The commands that make images of what other tools have made, each a function of its name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.desktop.icon import Icon
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.updates import UpdateInformation
from hatch_appimage.pack.destination import Destination
from hatch_appimage.pack.directory import PackRequest, pack_directory
from hatch_appimage.pack.finish import Packing
from hatch_appimage.pack.repack import KEEP, repack_image
from hatch_appimage.text import format_size

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from hatch_appimage.image.write import Image


def pack(options: argparse.Namespace) -> int:
    """Pack an AppDir, or what another tool has frozen."""
    request = PackRequest(
        options.directory,
        _packing(options),
        output=options.output,
        name=options.name,
        version=options.app_version or os.environ.get("VERSION") or None,
        architecture=ARCHITECTURES[options.arch] if options.arch else None,
        update_information=_update_information(options),
        icon=_icon(options.icon) if options.icon else None,
        executable=options.executable,
    )
    _show(pack_directory(request))
    return 0


def repack(options: argparse.Namespace) -> int:
    """Make a finished AppImage anew."""
    update_information = KEEP if options.update_information is None else _update_information(options)
    output = options.output or Destination.of_file(options.path.resolve())  # a link to an image stays one
    _show(repack_image(options.path, output.file(options.path.name), _packing(options), update_information))
    return 0


def _packing(options: argparse.Namespace) -> Packing:
    return Packing(
        PRESETS[options.compression],
        runtime=options.runtime,
        sign=options.sign or options.sign_key is not None,
        sign_key=options.sign_key,
    )


def _update_information(options: argparse.Namespace) -> UpdateInformation | None:
    if not options.update_information:
        return None
    try:
        return UpdateInformation.read(options.update_information, (), os.environ)
    except ValueError as error:
        raise AppImageError(f"`--update-information` {error}") from error


def _icon(path: Path) -> Icon:
    try:
        return Icon.read(path)
    except ValueError as error:
        raise AppImageError(f"`--icon` {error}") from error


def _show(image: Image) -> None:
    print(image.path)
    print(f"  {format_size(image.size)}, {image.squashfs.compression}, {image.squashfs.files} files")
