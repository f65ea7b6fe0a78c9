# SPDX-License-Identifier: MIT
"""Where things lie in an image, so that updates fetch little: what changes is last, in the data and in every table."""

from __future__ import annotations

import io
import random
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.squashfs import SquashFSImage, write_squashfs
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# What zsync looks for, in bytes.
BLOCK = 2048
APPLICATION = ["lib/m-app/main.py", "lib/m-app/data/table.csv", "lib/m-app-1.0/RECORD", "bin/m-app"]


def make_tree(root: Path, *, line: str = "") -> Path:
    """Make a tree of many packages, with the application's in the middle of them."""
    words = [f"word{number}" for number in range(400)]
    chance = random.Random(1)  # noqa: S311 - the same each time
    for package in ("a", "b", "c", "x", "y", "z"):
        for directory in range(12):
            place = root / "lib" / f"{package}{directory}" / "inner"
            place.mkdir(parents=True)
            for number in range(25):
                text = " ".join(chance.choices(words, k=chance.randrange(20, 900)))
                (place / f"module{number}.py").write_text(text)
            (place.parent / "link").symlink_to("inner/module1.py")
    for path in APPLICATION:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(" ".join(chance.choices(words, k=500)) + line)
    return root


def write(root: Path, *, order: Sequence[str] = (), last: Sequence[str] = ()) -> bytes:
    file = io.BytesIO()
    write_squashfs(root, file, mtime=0, order=order, last=last)
    return file.getvalue()


def fetched(old: bytes, new: bytes) -> int:
    """Return how many bytes of the new image are in blocks that are nowhere in the old one."""
    blocks = (new[start : start + BLOCK] for start in range(0, len(new), BLOCK))
    return sum(len(block) for block in blocks if block not in old)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("layout")
    return make_tree(directory / "old"), make_tree(directory / "new", line="# one line more\n")


@pytest.mark.slow
def test_one_changed_line(trees: tuple[Path, Path]) -> None:
    old, new = (write(tree, last=APPLICATION) for tree in trees)
    # Each has a block or two: the superblock, the application's data, inodes, listings, the last table with the end.
    assert fetched(old, new) <= 10 * BLOCK
    unordered = fetched(*(write(tree) for tree in trees))
    assert fetched(old, new) < unordered / 2


@pytest.mark.slow
def test_everything_else_stays_in_its_place(trees: tuple[Path, Path]) -> None:
    old, new = (write(tree, last=APPLICATION) for tree in trees)
    before, after = (SquashFSImage(io.BytesIO(data)).superblock for data in (old, new))
    data = 96
    while old[data] == new[data]:
        data += 1
    application = sum((trees[1] / path).stat().st_size for path in APPLICATION)
    assert before.inode_table - data < application
    # Most of the tables, too: but for their last blocks they are the same.
    for table in ("inode_table", "directory_table"):
        start, following = getattr(before, table), getattr(after, table)
        same = 0
        while old[start + same] == new[following + same]:
            same += 1
        end = before.directory_table if table == "inode_table" else before.fragment_table
        assert same > (end - start) / 2, table


@pytest.mark.slow
def test_last_wins_over_order(trees: tuple[Path, Path]) -> None:
    """Files of the application are read at the start, too; but they must not move what stays."""
    order = ["lib/a0/inner/module3.py", APPLICATION[0], "lib/z11/inner/module7.py"]
    old, new = (write(tree, order=order, last=APPLICATION) for tree in trees)
    assert fetched(old, new) <= 10 * BLOCK


@pytest.mark.slow
def test_the_tree_is_the_same(trees: tuple[Path, Path], tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(write(trees[0], last=APPLICATION))
    command: list[str | Path] = [require("unsquashfs", "squashfs-tools"), "-q", "-n", "-d", tmp_path / "tree", image]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["diff", "-r", "--no-dereference", trees[0], tmp_path / "tree"], check=True)
    with image.open("rb") as file:
        found = [entry.path.decode() for entry in SquashFSImage(file)]
    assert sorted(found) == sorted(str(path.relative_to(trees[0])) for path in trees[0].rglob("*"))
