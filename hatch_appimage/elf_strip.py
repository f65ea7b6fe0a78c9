# SPDX-License-Identifier: MIT
"""Remove from programs and libraries what only debuggers, linkers and the like read, with the same result everywhere.

What is loaded keeps its bytes and its place in the file: nothing that a program header, or the header of a section that
is loaded, says about it has to change. What was removed behind it makes the file shorter; what was removed between two
loaded parts, as in files that patchelf has worked on, becomes a hole of zeros, which takes no room in an image. The
table of sections is written anew, at the end or into a hole, since patchelf, gdb and auditwheel read it; sections that
are loaded keep their numbers in it, which the dynamic symbols name, so that a removed one among them leaves an inactive
entry (``SHT_NULL``).

The format is that of the System V ABI, chapter 4 (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.sheader.html).
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hatch_appimage import elf as elf_files
from hatch_appimage import elf_headers
from hatch_appimage.elf import read_elf, read_sections
from hatch_appimage.elf_headers import IDENTIFICATION, PT_DYNAMIC, SectionHeader, layout_of, mapped
from hatch_appimage.errors import AppImageError
from hatch_appimage.results import NO_RESULTS, digest_code

if TYPE_CHECKING:
    import mmap
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from hatch_appimage.elf_headers import Header, Layout
    from hatch_appimage.results import Results

_CODE = digest_code(__file__, elf_files.__file__, elf_headers.__file__)
_PROGRAM_TYPES = frozenset({2, 3})  # ET_EXEC, ET_DYN: in any other type, linkers need the symbols

_SHT_SYMTAB, _SHT_STRTAB, _SHT_RELA, _SHT_NOBITS, _SHT_REL, _SHT_GROUP, _SHT_SYMTAB_SHNDX = 2, 3, 4, 8, 9, 17, 18
_SHF_ALLOC, _SHF_EXECINSTR, _SHF_INFO_LINK = 0x2, 0x4, 0x40
_SHN_LORESERVE = 0xFF00  # from this number on, sections are counted elsewhere

# What neither loaders nor programs read. All other sections stay: PyInstaller has a program's modules in one, Qt the
# description of a plugin, cargo-auditable the packages that a program was made of, SystemTap its probes.
_UNREAD_NAMES = frozenset({
    ".GCC.command.line",
    ".comment",
    ".gdb_index",
    ".gnu_debugaltlink",
    ".gnu_debugdata",
    ".gnu_debuglink",
    ".line",
    ".llvm.lto",
    ".llvmbc",
    ".llvmcmd",
    ".strtab",
})  # fmt: skip
_UNREAD_PREFIXES = (".debug_", ".gnu.build.attributes", ".gnu.debuglto_", ".gnu.lto_", ".stab", ".zdebug_")
# Symbols, and relocations for linkers: those for the loader are in sections that are loaded.
_UNREAD_TYPES = frozenset({_SHT_SYMTAB, _SHT_SYMTAB_SHNDX, _SHT_REL, _SHT_RELA})

# With FIPS, NSS finds the digest of libfoo.so in libfoo.chk, and other libraries have it in files of these names.
_HMAC_NAMES = ("{}.hmac", ".{}.hmac")

# A file that would become smaller by fewer bytes keeps its own: what others know it by, such as a distribution's list
# of digests, stays true. Distributions strip their libraries, and leave some tens of bytes.
_MIN_SAVING = 1024
# Far more than programs and libraries have; a file that is made to harm takes no longer than this.
_MAX_SECTIONS = 4096
_MAX_ALIGNMENT = 4096  # in bytes, of what is not loaded; most have 1, some 8
# Zeros behind what is loaded that mean nothing: patchelf lets a file end with one, and tables are aligned.
_MAX_PADDING = 4096
_CHUNK_SIZE = 1 << 20


@dataclass(frozen=True)
class Stripped:
    """What was removed from some files.

    Attributes:
        files: how many became smaller.
        size: the bytes that were removed.
        kept: why files with something to remove stay as they were, by their paths below the AppDir.

    """

    files: int = 0
    size: int = 0
    kept: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Stripped) -> Stripped:
        return Stripped(self.files + other.files, self.size + other.size, {**self.kept, **other.kept})


class NotStrippedError(AppImageError):
    """A file has something to remove, and stays as it was; the text says why, to go on with after a colon."""


def strip_files(paths: Iterable[Path], root: Path, results: Results = NO_RESULTS) -> Stripped:
    """Remove what is not read from all files where that can be done; the others stay as they are.

    Args:
        paths: any files.
        root: the AppDir that they are in.
        results: where stripped files are kept for the next image.

    """
    return sum((_try_to_strip(path, root, results) for path in paths), Stripped())


def _try_to_strip(path: Path, root: Path, results: Results) -> Stripped:
    circumstances = bytes([_is_executable(path.stat()), _has_digest(path)])
    try:
        size = results.change(path, [b"strip", _CODE, circumstances], lambda: strip_file(path))
    except NotStrippedError as error:
        return Stripped(kept={str(path.relative_to(root)): str(error)})
    return Stripped(int(size > 0), size)


def strip_file(path: Path) -> int:
    """Remove what is not read from a program or library; it is replaced as a whole, with its mode and its times.

    Args:
        path: any file.

    Returns:
        the number of bytes that were removed: 0 if there is little to remove, or it is no program or library.

    Raises:
        NotStrippedError: it has something to remove, and would not be the same without.
        OSError: it cannot be read or written.

    """
    with mapped(path) as data:
        elf = _read(data) if data else None
        removable = _find_removable(elf) if elf else frozenset()
        if elf is None or sum(map(_size, map(elf.content, removable))) < _MIN_SAVING:
            return 0
        _check(elf, removable, runnable=_is_executable(path.stat()))
        if _has_digest(path):
            raise NotStrippedError("a file beside it has its digest")
        descriptor, name = tempfile.mkstemp(prefix=".strip-", dir=path.parent)
        os.close(descriptor)
        beside = Path(name)
        try:
            saved = _write(elf, _plan(elf, removable), beside)
            if saved < _MIN_SAVING:
                return 0
            _verify(path, elf, beside, removable)
            shutil.copystat(path, beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return saved


def _is_executable(status: os.stat_result) -> bool:
    return bool(status.st_mode & 0o111)


def _has_digest(path: Path) -> bool:
    """Whether a file beside it has its digest."""
    names = (path.with_suffix(".chk").name, *(form.format(path.name) for form in _HMAC_NAMES))
    return any(os.path.lexists(path.parent / name) for name in names)


class _Section(SectionHeader):
    """A section header."""

    __slots__ = ()

    @property
    def is_loaded(self) -> bool:
        """Whether it is there when the program runs."""
        return bool(self.flags & _SHF_ALLOC)

    @property
    def info_is_link(self) -> bool:
        """Whether its field ``info`` is the number of a section, too."""
        return bool(self.flags & _SHF_INFO_LINK) or self.type in {_SHT_REL, _SHT_RELA}

    def links(self) -> tuple[int, ...]:
        """Return the numbers of the sections that it refers to; 0 for none."""
        return (self.link, self.info) if self.info_is_link else (self.link,)


_INACTIVE = _Section(*[0] * 10)


@dataclass(frozen=True)
class _File:
    """A program or library.

    Attributes:
        data: all of it.
        layout: of its headers.
        header: of the file.
        segments: where each one lies in the file, in bytes.
        dynamic: it is linked dynamically.
        sections: their headers.
        names: theirs.

    """

    data: mmap.mmap
    layout: Layout
    header: Header
    segments: tuple[range, ...]
    dynamic: bool
    sections: tuple[_Section, ...]
    names: tuple[bytes, ...]

    def content(self, number: int) -> range:
        """Return where a section lies in the file, in bytes."""
        section = self.sections[number]
        return range(section.offset, section.offset + (0 if section.type == _SHT_NOBITS else section.size))

    @property
    def table(self) -> range:
        """Where its section headers lie in the file, in bytes."""
        return range(self.header.shoff, self.header.shoff + self.layout.section.size * len(self.sections))

    @property
    def first(self) -> tuple[range, range]:
        """Where the header of the file and the program headers lie, in bytes."""
        phoff = self.header.phoff
        headers = range(phoff, phoff + self.layout.segment.size * self.header.phnum)
        return range(IDENTIFICATION + self.layout.header.size), headers

    @property
    def loaded_end(self) -> int:
        """Where the headers and all that is loaded end in the file, in bytes."""
        loaded = (self.content(number) for number, section in enumerate(self.sections) if section.is_loaded)
        return max(part.stop for part in (*self.first, *self.segments, *loaded))


def _read(data: mmap.mmap) -> _File | None:
    """Read all headers; None if it is no program or library, has no sections, or they cannot be told."""
    layout = layout_of(data)
    if layout is None:
        return None
    try:
        header = layout.unpack_header(data)
        sizes = (header.phentsize, header.shentsize)
        if header.type not in _PROGRAM_TYPES or sizes != (layout.segment.size, layout.section.size):
            return None
        if not (header.phnum < _SHN_LORESERVE and 0 < header.shstrndx < header.shnum <= _MAX_SECTIONS):
            return None
        segments = layout.unpack_segments(data, header.phoff, header.phnum)
        sections = tuple(_Section(*each) for each in layout.unpack_sections(data, header.shoff, header.shnum))
    except struct.error:  # the file ends before
        return None
    names = sections[header.shstrndx]
    return _File(
        data=data,
        layout=layout,
        header=header,
        segments=tuple(range(each.offset, each.offset + each.filesz) for each in segments),
        dynamic=any(each.type == PT_DYNAMIC for each in segments),
        sections=sections,
        names=tuple(_string(data, names, section.name) for section in sections),
    )


def _string(data: mmap.mmap, table: _Section, place: int) -> bytes:
    start, end = table.offset + place, min(table.offset + table.size, len(data))
    stop = data.find(b"\0", start, end) if start < end else -1
    return data[start:stop] if stop >= 0 else b""


def _find_removable(elf: _File) -> frozenset[int]:
    """Return the numbers of the sections that are not read, and that nothing else needs or shares its bytes with."""
    removable = {number for number in range(1, len(elf.sections)) if _is_unread(elf, number)}
    while True:
        kept = set(range(1, len(elf.sections))) - removable - {elf.header.shstrndx}
        linked = {link for number in kept for link in _needed_by(elf, elf.sections[number])}
        occupied = _merge([*elf.first, *elf.segments, *(elf.content(number) for number in kept)])
        needed = {number for number in removable if number in linked or _overlaps(occupied, elf.content(number))}
        if not needed:
            return frozenset(removable)
        removable -= needed


def _needed_by(elf: _File, section: _Section) -> tuple[int, ...]:
    """Return the numbers of the sections without which a section would mean nothing; 0 for none.

    Relocations of static programs are said to refer to the symbols, and do not: each calls a function by its address.
    """
    relocations = section.is_loaded and section.type in {_SHT_REL, _SHT_RELA} and section.link < len(elf.sections)
    if relocations and not elf.sections[section.link].is_loaded and not _uses_symbols(elf, section):
        return (0, section.info)
    return section.links()


def _uses_symbols(elf: _File, relocations: _Section) -> bool:
    """Whether any relocation names a symbol: its second word has the number, above the kind."""
    word = elf.layout.word
    end = relocations.offset + relocations.size
    if relocations.entsize < 2 * word or end > len(elf.data):
        return True
    shift = 32 if word == 8 else 8  # noqa: PLR2004 - bytes of 64 bits
    return any(
        elf.layout.address.unpack_from(elf.data, place + word)[0] >> shift
        for place in range(relocations.offset, end - 2 * word + 1, relocations.entsize)
    )


def _is_unread(elf: _File, number: int) -> bool:
    section, name = elf.sections[number], elf.names[number].decode("ascii", "replace")
    by_name = name in _UNREAD_NAMES or name.startswith(_UNREAD_PREFIXES)
    return not section.is_loaded and (section.type in _UNREAD_TYPES or by_name)


def _check(elf: _File, removable: Collection[int], *, runnable: bool) -> None:
    """See that a file is one of those that this module knows how to write.

    Raises:
        NotStrippedError: it is not.

    """
    sections = range(1, len(elf.sections))
    kept = [elf.sections[number] for number in sections if number not in removable]
    known = [*elf.first, *elf.segments, *map(elf.content, sections), elf.table]
    if max(part.stop for part in known) > len(elf.data):
        raise NotStrippedError("it is cut off")
    if _has_more(elf, known):
        raise NotStrippedError("data is appended that no header describes, which may be for the program to read")
    if any(section.type == _SHT_NOBITS and section.flags & _SHF_EXECINSTR for section in kept):
        raise NotStrippedError("its debug information is all that it has")
    if not elf.dynamic and not runnable:
        raise NotStrippedError("it may be for a machine without a system: it is static, and nobody may execute it")
    if any(section.type == _SHT_GROUP for section in kept):
        raise NotStrippedError("it has groups of sections")
    if elf.sections[elf.header.shstrndx].is_loaded:
        raise NotStrippedError("the names of its sections are loaded")
    if any(section.addralign > _MAX_ALIGNMENT for section in kept if not section.is_loaded):
        raise NotStrippedError("a section is aligned in an unusual way")
    linked = {link for section in kept for link in section.links()}
    if max(linked) >= len(elf.sections):
        raise NotStrippedError("its sections name others that are not there")
    if elf.header.shstrndx in linked:
        raise NotStrippedError("the names of its sections are those of symbols that have to stay")


def _has_more(elf: _File, known: Iterable[range]) -> bool:
    """Whether there is more than padding that no header describes, behind what is loaded."""
    size = len(elf.data)
    parts = _merge([range(elf.loaded_end), *known, range(size, size + 1)])
    gaps = [range(before.stop, after.start) for before, after in pairwise(parts)]
    return any(len(gap) > _MAX_PADDING or any(elf.data[gap.start : gap.stop]) for gap in gaps)


@dataclass(frozen=True)
class _Plan:
    """Where everything of a file goes.

    Attributes:
        end: up to here everything keeps its place, in bytes.
        holes: what was removed of that.
        behind: the numbers of the sections that follow, in their order.
        numbers: the new number of each section that stays, by its present one.

    """

    end: int
    holes: tuple[range, ...]
    behind: tuple[int, ...]
    numbers: Mapping[int, int]


def _plan(elf: _File, removable: Collection[int]) -> _Plan:
    gone = {*removable, elf.header.shstrndx}
    stay = [number for number in range(1, len(elf.sections)) if number not in gone]
    loaded = [number for number in stay if elf.sections[number].is_loaded]
    parts = [*elf.first, *elf.segments, *map(elf.content, loaded)]
    end = elf.loaded_end
    behind = []
    for number in sorted(set(stay) - set(loaded), key=lambda number: (elf.sections[number].offset, number)):
        part = elf.content(number)
        if part and part.start < end:
            parts.append(part)
            end = max(end, part.stop)
        else:
            behind.append(number)
    last = max(loaded, default=0)
    numbers = {number: number for number in stay if number <= last}
    numbers |= {number: new for new, number in enumerate((number for number in stay if number > last), last + 1)}
    removed = [*map(elf.content, gone), elf.table]
    return _Plan(end, tuple(_holes(_merge(parts), removed)), tuple(behind), numbers)


def _write(elf: _File, plan: _Plan, target: Path) -> int:
    """Write a file without what is to be removed; return how many bytes fewer it has, apart from zeros."""
    layout = elf.layout
    with target.open("wb") as file:
        _copy(elf.data, range(plan.end), plan.holes, file)
        offsets = {}
        for number in plan.behind:
            _pad(file, elf.sections[number].addralign)
            offsets[number] = file.tell()
            _copy(elf.data, elf.content(number), (), file)
        _pad(file, layout.word)
        end = file.tell()
        names = _Names()
        table = _renumbered(elf, plan.numbers, offsets, names)
        own = names.add(b".shstrtab")
        # A hole that has room for the table takes it: so no file grows.
        table_at = _aligned(len(names.data), layout.word)
        size = table_at + layout.section.size * (len(table) + 1)
        starts = ((_aligned(hole.start, layout.word), hole.stop) for hole in plan.holes)
        start = next((start for start, stop in starts if start + size <= stop), end)
        table.append(_Section(own, _SHT_STRTAB, 0, 0, start, len(names.data), 0, 0, 1, 0))
        file.seek(start)
        file.write(names.data.ljust(table_at, b"\0"))
        file.writelines(layout.section.pack(*section) for section in table)
        header = elf.header._replace(shoff=start + table_at, shnum=len(table), shstrndx=len(table) - 1)
        file.seek(IDENTIFICATION)
        file.write(layout.header.pack(*header))
    return len(elf.data) - end - size + sum(map(len, plan.holes))


def _renumbered(elf: _File, numbers: Mapping[int, int], offsets: Mapping[int, int], names: _Names) -> list[_Section]:
    """Return the headers of the sections that stay, with inactive ones where a number is not used."""
    table = [_INACTIVE] * (max(numbers.values(), default=0) + 1)
    for number, new in numbers.items():
        section = elf.sections[number]
        table[new] = section._replace(
            name=names.add(elf.names[number]),
            offset=offsets.get(number, section.offset),
            link=numbers.get(section.link, 0),
            info=numbers.get(section.info, 0) if section.info_is_link else section.info,
        )
    return table


class _Names:
    """The names of sections in the order in which they are added.

    Attributes:
        data: all of them, as a string table has them.

    """

    def __init__(self) -> None:
        self.data = b"\0"
        self._places: dict[bytes, int] = {b"": 0}

    def add(self, name: bytes) -> int:
        """Return where a name stands."""
        if name not in self._places:
            self._places[name] = len(self.data)
            self.data += name + b"\0"
        return self._places[name]


def _copy(data: mmap.mmap, part: range, holes: Iterable[range], file: BinaryIO) -> None:
    """Append a part of the data, with zeros where it has holes, of which a file system keeps nothing."""
    start = part.start
    for hole in (*holes, range(part.stop, part.stop)):
        file.writelines(data[place.start : place.stop] for place in _chunks(range(start, hole.start)))
        file.seek(len(hole), os.SEEK_CUR)
        start = hole.stop


def _chunks(part: range) -> Iterator[range]:
    """Divide a part into what is read at once: libraries for GPUs have gigabytes."""
    for start in range(part.start, part.stop, _CHUNK_SIZE):
        yield range(start, min(start + _CHUNK_SIZE, part.stop))


def _size(part: range) -> int:
    """Return its bytes: `len` refuses the numbers that a damaged file may have."""
    return part.stop - part.start


def _pad(file: BinaryIO, alignment: int) -> None:
    file.write(bytes(_aligned(file.tell(), max(alignment, 1)) - file.tell()))


def _aligned(place: int, alignment: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-place // alignment) * alignment


def _merge(parts: Iterable[range]) -> list[range]:
    """Return what the parts cover, in order and without overlaps."""
    merged: list[range] = []
    for part in sorted((part for part in parts if part), key=lambda part: part.start):
        if merged and part.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, part.stop))
        else:
            merged.append(part)
    return merged


def _overlaps(merged: list[range], part: range) -> bool:
    """Whether a part shares bytes with what is covered."""
    before = bisect_right(merged, part.start, key=lambda each: each.start)
    nearest = merged[max(before - 1, 0) : before + 1]
    return any(max(each.start, part.start) < min(each.stop, part.stop) for each in nearest)


def _holes(merged: list[range], removed: Iterable[range]) -> Iterator[range]:
    """Yield, in order, what lies between covered parts and was removed."""
    gone = _merge(removed)
    for before, after in pairwise(merged):
        for part in gone:
            hole = range(max(before.stop, part.start), min(after.start, part.stop))
            if hole:
                yield hole


def _verify(path: Path, elf: _File, result: Path, removable: Collection[int]) -> None:
    """Read the result and compare it with the file, as the loader sees both.

    Raises:
        NotStrippedError: they differ.

    """
    try:
        same = read_elf(path) == read_elf(result)
        names = read_sections(result).places.keys()
    except AppImageError as error:
        raise NotStrippedError(f"it cannot be read: {error}") from error
    with mapped(result) as data:
        written = _read(data) if data else None
        if not same or written is None or not _same_content(elf, written):
            raise NotStrippedError("it would not be loaded as before")
    stay = {name.decode("ascii", "replace") for number, name in enumerate(elf.names) if number not in removable}
    if names != stay | {"", ".shstrtab"}:
        raise NotStrippedError("its sections would not be those that were to stay")


def _same_content(before: _File, after: _File) -> bool:
    """Whether two files have the same headers but for the sections', and the same loaded content."""
    own = before.header
    header = after.header._replace(shoff=own.shoff, shnum=own.shnum, shstrndx=own.shstrndx)
    start = before.first[0].stop
    parts = [before.first[1], *(range(max(part.start, start), part.stop) for part in before.segments)]
    return (
        (before.data[:IDENTIFICATION], own) == (after.data[:IDENTIFICATION], header)
        and before.segments == after.segments
        and all(
            before.data[place.start : place.stop] == after.data[place.start : place.stop]
            for part in parts
            for place in _chunks(part)
        )
        and all(
            number < len(after.sections) and _same_section(before, after, number)
            for number, section in enumerate(before.sections)
            if section.is_loaded
        )
    )


def _same_section(before: _File, after: _File, number: int) -> bool:
    """Whether a section that is loaded has kept its number, its place and the sections that it refers to."""
    old, new = before.sections[number], after.sections[number]
    return (
        old._replace(name=0, link=0, info=0) == new._replace(name=0, link=0, info=0)
        and before.names[number] == after.names[number]
        and [before.names[link] for link in _needed_by(before, old)]
        == [after.names[link] for link in _needed_by(after, new)]
        and (old.info_is_link or old.info == new.info)
    )
