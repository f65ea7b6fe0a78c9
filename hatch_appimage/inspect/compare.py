# SPDX-License-Identifier: MIT
"""How two AppImages differ, signatures aside, and why, as far as that can be told from what is in them."""

from __future__ import annotations

import csv
import json
import os
import stat
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from packaging.utils import canonicalize_name

from hatch_appimage.document import write_json
from hatch_appimage.elf import read_sections
from hatch_appimage.format import (
    DIGEST,
    KEY,
    SIGNATURE,
    UPDATE_INFORMATION,
    file_digest,
    find_sections,
    find_squashfs,
    read_section,
)
from hatch_appimage.image.write import STARTUP
from hatch_appimage.inspect.image import read_packages
from hatch_appimage.squashfs import SquashFSImage
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from hatch_appimage.squashfs import Entry

# What is said of the whole image: it differs whenever anything does.
_DERIVED = ("/pylock.toml", "/sbom.cdx.json", ".dist-info/RECORD")
_BUILD_RECORD = "/build.json"
# Of bytecode: the magic number, flags, and the time and size of the source or its digest (PEP 552).
_MAGIC_SIZE, _HEADER_SIZE = 4, 16
# Of libraries and bytecode that are compared in parts, in bytes.
_MAX_PARTS = 64 << 20
_OF_ANOTHER_SOURCE = "bytecode of another source"
_ELF_MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Difference:
    """A difference.

    Attributes:
        what: a path in the image, or what differs of the whole.
        reason: how, and why.

    """

    what: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """How two images differ.

    Attributes:
        sha256: of both files with zeros in place of signature and key, in hexadecimal.
        differences: none if the images are the same but for signatures.

    """

    sha256: tuple[str, str]
    differences: tuple[Difference, ...]

    def to_json(self) -> str:
        """Return it as JSON."""
        return write_json({"identical": not self.differences, **asdict(self)}, version=1)

    def to_text(self) -> str:
        """Return it as text."""
        if not self.differences:
            return f"identical without signatures: sha256 {self.sha256[0]}\n"
        lines = [f"  {printable(difference.what)}: {printable(difference.reason)}" for difference in self.differences]
        return "\n".join([f"{len(lines)} differences:" if len(lines) > 1 else "1 difference:", *lines, ""])


def compare_images(path: Path, other: Path) -> Comparison:
    """Compare two AppImages.

    Args:
        path: the one, the older one in reasons.
        other: the other.

    Raises:
        AppImageError: one is no type-2 AppImage, or damaged.

    """
    digests = (unsigned_digest(path), unsigned_digest(other))
    if digests[0] == digests[1]:
        return Comparison(digests, ())
    with path.open("rb") as first, other.open("rb") as second:
        contents = (_Contents(first, find_squashfs(path)), _Contents(second, find_squashfs(other)))
        found = [*_compare_packages(*contents), *_compare_files(*contents)]
        found += [*_compare_runtimes(path, other), *_compare_layouts(*contents, same_files=not found)]
    return Comparison(digests, tuple(found) or (Difference("image", "bytes that no reader looks at differ"),))


def unsigned_digest(path: Path) -> str:
    """Return the SHA-256 of an AppImage with zeros in place of its signature and key, in hexadecimal.

    Raises:
        AppImageError: it is no type-2 AppImage, or damaged.

    """
    sections = find_sections(path)
    return file_digest(path, sha256(), [sections[name] for name in (SIGNATURE, KEY) if name in sections]).hex()


class _Contents:
    """The file system of an image."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self.image = SquashFSImage(file, offset)
        self.entries = {os.fsdecode(entry.path): entry for entry in self.image}

    @cached_property
    def packages(self) -> dict[str, str]:
        return read_packages(self.image, self.entries)

    @cached_property
    def parents(self) -> frozenset[str]:
        """The directories that have something in them."""
        return frozenset(os.path.dirname(path) for path in self.entries)  # noqa: PTH120 - for thousands of paths

    @cached_property
    def owners(self) -> dict[str, str]:
        """The package of each file that a RECORD has, and of its bytecode."""
        found = {}
        for path, entry in self.entries.items():
            if path.endswith(".dist-info/RECORD") and stat.S_ISREG(entry.mode):
                info = PurePosixPath(path).parent
                name = next((name for name in self.packages if _is_info(info.name, name)), info.name)
                for row in csv.reader(self.image.read(entry).decode("utf-8", "replace").splitlines()):
                    if row:
                        found[os.path.normpath(info.parent / row[0])] = name
        return found

    def owner(self, path: str) -> str | None:
        """Return the package that a file belongs to."""
        return self.owners.get(path) or self.owners.get(source_of_bytecode(path) or "")

    def digest(self, entry: Entry) -> bytes:
        digest = sha256()
        for chunk in self.image.chunks(entry):
            digest.update(chunk)
        return digest.digest()

    def read(self, entry: Entry) -> bytes:
        return self.image.read(entry, _MAX_PARTS) if entry.size <= _MAX_PARTS else b""

    @cached_property
    def order(self) -> list[str]:
        """The files in the order of their data."""
        files = [path for path, entry in self.entries.items() if entry.size]
        return sorted(files, key=lambda path: self.image.position(self.entries[path]))


def _is_info(directory: str, name: str) -> bool:
    return canonicalize_name(directory.partition("-")[0]) == canonicalize_name(name)


def source_of_bytecode(path: str) -> str | None:
    """Return the path of the source of bytecode in ``__pycache__`` (PEP 3147); None for what is none."""
    pure = PurePosixPath(path)
    if pure.suffix != ".pyc" or pure.parent.name != "__pycache__":
        return None
    return str(pure.parent.parent / f"{pure.name.split('.')[0]}.py")


def _compare_packages(one: _Contents, other: _Contents) -> Iterator[Difference]:
    for name in sorted(one.packages.keys() | other.packages.keys(), key=str.lower):
        before, after = one.packages.get(name), other.packages.get(name)
        if before != after:
            yield Difference(f"package {name}", _versions(before, after))


def _versions(before: str | None, after: str | None) -> str:
    if before is None:
        return f"only in the other image, in version {after}"
    return f"only in the image, in version {before}" if after is None else f"version {before}, and {after} in the other"


def _compare_files(one: _Contents, other: _Contents) -> list[Difference]:
    """Compare all that differs otherwise than by the version of its package."""
    changed = {
        name for name in one.packages.keys() | other.packages if one.packages.get(name) != other.packages.get(name)
    }
    found: list[Difference] = []
    derived: list[Difference] = []
    for path in sorted(one.entries.keys() | other.entries):
        difference = _compare_entries(path, one, other)
        if difference is None or {one.owner(path), other.owner(path)} & changed:
            continue
        if difference.reason == _OF_ANOTHER_SOURCE:
            continue  # the source has a line
        (derived if path.endswith(_DERIVED) else found).append(difference)
    # A list of what is in the image is worth a line only where nothing explains it.
    return found or ([] if changed else derived)


def _compare_entries(path: str, one: _Contents, other: _Contents) -> Difference | None:
    before, after = one.entries.get(path), other.entries.get(path)
    if before is None or after is None:
        # A directory is told of by what is in it.
        if path in one.parents | other.parents:
            return None
        return Difference(path, f"only in the {'other ' if before is None else ''}image")
    if stat.S_IFMT(before.mode) != stat.S_IFMT(after.mode):
        return Difference(path, f"{_kind(before)}, and {_kind(after)} in the other")
    if before.target != after.target:
        return Difference(
            path, f"points to {os.fsdecode(before.target)}, and to {os.fsdecode(after.target)} in the other"
        )
    if stat.S_ISREG(before.mode) and (before.size != after.size or one.digest(before) != other.digest(after)):
        return Difference(path, _explain_content(path, one, other))
    reasons = []
    if before.mode != after.mode:
        reasons.append(f"mode {stat.S_IMODE(before.mode):o}, and {stat.S_IMODE(after.mode):o} in the other")
    if (before.uid, before.gid) != (after.uid, after.gid):
        reasons.append("another owner")
    if before.mtime != after.mtime:
        reasons.append(f"time stamp {before.mtime}, and {after.mtime} in the other")
    return Difference(path, "; ".join(reasons)) if reasons else None


def _kind(entry: Entry) -> str:
    names = {stat.S_IFREG: "a file", stat.S_IFDIR: "a directory", stat.S_IFLNK: "a link"}
    return names.get(stat.S_IFMT(entry.mode), "something else")


def _explain_content(path: str, one: _Contents, other: _Contents) -> str:
    """Say why two files of a path differ."""
    before, after = (each.read(each.entries[path]) for each in (one, other))
    if path.endswith(".pyc"):
        return _explain_bytecode(path, one, other)
    if path.startswith("usr/share/") and path.endswith(_BUILD_RECORD):
        return _explain_record(before, after)
    if before.startswith(_ELF_MAGIC) and after.startswith(_ELF_MAGIC):
        return _explain_elf(before, after)
    if sorted(before.splitlines()) == sorted(after.splitlines()):
        return "the same lines in another order"
    return _explain_bytes(before, after)


def _explain_bytes(before: bytes, after: bytes) -> str:
    first = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
    where = f", from byte {first} on" if first is not None else ""
    return f"its content differs: {len(before)} and {len(after)} bytes{where}"


def _explain_bytecode(path: str, one: _Contents, other: _Contents) -> str:
    before, after = (each.read(each.entries[path]) for each in (one, other))
    if before[:_MAGIC_SIZE] != after[:_MAGIC_SIZE]:
        return "bytecode made by another version of Python"
    source = source_of_bytecode(path)
    if source and source in one.entries and source in other.entries:
        if one.digest(one.entries[source]) != other.digest(other.entries[source]):
            return _OF_ANOTHER_SOURCE
    elif source and (source in one.entries) != (source in other.entries):
        return "bytecode whose source is in one image only"
    if before[_HEADER_SIZE:] == after[_HEADER_SIZE:]:
        return "the same bytecode with another header: its source has another time, or is checked otherwise"
    return "other bytecode of the same source, made with other options or by another build of Python"


def _explain_elf(before: bytes, after: bytes) -> str:
    try:
        one, other = _elf_sections(before), _elf_sections(after)
    except ELFError:
        return _explain_bytes(before, after)
    differing = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    if differing == [".note.gnu.build-id"]:
        return "the same code with another build ID: it was linked with other debug information or in another directory"
    if not differing:
        return "the same sections, laid out otherwise"
    if not set(differing) - {".comment", ".note.gnu.build-id"}:
        return "the same code made by another compiler (.comment)"
    return (
        f"a program or library whose sections {', '.join(differing)} differ: built from other source or by other tools"
    )


def _elf_sections(data: bytes) -> dict[str, bytes]:
    return {section.name: section.data() for section in ELFFile(BytesIO(data)).iter_sections() if section.name}


def _explain_record(before: bytes, after: bytes) -> str:
    try:
        one, other = _flatten(json.loads(before)), _flatten(json.loads(after))
    except ValueError:
        return _explain_bytes(before, after)
    differing = [
        f"{key} was {one.get(key, 'not set')}, and is {other.get(key, 'not set')}"
        for key in sorted(one.keys() | other)
        if one.get(key) != other.get(key)
    ]
    return "; ".join(differing) or "the same record, written otherwise"


def _flatten(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {name: item for inner, each in value.items() for name, item in _flatten(each, f"{key}.{inner}").items()}
    return {key.removeprefix("."): ", ".join(map(str, value)) if isinstance(value, list) else value}


def _compare_runtimes(path: Path, other: Path) -> Iterator[Difference]:
    lines = [read_section(each, UPDATE_INFORMATION).decode("utf-8", "replace") for each in (path, other)]
    if lines[0] != lines[1]:
        yield Difference("update information", f"{lines[0] or 'none'}, and {lines[1] or 'none'} in the other")
    if _runtime(path) != _runtime(other):
        yield Difference("runtime", "the program that the image begins with is another one")


def _runtime(path: Path) -> bytes:
    """Return the runtime without what is written into it for one image."""
    with path.open("rb") as file:
        data = bytearray(file.read(find_squashfs(path)))
    places = read_sections(path).places
    for name in (SIGNATURE, KEY, DIGEST, UPDATE_INFORMATION, STARTUP):
        offset, size = places.get(name, (0, 0))
        data[offset : offset + size] = bytes(size)
    return bytes(data)


def _compare_layouts(one: _Contents, other: _Contents, *, same_files: bool) -> Iterator[Difference]:
    """Compare how the same files are laid out and compressed."""
    facts = [
        f"{each.image.compression.name.lower()} in blocks of {each.image.superblock.block_size} bytes"
        for each in (one, other)
    ]
    if facts[0] != facts[1]:
        yield Difference("compression", f"{facts[0]}, and {facts[1]} in the other")
    elif same_files:
        if one.image.superblock.mtime != other.image.superblock.mtime:
            yield Difference("time stamp", "only that of the whole image differs")
        elif one.order != other.order:
            moved = next(pair for pair in zip(one.order, other.order, strict=True) if pair[0] != pair[1])
            yield Difference("order", f"the same files in another order, from {moved[0]} and {moved[1]} on")
        elif one.image.superblock.bytes_used != other.image.superblock.bytes_used:
            yield Difference("compression", "the same files compressed by another version, or at another level")
