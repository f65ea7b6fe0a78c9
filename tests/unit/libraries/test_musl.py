# SPDX-License-Identifier: MIT
"""The musl in the image of a Python for musl: where it is found, and what it is beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import BundledLibrary, Libraries
from hatch_appimage.libraries.c_library import CLibrary
from hatch_appimage.libraries.musl import Musl, bundle_musl, find_musl
from hatch_appimage.libraries.symbol_versions import Graph
from hatch_appimage.system import System
from support.elf_fixtures import library, program

if TYPE_CHECKING:
    from pathlib import Path

    from support.elf_fixtures import Fixture

X86_64 = ARCHITECTURES["x86_64"]
LOADER = "ld-musl-x86_64.so.1"


def write_musl(root: Path, version: str = "1.2.5") -> Path:
    """Install one as Debian does: the loader is a link to it."""
    file = library("").write(root / "lib" / "x86_64-linux-musl" / "libc.so")
    with file.open("ab") as end:
        end.write(b"\0musl libc (x86_64)\nVersion %s\nDynamic Program Loader\n\0" + f"\0{version}\0".encode())
    (root / "lib" / LOADER).symlink_to("/lib/x86_64-linux-musl/libc.so")
    return file


def find(root: Path) -> Musl:
    return find_musl(System(root, ()), X86_64, python="archive.tar.gz")


class TestFind:
    @pytest.mark.parametrize("version", ["1.2.0", "1.2.5", "1.2.5-git-3-gabc", "1.3.0", "2.0.1"])
    def test_version(self, tmp_path: Path, version: str) -> None:
        file = write_musl(tmp_path, version)
        assert find(tmp_path) == Musl(file, tuple(map(int, version.partition("-")[0].split("."))))

    def test_unpacked_package(self, tmp_path: Path) -> None:
        """Of a distribution whose /lib is a link to /usr/lib."""
        write_musl(tmp_path)
        (tmp_path / "usr").mkdir()
        (tmp_path / "lib").rename(tmp_path / "usr" / "lib")
        loader = tmp_path / "usr" / "lib" / LOADER
        loader.unlink()
        loader.symlink_to("x86_64-linux-musl/libc.so")
        assert find(tmp_path).file == tmp_path / "usr" / "lib" / "x86_64-linux-musl" / "libc.so"

    def test_too_old(self, tmp_path: Path) -> None:
        write_musl(tmp_path, "1.1.24")
        with pytest.raises(AppImageError) as error:
            find(tmp_path)
        assert str(error.value) == (
            f"musl 1.1.24 of the sysroot {tmp_path} is too old to be bundled: set `sysroot` to a copy of a system that "
            "has 1.2 or newer"
        )

    @pytest.mark.parametrize("text", [None, b"", b"\0001.2.5\0", b"musl libc (x86_64)"])
    def test_none(self, tmp_path: Path, text: bytes | None) -> None:
        (tmp_path / "lib").mkdir()
        if text is not None:
            (tmp_path / "lib" / LOADER).write_bytes(text)
        with pytest.raises(AppImageError) as error:
            find(tmp_path)
        assert str(error.value) == (
            f"The Python at archive.tar.gz is for musl, and the sysroot {tmp_path} has no musl at /lib/{LOADER} to "
            "bundle: install it (apt-get install musl), or set `sysroot` to a copy of a system that has it"
        )


class TestBundle:
    @staticmethod
    def bundle(directory: Path, *files: Fixture) -> CLibrary:
        root = directory / "machine"
        file = write_musl(root)
        found = [read_elf(each.write(directory / f"{number}.so")) for number, each in enumerate(files)]
        graph = Graph({f"usr/lib/{number}.so": elf for number, elf in enumerate(found) if elf}, {}, frozenset())
        libraries = Libraries((), (), (), (), {}, 0, graph=graph)
        appdir = AppDir(directory / "AppDir", "x")
        return bundle_musl(Musl(file, (1, 2, 5)), appdir, X86_64, libraries=libraries, system=System(root, ()))

    def test_what_is_there(self, tmp_path: Path) -> None:
        made = self.bundle(tmp_path, library("liba.so", "libc.so"))
        musl = tmp_path / "AppDir" / "usr" / "lib" / "musl"
        loader = musl / "lib" / LOADER
        size = loader.stat().st_size
        assert made == CLibrary(
            "musl",
            (1, 2, 5),
            None,
            f"lib/{LOADER}",
            (BundledLibrary(f"musl/lib/{LOADER}", "/lib/x86_64-linux-musl/libc.so", None, size),),
            size,
        )
        assert not loader.is_symlink()
        assert loader.stat().st_mode & 0o777 == 0o755
        # What the loader searches last: nothing.
        assert (musl / "etc" / "ld-musl-x86_64.path").read_bytes() == b""

    def test_licence(self, tmp_path: Path) -> None:
        """Where the system that it is from has none, the text is ours, as musl is in the runtime, too."""
        self.bundle(tmp_path)
        assert "Rich Felker" in (tmp_path / "AppDir" / "usr" / "share" / "doc" / "musl" / "copyright").read_text()

    def test_library_for_glibc(self, tmp_path: Path) -> None:
        with pytest.raises(AppImageError) as error:
            self.bundle(tmp_path, library("liba.so", "libc.so"), library("libb.so", "libm.so.6", "libc.so.6"))
        assert str(error.value) == (
            "usr/lib/1.so is for glibc and does not load in the image's Python, which is for musl: require a release "
            "with wheels for musllinux, or build on a system with musl"
        )
        assert not (tmp_path / "AppDir").exists()

    def test_program_for_glibc(self, tmp_path: Path) -> None:
        """It runs in a process of its own, by the system's C library."""
        assert self.bundle(tmp_path, program("libc.so.6", interpreter=X86_64.loader)).family == "musl"
