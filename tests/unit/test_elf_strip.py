# SPDX-License-Identifier: MIT
"""What only debuggers and linkers read goes, and what is loaded stays; files compiled for the test."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hatch_appimage import elf_strip
from hatch_appimage.elf import read_elf, read_sections, set_rpath
from hatch_appimage.elf_strip import NotStrippedError, Stripped, strip_file, strip_files
from hatch_appimage.results import Results
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SOURCE = """\
#ifdef PROGRAM
#include <stdio.h>
#endif
static int numbers[64] = {1, 2, 3};
static int hidden(int number) { return numbers[number & 63] + number; }
int (*pointer)(int) = hidden;
int answer(void) { return pointer(1) + 39; }
int beside(void) { return pointer(2); }
#ifdef PROGRAM
int main(void) { return printf("%d\\n", answer()) < 0; }
#endif
"""
# Enough of it that stripping is worth while.
SOURCE += "".join(
    f'__attribute__((visibility("hidden"))) int hidden_{number}(int a) {{ return a * {number}; }}\n'
    for number in range(99)
)
UNREAD = (".symtab", ".strtab", ".comment", ".debug_", ".zdebug_", ".gnu.lto_")
SHF_ALLOC = 2
# Those that images are built for, and two that count from the other end.
TRIPLES = ("x86_64", "aarch64", "arm", "x86", "s390x", "powerpc")


def compile_library(triple: str, directory: Path, *options: str) -> Path:
    """Compile a library for an architecture, with all that debuggers want."""
    (directory / "a.c").write_text(SOURCE)
    library = directory / f"lib{triple}.so"
    target = f"{triple}-linux-{'musleabihf' if triple in {'arm', 'powerpc'} else 'musl'}"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-shared", "-nostdlib", "-g", "-fPIC"]
    subprocess.run([*command, *options, "-o", library, directory / "a.c"], check=True)
    return library


def compile_here(directory: Path, *options: str, name: str = "a") -> Path:
    """Compile a program or library for this machine."""
    (directory / "a.c").write_text(SOURCE)
    output = directory / name
    subprocess.run([require("cc", "gcc"), "-g", "-O1", *options, "-o", output, directory / "a.c"], check=True)
    return output


def compile_program(directory: Path, *options: str) -> Path:
    return compile_here(directory, "-DPROGRAM", *options)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a library for this machine."""
    return compile_here(tmp_path_factory.mktemp("original"), "-shared", "-fPIC").read_bytes()


@pytest.fixture
def library(original: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "liba.so"
    path.write_bytes(original)
    path.chmod(0o755)
    return path


@dataclass(frozen=True)
class Loaded:
    """What a loader, and who looks for what it has loaded, sees of a file.

    Attributes:
        header: the fields of its header, but for those of its sections.
        segments: its program headers.
        content: the bytes of each segment, but for the file's header.
        sections: the headers of the sections that are loaded, with the names of those that they refer to.
        symbols: the dynamic symbols, each with the name of its section.

    """

    header: dict[str, Any]
    segments: list[dict[str, Any]]
    content: list[bytes]
    sections: list[tuple[Any, ...]]
    symbols: list[tuple[str, Any]]


def load(path: Path) -> Loaded:
    data = path.read_bytes()
    with path.open("rb") as file:
        elf = ELFFile(file)
        header = dict(elf.header)
        start = header["e_ehsize"]
        sections = list(elf.iter_sections())
        names = [section.name for section in sections]
        loaded = [section for section in sections if section["sh_flags"] & SHF_ALLOC]
        dynamic: Any = elf.get_section_by_name(".dynsym")
        return Loaded(
            header={name: header[name] for name in header if name not in {"e_shoff", "e_shnum", "e_shstrndx"}},
            segments=[dict(segment.header) for segment in elf.iter_segments()],
            content=[
                data[max(segment["p_offset"], start) : segment["p_offset"] + segment["p_filesz"]]
                for segment in elf.iter_segments()
            ],
            sections=[
                (
                    names.index(section.name),
                    section.name,
                    names[section["sh_link"]] if sections[section["sh_link"]] in loaded else "",
                    *(section[f"sh_{name}"] for name in ("type", "flags", "addr", "offset", "size", "info")),
                )
                for section in loaded
            ],
            symbols=[
                (symbol.name, names[symbol["st_shndx"]] if isinstance(symbol["st_shndx"], int) else symbol["st_shndx"])
                for symbol in (dynamic.iter_symbols() if dynamic else ())
            ],
        )


def has_unread(path: Path) -> list[str]:
    return [name for name in read_sections(path).places if name.startswith(UNREAD)]


def strip_and_compare(path: Path) -> int:
    """Strip a file, see that what is loaded is as before and that nothing of what is not read is left."""
    before, size = load(path), path.stat().st_size
    assert has_unread(path)
    saved = strip_file(path)
    assert saved > 0
    assert load(path) == before
    assert has_unread(path) == []
    # Other readers take it, and there is no more to do.
    warnings = subprocess.run([require("readelf", "binutils"), "-aW", path], capture_output=True, text=True, check=True)
    assert warnings.stderr == ""
    stripped = path.read_bytes()
    assert len(stripped) <= size
    assert strip_file(path) == 0
    assert path.read_bytes() == stripped
    assert {each.name for each in path.parent.iterdir() if each.name.startswith(".")} == set()
    return saved


def section_number(path: Path, name: str) -> int:
    with path.open("rb") as file:
        return [section.name for section in ELFFile(file).iter_sections()].index(name)


def answer(library: Path) -> int:
    """Return what a library's function returns; each call needs a name of its own, as the loader keeps libraries."""
    code = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).answer())"
    return int(subprocess.check_output([sys.executable, "-c", code, library]))


class TestLibraries:
    @pytest.mark.parametrize("triple", TRIPLES)
    def test_architectures(self, triple: str, tmp_path: Path) -> None:
        library = compile_library(triple, tmp_path)
        size = library.stat().st_size
        saved = strip_and_compare(library)
        assert saved == size - library.stat().st_size > 1024

    def test_loads(self, library: Path) -> None:
        strip_and_compare(library)
        assert answer(library) == 42

    def test_same_bytes_each_time(self, library: Path, original: bytes, tmp_path: Path) -> None:
        other = tmp_path / "elsewhere" / "b.so"
        other.parent.mkdir()
        other.write_bytes(original)
        strip_file(library)
        strip_file(other)
        assert library.read_bytes() == other.read_bytes()

    @pytest.mark.parametrize(
        "options",
        [
            ["-gz"],
            ["-Wl,--emit-relocs"],
            ["-flto", "-ffat-lto-objects"],
            ["-Wl,-z,separate-code"],
            ["-Wl,-z,max-page-size=0x200000"],
            ["-ggdb3", "-fdebug-types-section"],
            ["-Wl,--hash-style=both", "-Wl,-z,nognustack"],
            ["-frecord-gcc-switches"],
        ],
        ids=lambda options: options[0],
    )
    def test_kinds(self, options: Sequence[str], tmp_path: Path) -> None:
        library = compile_here(tmp_path, "-shared", "-fPIC", *options, name="liba.so")
        strip_and_compare(library)
        assert answer(library) == 42
        sections = read_sections(library).places
        assert not [name for name in sections if name.startswith((".rela.text", ".rela.debug", ".GCC"))]

    def test_loaded_bytes_as_binutils_leave_them(self, library: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.so"
        subprocess.run([require("strip", "binutils"), "--strip-all", "-o", other, library], check=True)
        strip_file(library)
        ours, theirs = load(library), load(other)
        assert ours.content == theirs.content
        assert (ours.segments, ours.sections) == (theirs.segments, theirs.sections)
        assert abs(library.stat().st_size - other.stat().st_size) < 1024


class TestPrograms:
    @pytest.mark.parametrize(
        "options", [(), ("-static",), ("-static-pie",), ("-no-pie",), ("-rdynamic",)], ids=lambda o: "".join(o) or "pie"
    )
    def test_runs(self, options: tuple[str, ...], tmp_path: Path) -> None:
        program = compile_program(tmp_path, *options)
        strip_and_compare(program)
        assert subprocess.check_output([program]) == b"42\n"

    def test_this_interpreter(self, tmp_path: Path) -> None:
        program = tmp_path / "python"
        shutil.copy(os.path.realpath(sys.executable), program)
        before = load(program)
        strip_file(program)
        assert load(program) == before


class TestPatched:
    """patchelf moves what is loaded behind the symbols, and sorts the sections by their place."""

    @pytest.fixture
    def patched(self, library: Path) -> Path:
        set_rpath(library, ["$ORIGIN/" + "long/" * 200])
        with library.open("rb") as file:
            names = [section.name for section in ELFFile(file).iter_sections()]
        assert names.index(".symtab") < names.index(".dynstr")
        return library

    def test_hole(self, patched: Path) -> None:
        places, before = read_sections(patched).places, patched.read_bytes()
        saved = strip_and_compare(patched)
        assert answer(patched) == 42
        for text in (b"hidden_77", b"GNU C", b".debug_info"):
            assert text in before
            assert text not in patched.read_bytes()
        # The new table of sections is in one of the holes.
        assert saved >= 0.8 * sum(size for name, (_, size) in places.items() if name.startswith(UNREAD))

    def test_patched_again(self, patched: Path) -> None:
        strip_file(patched)
        set_rpath(patched, ["$ORIGIN/" + "longer/" * 300])
        assert answer(patched) == 42
        names = {name for name, _ in load(patched).symbols}
        assert {"answer", "beside", "pointer"} <= names

    def test_patched_afterwards(self, library: Path) -> None:
        strip_file(library)
        set_rpath(library, ["$ORIGIN/" + "long/" * 200])
        assert answer(library) == 42


class TestLeftAlone:
    def keep(self, path: Path, reason: str | None = None) -> None:
        """See that a file stays as it is, for a reason that is told."""
        before = path.read_bytes()
        if reason is None:
            assert strip_file(path) == 0
        else:
            with pytest.raises(NotStrippedError, match=f"^{reason}"):
                strip_file(path)
        assert path.read_bytes() == before
        assert not list(path.parent.glob(".strip-*"))

    @pytest.mark.parametrize("content", [b"", b"\x7f", b"\x7fELF", b"\x7fELF\2\1\1", b"#!/bin/sh\n", b"!<arch>\n"])
    def test_no_elf(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(content)
        self.keep(tmp_path / "x")

    def test_object_files(self, tmp_path: Path) -> None:
        """Linkers need their symbols; kernel modules are such files, too."""
        compiled = compile_here(tmp_path, "-c", name="a.o")
        self.keep(compiled)
        subprocess.run([require("ar", "binutils"), "rc", tmp_path / "a.a", compiled], check=True)
        self.keep(tmp_path / "a.a")

    def test_bpf(self, tmp_path: Path) -> None:
        (tmp_path / "a.c").write_text(SOURCE)
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "bpfel-freestanding", "-g", "-c"]
        subprocess.run([*command, "-o", tmp_path / "a.bpf", tmp_path / "a.c"], check=True)
        self.keep(tmp_path / "a.bpf")

    @pytest.mark.parametrize("data", [b"PK\3\4", bytes(100) + b"x", bytes(100_000)])
    def test_appended_data(self, library: Path, data: bytes) -> None:
        with library.open("ab") as file:
            file.write(data)
        self.keep(library, "data is appended that no header describes")

    def test_appended_before_the_table_of_sections(self, library: Path) -> None:
        """So it is in a program that was changed afterwards by a tool that writes the table anew."""
        data = bytearray(library.read_bytes())
        table, count = struct.unpack_from("<Q", data, 0x28)[0], struct.unpack_from("<H", data, 0x3C)[0]
        data += b"payload."
        struct.pack_into("<Q", data, 0x28, len(data))
        library.write_bytes(data + data[table : table + 64 * count])
        with library.open("rb") as file:
            assert ELFFile(file).get_section_by_name(".symtab")
        self.keep(library, "data is appended that no header describes")

    def test_names_of_symbols_that_stay(self, library: Path) -> None:
        """A symbol table that is needed has its names in the table that would be written anew."""
        self.change_section(library, ".rela.dyn", 40, section_number(library, ".symtab"))
        self.change_section(library, ".symtab", 40, section_number(library, ".shstrtab"))
        self.keep(library, "the names of its sections are those of symbols")

    def test_appended_zeros_mean_nothing(self, library: Path) -> None:
        with library.open("ab") as file:
            file.write(bytes(7))
        strip_and_compare(library)

    def test_debug_information_alone(self, library: Path, tmp_path: Path) -> None:
        debug = tmp_path / "a.debug"
        subprocess.run([require("objcopy", "binutils"), "--only-keep-debug", library, debug], check=True)
        self.keep(debug, "its debug information is all that it has|it is cut off")

    @pytest.mark.parametrize("name", ["liba.chk", "liba.so.hmac", ".liba.so.hmac"])
    def test_signed(self, library: Path, name: str) -> None:
        """NSS and others refuse to work with FIPS if their libraries have changed."""
        library.with_name(name).write_text("digest")
        self.keep(library, "a file beside it has its digest")

    def test_little_to_gain(self, library: Path) -> None:
        """So the libraries of distributions keep their bytes."""
        subprocess.run([require("strip", "binutils"), "--strip-unneeded", library], check=True)
        assert ".comment" in read_sections(library).places
        self.keep(library)

    def test_static_and_not_executable(self, tmp_path: Path) -> None:
        program = compile_program(tmp_path, "-static")
        program.chmod(0o644)
        self.keep(program, "it may be for a machine without a system")

    def test_no_sections(self, library: Path) -> None:
        data = bytearray(library.read_bytes())
        struct.pack_into("<Q", data, 0x28, 0)
        struct.pack_into("<HHH", data, 0x3A, 64, 0, 0)
        library.write_bytes(data)
        self.keep(library)

    def test_too_many_sections(self, library: Path) -> None:
        """From 0xff00 sections on, their number is in the first section header, and that of the header is 0."""
        data = bytearray(library.read_bytes())
        table, _, count, names = struct.unpack_from("<Q10xHHH", data, 0x28)
        struct.pack_into("<HH", data, 0x3C, 0, 0xFFFF)
        struct.pack_into("<Q", data, table + 32, count)
        struct.pack_into("<I", data, table + 40, names)
        library.write_bytes(data)
        self.keep(library)

    @pytest.mark.parametrize("size", [1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
    @pytest.mark.parametrize("field", [24, 32])
    def test_section_of_any_size(self, library: Path, field: int, size: int) -> None:
        self.change_section(library, ".debug_info", field, size, "<Q")
        self.keep(library, "it is cut off")

    def test_cut_off(self, library: Path) -> None:
        size = read_sections(library).places[".debug_str"][0]
        for end in (size, 64, 1000, library.stat().st_size - 1):
            library.write_bytes(library.read_bytes()[:end])
            self.keep(library)

    def change_section(self, library: Path, name: str, field: int, value: int, layout: str = "<I") -> None:
        """Change a field of a section header."""
        data = bytearray(library.read_bytes())
        table = struct.unpack_from("<Q", data, 0x28)[0]
        struct.pack_into(layout, data, table + section_number(library, name) * 64 + field, value)
        library.write_bytes(data)

    def test_groups(self, library: Path) -> None:
        self.change_section(library, ".rodata" if ".rodata" in read_sections(library).places else ".text", 4, 17)
        self.keep(library, "it has groups of sections")

    def test_names_that_are_loaded(self, library: Path) -> None:
        self.change_section(library, ".shstrtab", 8, SHF_ALLOC, "<Q")
        self.keep(library, "the names of its sections are loaded")

    def test_links_to_nowhere(self, library: Path) -> None:
        self.change_section(library, ".dynsym", 40, 999)
        self.keep(library, "its sections name others that are not there")

    @pytest.mark.parametrize("where", [16, 24, 64, 70, ".text", ".dynsym", ".dynamic", ".data"])
    def test_result_differs(self, library: Path, where: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever goes wrong, the file stays as it was."""
        write = elf_strip._write
        place = read_sections(library).places[where][0] if isinstance(where, str) else where

        def damage(elf: Any, plan: Any, target: Path) -> int:
            saved = write(elf, plan, target)
            data = bytearray(target.read_bytes())
            data[place] ^= 1
            target.write_bytes(data)
            return saved

        monkeypatch.setattr(elf_strip, "_write", damage)
        self.keep(library, "it would not be loaded as before|it cannot be read: ")

    def test_no_room(self, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(elf_strip, "_copy", fail)
        before = library.read_bytes()
        with pytest.raises(OSError, match="No space left"):
            strip_file(library)
        assert library.read_bytes() == before
        assert not list(library.parent.glob(".strip-*"))


class TestSections:
    def add(self, library: Path, name: str, content: bytes, *options: str) -> None:
        data = library.with_name("content")
        data.write_bytes(content)
        subprocess.run(
            [require("objcopy", "binutils"), "--add-section", f"{name}={data}", *options, library], check=True
        )
        data.unlink()

    def content(self, library: Path, name: str) -> bytes:
        offset, size = read_sections(library).places[name]
        return library.read_bytes()[offset : offset + size]

    def blank(self, library: Path, name: str) -> None:
        """Overwrite the content of a section, which would be data that no header describes once it is moved."""
        offset, size = read_sections(library).places[name]
        data = library.read_bytes()
        library.write_bytes(data[:offset] + bytes(size) + data[offset + size :])

    @pytest.mark.parametrize("name", ["pydata", ".dep-v0", ".qtmetadata", ".rustc", ".symbols"])
    def test_what_programs_read_stays(self, library: Path, name: str) -> None:
        """PyInstaller's programs, for one, have all of their modules in a section."""
        self.add(library, name, b"read me" * 1000)
        strip_and_compare(library)
        assert self.content(library, name) == b"read me" * 1000
        assert answer(library) == 42

    def test_alignment(self, library: Path) -> None:
        self.add(library, "odd", b"x")
        self.add(library, "even", b"y" * 10)
        TestLeftAlone().change_section(library, "even", 48, 512, "<Q")
        strip_and_compare(library)
        assert read_sections(library).places["even"][0] % 512 == 0
        assert (self.content(library, "odd"), self.content(library, "even")) == (b"x", b"y" * 10)

    @pytest.mark.parametrize(
        "name",
        [".gnu_debuglink", ".gnu_debugaltlink", ".gnu_debugdata", ".zdebug_info", ".gnu.build.attributes.hot", ".stab"],
    )
    def test_what_only_debuggers_read_goes(self, library: Path, name: str) -> None:
        self.add(library, name, b"read me" * 1000)
        strip_and_compare(library)
        assert name not in read_sections(library).places

    def test_overlapping(self, library: Path) -> None:
        """What shares its bytes with something that stays does so, too."""
        self.add(library, "pydata", b"read me" * 1000)
        place = read_sections(library).places["pydata"]
        self.blank(library, ".debug_str")
        TestLeftAlone().change_section(library, ".debug_str", 24, place[0], "<Q")
        TestLeftAlone().change_section(library, ".debug_str", 32, 100, "<Q")
        assert strip_file(library) > 0
        assert self.content(library, ".debug_str") == self.content(library, "pydata")[:100]

    def test_in_a_segment(self, library: Path) -> None:
        """What is loaded without saying so stays."""
        TestLeftAlone().change_section(library, ".data", 8, 0, "<Q")
        places = read_sections(library).places
        self.blank(library, ".debug_str")
        TestLeftAlone().change_section(library, ".debug_str", 24, places[".text"][0], "<Q")
        TestLeftAlone().change_section(library, ".debug_str", 32, 8, "<Q")
        before = load(library)
        assert strip_file(library) > 0
        assert load(library) == before
        assert read_sections(library).places[".data"] == places[".data"]
        assert ".debug_str" in read_sections(library).places

    def test_symbols_that_something_needs(self, library: Path) -> None:
        """Relocations that are loaded may refer to them."""
        TestLeftAlone().change_section(library, ".rela.dyn", 40, section_number(library, ".symtab"))
        before = load(library)
        assert strip_file(library) > 0
        assert load(library) == before
        assert {".symtab", ".strtab"} <= read_sections(library).places.keys()
        assert ".debug_info" not in read_sections(library).places

    def test_one_table_of_names(self, library: Path) -> None:
        """Some linkers put the names of sections and symbols into one."""
        number, places = section_number(library, ".strtab"), read_sections(library).places
        data = bytearray(library.read_bytes())
        own, names = (data[offset : offset + size] for offset, size in (places[".strtab"], places[".shstrtab"]))
        joined = own + names
        for offset, size in (places[".strtab"], places[".shstrtab"]):
            data[offset : offset + size] = bytes(size)
        table, count = struct.unpack_from("<Q", data, 0x28)[0], struct.unpack_from("<H", data, 0x3C)[0]
        for header in range(table, table + 64 * count, 64):
            struct.pack_into("<I", data, header, struct.unpack_from("<I", data, header)[0] + len(own))
        struct.pack_into("<QQ", data, table + 64 * number + 24, len(data), len(joined))
        struct.pack_into("<H", data, 0x3E, number)
        library.write_bytes(data + joined)
        strip_and_compare(library)
        assert answer(library) == 42


class TestFile:
    """The file is replaced by another one that is like it."""

    @pytest.mark.parametrize("mode", [0o755, 0o444, 0o4755, 0o600])
    def test_mode_and_time(self, library: Path, mode: int) -> None:
        library.chmod(mode)
        os.utime(library, (10, 20))
        assert strip_file(library) > 0
        assert library.stat().st_mode & 0o7777 == mode
        assert library.stat().st_mtime == 20

    def test_hard_link(self, library: Path, original: bytes) -> None:
        """Another name of the file, as in a package manager's cache, keeps its content."""
        other = library.with_name("other.so")
        other.hardlink_to(library)
        assert strip_file(library) > 0
        assert other.read_bytes() == original

    def test_long_name(self, library: Path) -> None:
        long = library.rename(library.with_name("x" * 255))
        assert strip_file(long) > 0

    def test_files(self, library: Path, original: bytes, tmp_path: Path) -> None:
        appended, text = tmp_path / "sub" / "b.so", tmp_path / "text"
        appended.parent.mkdir()
        appended.write_bytes(original + b"data")
        text.write_text("x")
        result = strip_files([library, appended, text], tmp_path)
        reason = "data is appended that no header describes, which may be for the program to read"
        assert result == Stripped(1, len(original) - library.stat().st_size, {"sub/b.so": reason})
        assert result + Stripped(1, 2, {"a": "b"}) == Stripped(2, result.size + 2, {"sub/b.so": reason, "a": "b"})


class TestResults:
    """What was stripped before."""

    def test_same_again(self, library: Path, original: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        results = Results(tmp_path / "results", 10**8)
        first = strip_files([library], tmp_path, results)
        stripped = library.read_bytes()
        assert first.size > 0
        assert len(stripped) < len(original)
        library.write_bytes(original)
        with monkeypatch.context() as patch:
            patch.setattr("hatch_appimage.elf_strip.strip_file", divmod)  # takes two numbers
            assert strip_files([library], tmp_path, results) == first
        assert library.read_bytes() == stripped

    def test_what_else_counts(self, library: Path, original: bytes, tmp_path: Path) -> None:
        """A digest beside the file, and whether it may be executed."""
        results = Results(tmp_path / "results", 10**8)
        strip_files([library], tmp_path, results)
        library.write_bytes(original)
        library.with_suffix(".chk").touch()
        assert strip_files([library], tmp_path, results).kept
        assert library.read_bytes() == original


def test_damage(original: bytes, tmp_path: Path) -> None:
    """Whatever is in the headers: a file stays as it is, or what is loaded of it does."""
    path = tmp_path / "x"
    table = struct.unpack_from("<Q", original, 0x28)[0]
    headers = [*range(16, 64 + 56 * 9), *range(table, len(original))]

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        changes=st.lists(
            st.tuples(
                st.sampled_from(headers),
                st.sampled_from([0, 1, 2, 8, 64, len(original), 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]),
                st.sampled_from([1, 2, 4, 8]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    def check(changes: list[tuple[int, int, int]]) -> None:
        data = bytearray(original)
        for place, value, width in changes:
            part = struct.pack("<Q", value)[: min(width, len(data) - place)]
            data[place : place + len(part)] = part
        path.write_bytes(data)
        path.chmod(0o755)
        saved, reason = 0, ""
        try:
            saved = strip_file(path)
        except NotStrippedError as error:
            reason = str(error)
        assert "\n" not in reason
        result = path.read_bytes()
        assert [each.name for each in tmp_path.iterdir()] == ["x"]
        if not saved:
            assert result == data
            return
        assert len(result) <= len(data)
        elf = read_elf(path)
        assert elf is not None
        for segment in elf_segments(bytes(data)):
            start = max(segment.start, 64)
            assert result[start : segment.stop] == data[start : segment.stop]

    check()


def elf_segments(data: bytes) -> list[range]:
    """Return where the segments of a file for 64 bits lie in it."""
    offset, count = struct.unpack_from("<Q", data, 0x20)[0], struct.unpack_from("<H", data, 0x38)[0]
    records = (struct.unpack_from("<IIQQQQQQ", data, offset + 56 * number) for number in range(count))
    return [range(record[2], record[2] + record[5]) for record in records]
