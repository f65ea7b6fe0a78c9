# SPDX-License-Identifier: MIT
"""The headers of ELF files as they lie in the file.

The format is that of the System V ABI, chapters 4 and 5 (https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html).
Thousands of files are read for an image, and most of them are small: what describes the format in more general terms
takes longer than all else that is done with such a file.
"""

from __future__ import annotations

import mmap
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"\x7fELF"
#: The bytes of ``e_ident``, before the header's first field.
IDENTIFICATION: Final = 16
#: Types of segments (``p_type``).
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
PT_GNU_STACK, PT_GNU_PROPERTY = 0x6474E551, 0x6474E553

_CLASS, _DATA = 4, 5  # places in the identification


class Header(NamedTuple):
    """The fields of a file's header, without the prefix ``e_``."""

    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int


class SegmentHeader(NamedTuple):
    """The fields of a program header, without the prefix ``p_``, in the order of 64 bits."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


class SectionHeader(NamedTuple):
    """The fields of a section header, without the prefix ``sh_``."""

    name: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    addralign: int
    entsize: int


class Layout(NamedTuple):
    """How the headers of a file are packed.

    Attributes:
        order: of bytes, as in the formats of ``struct``.
        header: of the file, behind the identification.
        segment: a program header.
        section: a section header.
        tag: an entry of the dynamic section: tag and value.
        address: an address.

    """

    order: str
    header: struct.Struct
    segment: struct.Struct
    section: struct.Struct
    tag: struct.Struct
    address: struct.Struct

    @property
    def word(self) -> int:
        """The bytes of an address."""
        return self.address.size

    def unpack_header(self, data: mmap.mmap) -> Header:
        """Return the header of a file.

        Raises:
            struct.error: the file ends before.

        """
        return Header(*unpack_all(self.header, data, IDENTIFICATION, 1)[0])

    def unpack_segments(self, data: mmap.mmap, offset: int, count: int) -> list[SegmentHeader]:
        """Return program headers that lie at an offset of the file, in bytes.

        Raises:
            struct.error: the file ends before.

        """
        rows = unpack_all(self.segment, data, offset, count)
        if self.word == _WORD_OF_32_BITS:
            rows = [(kind, flags, *places, align) for kind, *places, flags, align in rows]
        return [SegmentHeader(*row) for row in rows]

    def unpack_sections(self, data: mmap.mmap, offset: int, count: int) -> list[SectionHeader]:
        """Return section headers that lie at an offset of the file, in bytes.

        Raises:
            struct.error: the file ends before.

        """
        return [SectionHeader(*row) for row in unpack_all(self.section, data, offset, count)]


_WORD_OF_32_BITS = 4


def _layout(order: str, word: int) -> Layout:
    if word == _WORD_OF_32_BITS:
        formats = "HHIIIIIHHHHHH", "8I", "10I", "iI", "I"
    else:
        formats = "HHIQQQIHHHHHH", "IIQQQQQQ", "IIQQQQIIQQ", "qQ", "Q"
    return Layout(order, *(struct.Struct(order + each) for each in formats))


# By EI_CLASS and EI_DATA.
_LAYOUTS = {(bits, data): _layout(order, 4 * bits) for bits in (1, 2) for data, order in ((1, "<"), (2, ">"))}


def layout_of(identification: bytes | mmap.mmap) -> Layout | None:
    """Return how the headers of a file are packed that begins with these bytes; None if that cannot be told."""
    if len(identification) < IDENTIFICATION:
        return None
    return _LAYOUTS.get((identification[_CLASS], identification[_DATA]))


def unpack_all(record: struct.Struct, data: mmap.mmap, offset: int, count: int) -> list[tuple[int, ...]]:
    """Return records that lie one after the other at an offset of the file, in bytes.

    Raises:
        struct.error: the file ends before.

    """
    end = offset + count * record.size
    if count and end > len(data):
        raise struct.error(f"it has {len(data)} bytes, and should have {end} or more")
    return list(record.iter_unpack(data[offset:end]))


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap | None]:
    """Have an ELF file in memory during a block; None if it is no such file.

    Raises:
        OSError: it cannot be read.

    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            yield None
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
