# SPDX-License-Identifier: MIT
"""What a Python is, read from its files: the same as what it says itself."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.python.files import find_executable, find_version, read_python
from hatch_appimage.python.local import ask_python
from support.pythons import INTERPRETERS


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_like_what_it_says_itself(interpreter: str) -> None:
    said = ask_python(Path(interpreter))
    found = read_python(said.executable, source=str(said.executable))
    # One of a distribution has its library elsewhere, and nothing else than its own files to go by.
    assert replace(found, libdir=said.libdir) == said
    for soname in said.elf.needed:
        if soname.startswith("libpython"):
            assert (found.libdir / soname).samefile(said.libdir / soname)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make the least that a Python is: another one's program, and the landmarks of its standard library."""
    prefix = tmp_path / "prefix"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(os.path.realpath(sys.executable), prefix / "bin" / "python3")
    stdlib = prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (stdlib / "lib-dynload").mkdir(parents=True)
    (stdlib / "os.py").touch()
    # Where the version is, if not in the program.
    for path in Path(sys.base_prefix, "lib").glob("libpython3.*.so.*"):
        shutil.copy(path, prefix / "lib")
    return prefix


def test_name_without_version(tree: Path) -> None:
    python = read_python(tree / "bin" / "python3", source="it")
    assert python.stdlib.parent == tree / "lib"
    assert python.command == python.stdlib.name
    assert python.version.startswith(python.command.removeprefix("python"))


def test_free_threaded(tree: Path) -> None:
    stdlib = next((tree / "lib").glob("python3.*"))
    stdlib = stdlib.rename(f"{stdlib}t")
    (stdlib / "_sysconfigdata_t_linux_.py").write_text("build_time_vars = {'ABIFLAGS': 't'}\n")
    python = read_python(tree / "bin" / "python3", source="it")
    assert python.command == stdlib.name
    assert [str(directory) for directory in python.site_packages] == [f"lib/{stdlib.name}/site-packages"]


def test_lib64(tree: Path) -> None:
    """As Fedora has it: all of the standard library there, and pure packages in `lib`."""
    (tree / "lib").rename(tree / "lib64")
    python = read_python(tree / "bin" / "python3", source="it")
    assert python.platstdlib == python.stdlib == next((tree / "lib64").glob("python3.*"))
    assert [directory.parts[0] for directory in python.site_packages] == ["lib", "lib64"]
    assert [directory.parts[0] for directory in python.searched] == ["lib64", "lib"]


def test_no_standard_library(tree: Path) -> None:
    shutil.rmtree(tree / "lib")
    with pytest.raises(AppImageError, match=r"^it cannot be bundled: beside .* is no standard library of CPython 3$"):
        read_python(tree / "bin" / "python3", source="it")


def test_several_standard_libraries(tree: Path) -> None:
    for name in ("python3.8", "python3.9"):
        (tree / "lib" / name).mkdir()
        (tree / "lib" / name / "os.py").touch()
    with pytest.raises(AppImageError, match=r"several standard libraries: python3\.\d+, python3.8, python3.9$"):
        read_python(tree / "bin" / "python3", source="it")


def test_no_program(tree: Path) -> None:
    (tree / "bin" / "python3").write_text("#!/bin/sh\n")
    with pytest.raises(AppImageError, match=r"^it is no Python: .*/python3 is no ELF program$"):
        read_python(tree / "bin" / "python3", source="it")


def test_program_without_a_version(tree: Path) -> None:
    for path in (tree / "lib").glob("libpython*"):
        path.unlink()
    shutil.copy("/bin/true", tree / "bin" / "python3")
    with pytest.raises(AppImageError, match=r"does not say which Python 3\.\d+ it is$"):
        read_python(tree / "bin" / "python3", source="it")


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b"\x003.12.8\0", "3.12.8"),
        (b"/usr/lib/python-3.12.8\0", "3.12.8"),
        (b"\x003.12.0rc1+\0", "3.12.0rc1+"),
        (b"\x0013.12.8\0 3.12\0 3.12.8 (main)\0", None),
        (b"\x003.120.8\0", None),
    ],
)
def test_version_in_a_file(data: bytes, version: str | None) -> None:
    assert find_version(data, "3.12") == version


def test_executable(tree: Path) -> None:
    (tree / "bin" / "python3-config").write_text("#!/bin/sh\n")
    (tree / "bin" / "python3").rename(tree / "bin" / "python3.99")
    (tree / "bin" / "python3").symlink_to("python3.99")
    assert find_executable(tree.parent) == tree / "bin" / "python3.99"


def test_no_executable(tmp_path: Path) -> None:
    with pytest.raises(AppImageError, match=r"^There is no Python interpreter in "):
        find_executable(tmp_path)
