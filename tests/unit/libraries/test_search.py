# SPDX-License-Identifier: MIT
"""Libraries are found as ld.so finds them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.dependencies import read_directory
from hatch_appimage.libraries.search import ElfFiles, LinkMap, Loader
from hatch_appimage.system import System
from support.elf_fixtures import AARCH64, I386, Fixture, library, program
from support.tools import require, unavailable

X86_64 = ARCHITECTURES["x86_64"]


def found_by(root: Path, path: Path, *directories: Path, process: LinkMap | None = None) -> dict[str, str | None]:
    """Load a file and return where each library was found, below the root."""
    loader = Loader(X86_64, read=ElfFiles(), directories=directories)
    links = loader.load(path, process or LinkMap())
    return {link.soname: str(link.found.relative_to(root)) if link.found else None for link in links}


class TestFixtures:
    """What the script makes is what was asked for."""

    def test_everything(self, tmp_path: Path) -> None:
        fixture = Fixture(
            needed=("liba.so.1", "libb.so.2"),
            soname="libx.so.3",
            rpath="/a:$ORIGIN",
            runpath="$ORIGIN/b",
            versions={"libc.so.6": ("GLIBC_2.17", "~GLIBC_2.99"), "libm.so.6": ("GLIBC_2.29",)},
            interpreter="/lib/ld.so",
            relr=True,
        )
        elf = read_elf(fixture.write(tmp_path / "x"))
        assert elf is not None
        assert (elf.machine, elf.bits, elf.interpreter, elf.dynamic) == (62, 64, "/lib/ld.so", True)
        assert (elf.needed, elf.soname) == (("liba.so.1", "libb.so.2"), "libx.so.3")
        assert (elf.rpath, elf.runpath) == (("/a", "$ORIGIN"), ("$ORIGIN/b",))
        assert elf.versions == {"libc.so.6": ("GLIBC_2.17",), "libm.so.6": ("GLIBC_2.29",)}
        assert elf.relr

    def test_32_bits(self, tmp_path: Path) -> None:
        elf = read_elf(library("liba.so", "libc.so.6", bits=32, machine=I386).write(tmp_path / "x"))
        assert elf is not None
        assert (elf.machine, elf.bits, elf.needed, elf.soname) == (3, 32, ("libc.so.6",), "liba.so")

    def test_readelf_reads_them(self, tmp_path: Path) -> None:
        path = library("liba.so.1", "libb.so.2", runpath="$ORIGIN").write(tmp_path / "x")
        output = subprocess.check_output([require("readelf", "binutils"), "-d", path], text=True)
        assert "Library soname: [liba.so.1]" in output
        assert "Library runpath: [$ORIGIN]" in output


class TestOrder:
    def test_runpath_counts_for_the_file_only(self, tmp_path: Path) -> None:
        program("liba.so", runpath="$ORIGIN/lib").write(tmp_path / "app")
        library("liba.so", "libb.so").write(tmp_path / "lib" / "liba.so")
        library("libb.so").write(tmp_path / "lib" / "libb.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": "lib/liba.so", "libb.so": None}

    def test_rpath_is_inherited(self, tmp_path: Path) -> None:
        program("liba.so", rpath="$ORIGIN/lib").write(tmp_path / "app")
        library("liba.so", "libb.so").write(tmp_path / "lib" / "liba.so")
        library("libb.so", "libc.so").write(tmp_path / "lib" / "libb.so")
        library("libc.so").write(tmp_path / "lib" / "libc.so")
        loader = Loader(X86_64, read=ElfFiles())
        links = {link.soname: link for link in loader.load(tmp_path / "app", LinkMap())}
        assert [link.found for link in links.values()] == [tmp_path / "lib" / name for name in links]
        assert [link.inherited for link in links.values()] == [False, True, True]

    def test_runpath_switches_rpaths_off(self, tmp_path: Path) -> None:
        """That of the file and those of all that loaded it; and an RPATH beside a RUNPATH is nothing."""
        program("liba.so", rpath="$ORIGIN/lib").write(tmp_path / "app")
        library("liba.so", "libb.so", runpath="/nowhere", rpath="$ORIGIN").write(tmp_path / "lib" / "liba.so")
        library("libb.so").write(tmp_path / "lib" / "libb.so")
        assert found_by(tmp_path, tmp_path / "app")["libb.so"] is None

    def test_rpath_of_a_loader_with_runpath_is_not_inherited(self, tmp_path: Path) -> None:
        program("liba.so", rpath="$ORIGIN/b", runpath="$ORIGIN/a").write(tmp_path / "app")
        library("liba.so", "libb.so").write(tmp_path / "a" / "liba.so")
        library("libb.so").write(tmp_path / "b" / "libb.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": "a/liba.so", "libb.so": None}

    def test_own_rpath_before_inherited_before_system(self, tmp_path: Path) -> None:
        program("liba.so", rpath="$ORIGIN/app").write(tmp_path / "app.bin")
        library("liba.so", "libx.so", "liby.so", "libz.so", rpath="$ORIGIN/../own").write(tmp_path / "app" / "liba.so")
        for directory, names in (("own", "x"), ("app", "xy"), ("system", "xyz")):
            for name in names:
                library(f"lib{name}.so").write(tmp_path / directory / f"lib{name}.so")
        assert found_by(tmp_path, tmp_path / "app.bin", tmp_path / "system") == {
            "liba.so": "app/liba.so",
            "libx.so": "own/libx.so",
            "liby.so": "app/liby.so",
            "libz.so": "system/libz.so",
        }

    def test_rpath_of_the_program_counts_for_what_it_opens(self, tmp_path: Path) -> None:
        """A module that dlopen() was asked for has no loader, but the program's RPATH is searched."""
        program(rpath="$ORIGIN/lib").write(tmp_path / "app")
        library("", "liba.so").write(tmp_path / "module.so")
        library("liba.so").write(tmp_path / "lib" / "liba.so")
        process = LinkMap()
        found_by(tmp_path, tmp_path / "app", process=process)
        assert found_by(tmp_path, tmp_path / "module.so", process=process) == {"liba.so": "lib/liba.so"}

    def test_what_is_loaded_is_not_searched(self, tmp_path: Path) -> None:
        program("liba.so", runpath="$ORIGIN/lib").write(tmp_path / "app")
        library("libreal.so.1").write(tmp_path / "lib" / "liba.so")
        process = LinkMap()
        found_by(tmp_path, tmp_path / "app", process=process)
        library("", "liba.so", "libreal.so.1").write(tmp_path / "module.so")
        found = found_by(tmp_path, tmp_path / "module.so", process=process.fork())
        assert found == {"liba.so": "lib/liba.so", "libreal.so.1": "lib/liba.so"}

    def test_what_was_opened_by_its_path_has_no_other_name(self, tmp_path: Path) -> None:
        """Not that of its file, unless that is its soname; so it is for programs."""
        program("liba.so", runpath="$ORIGIN/lib").write(tmp_path / "app")
        library("liba.so", "app", "module.so").write(tmp_path / "lib" / "liba.so")
        library("", "liba.so", runpath="$ORIGIN/lib").write(tmp_path / "module.so")
        for root in ("app", "module.so"):
            assert found_by(tmp_path, tmp_path / root) == {"liba.so": "lib/liba.so", "app": None, "module.so": None}

    def test_the_same_file_by_two_names_is_loaded_once(self, tmp_path: Path) -> None:
        program("liba.so", "libb.so", runpath="$ORIGIN/lib").write(tmp_path / "app")
        library("", "libc.so").write(tmp_path / "lib" / "liba.so")
        (tmp_path / "lib" / "libb.so").symlink_to("liba.so")
        loader = Loader(X86_64, read=ElfFiles())
        links = list(loader.load(tmp_path / "app", LinkMap()))
        assert [link.soname for link in links] == ["liba.so", "libb.so", "libc.so"]

    def test_circles(self, tmp_path: Path) -> None:
        program("liba.so", rpath="$ORIGIN").write(tmp_path / "app")
        library("liba.so", "libb.so").write(tmp_path / "liba.so")
        library("libb.so", "liba.so").write(tmp_path / "libb.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": "liba.so", "libb.so": "libb.so"}


class TestFolders:
    @pytest.mark.parametrize("text", ["$ORIGIN/lib", "${ORIGIN}/lib", "$ORIGIN/x/../lib/", "/nowhere:$ORIGIN/lib"])
    def test_origin(self, tmp_path: Path, text: str) -> None:
        program("liba.so", runpath=text).write(tmp_path / "a directory" / "app")
        library("liba.so").write(tmp_path / "a directory" / "lib" / "liba.so")
        assert found_by(tmp_path, tmp_path / "a directory" / "app") == {"liba.so": "a directory/lib/liba.so"}

    @pytest.mark.parametrize("text", ["$ORIGINAL/lib", "lib", "", ":", "$HOME"])
    def test_others_mean_nothing(self, tmp_path: Path, text: str) -> None:
        """Relative directories depend on where a program is started, and must not be found here by chance."""
        program("liba.so", runpath=text).write(tmp_path / "app")
        library("liba.so").write(tmp_path / "lib" / "liba.so")
        library("liba.so").write(tmp_path / "liba.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": None}

    @pytest.mark.parametrize("lib", ["lib/x86_64-linux-gnu", "lib64", "lib"])
    def test_lib(self, tmp_path: Path, lib: str) -> None:
        program("liba.so", runpath="$ORIGIN/$LIB").write(tmp_path / "app")
        library("liba.so").write(tmp_path / lib / "liba.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": f"{lib}/liba.so"}

    def test_platform(self, tmp_path: Path) -> None:
        program("liba.so", runpath="${ORIGIN}/${PLATFORM}").write(tmp_path / "app")
        library("liba.so").write(tmp_path / "x86_64" / "liba.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": "x86_64/liba.so"}

    def test_origin_is_where_a_link_is(self, tmp_path: Path) -> None:
        """The loader does not follow links to find out where a library is."""
        program("liba.so", runpath="$ORIGIN/links").write(tmp_path / "app")
        library("liba.so", "libb.so", runpath="$ORIGIN").write(tmp_path / "real" / "liba.so")
        library("libb.so").write(tmp_path / "real" / "libb.so")
        (tmp_path / "links").mkdir()
        (tmp_path / "links" / "liba.so").symlink_to("../real/liba.so")
        assert found_by(tmp_path, tmp_path / "app")["libb.so"] is None
        (tmp_path / "links" / "libb.so").symlink_to("../real/libb.so")
        assert found_by(tmp_path, tmp_path / "app")["libb.so"] == "links/libb.so"

    def test_inside(self, tmp_path: Path) -> None:
        program("liba.so", runpath="$ORIGIN/../out").write(tmp_path / "in" / "app")
        library("liba.so").write(tmp_path / "out" / "liba.so")
        loader = Loader(X86_64, read=ElfFiles(), inside=tmp_path / "in")
        assert [link.found for link in loader.load(tmp_path / "in" / "app", LinkMap())] == [None]


class TestFiles:
    @pytest.mark.parametrize("wrong", [{"machine": AARCH64}, {"bits": 32}])
    def test_other_architectures_are_passed_over(self, tmp_path: Path, wrong: dict[str, int]) -> None:
        program("liba.so", runpath="$ORIGIN/wrong:$ORIGIN/right").write(tmp_path / "app")
        library("liba.so", **wrong).write(tmp_path / "wrong" / "liba.so")
        library("liba.so").write(tmp_path / "right" / "liba.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": "right/liba.so"}

    @pytest.mark.parametrize("data", [b"/* GNU ld script */ INPUT(liba.so.1)", b"liba.so.1.2", b""])
    def test_what_is_no_elf_file_ends_the_search(self, tmp_path: Path, data: bytes) -> None:
        program("liba.so", runpath="$ORIGIN/wrong:$ORIGIN/right").write(tmp_path / "app")
        (tmp_path / "wrong").mkdir()
        (tmp_path / "wrong" / "liba.so").write_bytes(data)
        library("liba.so").write(tmp_path / "right" / "liba.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": None}

    def test_links_to_nothing_are_passed_over(self, tmp_path: Path) -> None:
        program("liba.so", runpath="$ORIGIN/wrong:$ORIGIN/right").write(tmp_path / "app")
        (tmp_path / "wrong").mkdir()
        (tmp_path / "wrong" / "liba.so").symlink_to("nothing")
        library("liba.so").write(tmp_path / "right" / "liba.so")
        assert found_by(tmp_path, tmp_path / "app") == {"liba.so": "right/liba.so"}

    def test_name_with_a_slash(self, tmp_path: Path) -> None:
        program("$ORIGIN/x/liba.so", f"{tmp_path}/libb.so", runpath="$ORIGIN/y").write(tmp_path / "app")
        library("liba.so").write(tmp_path / "x" / "liba.so")
        library("libb.so").write(tmp_path / "libb.so")
        assert list(found_by(tmp_path, tmp_path / "app").values()) == ["x/liba.so", "libb.so"]

    def test_damaged_files_are_read_once(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"\x7fELF damaged")
        with pytest.raises(AppImageError):
            read_elf(tmp_path / "x")
        files = ElfFiles()
        assert files(tmp_path / "x") is None
        (tmp_path / "x").unlink()
        assert files(tmp_path / "x") is None


# Directories with programs and libraries of a Debian; the last ones have search paths of their own.
PLACES = (
    "/usr/bin/*",
    "/usr/sbin/*",
    "/usr/lib/*-linux-gnu/*.so*",
    "/usr/lib/*-linux-gnu/*/*.so*",
    "/usr/lib/systemd/*",
    "/usr/lib/git-core/*",
    "/usr/lib/*/lib*.so*",
)
MOST = 400


def real_files() -> list[Path]:
    """Choose programs and libraries of this machine, evenly from all places."""
    chosen: dict[str, Path] = {}
    architecture = native_architecture()
    for place in PLACES:
        paths = [path for path in sorted(Path("/").glob(place[1:])) if path.is_file()]
        for path in paths[:: max(1, len(paths) // (MOST // len(PLACES)))]:
            elf = ElfFiles()(path)
            if elf and elf.dynamic and (elf.machine, elf.bits) == (architecture.elf_machine, architecture.elf_class):
                chosen.setdefault(os.path.realpath(path), path)
    return list(chosen.values())


@pytest.mark.slow
def test_answers_are_those_of_ldd() -> None:
    ldd = require("ldd", "libc-bin")
    if platform.libc_ver()[0] != "glibc":
        unavailable("only glibc has the rules that are compared")
    system = System.read(Path("/"), native_architecture())
    loader = Loader(native_architecture(), read=ElfFiles(), directories=system.directories)
    differences = []
    compared = 0
    for path in real_files():
        env = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
        output = subprocess.run([ldd, path], check=False, capture_output=True, text=True, env=env).stdout
        theirs = dict(re.findall(r"^\s*(\S+) => (not found|\S+)", output, re.MULTILINE))
        ours = {link.soname: link.found for link in loader.load(path, LinkMap())}
        compared += len(theirs)
        for soname, place in theirs.items():
            found = ours.get(soname)
            # A processor's own variant of a library is for this machine only.
            plain = re.sub(r"/glibc-hwcaps/[^/]+", "", place)
            same = found is None if plain == "not found" else found and found.samefile(plain)
            if not same:
                differences.append(f"{path} {soname}: ldd {place}, ours {found}")
        differences += [f"{path} {soname}: only ours" for soname in ours.keys() - theirs.keys() if "ld-" not in soname]
    assert compared > 500
    assert not differences, "\n".join(differences)


def test_what_is_known_of_a_directory_is_not_read_again(tmp_path: Path) -> None:
    first = library("libfirst.so.1").write(tmp_path / "first")
    text, damaged, gone = tmp_path / "text", tmp_path / "damaged", tmp_path / "gone"
    text.write_text("text")
    damaged.write_bytes(b"\x7fELF")
    gone.touch()
    known = read_directory(tmp_path)
    assert known == {damaged: None, first: read_elf(first), gone: None, text: None}
    library("libchanged.so.1").write(first)
    library("libnew.so.1").write(text)
    gone.unlink()
    again = read_directory(tmp_path, {path: elf for path, elf in known.items() if path != text})
    assert again == {damaged: None, first: known[first], text: read_elf(text)}
