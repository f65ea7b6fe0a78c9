# SPDX-License-Identifier: MIT
"""The C library in the image: when it is there, what of it, and what its loader searches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import Libraries, SystemLibrary
from hatch_appimage.libraries.c_library import CLibrary, NoCLibrary
from hatch_appimage.libraries.glibc import bundle_glibc, machine_libraries
from hatch_appimage.libraries.policy import LibraryPolicy, group_of
from hatch_appimage.libraries.symbol_versions import Graph
from hatch_appimage.python import BundledPython
from hatch_appimage.system import System
from support.elf_fixtures import AARCH64, library, program

if TYPE_CHECKING:
    from hatch_appimage.elf import Elf

LOADER = "ld-linux-x86-64.so.2"
DIRECTORIES = b"\0/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0"


@dataclass(frozen=True)
class Build:
    """An AppDir with an interpreter, and the machine that its libraries are from."""

    root: Path

    @property
    def appdir(self) -> AppDir:
        return AppDir(self.root / "AppDir", "x")

    @property
    def lib(self) -> Path:
        """Where the machine has its libraries."""
        return self.root / "machine" / "lib"

    def add_glibc(self, version: str = "2.36", directories: bytes = DIRECTORIES) -> None:
        """Install a glibc on the machine."""
        for name in (LOADER, "libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0"):
            library(name).write(self.lib / name)
        with (self.lib / LOADER).open("ab") as file:
            file.write(directories)
        with (self.lib / "libc.so.6").open("ab") as file:
            file.write(f"\0GNU C Library (Some 1) stable release version {version}.\n".encode())

    def bundle(
        self, needed: str, *, from_system: tuple[str, ...] = ("libc.so.6",), **policy: Any
    ) -> CLibrary | NoCLibrary:
        executable = self.appdir.libexec / "python3.12"
        program("libc.so.6", interpreter=f"/lib64/{LOADER}").write(executable)
        python = BundledPython(
            version="3.12.0",
            executable=executable,
            stdlib=self.appdir.lib / "python3.12",
            site_packages=(self.appdir.lib / "python3.12" / "site-packages",),
            interpreter=Path("/usr/bin/python3.12"),
            origin=Path("/usr"),
        )
        return bundle_glibc(
            self.appdir,
            ARCHITECTURES["x86_64"],
            python,
            LibraryPolicy(**policy),
            libraries=libraries({"usr/lib/a.so": elf(self.root, needed)}, from_system),
            system=System(self.root / "machine", (self.lib,)),
            oldest_supported=(2, 28),
        )


def elf(root: Path, glibc: str, *needed: str) -> Elf:
    """Return what is in a library that needs a version of glibc; the empty text for none."""
    versions = {"libc.so.6": (f"GLIBC_{glibc}",)} if glibc else {}
    found = read_elf(library("", "libc.so.6", *needed, versions=versions).write(root / f"{glibc}-{len(needed)}.so"))
    assert found is not None
    return found


def libraries(files: dict[str, Elf], from_system: tuple[str, ...]) -> Libraries:
    return Libraries(
        bundled=(),
        from_system=tuple(SystemLibrary(soname, group_of(soname) or "excluded") for soname in from_system),
        by_name=(),
        ignored=(),
        dropped={},
        patched=0,
        graph=Graph(files, {}, frozenset(from_system)),
    )


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


class TestWhether:
    @pytest.mark.parametrize("needed", ["2.17", "2.28"])
    def test_every_supported_system_has_it(self, build: Build, needed: str) -> None:
        build.add_glibc()
        assert build.bundle(needed) == NoCLibrary(f"{needed} or newer is on every distribution that is still supported")
        assert not build.appdir.glibc.exists()

    def test_a_younger_one_is_needed(self, build: Build) -> None:
        build.add_glibc()
        found = build.bundle("2.29")
        assert isinstance(found, CLibrary)
        assert (found.version, str(found.needed), found.loader) == ((2, 36), "2.29", LOADER)
        assert [(file.soname, file.source) for file in found.files] == [
            (f"glibc/{name}", f"/lib/{name}") for name in (LOADER, "libc.so.6", "libm.so.6", "libpthread.so.0")
        ]
        assert all((build.appdir.lib / file.soname).stat().st_size == file.size for file in found.files)
        assert found.size == sum(file.size for file in found.files)

    def test_the_project_wants_it(self, build: Build) -> None:
        build.add_glibc()
        assert isinstance(build.bundle("2.17", glibc="bundle"), CLibrary)

    def test_the_project_does_not_want_it(self, build: Build) -> None:
        build.add_glibc()
        assert build.bundle("2.36", glibc="host") == NoCLibrary('`glibc = "host"`')

    @pytest.mark.parametrize("glibc", ["auto", "bundle"])
    def test_nothing_needs_one(self, build: Build, glibc: str) -> None:
        build.add_glibc()
        assert build.bundle("", glibc=glibc) == NoCLibrary("nothing needs one")

    def test_brings_its_locale(self, build: Build) -> None:
        build.add_glibc()
        locale = build.root / "machine" / "usr" / "lib" / "locale" / "C.utf8" / "LC_CTYPE"
        locale.parent.mkdir(parents=True)
        locale.write_text("locale")
        found = build.bundle("2.36")
        assert isinstance(found, CLibrary)
        assert (build.appdir.glibc / "locale" / "C.utf8" / "LC_CTYPE").read_text() == "locale"
        assert found.size == sum(file.size for file in found.files) + len("locale")

    def test_libraries_for_vectors_only_if_needed(self, build: Build) -> None:
        build.add_glibc()
        build.bundle("2.36", from_system=("libc.so.6", "libmvec.so.1"))
        assert (build.appdir.glibc / "libmvec.so.1").is_file()


class TestImpossible:
    @pytest.mark.parametrize(
        ("version", "problem"),
        [
            ("2.35", "the sysroot {root} has glibc 2.35, and usr/lib/a.so needs 2.36"),
            (
                "2.32",
                (
                    "the sysroot {root} has glibc 2.32, and the loader of those before 2.33 cannot be told what to "
                    "start it as"
                ),
            ),
        ],
    )
    def test_the_machine_has_an_older_one(self, build: Build, version: str, problem: str) -> None:
        build.add_glibc(version)
        problem = problem.format(root=build.root / "machine")
        assert build.bundle("2.36") == NoCLibrary(problem)
        with pytest.raises(AppImageError) as caught:
            build.bundle("2.36", glibc="bundle")
        assert str(caught.value) == f'`glibc = "bundle"` is impossible: {problem}'
        assert not build.appdir.glibc.exists()

    def test_the_machine_has_none(self, build: Build) -> None:
        library(LOADER, machine=AARCH64).write(build.lib / LOADER)
        problem = (
            f"the sysroot {build.root / 'machine'} has no glibc for this architecture (`sysroot` names a copy of a "
            "system that has)"
        )
        assert build.bundle("2.36") == NoCLibrary(problem)

    def test_an_unknown_loader(self, build: Build) -> None:
        """What it would search cannot be told."""
        build.add_glibc(directories=b"")
        with pytest.raises(AppImageError, match="has other default directories than"):
            build.bundle("2.36")


class TestSearch:
    def test_default_directories_are_gone(self, build: Build) -> None:
        """What a system without glibc has there is for another C library."""
        build.add_glibc(directories=DIRECTORIES + b"code" + DIRECTORIES)
        build.bundle("2.36")
        data = (build.appdir.glibc / LOADER).read_bytes()
        assert len(data) == (build.lib / LOADER).stat().st_size
        assert b"/lib/" not in data
        assert b"/usr/lib" not in data
        assert b"code" in data

    def test_libraries_for_systems_that_lack_them(self, build: Build) -> None:
        build.add_glibc()
        for name in ("libz.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libX11.so.6"):
            library(name).write(build.lib / name)
        found = build.bundle("2.36", from_system=("libc.so.6", "libz.so.1", "libX11.so.6"))
        assert isinstance(found, CLibrary)
        assert {file.soname for file in found.files if file.soname.count("/") > 1} == {
            "glibc/base/libz.so.1",
            "glibc/compiler/libgcc_s.so.1",
        }

    def test_what_a_start_needs_of_the_machine(self, tmp_path: Path) -> None:
        files = {
            "a": elf(tmp_path, "2.36", "libz.so.1", "libX11.so.6"),
            "b": elf(tmp_path, "2.36", "libGL.so.1", "x", "y"),
        }
        found = libraries(files, ("libc.so.6", "libz.so.1", "libX11.so.6", "libGL.so.1"))
        assert machine_libraries(found, ["a"]) == ("libX11.so.6",)
        assert machine_libraries(found, ["a", "b"]) == ("libGL.so.1", "libX11.so.6")
        assert machine_libraries(found, ["no ELF file"]) == ()
