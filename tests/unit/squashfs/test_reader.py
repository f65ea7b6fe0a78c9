# SPDX-License-Identifier: MIT
"""Our SquashFS reader reads what mksquashfs writes."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.squashfs import SquashFSError, SquashFSImage
from support.squashfs_trees import Node, awkward_tree, make_tree, read_image
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from support.squashfs_trees import Tree

QUIET = ("-noappend", "-quiet", "-no-progress")


def mksquashfs(root: Path, image: Path, *options: str) -> Path:
    """Write an image with mksquashfs."""
    command: list[str | Path] = [require("mksquashfs", "squashfs-tools"), root, image, *QUIET, *options]
    subprocess.run(command, check=True, capture_output=True)
    return image


@pytest.fixture(scope="module")
def tree() -> Tree:
    # Without the longest directory: making it takes longer than all the rest.
    return {path: node for path, node in awkward_tree().items() if not path.startswith(b"many/")} | {
        b"many": Node(0o755, 0, None)
    }


@pytest.fixture(scope="module")
def root(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tree, tmp_path_factory.mktemp("foreign") / "tree")


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
@pytest.mark.parametrize("block_size", ["4K", "128K", "1M"])
def test_compressions_and_block_sizes(
    tree: Tree, root: Path, compression: str, block_size: str, tmp_path: Path
) -> None:
    with mksquashfs(root, tmp_path / "image", "-all-root", "-comp", compression, "-b", block_size).open("rb") as file:
        image = SquashFSImage(file)
        assert image.compression.name.lower() == compression
        assert read_image(image) == tree


@pytest.mark.parametrize(
    "options",
    [
        ["-noI"],
        ["-noI", "-noD", "-noF"],
        ["-no-fragments"],
        ["-always-use-fragments"],
        ["-no-exports", "-no-duplicates"],
        ["-no-sparse"],
        ["-comp", "xz", "-Xbcj", "x86"],
        ["-comp", "gzip", "-Xstrategy", "filtered,huffman_only"],
    ],
    ids=" ".join,
)
def test_options(tree: Tree, root: Path, options: list[str], tmp_path: Path) -> None:
    with mksquashfs(root, tmp_path / "image", "-all-root", "-b", "4K", *options).open("rb") as file:
        assert read_image(SquashFSImage(file)) == tree


def test_image_inside_a_file(tree: Tree, root: Path, tmp_path: Path) -> None:
    image = b"before" + mksquashfs(root, tmp_path / "image", "-all-root").read_bytes() + b"after"
    assert read_image(SquashFSImage(io.BytesIO(image), 6)) == tree


def test_owners(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    image = tmp_path / "image"
    mksquashfs(tmp_path / "tree", image, "-p", "file f 644 1000 100000 true")
    with image.open("rb") as file:
        entry = SquashFSImage(file).find("file")
    assert entry
    assert (entry.uid, entry.gid) == (1000, 100_000)


def test_hard_links_extended_attributes_and_special_files(tmp_path: Path) -> None:
    root = make_tree({b"": Node(0o755, 0, None), b"file": Node(0o644, 0, b"data")}, tmp_path / "tree")
    os.link(root / "file", root / "link")
    (root / "symlink").symlink_to("file")
    os.mkfifo(root / "pipe")
    os.setxattr(root / "file", "user.test", b"value")
    nodes = ["block b 600 0 0 7 1", "character c 600 0 0 1 3", "socket i 600 0 0 s"]
    image = mksquashfs(root, tmp_path / "image", *(word for node in nodes for word in ("-p", node)))
    with image.open("rb") as file:
        entries = {entry.path: entry for entry in SquashFSImage(file)}
        assert entries[b"file"].inode == entries[b"link"].inode
        assert SquashFSImage(file).read(entries[b"link"]) == b"data"
    kinds = {path: stat.filemode(entry.mode)[0] for path, entry in entries.items()}
    assert kinds == {
        b"block": "b", b"character": "c", b"file": "-", b"link": "-", b"pipe": "p", b"socket": "s", b"symlink": "l",
    }  # fmt: skip


@pytest.mark.parametrize("compression", ["lzo", "lz4"])
def test_unsupported_compression(root: Path, compression: str, tmp_path: Path) -> None:
    image = mksquashfs(root, tmp_path / "image", "-comp", compression)
    with image.open("rb") as file, pytest.raises(SquashFSError, match=f"compression {compression} is not supported"):
        SquashFSImage(file)


@pytest.fixture(scope="module")
def image(root: Path, tmp_path_factory: pytest.TempPathFactory) -> SquashFSImage:
    return SquashFSImage(io.BytesIO(mksquashfs(root, tmp_path_factory.mktemp("image") / "image").read_bytes()))


class TestLookup:
    def test_find(self, image: SquashFSImage) -> None:
        found = image.find("deep/d/d/f")
        assert found
        assert found.path == b"deep/d/d/f"
        assert image.read(found) == b"2"

    def test_a_link_is_found_and_not_followed(self, image: SquashFSImage) -> None:
        found = image.find("absolute")
        assert found
        assert found.target == b"/etc/passwd"

    @pytest.mark.parametrize("path", ["gone", "deep/gone", "empty file/x", "absolute/x", "", "deep/", "/deep", "."])
    def test_nothing_is_there(self, image: SquashFSImage, path: str) -> None:
        assert image.find(path) is None

    def test_list(self, image: SquashFSImage) -> None:
        deep = image.find("deep")
        assert deep
        assert [entry.path for entry in image.list(deep)] == [b"deep/d", b"deep/f"]

    def test_list_of_a_file(self, image: SquashFSImage) -> None:
        found = image.find("empty file")
        assert found
        with pytest.raises(SquashFSError, match=r"^empty file is no directory"):
            list(image.list(found))

    def test_read_of_a_directory(self, image: SquashFSImage) -> None:
        with pytest.raises(SquashFSError, match=r"^deep cannot be read\. It is no regular file"):
            image.read(image.find("deep") or image.root)

    def test_read_has_a_limit(self, image: SquashFSImage) -> None:
        found = image.find("size 8192")
        assert found
        with pytest.raises(SquashFSError, match=r"^size 8192 has 8192 bytes, and at most 8191 are taken"):
            image.read(found, 8191)
        assert len(image.read(found, 8192)) == 8192
