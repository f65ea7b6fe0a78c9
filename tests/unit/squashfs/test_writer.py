# SPDX-License-Identifier: MIT
"""What our SquashFS writer writes, read back by every reader that matters: ours, unsquashfs, squashfuse and Linux."""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_appimage.squashfs import SquashFSError, SquashFSImage, write_squashfs
from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.block_reader import BlockReader
from hatch_appimage.squashfs.inode import FileInode, read_inode
from support.squashfs_trees import (
    BLOCK_SIZE,
    Node,
    awkward_tree,
    fuse_mounted,
    kernel_mounted,
    make_tree,
    noise,
    read_image,
    read_tree,
    temporary_directory,
    trees,
    unsquash,
)
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.squashfs_trees import Tree


def write(root: Path, image: Path, **arguments: Any) -> Path:
    """Write an image quickly, and with small blocks."""
    arguments = {"block_size": BLOCK_SIZE, "mtime": None, "level": 1, **arguments}
    with image.open("wb") as file:
        write_squashfs(root, file, **arguments)
    return image


def image_bytes(root: Path, **arguments: Any) -> bytes:
    """Write an image into memory."""
    output = io.BytesIO()
    write_squashfs(root, output, **{"block_size": BLOCK_SIZE, "mtime": None, "level": 1, **arguments})
    return output.getvalue()


def check(tree: Tree, read: Tree) -> None:
    """Compare two trees; pytest's own comparison of large ones takes minutes to explain itself."""
    assert tree.keys() == read.keys()
    different = [path for path in tree if tree[path] != read[path]]
    assert not different


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, Path]:
    tree = awkward_tree()
    return tree, make_tree(tree, tmp_path_factory.mktemp("awkward") / "tree")


@pytest.fixture(scope="module", params=["zstd", "gzip"])
def awkward_image(
    request: pytest.FixtureRequest, awkward: tuple[Tree, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tree, Path]:
    tree, root = awkward
    return tree, write(root, tmp_path_factory.mktemp("image") / "image", compression=request.param)


class TestReadBack:
    @pytest.mark.slow
    @settings(max_examples=100, deadline=None)
    @given(tree=trees(), compression=st.sampled_from(["zstd", "gzip"]), start=st.sampled_from([0, 1, 193_728]))
    def test_our_reader(self, tree: Tree, compression: str, start: int) -> None:
        with temporary_directory() as directory:
            root = make_tree(tree, directory / "tree")
            output = io.BytesIO(bytes(start))
            output.seek(start)
            report = write_squashfs(
                root, output, compression=compression, level=1, block_size=BLOCK_SIZE, mtime=None, threads=2
            )
            end = output.tell()
            image = SquashFSImage(output, start)
            check(tree, read_image(image))
        assert end == len(output.getvalue()) == start + report.bytes_used + -report.bytes_used % 4096
        assert report.inodes == len(tree) == image.superblock.inodes
        assert report.file_bytes == sum(len(node.data) for node in tree.values() if isinstance(node.data, bytes))

    @settings(max_examples=60, deadline=None)
    @given(tree=trees(), compression=st.sampled_from(["zstd", "gzip"]))
    def test_unsquashfs(self, tree: Tree, compression: str) -> None:
        with temporary_directory() as directory:
            image = write(make_tree(tree, directory / "tree"), directory / "image", compression=compression)
            check(tree, read_tree(unsquash(image, directory / "unpacked")))

    @settings(max_examples=8, deadline=None)
    @given(tree=trees())
    def test_squashfuse(self, tree: Tree) -> None:
        with temporary_directory() as directory:
            image = write(make_tree(tree, directory / "tree"), directory / "image")
            with fuse_mounted(image) as mounted:
                check(tree, read_tree(mounted))

    @settings(max_examples=8, deadline=None)
    @given(tree=trees())
    def test_kernel(self, tree: Tree) -> None:
        with temporary_directory() as directory:
            image = write(make_tree(tree, directory / "tree"), directory / "image")
            with kernel_mounted(image) as mounted:
                check(tree, read_tree(mounted))


class TestAwkwardTree:
    @pytest.mark.slow
    def test_our_reader(self, awkward_image: tuple[Tree, Path]) -> None:
        tree, path = awkward_image
        with path.open("rb") as file:
            check(tree, read_image(SquashFSImage(file)))

    @pytest.mark.slow
    def test_unsquashfs(self, awkward_image: tuple[Tree, Path], tmp_path: Path) -> None:
        tree, path = awkward_image
        check(tree, read_tree(unsquash(path, tmp_path / "unpacked")))

    @pytest.mark.slow
    def test_squashfuse(self, awkward_image: tuple[Tree, Path]) -> None:
        tree, path = awkward_image
        with fuse_mounted(path) as mounted:
            check(tree, read_tree(mounted))

    def test_kernel(self, awkward_image: tuple[Tree, Path]) -> None:
        tree, path = awkward_image
        with kernel_mounted(path) as mounted:
            # By name first: the directory index is not used when names come from a listing.
            names = [path for path in tree if path.startswith(b"many")]
            for name in names[::20]:
                assert stat.S_ISDIR((mounted / os.fsdecode(name)).lstat().st_mode) == (tree[name].data is None)
                assert not os.path.lexists(mounted / os.fsdecode(name + b"~"))
            check(tree, read_tree(mounted))

    @pytest.mark.usefixtures("needs_root")
    def test_links_of_directories_count_their_directories(self, awkward_image: tuple[Tree, Path]) -> None:
        _, path = awkward_image
        with kernel_mounted(path) as mounted:
            assert (mounted / "many").stat().st_nlink == 1002
            assert (mounted / "empty directory").stat().st_nlink == 2

    @pytest.mark.parametrize("block_size", [1 << log for log in range(12, 21)])
    def test_every_block_size(self, awkward: tuple[Tree, Path], block_size: int, tmp_path: Path) -> None:
        root = awkward[1]
        tree: Tree = {b"": Node(0o755, 0, None)}
        for number, size in enumerate(
            [1, block_size - 1, block_size, block_size + 1, 2 * block_size, 3 * block_size - 1]
        ):
            tree[b"%d" % number] = Node(0o644, number, noise(size, number))
            tree[b"%d zeros" % number] = Node(0o644, number, bytes(size))
        root = make_tree(tree, tmp_path / "tree")
        image = write(root, tmp_path / "image", block_size=block_size)
        with image.open("rb") as file:
            check(tree, read_image(SquashFSImage(file)))
        check(tree, read_tree(unsquash(image, tmp_path / "unpacked")))


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_empty_tree(compression: str, tmp_path: Path) -> None:
    tree: Tree = {b"": Node(0o711, 5, None)}
    image = write(make_tree(tree, tmp_path / "tree"), tmp_path / "image", compression=compression)
    with image.open("rb") as file:
        assert read_image(SquashFSImage(file)) == tree
    assert read_tree(unsquash(image, tmp_path / "unpacked")) == tree
    with fuse_mounted(image) as mounted:
        assert read_tree(mounted) == tree
    with kernel_mounted(image) as mounted:
        assert read_tree(mounted) == tree


class TestSameBytes:
    def test_threads(self, awkward: tuple[Tree, Path]) -> None:
        assert len({image_bytes(awkward[1], threads=threads) for threads in (1, 2, 3, 8)}) == 1

    def test_place_order_of_creation_and_hard_links(self, tmp_path: Path) -> None:
        tree = {path: node for path, node in awkward_tree().items() if not path.startswith((b"many", b"deep"))}
        first = make_tree(tree, tmp_path / "first")
        directories = {path: node for path, node in tree.items() if node.data is None}
        others = [(path, node) for path, node in tree.items() if node.data is not None]
        (tmp_path / "elsewhere ä").mkdir()
        second = make_tree({**directories, **dict(reversed(others))}, tmp_path / "elsewhere ä" / "second")
        os.link(second / "empty file", tmp_path / "link from outside")
        assert image_bytes(first) == image_bytes(second)

    def test_hash_seed_and_umask(self, awkward: tuple[Tree, Path], tmp_path: Path) -> None:
        program = (
            "import os, sys; from pathlib import Path; from hatch_appimage.squashfs import write_squashfs\n"
            "os.umask(int(sys.argv[3], 8))\n"
            "write_squashfs(Path(sys.argv[1]), open(sys.argv[2], 'wb'), mtime=7, level=1)"
        )
        images = []
        for seed, umask in (("1", "000"), ("2", "077")):
            image = tmp_path / seed
            command: list[str | Path] = [sys.executable, "-c", program, awkward[1], image, umask]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
            images.append(image.read_bytes())
        assert images[0] == images[1]


class TestTime:
    def test_all_times_are_the_one_given(self, tmp_path: Path) -> None:
        tree = {b"": Node(0o755, 10, None), b"file": Node(0o644, 30, b""), b"directory": Node(0o755, 20, None)}
        image = SquashFSImage(io.BytesIO(image_bytes(make_tree(tree, tmp_path / "tree"), mtime=1_234_567_890)))
        assert {entry.mtime for entry in (image.root, *image)} == {1_234_567_890}
        assert image.superblock.mtime == 1_234_567_890

    def test_the_image_has_the_latest_time(self, tmp_path: Path) -> None:
        tree = {b"": Node(0o755, 10, None), b"file": Node(0o644, 30, b""), b"other": Node(0o644, 20, b"")}
        image = SquashFSImage(io.BytesIO(image_bytes(make_tree(tree, tmp_path / "tree"))))
        assert image.superblock.mtime == 30

    def test_times_the_format_cannot_hold(self, tmp_path: Path) -> None:
        tree = {b"": Node(0o755, -5, None), b"file": Node(0o644, 1 << 33, b"")}
        image = SquashFSImage(io.BytesIO(image_bytes(make_tree(tree, tmp_path / "tree"))))
        assert [entry.mtime for entry in (image.root, *image)] == [0, (1 << 32) - 1]


class TestRoom:
    def test_equal_files_are_stored_once(self, tmp_path: Path) -> None:
        large, small = noise(3_000_000), noise(1000)
        tree = {b"": Node(0o755, 0, None)}
        for number in range(5):
            tree[b"large %d" % number] = Node(0o644, number, large)
            tree[b"small %d" % number] = Node(0o644, number, small)
            # As large, but with another end.
            tree[b"other %d" % number] = Node(0o644, number, large[:-1] + b"%d" % number)
        root = make_tree(tree, tmp_path / "tree")
        with (tmp_path / "image").open("wb") as file:
            report = write_squashfs(root, file, mtime=None, level=1)
        assert report.duplicates == 8
        assert report.bytes_used < 6 * len(large) + len(small) + 5000
        check(tree, read_tree(unsquash(tmp_path / "image", tmp_path / "unpacked")))

    @pytest.mark.usefixtures("needs_root")
    def test_zeros_take_no_room(self, tmp_path: Path) -> None:
        root = tmp_path / "tree"
        root.mkdir()
        with (root / "sparse").open("wb") as file:
            file.write(b"start")
            file.seek(100_000_000)
            file.write(b"end")
        image = write(root, tmp_path / "image", block_size=1 << 17)
        assert image.stat().st_size == 4096
        with kernel_mounted(image) as mounted:
            assert (mounted / "sparse").stat().st_blocks < 1000
            assert (mounted / "sparse").read_bytes() == (root / "sparse").read_bytes()

    def test_noise_is_stored_as_it_is(self, tmp_path: Path) -> None:
        tree = {b"": Node(0o755, 0, None), b"noise": Node(0o644, 0, noise(1_000_000))}
        image = write(make_tree(tree, tmp_path / "tree"), tmp_path / "image", level=9, block_size=1 << 17)
        assert image.stat().st_size <= 1_000_000 + 4096

    def test_small_files_share_blocks(self, tmp_path: Path) -> None:
        tree = {b"": Node(0o755, 0, None)}
        tree |= {b"%d" % number: Node(0o644, 0, b"%04d" % number * 250) for number in range(100)}
        root = make_tree(tree, tmp_path / "tree")
        assert write_squashfs(root, io.BytesIO(), mtime=0, block_size=1 << 14).fragments == 7


class TestOrder:
    def starts(self, data: bytes) -> dict[bytes, int]:
        """Return where the block begins that has a file's first byte."""
        file = io.BytesIO(data)
        blocks = BlockReader(file, 0)
        starts = {}
        for entry in SquashFSImage(file):
            inode = read_inode(blocks, entry.reference)
            if isinstance(inode, FileInode):
                starts[entry.path] = inode.start
                if inode.fragment != fs.NO_FRAGMENT:
                    starts[entry.path], *_ = blocks.record(
                        fs.FRAGMENT, blocks.superblock.fragment_table, inode.fragment
                    )
        return starts

    def test_ordered_files_lie_at_the_front(self, tmp_path: Path) -> None:
        tree = {b"": Node(0o755, 0, None), b"bin": Node(0o755, 0, None)}
        for number in range(20):
            tree[b"bin/large %02d" % number] = Node(0o644, 0, noise(3 * BLOCK_SIZE, number))
            tree[b"bin/small %02d" % number] = Node(0o644, 0, noise(100, number))
        root = make_tree(tree, tmp_path / "tree")
        order = ["bin/large 17", "bin/small 19", "bin/large 02", "bin", "gone", "bin/small 05", "bin/large 17"]
        output = io.BytesIO(bytes(1000))
        output.seek(1000)
        report = write_squashfs(root, output, mtime=None, level=1, block_size=BLOCK_SIZE, order=order)
        data = output.getvalue()[1000:]
        starts = self.starts(data)
        first = [starts.pop(name) for name in (b"bin/large 17", b"bin/small 19", b"bin/large 02", b"bin/small 05")]
        assert first == sorted(set(first))
        assert report.front.start <= min(first)
        assert max(first) < report.front.end <= min(starts.values())
        check(tree, read_image(SquashFSImage(io.BytesIO(data))))

    def test_files_in_both(self, tmp_path: Path) -> None:
        """They lie at the end, before others there, and with nobody else's data between them."""
        tree = {b"": Node(0o755, 0, None)}
        tree |= {b"%d" % number: Node(0o644, 0, noise(100, number)) for number in range(8)}
        root = make_tree(tree, tmp_path / "tree")
        output = io.BytesIO()
        report = write_squashfs(root, output, mtime=None, order=["6", "2", "4"], last=["1", "2", "3", "4"])
        starts = self.starts(output.getvalue())
        assert report.front.start <= starts[b"6"] < report.front.end <= starts[b"0"]
        assert starts[b"7"] < report.ordered_last.start == starts[b"4"] == starts[b"2"] < report.ordered_last.end
        assert report.ordered_last.end == starts[b"1"] == starts[b"3"]
        assert [entry.path for entry in sorted(SquashFSImage(output), key=SquashFSImage(output).place)][-4:] == [
            b"2",
            b"4",
            b"1",
            b"3",
        ]

    def test_no_order(self, tmp_path: Path) -> None:
        root = make_tree({b"": Node(0o755, 0, None), b"f": Node(0o644, 0, b"f")}, tmp_path / "tree")
        report = write_squashfs(root, io.BytesIO(), mtime=None, order=["gone"])
        assert report.front.start == report.front.end


class TestSuperblock:
    def describe(self, image: Path) -> str:
        command: list[str | Path] = [require("unsquashfs", "squashfs-tools"), "-stat", image]
        return str(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    @pytest.mark.parametrize(("compression", "level"), [("zstd", 3), ("zstd", 22), ("gzip", 1)])
    def test_level_is_recorded(self, compression: str, level: int, tmp_path: Path) -> None:
        root = make_tree({b"": Node(0o755, 0, None), b"f": Node(0o644, 0, b"f")}, tmp_path / "tree")
        described = self.describe(write(root, tmp_path / "image", compression=compression, level=level))
        assert f"Compression {compression}" in described
        assert f"compression-level {level}" in described

    @pytest.mark.parametrize(("compression", "level"), [("zstd", 15), ("gzip", 9)])
    def test_level_that_readers_take_for_granted_is_not(self, compression: str, level: int, tmp_path: Path) -> None:
        root = make_tree({b"": Node(0o755, 0, None), b"f": Node(0o644, 0, b"f")}, tmp_path / "tree")
        assert "compression-level" not in self.describe(
            write(root, tmp_path / "image", compression=compression, level=level)
        )

    def test_flags(self, tmp_path: Path) -> None:
        root = make_tree({b"": Node(0o755, 0, None), b"f": Node(0o644, 0, b"f")}, tmp_path / "tree")
        described = self.describe(write(root, tmp_path / "image"))
        for line in ("Filesystem is not exportable via NFS", "Xattrs are not stored", "Duplicates are removed"):
            assert line in described
        assert "Number of ids 1\n" in described


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"compression": "lzo"}, "Unknown compression 'lzo': there are gzip and zstd"),
            ({"compression": "xz"}, "Unknown compression"),
            ({"level": 0}, "The level of zstd goes from 1 to 22, and is not 0"),
            ({"compression": "gzip", "level": 10}, "The level of gzip goes from 1 to 9, and is not 10"),
            ({"block_size": 2048}, "A block size is a power of two"),
            ({"block_size": 1 << 21}, "A block size is a power of two"),
            ({"block_size": 100_000}, "A block size is a power of two"),
            ({"mtime": -1}, "SquashFS has no time -1"),
            ({"mtime": 1 << 32}, "SquashFS has no time 4294967296"),
        ],
    )
    def test_argument(self, arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
        with pytest.raises(SquashFSError, match=message):
            write(tmp_path, tmp_path / "image", **arguments)

    def test_special_file(self, tmp_path: Path) -> None:
        (tmp_path / "tree" / "run").mkdir(parents=True)
        os.mkfifo(tmp_path / "tree" / "run" / "pipe")
        with pytest.raises(SquashFSError, match=r"^run/pipe cannot be packed: "):
            image_bytes(tmp_path / "tree")

    def test_socket_whose_name_is_no_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "tree").mkdir()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.fsencode(tmp_path / "tree") + b"/\xff")
        with pytest.raises(SquashFSError, match=r"^\\xff cannot be packed"):
            image_bytes(tmp_path / "tree")

    def test_missing_directory(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            image_bytes(tmp_path / "tree")

    def test_no_directory(self, tmp_path: Path) -> None:
        (tmp_path / "tree").write_bytes(b"")
        with pytest.raises(NotADirectoryError):
            image_bytes(tmp_path / "tree")


class Meddler(io.BytesIO):
    """An output that does something as soon as it is written to: then the tree has been read, and its data not yet."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self.action = action
        self.done = False

    def write(self, data: Any) -> int:
        if not self.done:
            self.done = True
            self.action()
        return super().write(data)


class TestChangedMeanwhile:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return make_tree(
            {
                b"": Node(0o755, 0, None),
                b"a": Node(0o644, 0, b"a" * 10_000),
                b"b": Node(0o644, 0, b"b" * 3_000_000),
                b"c": Node(0o644, 0, b"c" * 3_000_000),
            },
            tmp_path / "tree",
        )

    @pytest.mark.parametrize("name", ["a", "b"])
    @pytest.mark.parametrize("size", [0, 5000, 3_500_000])
    def test_size(self, root: Path, name: str, size: int) -> None:
        with pytest.raises(SquashFSError, match=f"^{name} changed while it was being packed$"):
            write_squashfs(root, Meddler(lambda: os.truncate(root / name, size)), mtime=0, level=1)

    def test_directory_vanished(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (root / "directory").mkdir()
        scandir = os.scandir

        def scandir_after_removal(path: bytes) -> Any:
            if path.endswith(b"directory"):
                (root / "directory").rmdir()
            return scandir(path)

        monkeypatch.setattr(os, "scandir", scandir_after_removal)
        with pytest.raises(SquashFSError, match=r"^directory vanished while"):
            image_bytes(root)

    def test_data(self, root: Path) -> None:
        with pytest.raises(SquashFSError, match=r"^c changed while it was being packed"):
            write_squashfs(root, Meddler(lambda: (root / "c").write_bytes(b"d" * 3_000_000)), mtime=0, level=1)

    def test_vanished(self, root: Path) -> None:
        with pytest.raises(SquashFSError, match=r"^b vanished while it was being packed"):
            write_squashfs(root, Meddler((root / "b").unlink), mtime=0, level=1)


class Failing(io.BytesIO):
    """An output that fails after so many bytes."""

    def __init__(self, room: int, error: BaseException) -> None:
        super().__init__()
        self.room = room
        self.error = error

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise self.error
        return super().write(data)


class TestStopped:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        tree = {b"": Node(0o755, 0, None)}
        tree |= {b"%d" % number: Node(0o644, 0, noise(1 << 20, number)) for number in range(8)}
        return make_tree(tree, tmp_path / "tree")

    @pytest.mark.parametrize("room", [10, 1 << 20, (8 << 20) + 100])
    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
    def test_what_the_output_raises_is_raised(self, root: Path, room: int, error: BaseException) -> None:
        before = threading.active_count()
        with pytest.raises(type(error)) as raised:
            write_squashfs(root, Failing(room, error), mtime=0, level=1)
        assert raised.value is error
        assert threading.active_count() == before

    def test_full_device(self, root: Path) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
            write_squashfs(root, full, mtime=0, level=1)

    def test_control_c(self, tmp_path: Path) -> None:
        (tmp_path / "tree").mkdir()
        # Much work at this level.
        text = b"".join(b"%d " % number for number in range(1 << 17))
        (tmp_path / "tree" / "file").write_bytes(b"".join(text[number:] for number in range(60)))
        program = (
            "import sys; from pathlib import Path; from hatch_appimage.squashfs import write_squashfs\n"
            "print('started', flush=True)\n"
            "write_squashfs(Path(sys.argv[1]), open(sys.argv[2], 'wb'), mtime=7, level=22)"
        )
        command: list[str | Path] = [sys.executable, "-c", program, tmp_path / "tree", tmp_path / "image"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"started\n"
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
        assert b"KeyboardInterrupt" in errors
        assert process.returncode == -signal.SIGINT
