# SPDX-License-Identifier: MIT
"""Makes tiny ELF files: what a test wants of a library is in them, and nothing else. They cannot run."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# System V ABI, chapters 4 and 5: numbers of the format.
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_GNU_STACK, PT_GNU_PROPERTY = 1, 2, 3, 0x6474E551, 0x6474E553
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_SONAME, DT_RPATH, DT_RUNPATH, DT_RELR = 0, 1, 5, 10, 14, 15, 29, 36
DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
X86_64, AARCH64, I386 = 62, 183, 3
PAGE = 0x1000
WEAK = 2


@dataclass(frozen=True)
class Fixture:
    """What an ELF file shall say.

    Attributes:
        needed: sonames.
        soname: its own name.
        rpath: of ``DT_RPATH``, with colons.
        runpath: of ``DT_RUNPATH``, likewise.
        versions: needed versions of each soname; a name that begins with ``~`` is weak.
        defined: the versions that it defines.
        interpreter: makes a program of it.
        machine: e_machine.
        bits: 32 or 64.
        relr: with packed relocations.
        dynamic: with a dynamic section.
        stack: how it wants the stack, as flags of ``PT_GNU_STACK``; None says nothing.
        note: the bytes of ``PT_GNU_PROPERTY``; without it, if they are none.
        strings: texts that its code has.

    """

    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defined: tuple[str, ...] = ()
    interpreter: str = ""
    machine: int = X86_64
    bits: int = 64
    relr: bool = False
    dynamic: bool = True
    stack: int | None = 6
    note: bytes = b""
    strings: tuple[str, ...] = ()

    def write(self, path: Path) -> Path:
        """Write the file, and the directories above it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_elf(self))
        return path


def library(soname: str, *needed: str, **more: Any) -> Fixture:
    """Return a library with a soname."""
    return replace(Fixture(needed, soname), **more)


def program(*needed: str, **more: Any) -> Fixture:
    """Return a program."""
    return replace(Fixture(needed, interpreter="/lib64/ld-linux-x86-64.so.2"), **more)


def gnu_property(*properties: tuple[int, bytes], bits: int = 64) -> bytes:
    """Return a GNU property note ("Linux Extensions to gABI", section 2.1.7)."""
    size = bits // 8
    description = b"".join(
        struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % size) for kind, data in properties
    )
    return struct.pack("<III4s", 4, len(description), 5, b"GNU") + description


X86_FEATURE_1_AND, X86_ISA_1_NEEDED, X86_ISA_1_USED = 0xC0000002, 0xC0008002, 0xC0010002


def isa_level(level: int, *, bits: int = 64) -> bytes:
    """Return the note of a file that needs all micro-architecture levels up to one, as linkers write it."""
    return gnu_property(
        (X86_FEATURE_1_AND, struct.pack("<I", 3)),
        (X86_ISA_1_NEEDED, struct.pack("<I", (1 << level) - 1)),
        (X86_ISA_1_USED, struct.pack("<I", 15)),
        bits=bits,
    )


def make_elf(fixture: Fixture) -> bytes:
    """Return the bytes of the file: header, program headers, strings, versions, dynamic section; no section headers."""
    wide = fixture.bits == 64
    strings = bytearray(b"\0")

    def string(text: str) -> int:
        place = len(strings)
        strings.extend(text.encode() + b"\0")
        return place

    tags = [(DT_NEEDED, string(name)) for name in fixture.needed]
    for tag, text in ((DT_SONAME, fixture.soname), (DT_RPATH, fixture.rpath), (DT_RUNPATH, fixture.runpath)):
        if text:
            tags.append((tag, string(text)))
    for text in fixture.strings:
        string(text)
    needs = _versions(fixture.versions, string)
    versions = needs + _definitions(fixture.defined, string)
    interpreter = fixture.interpreter.encode() + b"\0" if fixture.interpreter else b""

    header_size, entry_size = (64, 56) if wide else (52, 32)
    count = 1 + fixture.dynamic + bool(interpreter) + (fixture.stack is not None) + bool(fixture.note)
    strings_at = header_size + count * entry_size
    versions_at = -(-(strings_at + len(strings)) // 8) * 8
    interpreter_at = versions_at + len(versions)
    note_at = -(-(interpreter_at + len(interpreter)) // 8) * 8
    dynamic_at = -(-(note_at + len(fixture.note)) // 8) * 8
    tags += [(DT_STRTAB, strings_at), (DT_STRSZ, len(strings))]
    if needs:
        tags += [(DT_VERNEED, versions_at), (DT_VERNEEDNUM, len(fixture.versions))]
    if fixture.defined:
        tags += [(DT_VERDEF, versions_at + len(needs)), (DT_VERDEFNUM, len(fixture.defined))]
    if fixture.relr:
        tags.append((DT_RELR, 0))
    dynamic = b"".join(struct.pack("<qQ" if wide else "<iI", *tag) for tag in [*tags, (DT_NULL, 0)])
    size = dynamic_at + len(dynamic)

    segments = [(PT_LOAD, 0, size, PAGE)]
    segments += [(PT_INTERP, interpreter_at, len(interpreter), 1)] * bool(interpreter)
    segments += [(PT_GNU_PROPERTY, note_at, len(fixture.note), 8)] * bool(fixture.note)
    segments += [(PT_DYNAMIC, dynamic_at, len(dynamic), 8)] * fixture.dynamic
    headers = b"".join(_segment(*segment, wide=wide) for segment in segments)
    if fixture.stack is not None:
        headers += _segment(PT_GNU_STACK, 0, 0, 16, flags=fixture.stack, wide=wide)
    kind = ET_EXEC if interpreter else ET_DYN
    identification = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    layout = "<16sHHIQQQIHHHHHH" if wide else "<16sHHIIIIIHHHHHH"
    head = struct.pack(
        layout, identification, kind, fixture.machine, 1, 0, header_size, 0, 0, header_size, entry_size, count, 0, 0, 0
    )
    data = bytearray(size)
    for place, part in ((0, head + headers), (strings_at, strings), (versions_at, versions)):
        data[place : place + len(part)] = part
    data[interpreter_at : interpreter_at + len(interpreter)] = interpreter
    data[note_at : note_at + len(fixture.note)] = fixture.note
    data[dynamic_at:] = dynamic
    return bytes(data)


def _segment(kind: int, offset: int, size: int, alignment: int, *, wide: bool, flags: int = 5) -> bytes:
    if wide:
        return struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, alignment)
    return struct.pack("<IIIIIIII", kind, offset, offset, offset, size, size, flags, alignment)


def _versions(versions: dict[str, tuple[str, ...]], string: Callable[[str], int]) -> bytes:
    """Return the records of needed versions (LSB, section 10.7.3)."""
    data = b""
    for number, (soname, names) in enumerate(versions.items(), 1):
        size = 16 + 16 * len(names)
        following = size if number < len(versions) else 0
        data += struct.pack("<HHIII", 1, len(names), string(soname), 16, following)
        for index, name in enumerate(names, 1):
            flags = WEAK if name.startswith("~") else 0
            text = string(name.removeprefix("~"))
            data += struct.pack("<IHHII", 0, flags, index, text, 16 if index < len(names) else 0)
    return data


def _definitions(names: tuple[str, ...], string: Callable[[str], int]) -> bytes:
    """Return the records of defined versions (LSB, section 10.7.2)."""
    data = b""
    for index, name in enumerate(names, 1):
        size = 20 + 8
        data += struct.pack("<HHHHIII", 1, 0, index, 1, 0, 20, size if index < len(names) else 0)
        data += struct.pack("<II", string(name), 0)
    return data


#: By which a type-2 AppImage is known.
RUNTIME_MAGIC = b"AI\x02"


def make_runtime(machine: int = 62, bits: int = 64, *, magic: bytes = RUNTIME_MAGIC, sections: int = 2) -> bytes:
    """Make an ELF file of a header, a few bytes and its section header table (System V ABI, chapter 4)."""
    header_size, section_size = (64, 64) if bits == 64 else (52, 40)
    names = b"\0.shstrtab\0"
    offset = header_size + len(names) if sections else 0
    identification = struct.pack("<4sBBBB", b"\x7fELF", 2 if bits == 64 else 1, 1, 1, 0) + magic.ljust(8, b"\0")
    layout = "<16sHHIQQQIHHHHHH" if bits == 64 else "<16sHHIIIIIHHHHHH"
    last = max(sections - 1, 0)
    header = struct.pack(
        layout, identification, 2, machine, 1, 0, 0, offset, 0, header_size, 0, 0, section_size, sections, last
    )
    section = "<IIQQQQIIQQ" if bits == 64 else "<IIIIIIIIII"
    table = [struct.pack(section, *[0] * 10)] * last
    if sections:
        table.append(struct.pack(section, 1, 3, 0, 0, header_size, len(names), 0, 0, 1, 0))
    return header + names + b"".join(table)
