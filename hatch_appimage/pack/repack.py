# SPDX-License-Identifier: MIT
"""Put what is in a finished AppImage of whichever tool behind another runtime; nothing is unpacked to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.architecture import ARCHITECTURES, architecture_of
from hatch_appimage.desktop.entry import DesktopEntry
from hatch_appimage.desktop.exec_line import unescape
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import UPDATE_INFORMATION, find_squashfs, read_section
from hatch_appimage.image.name import first_part
from hatch_appimage.image.write import read_startup
from hatch_appimage.pack.attributes import warn_of_attributes_in
from hatch_appimage.pack.contents import Contents, read_all
from hatch_appimage.pack.finish import Finish
from hatch_appimage.squashfs import SquashFSImage, files_within, read_tree

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.image.updates import UpdateInformation
    from hatch_appimage.image.write import Image
    from hatch_appimage.pack.finish import Packing

#: Keeps the update information that an image has.
KEEP = "keep"


def repack_image(
    path: Path, target: Path, packing: Packing, update_information: UpdateInformation | str | None = KEEP
) -> Image:
    """Make an image of what is in another one: the same names, bytes, modes, owners, times and links.

    A signature is not taken over, as it is of other bytes. A warning tells of extended attributes, which go.

    Args:
        path: the other one, of type 2.
        target: the new one, which may take its place.
        packing: how it is made.
        update_information: where update tools find newer images; None for none; `KEEP` for what it has.

    Raises:
        AppImageError: it is no AppImage of type 2, is damaged, or has something in it that cannot be packed.
        OSError: something cannot be read or written.

    """
    offset = find_squashfs(path)
    architecture = _read_architecture(path)
    with path.open("rb") as file:
        image = SquashFSImage(file, offset)
        contents = Contents(read_tree(image))
        warn_of_attributes_in(image, path)
        entry = _read_entry(contents)
        line = _find_update_line(path, target, update_information, entry, architecture)
        finish = Finish.prepare(target, packing, architecture, line)
        front, last = read_startup(path)
        return finish.write(
            contents,
            mtime=None,
            order=[*files_within(image, front), *files_within(image, last)],
            application=files_within(image, last._replace(end=image.superblock.bytes_used)) if any(last) else (),
            version=entry.get("X-AppImage-Version") or "",
        )


def _read_architecture(path: Path) -> Architecture:
    elf = read_elf(path)
    name = architecture_of(elf.machine, elf.bits) if elf else "an unknown machine"
    if name not in ARCHITECTURES:
        raise AppImageError(f"{path} is for {name}, and there are runtimes for {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def _read_entry(contents: Contents) -> DesktopEntry:
    """Return the desktop entry in the root, an empty one if there is none: nothing in the image is checked."""
    names = (name for name in contents.names() if name.endswith(".desktop"))
    files = (file for name in names if (file := contents.file(name)))
    text = next((read_all(file).decode("utf-8", "replace") for file in files), "")
    return DesktopEntry(tuple(text.splitlines()))


def _find_update_line(
    path: Path,
    target: Path,
    update_information: UpdateInformation | str | None,
    entry: DesktopEntry,
    architecture: Architecture,
) -> str | None:
    if update_information is None:
        return None
    if isinstance(update_information, str):
        return read_section(path, UPDATE_INFORMATION).decode("utf-8", "replace") or None
    first = first_part(unescape(entry.get("Name") or ""), target.name.partition("-")[0])
    try:
        return update_information.line(first, target.name, architecture.name)
    except ValueError as error:
        raise AppImageError(f"`--update-information` {error}") from error
