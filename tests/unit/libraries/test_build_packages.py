# SPDX-License-Identifier: MIT
"""Headers that the machine lacks, got by its apt and found by its compiler."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.download import OFFLINE
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries import build_packages
from hatch_appimage.libraries.build_packages import BuildPackages, fetch_build_packages
from support.tools import require

# None of the tests needs it installed.
PACKAGE, HEADER, LIBRARY = "libsodium-dev", "sodium.h", "sodium"


@pytest.fixture
def lacking() -> str:
    """Return the name of a package that is not on this machine."""
    require("apt-get", "apt")
    assert not Path("/usr/include", HEADER).exists(), f"this test wants {PACKAGE} not to be installed"
    return PACKAGE


@pytest.mark.network
@pytest.mark.slow
def test_compiles_with_what_is_lacking(lacking: str, tmp_path: Path) -> None:
    require("gcc", "gcc")
    source = tmp_path / "library.c"
    source.write_text(f"#include <{HEADER}>\nint start(void) {{ return sodium_init(); }}\n")
    command = ["gcc", "-shared", "-fPIC", str(source), "-o", str(tmp_path / "library.so"), f"-l{LIBRARY}"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    # What is on the machine is not got: this one every test machine has.
    found = fetch_build_packages((lacking, "libc6-dev"), native_architecture(), tmp_path / "packages")
    assert lacking in {package.name for package in found.packages}
    assert "libc6-dev" not in {package.name for package in found.packages}
    subprocess.run(command, env=found.environment(os.environ), check=True)
    assert f"lib{LIBRARY}.so." in subprocess.check_output(["readelf", "-d", tmp_path / "library.so"], text=True)
    assert (found.root / "usr" / "include" / HEADER).is_file()


@pytest.mark.network
def test_package_that_is_not_there(lacking: str, tmp_path: Path) -> None:
    with pytest.raises(
        AppImageError, match="`build-packages` cannot be fetched: Unable to locate package no-such-thing"
    ):
        fetch_build_packages((lacking, "no-such-thing"), native_architecture(), tmp_path / "packages")
    assert list(tmp_path.iterdir()) == []


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(OFFLINE, "1")
    with pytest.raises(
        AppImageError,
        match="`build-packages` names a-dev, b-dev, and HATCH_APPIMAGE_OFFLINE allows no download: build once without",
    ):
        fetch_build_packages(("a-dev", "b-dev"), native_architecture(), tmp_path)


def test_files_for_pkg_config(tmp_path: Path) -> None:
    """Headers are below the directory that the packages were put into, as a whole."""
    directory = tmp_path / "usr/lib/x86_64-linux-gnu/pkgconfig"
    directory.mkdir(parents=True)
    text = "prefix=/usr\nlibdir={0}/usr/lib/x\nincludedir=${{prefix}}/include\nName: zz\nCflags: -I${{includedir}}/zz\n"
    (directory / "zz.pc").write_text(text.format(""))
    build_packages._move_pkg_config(BuildPackages(tmp_path, (), ARCHITECTURES["x86_64"]))
    moved = text.format(tmp_path).replace("prefix=/usr\n", f"prefix={tmp_path}/usr\n", 1)
    assert (directory / "zz.pc").read_text() == moved


def test_scripts_of_the_linker(tmp_path: Path) -> None:
    """What the machine has stays its own."""
    directory = tmp_path / "usr/lib/x86_64-linux-gnu"
    directory.mkdir(parents=True)
    (directory / "libc_nonshared.a").touch()
    text = (
        "/* GNU ld script */\nGROUP ( /lib/libc.so.6 {0}/usr/lib/x86_64-linux-gnu/libc_nonshared.a AS_NEEDED ( x ) )\n"
    )
    (directory / "libc.so").write_text(text.format(""))
    build_packages._move_linker_scripts(BuildPackages(tmp_path, (), ARCHITECTURES["x86_64"]))
    assert (directory / "libc.so").read_text() == text.format(tmp_path)


def test_programs_find_their_libraries(tmp_path: Path) -> None:
    """As the assembler, whose libraries are in a package of their own."""
    cc = require("gcc", "gcc")
    directory = tmp_path / "packages/usr/lib" / native_architecture().multiarch
    programs = tmp_path / "packages/usr/bin"
    for each in (directory, programs):
        each.mkdir(parents=True)
    (tmp_path / "zz.c").write_text("int zz(void) { return 0; }")
    (tmp_path / "main.c").write_text("int zz(void); int main(void) { return zz(); }")
    command: list[str | Path] = [
        cc,
        "-shared",
        "-fPIC",
        "-Wl,-soname,libzz.so.1",
        tmp_path / "zz.c",
        "-o",
        directory / "libzz.so.1",
    ]
    subprocess.run(command, check=True)
    subprocess.run([cc, tmp_path / "main.c", directory / "libzz.so.1", "-o", programs / "zz"], check=True)
    assert subprocess.run([programs / "zz"], stderr=subprocess.DEVNULL, check=False).returncode != 0
    build_packages._have_find_libraries(BuildPackages(tmp_path / "packages", (), native_architecture()))
    assert subprocess.run([programs / "zz"], check=False).returncode == 0


def test_environment(tmp_path: Path) -> None:
    """What the user has set comes behind, and directories that are not there do not come at all."""
    (tmp_path / "usr" / "include" / "python3.11").mkdir(parents=True)
    (tmp_path / "usr" / "bin").mkdir()
    packages = BuildPackages(tmp_path, (), native_architecture())
    assert packages.environment({"PATH": "/bin", "LIBRARY_PATH": "/mine", "A": "b"}) == {
        "A": "b",
        "CPATH": f"{tmp_path}/usr/include:{tmp_path}/usr/include/python3.11",
        "LIBRARY_PATH": "/mine",
        "PATH": f"{tmp_path}/usr/bin:/bin",
    }
