# SPDX-License-Identifier: MIT
"""Files that nobody vouches for, as `inspect` and `verify` meet them: one line and an exit status, nothing worse."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_appimage import cli
from hatch_appimage.architecture import native_architecture
from hatch_appimage.cli import status
from hatch_appimage.elf import read_sections
from hatch_appimage.format import find_squashfs
from hatch_appimage.runtime import runtime_path
from hatch_appimage.squashfs import SquashFSImage, write_squashfs
from support.elf_fixtures import library

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "import sys; from hatch_appimage.cli import main; sys.exit(main())"
COMMANDS = ("inspect", "verify")
# ELF header, 64 bits (System V ABI, chapter 4): where the section headers are, their size, their number, their names'.
SECTIONS_AT, SECTION_SIZE, SECTION_COUNT, NAMES_INDEX = 0x28, 0x3A, 0x3C, 0x3E


def make_image(root: Path, path: Path) -> bytes:
    with path.open("wb+") as file:
        file.write(runtime_path(native_architecture().name).read_bytes())
        write_squashfs(root, file, mtime=0)
    return path.read_bytes()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return an image with all that `inspect` looks for."""
    directory = tmp_path_factory.mktemp("hostile")
    package = directory / "root" / "usr/lib/python3.11/site-packages/app-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Name: app\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[console_scripts]\napp = app:main\n")
    (directory / "root" / "app.desktop").write_text("[Desktop Entry]\nName=App\n")
    (directory / "root" / "usr/bin").mkdir()
    shutil.copy("/bin/true", directory / "root" / "usr/bin/app")
    return make_image(directory / "root", directory / "image")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.AppImage"


def run(path: Path, capsys: pytest.CaptureFixture[str]) -> list[int]:
    """Run all commands on a file; where one does not succeed, see that it says so in one line."""
    statuses = []
    for command in COMMANDS:
        statuses.append(cli.main([command, str(path)]))
        output = capsys.readouterr()
        if statuses[-1]:
            assert (output.out + output.err).count("\n") == 1, output
    return statuses


class TestNoImages:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x7f",
            b"\x7fELF",
            b"#!/bin/sh\n",
            bytes(100_000),
            b"\x7fELF\2\1\1\0AI\2",
            b"\x7fELF\2\1\1\0AI\2" + bytes(100_000),
            b"\x7fELF\2\1\1\0AI\1" + bytes(100_000),
            b"\x7fELF\3\7\1\0AI\2" + bytes(100_000),
            b"\x7fELF\2\1\1\0AI\2" + b"\xff" * 100_000,
            random.Random(1).randbytes(100_000),  # noqa: S311 - the same each time
            b"hsqs" + bytes(100_000),
        ],
    )
    def test_unreadable(self, path: Path, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
        path.write_bytes(data)
        assert run(path, capsys) == [status.UNREADABLE] * 2

    def test_program_and_runtime_alone(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        shutil.copy("/bin/true", path)
        assert run(path, capsys) == [status.UNREADABLE] * 2
        shutil.copy(runtime_path(native_architecture().name), path)
        assert set(run(path, capsys)) <= {status.UNREADABLE, status.DAMAGED}

    def test_directory_and_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(tmp_path, capsys) == [status.UNREADABLE] * 2
        assert run(tmp_path / "missing\x1b[2J\n", capsys) == [status.UNREADABLE] * 2


def test_cut_off_at_every_part(image: bytes, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(image)
    assert run(path, capsys) == [0, status.UNSIGNED]
    start = find_squashfs(path)
    with path.open("rb") as file:
        superblock = SquashFSImage(file, start).superblock
    places = {0, 1, 8, 11, 16, 52, 64, start, start + 96, len(image) - 4096}
    places |= {place for offset, size in read_sections(path).places.values() for place in (offset, offset + size)}
    tables = (superblock.inode_table, superblock.directory_table, superblock.fragment_table, superblock.id_table)
    places |= {start + table for table in tables}
    end = start + superblock.bytes_used
    for place in sorted({max(place + delta, 0) for place in places for delta in (-1, 0, 1)}):
        path.write_bytes(image[:place])
        if place < end:
            assert set(run(path, capsys)) <= {status.UNREADABLE, status.DAMAGED}, place


@pytest.mark.slow
def test_any_damage(image: bytes, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it counts most: headers, the table of sections and its names, the superblock, the tables of the image."""
    path.write_bytes(image)
    start = find_squashfs(path)
    (table,) = struct.unpack_from("<Q", image, SECTIONS_AT)
    areas = [(0, 64), (64, 400), (table, start), (table - 200, table), (start, start + 96), (start + 96, len(image))]
    chance = random.Random(2)  # noqa: S311 - the same each time
    for _ in range(150):
        damaged = bytearray(image)
        for _ in range(chance.choice([1, 1, 3])):
            place = chance.randrange(*chance.choice(areas))
            number = chance.choice([0, 1, len(image), 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 63, (1 << 64) - 1])
            value = struct.pack("<Q", number)[: chance.choice([1, 2, 4, 8])]
            damaged[place : place + len(value)] = value
        path.write_bytes(damaged)
        statuses = run(path, capsys)
        assert statuses[0] in {0, status.UNREADABLE}
        assert statuses[1] in {status.UNSIGNED, status.UNREADABLE, status.DAMAGED, status.BAD_SIGNATURE}


@pytest.mark.parametrize("size", [1 << 20, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
@pytest.mark.parametrize("name", [".upd_info", ".sha256_sig", ".sig_key"])
def test_sections_outside_of_the_runtime(
    image: bytes, path: Path, name: str, size: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would be read into memory, or keep what they cover from being signed."""
    path.write_bytes(image)
    sections = read_sections(path)
    number = list(sections.places).index(name)
    damaged = bytearray(image)
    (table,) = struct.unpack_from("<Q", image, SECTIONS_AT)
    struct.pack_into("<Q", damaged, table + number * 64 + 32, size)
    path.write_bytes(damaged)
    statuses = run(path, capsys)
    assert statuses == [status.UNREADABLE] * 2


@pytest.mark.timeout(60)
def test_names_of_sections_without_end(image: bytes, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As many sections as there can be, the name of each a megabyte long."""
    count = 0xFFFE
    names = b"x" * (1 << 20)
    table = len(image) + len(names)
    header = struct.pack("<IIQQQQIIQQ", 0, 1, 0, 0, len(image), len(names), 0, 0, 1, 0)
    damaged = bytearray(image + names + header * count)
    struct.pack_into("<Q", damaged, SECTIONS_AT, table)
    struct.pack_into("<HHH", damaged, SECTION_SIZE, 64, count, 1)
    path.write_bytes(damaged)
    assert set(run(path, capsys)) <= {status.UNREADABLE, status.DAMAGED}


class TestContent:
    """What is in the image is not read as anything else than text."""

    def test_control_characters(self, tmp_path: Path, path: Path) -> None:
        root = tmp_path / "root"
        package = root / "usr/lib/python3.11/site-packages/evil-1.dist-info"
        package.mkdir(parents=True)
        (package / "METADATA").write_bytes(b"Name: evil\x1b[2J\xff\nVersion: 1\r\n")
        (root / "a.desktop").write_bytes(b"[Desktop Entry]\nName=\x1b]0;owned\x07\xff\nX-AppImage-Version=\xc3\xa4\n")
        make_image(root, path)
        for encoding in ("utf-8", "ascii"):
            output = subprocess.run(
                [sys.executable, "-c", PROGRAM, "inspect", path],
                env={**os.environ, "PYTHONIOENCODING": encoding},
                capture_output=True,
                check=True,
            ).stdout
            assert b"\x1b" not in output
            assert b"\\x1b]0;owned\\x07" in output
            assert b"evil\\x1b[2J" in output
            assert ("ä".encode() if encoding == "utf-8" else b"\\xe4") in output

    def test_names_of_files_in_messages(self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (root / "a\nb\x1b[2J").write_text("some text that can be compressed" * 10_000)
        data = bytearray(make_image(root, path))
        place = find_squashfs(path) + 96  # right behind the superblock
        data[place : place + 4] = bytes(4)
        path.write_bytes(data)
        assert cli.main(["verify", str(path)]) == status.DAMAGED
        output = capsys.readouterr().out
        assert output.count("\n") == 1
        assert "a\\nb\\x1b[2J" in output

    def test_scripts_alone(self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (root / "AppRun").write_text("#!/bin/sh\n")
        make_image(root, path)
        assert cli.main(["inspect", "--json", str(path)]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["requires"], document["runs_on"]) == (None, None)
        assert (document["python"], document["packages"]) == (None, {})
        assert cli.main(["inspect", str(path)]) == 0
        assert "\nruns on       unknown\n" in capsys.readouterr().out

    def test_runs_on(self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root = tmp_path / "root"
        library("", "libc.so.6", versions={"libc.so.6": ("GLIBC_2.36",)}).write(root / "a.so")
        make_image(root, path)
        assert cli.main(["inspect", "--json", str(path)]) == 0
        distributions = json.loads(capsys.readouterr().out)["runs_on"]["distributions"]
        assert distributions[0] == {
            "distribution": "Debian",
            "oldest": "12",
            "rolling": False,
            "excluded": [],
            "limited_by": ["GLIBC 2.36"],
        }
        assert cli.main(["inspect", str(path)]) == 0
        assert "\nruns on       Debian 12+, Ubuntu 22.10+, " in capsys.readouterr().out

    def test_damaged_program(self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (root / "bad.so").write_bytes(b"\x7fELF\2\1\1\0" + b"\xff" * 1000)
        library("liba.so", "libc.so.6").write(root / "liba.so")
        make_image(root, path)
        assert cli.main(["inspect", str(path)]) == 0
        assert f"architecture  {native_architecture().name}\n" in capsys.readouterr().out

    def test_python_of_a_terabyte(self, tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Zeros take no room in the image."""
        root = tmp_path / "root"
        (root / "usr/bin").mkdir(parents=True)
        with (root / "usr/bin/python3.12").open("wb") as file:
            file.truncate(1 << 30)
        make_image(root, path)
        assert path.stat().st_size < 1_000_000
        assert cli.main(["inspect", "--json", str(path)]) == 0
        assert json.loads(capsys.readouterr().out)["python"] == "3.12"
