# SPDX-License-Identifier: MIT
"""Put an AppImage together: the runtime, and right behind it the SquashFS image of the AppDir."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5, sha256
from typing import TYPE_CHECKING

from hatch_appimage.architecture import architecture_of
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.elf import fits, read_elf, read_sections
from hatch_appimage.squashfs import write_squashfs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from hashlib import _Hash as Hash
    from pathlib import Path
    from typing import BinaryIO

    from hatch_appimage.appdir import AppDir
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.squashfs import SquashFSReport

# AppImage specification, "Type 2 image format": the magic at offset 8.
_MAGIC_OFFSET = 8
_MAGIC = b"AI\x02"
_MAGIC_OF_TYPE_1 = b"AI\x01"
# A section of our runtime: how much of the image's beginning holds what a start reads (runtime/startup_list.h).
_STARTUP = ".startup"
_STARTUP_SIZE = 8
_PIECE = 1 << 20

# Sections that tools read from the file (type2-runtime, src/runtime/data_sections.ld).
UPDATE_INFORMATION = ".upd_info"
DIGEST = ".digest_md5"
SIGNATURE = ".sha256_sig"
KEY = ".sig_key"


@dataclass(frozen=True)
class Runtime:
    """A type-2 runtime.

    Attributes:
        data: the file, at whose end the image begins.
        startup: offset of the number by which it finds what a start reads; None if it has no such section.
        sections: offset and size of its sections, in bytes, by their names.
        origin: what it is, for people.

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

    def __str__(self) -> str:
        return self.path.name


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
    if data[_MAGIC_OFFSET : _MAGIC_OFFSET + len(_MAGIC)] != _MAGIC:
        raise AppImageError(f"The runtime {path} is no type-2 AppImage runtime: it has no `AI\\2` at offset 8")
    sections = read_sections(path)
    if not sections.end:
        raise AppImageError(f"The runtime {path} has no section headers, by which readers find the image behind it")
    if sections.end != len(data):
        what = "it is a whole AppImage, not a runtime alone" if sections.end < len(data) else "it is cut off"
        raise AppImageError(
            f"The runtime {path} has {len(data)} bytes, but its ELF header puts the image at {sections.end}: {what}"
        )
    offset, size = sections.places.get(_STARTUP, (0, 0))
    return Runtime(data, offset if size == _STARTUP_SIZE else None, sections.places, str(path))


def find_squashfs(path: Path) -> int:
    """Return where in an AppImage its file system begins, in bytes: right behind the ELF file.

    Where that ends is computed as the usual runtime does it (type2-runtime, ``src/runtime/runtime.c``).

    Raises:
        AppImageError: it is no type-2 AppImage.

    """
    with path.open("rb") as file:
        start = file.read(_MAGIC_OFFSET + len(_MAGIC))
    if start[_MAGIC_OFFSET:] == _MAGIC_OF_TYPE_1:
        raise AppImageError(f"{path} is an AppImage of type 1, which is an ISO 9660 image: only type 2 can be read")
    if not start.startswith(b"\x7fELF") or start[_MAGIC_OFFSET:] != _MAGIC:
        raise AppImageError(f"{path} is no type-2 AppImage")
    sections = read_sections(path)
    end, size = max(sections.end, sections.last_end), path.stat().st_size
    if not end:
        raise AppImageError(f"{path} has no section headers, by which readers find the image behind it")
    if end > size:
        raise AppImageError(f"{path} is cut off: its ELF header puts the image at {end}, and it has {size} bytes")
    return end


def find_sections(path: Path) -> dict[str, tuple[int, int]]:
    """Return offset and size of the sections of an AppImage that tools read, by their names, as far as they are there.

    Raises:
        AppImageError: it is no type-2 AppImage, or a section is not in its runtime.

    """
    end = find_squashfs(path)
    places = read_sections(path).places
    found = {name: places[name] for name in (UPDATE_INFORMATION, DIGEST, SIGNATURE, KEY) if name in places}
    for name, (offset, size) in found.items():
        if offset + size > end:
            raise AppImageError(
                f"{path} is damaged: its section `{name}` ends at {offset + size}, its runtime at {end}"
            )
    return found


def write_image(
    appdir: AppDir,
    runtime: Runtime,
    path: Path,
    *,
    order: Sequence[str],
    application: Collection[str],
    update_information: str | None,
    compression: str,
    compression_level: int | None,
    timestamp: int | None,
) -> Image:
    """Write the AppImage.

    Args:
        appdir: what goes into it.
        runtime: what starts it.
        path: the file, which must not exist.
        order: paths below the AppDir of the files to lay at the front, in this order.
        application: likewise, of the files that every release changes: they lie at the end, so that nothing else moves
            from release to release.
        update_information: the line for update tools; None for none.
        compression: ``zstd`` or ``gzip``.
        compression_level: None for the default.
        timestamp: the time of every file in the image, in seconds since the epoch; None keeps their own.

    Raises:
        AppImageError: a file of the AppDir cannot be packed.
        OSError: the file cannot be written.

    """
    at_start = [file for file in order if file in application]
    with path.open("xb+") as file:
        file.write(runtime.data)
        squashfs = write_squashfs(
            appdir.root,
            file,
            compression=compression,
            level=compression_level,
            mtime=timestamp,
            order=order,
            last=[*at_start, *sorted(set(application).difference(at_start))],
        )
        if runtime.startup is not None:
            file.seek(runtime.startup)
            file.write(squashfs.ordered_bytes.to_bytes(_STARTUP_SIZE, "little"))
    if update_information is not None:
        write_section(path, runtime.sections, UPDATE_INFORMATION, update_information.encode())
    if DIGEST in runtime.sections:
        # Any number does by which tools tell one image from another; this one is that of the image without it.
        write_section(path, runtime.sections, DIGEST, file_digest(path, md5(usedforsecurity=False)))
    path.chmod(0o755)
    return Image(path, path.stat().st_size, file_digest(path, sha256()).hex(), squashfs)


def read_section(path: Path, name: str) -> bytes:
    """Return what is in a section of an AppImage, up to the first NUL; nothing if it has no such section.

    Raises:
        AppImageError: it is no AppImage.

    """
    offset, size = find_sections(path).get(name, (0, 0))
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size).split(b"\0")[0]


def write_section(path: Path, sections: Mapping[str, tuple[int, int]], name: str, content: bytes) -> None:
    """Replace what is in a section.

    Args:
        path: the AppImage.
        sections: where its sections are.
        name: of the section.
        content: shorter than the section, as readers stop at a NUL; the digest alone fills its section.

    Raises:
        AppImageError: the runtime has no such section, or too small a one.

    """
    offset, size = sections.get(name, (0, 0))
    if len(content) > size - (name != DIGEST):
        room = f"room for {size - 1} bytes" if size else "no such section"
        raise AppImageError(f"{len(content)} bytes do not fit into the section `{name}`: the runtime has {room}")
    with path.open("rb+") as file:
        file.seek(offset)
        file.write(content.ljust(size, b"\0"))


def file_digest(path: Path, digest: Hash, zeroed: Iterable[tuple[int, int]] = ()) -> bytes:
    """Return the digest of a file.

    Args:
        path: the file.
        digest: a new object of hashlib.
        zeroed: offsets and sizes of ranges that count as if they were zeros; in a damaged file they may overlap.

    """
    with path.open("rb") as file:
        position = 0
        for offset, size in sorted(zeroed):
            start, end = max(offset, position), max(offset + size, position)
            _digest_range(file, start - position, digest)
            digest.update(bytes(end - start))
            position = end
            file.seek(position)
        _digest_range(file, None, digest)
    return digest.digest()


def _digest_range(file: BinaryIO, size: int | None, digest: Hash) -> None:
    """Read on, up to a number of bytes or to the end."""
    while piece := file.read(_PIECE if size is None else min(size, _PIECE)):
        digest.update(piece)
        size = None if size is None else size - len(piece)
