# SPDX-License-Identifier: MIT
"""Repacking keeps everything in an image, and changes all around it."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.cli import main
from hatch_appimage.format import SIGNATURE, UPDATE_INFORMATION, find_squashfs, read_section, write_section
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.write import load_runtime, read_startup, write_image
from hatch_appimage.runtime import runtime_path
from hatch_appimage.squashfs import SquashFSImage, files_within, write_squashfs
from hatch_appimage.squashfs.tree import Directory, File, assemble
from support.squashfs_trees import noise
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LINE = "zsync|https://example.org/a.AppImage.zsync"


def contents(image: Path) -> dict[bytes, tuple[object, ...]]:
    """Return all that is in an image, byte for byte."""
    with image.open("rb") as file:
        squashfs = SquashFSImage(file, find_squashfs(image))
        return {
            entry.path: (
                *(entry.mode, entry.mtime, entry.uid, entry.gid, entry.target),
                squashfs.read(entry) if stat.S_ISREG(entry.mode) else None,
            )
            for entry in (squashfs.root, *squashfs)
        }


def make_tree(root: Path) -> Path:
    root.mkdir()
    (root / "AppRun").write_text("#!/bin/sh\n")
    (root / "AppRun").chmod(0o4711)
    (root / "large").write_bytes(noise(1_200_000) + bytes(1_200_000))
    (root / "same").write_bytes((root / "large").read_bytes())
    (root / "empty").touch()
    (root / "dir").mkdir(mode=0o1777)
    os.link(root / "empty", root / "dir" / "linked")
    (root / "dir" / "link").symlink_to("/outside")
    for number in range(50):
        (root / "dir" / f"{number}").write_bytes(noise(1000, number))
        os.utime(root / "dir" / f"{number}", (0, number))
    return root


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Make an image as the build makes them, which lays some files at the front."""
    path = tmp_path / "a.AppImage"
    runtime = load_runtime(runtime_path("x86_64"), ARCHITECTURES["x86_64"])
    write_image(
        make_tree(tmp_path / "tree"),
        runtime,
        path,
        PRESETS["fast"],
        order=["same", "dir/5", "dir/7", "dir/3"],
        application=["dir/4", "dir/5"],
        update_information=LINE,
        timestamp=None,
    )
    write_section(path, runtime.sections, SIGNATURE, b"a signature of other bytes")
    return path


def test_in_place(image: Path) -> None:
    before, bytes_before = contents(image), image.read_bytes()
    (image.parent / "a.AppImage.sig").touch()
    assert main(["repack", str(image), "--compression", "gzip"]) == 0
    assert image.read_bytes() != bytes_before
    assert contents(image) == before
    assert read_section(image, UPDATE_INFORMATION).decode() == LINE
    assert read_section(image, SIGNATURE) == b""
    assert sorted(path.name for path in image.parent.iterdir()) == ["a.AppImage", "a.AppImage.zsync", "tree"]


def inodes(image: Path) -> dict[str, int]:
    with image.open("rb") as file:
        return {os.fsdecode(entry.path): entry.inode for entry in SquashFSImage(file, find_squashfs(image))}


def test_names_of_one_file(tmp_path: Path) -> None:
    """Links within a directory, to an earlier one, and of a file with holes."""
    tree = make_tree(tmp_path / "tree")
    for name in ("dir/0", "large"):
        os.link(tree / name, tree / f"{name} too")
    os.link(tree / "dir/1", tree / "z")
    command = [require("mksquashfs", "squashfs-tools"), str(tree), str(tmp_path / "fs"), "-quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    image = tmp_path / "a.AppImage"
    image.write_bytes(runtime_path("x86_64").read_bytes() + (tmp_path / "fs").read_bytes())
    before = contents(image)
    assert main(["repack", str(image), "--output", str(tmp_path / "b.AppImage")]) == 0
    assert contents(tmp_path / "b.AppImage") == before
    found = inodes(tmp_path / "b.AppImage")
    pairs = [("dir/0", "dir/0 too"), ("large", "large too"), ("z", "dir/1")]
    assert all(found[one] == found[other] for one, other in [*pairs, ("empty", "dir/linked")])
    assert len(set(found.values())) == len(found) - 4
    image = tmp_path / "b.AppImage"
    (tmp_path / "fs").write_bytes(image.read_bytes()[find_squashfs(image) :])
    command = [require("unsquashfs", "squashfs-tools"), "-d", str(tmp_path / "unpacked"), str(tmp_path / "fs")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for one, other in pairs:
        assert (tmp_path / "unpacked" / one).lstat().st_nlink == 2
        assert (tmp_path / "unpacked" / one).lstat().st_ino == (tmp_path / "unpacked" / other).lstat().st_ino


def test_names_of_one_file_that_are_far_apart() -> None:
    """An entry has 16 bits for how far the number of its inode is from that of the listing's header."""
    nodes = [File(b"%05d" % number, 0o644, 0, 0, _read_nothing) for number in range(40_000)]
    deep = [Directory(b"deep", 0o755, 0), File(b"deep/a", 0o644, 0, 0, _read_nothing, identity=1)]
    last = File(b"zz", 0o644, 0, 0, _read_nothing, identity=1)
    output = io.BytesIO()
    write_squashfs(assemble(Directory(b"", 0o755, 0), [*nodes, *deep, last]), output, mtime=0, level=1)
    found = {entry.path: entry.inode for entry in SquashFSImage(output)}
    assert found[b"zz"] == found[b"deep/a"] == 1
    assert len(found) == 40_003


def _read_nothing() -> Generator[bytes]:
    yield from ()


def test_attributes_are_told_of(image: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The image says that it has some by the place of a table, which is at byte 56 of its superblock."""
    assert main(["repack", str(image), "--output", str(tmp_path / "b.AppImage")]) == 0
    assert not caplog.records
    with image.open("rb+") as file:
        file.seek(find_squashfs(image) + 56)
        file.write(bytes(8))
    assert main(["repack", str(image), "--output", str(tmp_path / "b.AppImage")]) == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"Images keep no extended attributes: those in {image} will not be in the new one"
    ]


def test_order_stays(image: Path, tmp_path: Path) -> None:
    """At the front and at the end."""
    assert main(["repack", str(image), "--output", str(tmp_path / "b.AppImage")]) == 0
    for path in (image, tmp_path / "b.AppImage"):
        with path.open("rb") as file:
            front, last = read_startup(path)
            squashfs = SquashFSImage(file, find_squashfs(path))
            assert files_within(squashfs, front)[-2:] == ["dir/7", "dir/3"]
            assert files_within(squashfs, last) == ["dir/5"]
            end = last._replace(end=squashfs.superblock.bytes_used)
            assert files_within(squashfs, end) == ["dir/5", "dir/4"]


def test_same_bytes(image: Path, tmp_path: Path) -> None:
    for name in ("b", "c"):
        assert main(["repack", str(image), "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    assert (tmp_path / "b.zsync").exists()


def test_directory_for_the_image(image: Path, tmp_path: Path) -> None:
    assert main(["repack", str(image), "--output", f"{tmp_path}/new/"]) == 0
    assert (tmp_path / "new" / "a.AppImage").is_file()


def test_update_information(image: Path) -> None:
    line = "zsync|https://example.org/b.AppImage.zsync"
    assert main(["repack", str(image), "--update-information", line]) == 0
    assert read_section(image, UPDATE_INFORMATION).decode() == line
    assert main(["repack", str(image), "--update-information", ""]) == 0
    assert read_section(image, UPDATE_INFORMATION) == b""
    assert not image.with_name("a.AppImage.zsync").exists()


def test_owners_and_blocks_of_other_tools(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    command = [require("mksquashfs", "squashfs-tools"), str(tree), str(tmp_path / "fs"), "-comp", "gzip", "-b", "16K"]
    subprocess.run([*command, "-force-uid", "1000", "-force-gid", "5", "-quiet"], check=True, stdout=subprocess.DEVNULL)
    image = tmp_path / "a.AppImage"
    image.write_bytes(runtime_path("x86_64").read_bytes() + (tmp_path / "fs").read_bytes())
    before = contents(image)
    assert {entry[2:4] for entry in before.values()} == {(1000, 5)}
    assert main(["repack", str(image)]) == 0
    assert contents(image) == before


@pytest.mark.usefixtures("needs_root")
def test_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = make_tree(tmp_path / "tree")
    os.mkfifo(tree / "pipe")
    subprocess.run(
        [require("mksquashfs", "squashfs-tools"), tree, tmp_path / "fs", "-quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    image = tmp_path / "a.AppImage"
    image.write_bytes(runtime_path("x86_64").read_bytes() + (tmp_path / "fs").read_bytes())
    before = image.read_bytes()
    assert main(["repack", str(image)]) != 0
    assert "pipe cannot be packed" in capsys.readouterr().err
    assert image.read_bytes() == before


def test_type_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "a.AppImage"
    image.write_bytes(b"\x7fELF\x02\x01\x01\0AI\x01" + bytes(100))
    assert main(["repack", str(image)]) != 0
    assert "is an AppImage of type 1, which is an ISO 9660 image: only type 2 can be read" in capsys.readouterr().err


def test_link_to_an_image_stays(image: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(image)
    before = image.stat().st_ino
    assert main(["repack", str(tmp_path / "link")]) == 0
    assert (tmp_path / "link").is_symlink()
    assert image.stat().st_ino != before
