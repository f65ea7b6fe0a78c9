# SPDX-License-Identifier: MIT
"""Put an AppImage together: the runtime, and right behind it the SquashFS image of the AppDir."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import md5, sha256
from typing import TYPE_CHECKING

from hatch_appimage.architecture import architecture_of
from hatch_appimage.elf import fits, read_elf, read_sections
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import DIGEST, MAGIC, MAGIC_OFFSET, UPDATE_INFORMATION, file_digest, write_section
from hatch_appimage.results import NO_RESULTS
from hatch_appimage.squashfs import Span, write_squashfs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.image.compression import Preset
    from hatch_appimage.results import Results
    from hatch_appimage.squashfs import SquashFSReport
    from hatch_appimage.squashfs.tree import Directory

# A section of our runtime: where the image has what a start reads (runtime/startup_list.h).
STARTUP = ".startup"
_STARTUP = struct.Struct("<4Q")


@dataclass(frozen=True)
class Runtime:
    """A type-2 runtime.

    Attributes:
        data: the file, at whose end the image begins.
        startup: offset of the section by which it finds what a start reads; None if it has no such section.
        sections: offset and size of its sections, in bytes, by their names.
        origin: what messages call it.

    """

    data: bytes
    startup: int | None
    sections: Mapping[str, tuple[int, int]]
    origin: str


@dataclass(frozen=True)
class Image:
    """A finished AppImage.

    Attributes:
        path: the file.
        size: in bytes.
        sha256: its digest, in hexadecimal.
        squashfs: what was packed.

    """

    path: Path
    size: int
    sha256: str
    squashfs: SquashFSReport


def load_runtime(path: Path, architecture: Architecture) -> Runtime:
    """Read a runtime file and check that an image can be put behind it.

    Every reader computes from the ELF header where the image begins. The ways they do it agree only where the section
    header table ends the file, so nothing else is taken.

    Raises:
        AppImageError: it is no type-2 runtime, or not for this architecture.

    """
    data = path.read_bytes()
    elf = read_elf(path)
    if elf is None:
        raise AppImageError(f"The runtime {path} is no ELF file")
    if not fits(elf, architecture):
        raise AppImageError(
            f"The runtime {path} is for {architecture_of(elf.machine, elf.bits)}, and the image for {architecture.name}"
        )
    if data[MAGIC_OFFSET : MAGIC_OFFSET + len(MAGIC)] != MAGIC:
        raise AppImageError(f"The runtime {path} is no type-2 AppImage runtime: it has no `AI\\2` at offset 8")
    sections = read_sections(path)
    if not sections.end:
        raise AppImageError(f"The runtime {path} has no section headers, by which readers find the image behind it")
    if sections.end != len(data):
        what = "it is a whole AppImage, not a runtime alone" if sections.end < len(data) else "it is cut off"
        raise AppImageError(
            f"The runtime {path} has {len(data)} bytes, but its ELF header puts the image at {sections.end}: {what}"
        )
    offset, size = sections.places.get(STARTUP, (0, 0))
    return Runtime(data, offset if size == _STARTUP.size else None, sections.places, str(path))


def read_startup(path: Path) -> tuple[Span, Span]:
    """Return where an image's file system has what a start reads.

    Returns:
        that at its front, and that among what every release changes; empty where its runtime has no word of it.

    Raises:
        AppImageError: it is no ELF file.

    """
    offset, size = read_sections(path).places.get(STARTUP, (0, 0))
    numbers = (0, 0, 0, 0)
    if size == _STARTUP.size:
        with path.open("rb") as file:
            file.seek(offset)
            numbers = _STARTUP.unpack(file.read(size))
    return Span(*numbers[:2]), Span(*numbers[2:])


def write_image(
    root: Path | Sequence[Directory],
    runtime: Runtime,
    path: Path,
    compression: Preset,
    *,
    order: Sequence[str],
    application: Collection[str],
    update_information: str | None,
    timestamp: int | None,
    results: Results = NO_RESULTS,
) -> Image:
    """Write the AppImage.

    Args:
        root: the AppDir, or the tree of one.
        runtime: what starts it.
        path: the file, which must not exist.
        compression: how it is compressed.
        order: paths below the AppDir of the files to lay at the front, in this order.
        application: paths below the AppDir of the files that every release changes: they lie at the
            end, so that nothing else moves from release to release.
        update_information: the line for update tools; None for none.
        timestamp: the time of every file in the image, in seconds since the epoch; None keeps their own.
        results: where compressed blocks are kept for the next image.

    Raises:
        AppImageError: a file of the AppDir cannot be packed.
        OSError: the file cannot be written.

    """
    with path.open("xb+") as file:
        file.write(runtime.data)
        squashfs = write_squashfs(
            root,
            file,
            compression=compression.compressor,
            level=compression.level,
            block_size=compression.block_size,
            mtime=timestamp,
            order=order,
            last=sorted(application),
            results=results,
        )
        if runtime.startup is not None:
            file.seek(runtime.startup)
            file.write(_STARTUP.pack(*squashfs.front, *squashfs.ordered_last))
    if update_information is not None:
        write_section(path, runtime.sections, UPDATE_INFORMATION, update_information.encode())
    if DIGEST in runtime.sections:
        # Tools only need a value unique to the image; this is the digest of the image with zeros in its place.
        write_section(path, runtime.sections, DIGEST, file_digest(path, md5(usedforsecurity=False)))
    path.chmod(0o755)
    return Image(path, path.stat().st_size, file_digest(path, sha256()).hex(), squashfs)
