# SPDX-License-Identifier: MIT
"""Read what is in an AppImage, of whichever tool, from its bytes: it is neither run nor mounted."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import asdict, dataclass
from email.parser import BytesParser
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hatch_appimage.architecture import architecture_of
from hatch_appimage.desktop.entry import DesktopEntry
from hatch_appimage.document import write_json
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import UPDATE_INFORMATION, file_digest, find_squashfs, read_section
from hatch_appimage.image.sign import State, verify_signature
from hatch_appimage.inspect.libraries import list_libraries
from hatch_appimage.python.files import find_version
from hatch_appimage.runtime.launcher_settings import MAX_LAUNCHER_SIZE, SETTINGS_NAME, read_links
from hatch_appimage.squashfs import SquashFSError, SquashFSImage
from hatch_appimage.text import format_size, printable

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.image.sign import Verification
    from hatch_appimage.inspect.libraries import Listing
    from hatch_appimage.libraries.symbol_versions import RequiredVersion
    from hatch_appimage.libraries.verdict import Verdict
    from hatch_appimage.squashfs import Entry

# Texts that only one runtime has in it.
_RUNTIMES = {
    b"hatch-appimage": "hatch-appimage",
    b"URUNTIME": "uruntime",
    b"AppImage/type2-runtime": "type2-runtime",
    b"AppImage/AppImageKit": "AppImageKit",
}
_INTERPRETER = re.compile(r"(usr/libexec|usr/bin|opt/python\d\.\d+/bin|python/bin)/python(\d\.\d+)t?")
_LIBPYTHON = re.compile(r"(?:.*/)?libpython(\d\.\d+)t?\.so\.1\.0")
# Of the interpreter or its library, in bytes; those with debug information come near.
_MAX_PYTHON = 1 << 28
_DIST_INFO = re.compile(r"(?P<directory>.*/(?:site|dist)-packages/[^/]+\.(?:dist|egg)-info)/(?:METADATA|PKG-INFO)")


@dataclass(frozen=True)
class Inspection:
    """What is in an AppImage.

    Attributes:
        architecture: its name.
        size: of the file, in bytes.
        sha256: of the file.
        runtime: whose it is, and its size in bytes, where the image begins.
        squashfs: compressor, block size, number of files, and their bytes.
        update_information: possibly empty.
        signature: its state.
        desktop_entry: some of its keys.
        python: the bundled Python's version, as far as it can be told; None if there is none.
        packages: installed distributions: name to version.
        entry_points: the commands of the installed distributions that are in ``usr/bin``.
        links: the names that a link to the image may have to start another command than the usual one, as far as it can
            be told: with an AppRun of ours.
        requires: the oldest C and C++ libraries that will do; None if there are no ELF files that tell it.
        runs_on: the distributions that have these libraries; None likewise.

    """

    architecture: str
    size: int
    sha256: str
    runtime: dict[str, Any]
    squashfs: dict[str, Any]
    update_information: str
    signature: Verification
    desktop_entry: dict[str, str]
    python: str | None
    packages: dict[str, str]
    entry_points: tuple[str, ...]
    links: tuple[str, ...]
    requires: tuple[RequiredVersion, ...] | None
    runs_on: Verdict | None

    def to_json(self) -> str:
        """Return it as JSON."""
        requires = None if self.requires is None else [required.to_dict() for required in self.requires]
        runs_on = None if self.runs_on is None else self.runs_on.to_dict()
        return write_json({**asdict(self), "requires": requires, "runs_on": runs_on}, version=1)

    def to_text(self) -> str:
        """Return it as text."""
        squashfs, signature = self.squashfs, self.signature
        owner = f" by {signature.owner} ({signature.primary})" if signature.state is State.GOOD else ""
        requires = ", ".join(f"{required.family} {required}" for required in self.requires or ())
        lines = {
            "architecture": self.architecture,
            "size": format_size(self.size),
            "sha256": self.sha256,
            "runtime": f"{self.runtime['origin']}, {format_size(self.runtime['size'])}",
            "image": (
                f"{squashfs['compression']} in blocks of {format_size(squashfs['block_size'])}, "
                f"{format_size(squashfs['file_bytes'])} in {squashfs['files']} files"
            ),
            "updates": self.update_information or "none",
            "signature": f"{signature.state.value}{owner}" if owner else f"{signature.state.value}: {signature.detail}",
            "name": self.desktop_entry.get("Name", "unknown"),
            "version": self.desktop_entry.get("X-AppImage-Version", "unknown"),
            "python": self.python or "none",
            "commands": ", ".join(self.entry_points) or "none",
            "by links": ", ".join(self.links) or "none",
            "needs": "unknown" if self.requires is None else requires or "no libraries of a system",
            "runs on": "unknown" if self.runs_on is None else str(self.runs_on),
        }
        text = "".join(f"{name:<13} {printable(value)}\n" for name, value in lines.items())
        return text + "".join(f"  {printable(f'{name} {version}')}\n" for name, version in self.packages.items())


def inspect_image(path: Path) -> Inspection:
    """Read all that is to be said of an image.

    Raises:
        AppImageError: it is no type-2 AppImage, or damaged.

    """
    offset = find_squashfs(path)
    elf = read_elf(path)
    if elf is None:
        raise AppImageError(f"{path} is no type-2 AppImage")
    listing = _list_libraries(path)
    with path.open("rb") as file:
        runtime = file.read(offset)
        image = SquashFSImage(file, offset)
        entries = {os.fsdecode(entry.path): entry for entry in image}
        files = [entry for entry in entries.values() if stat.S_ISREG(entry.mode)]
        return Inspection(
            architecture=architecture_of(elf.machine, elf.bits),
            size=path.stat().st_size,
            sha256=file_digest(path, sha256()).hex(),
            runtime={"origin": _origin(runtime), "size": offset},
            squashfs={
                "compression": image.compression.name.lower(),
                "block_size": image.superblock.block_size,
                "bytes_used": image.superblock.bytes_used,
                "files": len(files),
                "file_bytes": sum(entry.size for entry in files),
            },
            update_information=read_section(path, UPDATE_INFORMATION).decode("utf-8", "replace"),
            signature=verify_signature(path),
            desktop_entry=_desktop_entry(image, entries),
            python=_python(image, entries),
            packages=read_packages(image, entries),
            entry_points=_entry_points(image, entries),
            links=_links(image, entries),
            requires=None if listing is None else listing.requires,
            runs_on=None if listing is None else listing.verdict,
        )


def check_blocks(path: Path) -> int:
    """Decompress every block of every file of an image.

    Returns:
        how many bytes its files have.

    Raises:
        SquashFSError: one cannot be read.
        AppImageError: it is no AppImage.

    """
    with path.open("rb") as file:
        image = SquashFSImage(file, find_squashfs(path))
        size = 0
        for entry in image:
            if stat.S_ISREG(entry.mode):
                size += sum(map(len, image.chunks(entry)))
        return size


def _list_libraries(path: Path) -> Listing | None:
    try:
        return list_libraries(path)
    except SquashFSError:
        raise
    except AppImageError:  # an image of scripts alone, or for a machine that we have no runtime for
        return None


def _origin(runtime: bytes) -> str:
    return next((name for mark, name in _RUNTIMES.items() if mark in runtime), "unknown")


def _text(image: SquashFSImage, entry: Entry | None) -> str:
    return "" if entry is None or not stat.S_ISREG(entry.mode) else image.read(entry).decode("utf-8", "replace")


def _desktop_entry(image: SquashFSImage, entries: dict[str, Entry]) -> dict[str, str]:
    name = next((name for name in sorted(entries) if name.endswith(".desktop") and "/" not in name), None)
    entry = entries.get(name) if name else None
    if entry is not None and stat.S_ISLNK(entry.mode):
        entry = entries.get(os.path.normpath(os.fsdecode(entry.target)))
    keys = ("Name", "Exec", "Icon", "Categories", "Terminal", "X-AppImage-Version", "X-AppImage-Name")
    desktop = DesktopEntry(tuple(_text(image, entry).splitlines()))
    return {key: value for key in keys if (value := desktop.get(key))}


def _links(image: SquashFSImage, entries: dict[str, Entry]) -> tuple[str, ...]:
    """Return the names of links that AppRun heeds: they stand beside it, which another AppRun does not read."""
    apprun = entries.get("AppRun")
    if apprun is None or not stat.S_ISREG(apprun.mode) or apprun.size > MAX_LAUNCHER_SIZE:
        return ()
    return read_links(image.read(apprun), _text(image, entries.get(SETTINGS_NAME)))


def _python(image: SquashFSImage, entries: dict[str, Entry]) -> str | None:
    """Return the version of the bundled Python: its third number stands in the interpreter or in its library."""
    for name, entry in entries.items():
        match = _LIBPYTHON.fullmatch(name) or _INTERPRETER.fullmatch(name)
        if match is None or not stat.S_ISREG(entry.mode):
            continue
        minor = match[match.lastindex or 1]
        if entry.size > _MAX_PYTHON:
            return minor
        exact = find_version(image.read(entry, _MAX_PYTHON), minor)
        if exact is not None:
            return exact
        if _LIBPYTHON.fullmatch(name):
            return minor
    return None


def read_packages(image: SquashFSImage, entries: dict[str, Entry]) -> dict[str, str]:
    """Return the installed packages of an image: name to version.

    Args:
        image: its file system.
        entries: all that is in it, by path.

    Raises:
        SquashFSError: it is damaged.

    """
    found = {}
    for name, entry in entries.items():
        if _DIST_INFO.fullmatch(name) and stat.S_ISREG(entry.mode):
            metadata = BytesParser().parsebytes(image.read(entry), headersonly=True)
            found[str(metadata.get("Name", "?"))] = str(metadata.get("Version", "?"))
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _entry_points(image: SquashFSImage, entries: dict[str, Entry]) -> tuple[str, ...]:
    commands = set()
    for name, entry in entries.items():
        if name.endswith(".dist-info/entry_points.txt"):
            commands.update(re.findall(r"^\s*([\w.-]+)\s*=", _text(image, entry), re.MULTILINE))
    return tuple(sorted(command for command in commands if f"usr/bin/{command}" in entries))
