# SPDX-License-Identifier: MIT
"""Trees for the tests of SquashFS: described, made on disk, and read back through different readers."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import shake_128
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from support.tools import require, unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from hatch_appimage.squashfs import SquashFSImage

ROOT = os.geteuid() == 0
# The smallest, so that small files have many blocks.
BLOCK_SIZE = 4096
# A directory; the data of a regular file; the target of a symbolic link.
Data: TypeAlias = "bytes | Link | None"


@dataclass(frozen=True)
class Link:
    target: bytes


@dataclass(frozen=True)
class Node:
    """What a tree has at one path.

    Attributes:
        mode: permissions.
        mtime: in seconds since the epoch.
        data: None for a directory.

    """

    mode: int
    mtime: int
    data: Data


# By path; a directory comes before what is in it.
Tree: TypeAlias = dict[bytes, Node]


def make_tree(tree: Tree, root: Path) -> Path:
    """Make a tree on disk; `root` must not exist."""
    for path, node in tree.items():
        place = root / os.fsdecode(path)
        if node.data is None:
            place.mkdir()
        elif isinstance(node.data, Link):
            place.symlink_to(os.fsdecode(node.data.target))
        else:
            place.write_bytes(node.data)
    # Directories get their times once nothing is put into them any more.
    for path, node in reversed(tree.items()):
        place = root / os.fsdecode(path)
        if not isinstance(node.data, Link):
            place.chmod(node.mode)
        os.utime(place, (node.mtime, node.mtime), follow_symlinks=False)
    return root


def read_tree(root: Path) -> Tree:
    """Read a tree from disk."""
    tree: Tree = {}
    places = [root]
    while places:
        place = places.pop()
        status = place.lstat()
        data: Data = None
        if stat.S_ISDIR(status.st_mode):
            places += place.iterdir()
        elif stat.S_ISLNK(status.st_mode):
            data = Link(os.fsencode(os.readlink(place)))  # noqa: PTH115 - a Path would tidy the target
        else:
            data = place.read_bytes()
        path = b"" if place == root else os.fsencode(place.relative_to(root))
        tree[path] = Node(stat.S_IMODE(status.st_mode), int(status.st_mtime), data)
    return tree


def read_image(image: SquashFSImage) -> Tree:
    """Read a tree from an image with our reader."""
    tree: Tree = {}
    for entry in (image.root, *image):
        data: Data = None
        if stat.S_ISREG(entry.mode):
            data = image.read(entry)
        elif stat.S_ISLNK(entry.mode):
            data = Link(entry.target)
        assert (entry.uid, entry.gid) == (0, 0)
        tree[entry.path] = Node(stat.S_IMODE(entry.mode), entry.mtime, data)
    return tree


def unsquash(image: Path, directory: Path) -> Path:
    """Unpack an image with `unsquashfs` and return where; `directory` must not exist."""
    command: list[str | Path] = [
        require("unsquashfs", "squashfs-tools"),
        "-quiet",
        "-no-progress",
        "-dest",
        directory,
        image,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not result.stderr
    return directory


@contextmanager
def fuse_mounted(image: Path) -> Iterator[Path]:
    """Mount an image with `squashfuse`."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        unavailable("/dev/fuse cannot be opened")
    fusermount = require("fusermount3", "fuse3")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([require("squashfuse", "squashfuse"), image, directory], check=True, capture_output=True)
        try:
            yield Path(directory)
        finally:
            subprocess.run([fusermount, "-u", directory], check=True)


@contextmanager
def kernel_mounted(image: Path) -> Iterator[Path]:
    """Mount an image with the kernel's own driver."""
    if not ROOT:
        unavailable("only root can mount")
    mount = require("mount", "mount")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([mount, "-t", "squashfs", "-o", "loop,ro", image, directory], check=True, capture_output=True)
        try:
            yield Path(directory)
        finally:
            subprocess.run([require("umount", "mount"), directory], check=True)


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Provide a directory for one example of a property; everything in it can be removed again."""
    directory = Path(tempfile.mkdtemp())
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def noise(size: int, seed: int = 0) -> bytes:
    """Return data that cannot be compressed."""
    return shake_128(b"%d" % seed).digest(size)


def _is_name(name: bytes) -> bool:
    return name not in {b".", b".."} and b"/" not in name and b"\0" not in name


def _patterned(size: int, seed: int, *, holes: bool) -> bytes:
    """Return data that compresses and differs from block to block, or has blocks of zeros in between."""
    blocks = []
    for number in range(-(-size // BLOCK_SIZE)):
        if holes and number % 2 == 0:
            blocks.append(bytes(BLOCK_SIZE))
        else:
            blocks.append((b"%d %d " % (seed, number) * BLOCK_SIZE)[:BLOCK_SIZE])
    return b"".join(blocks)[:size]


_SIZES = st.one_of(
    st.integers(0, 3 * BLOCK_SIZE),
    st.builds(lambda blocks, more: blocks * BLOCK_SIZE + more, st.integers(1, 5), st.sampled_from([-1, 0, 1])),
)
# Few seeds, so that equal files are common.
_PATTERNED = st.builds(_patterned, _SIZES, st.integers(0, 3), holes=st.booleans())
_NOISE = st.builds(noise, _SIZES, st.integers(0, 3))
_CONTENTS = st.one_of(st.binary(max_size=64), _PATTERNED, _NOISE)

_NAMES = st.one_of(
    st.text("abc.-_\n\\é日", min_size=1, max_size=8).map(str.encode),
    st.binary(min_size=1, max_size=12).filter(_is_name),
    st.binary(min_size=1, max_size=4).filter(_is_name).map(lambda start: (start * 255)[:255]),
).filter(_is_name)
_TARGETS = st.one_of(
    st.sampled_from([b"..", b"/", b"../" * 100 + b"etc/passwd", b"x" * 4095, b"\xff\xfe", b"a\nb", b"nowhere"]),
    st.binary(min_size=1, max_size=40).filter(lambda target: b"\0" not in target),
)
# An ordinary user must be able to read and remove what was made, and loses some of the upper bits.
_FILE_MODES = st.integers(0, 0o7777 if ROOT else 0o777).map(lambda mode: mode | 0o400)
_DIRECTORY_MODES = st.integers(0, 0o7777 if ROOT else 0o777).map(lambda mode: mode | 0o700)
_TIMES = st.integers(0, (1 << 31) - 1)

_DIRECTORIES = st.builds(Node, _DIRECTORY_MODES, _TIMES, st.none())
_FILES = st.builds(Node, _FILE_MODES, _TIMES, _CONTENTS)
_LINKS = st.builds(Node, st.just(0o777), _TIMES, st.builds(Link, _TARGETS))


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Generate a tree, often a deep one."""
    tree: Tree = {b"": draw(_DIRECTORIES)}
    directories = [b""]
    for name, node in draw(st.lists(st.tuples(_NAMES, st.one_of(_DIRECTORIES, _FILES, _LINKS)), max_size=24)):
        # The latest directory is as likely as all others together.
        parent = directories[-1] if draw(st.booleans()) else draw(st.sampled_from(directories))
        path = parent + b"/" + name if parent else name
        if path in tree or len(path) > 2000:
            continue
        tree[path] = node
        if node.data is None:
            directories.append(path)
    return tree


def awkward_tree() -> Tree:
    """Return one tree with everything that has its own rule in the format."""
    tree: Tree = {b"": Node(0o755, 1_700_000_000, None)}

    def add(path: bytes, data: Data, mode: int = 0o644) -> None:
        mode = 0o777 if isinstance(data, Link) else mode
        tree[path] = Node(0o755 if data is None else mode, 1_600_000_000 + len(tree), data)

    add(b"empty directory", None)
    add(b"empty file", b"")
    for size in (
        1,
        BLOCK_SIZE - 1,
        BLOCK_SIZE,
        BLOCK_SIZE + 1,
        2 * BLOCK_SIZE - 1,
        2 * BLOCK_SIZE,
        300 * BLOCK_SIZE + 5,
    ):
        add(b"size %d" % size, _patterned(size, size, holes=False))
        add(b"copy of size %d" % size, _patterned(size, size, holes=False), 0o600)
        add(b"zeros %d" % size, bytes(size))
        add(b"holes %d" % size, _patterned(size, size, holes=True))
    add(b"\xff\xfe not UTF-8 \x80" + b"\xff" * 235, b"1")
    add(b"n" * 255, b"2")
    add(b"line\nbreak \\ backslash \x7f", b"3", 0o4755 if ROOT else 0o755)
    add(b"dangling", Link(b"nowhere"))
    add(b"absolute", Link(b"/etc/passwd"))
    add(b"upwards", Link(b"../" * 60))
    add(b"longest target", Link(b"t" * 4095))
    add(b"not UTF-8 target", Link(b"\xff\x80"))
    add(b"itself", Link(b"itself"))
    path = b"deep"
    for depth in range(500):
        add(path, None)
        add(path + b"/f", b"%d" % depth)
        path += b"/d"
    path = b"long"
    for _ in range(9):
        add(path, None)
        path += b"/" + b"x" * 255
    # Names of every length, so that listings cross metadata blocks at every place.
    add(b"many", None)
    for number in range(10_000):
        add(b"many/%d" % number + b"." * (number % 40), None if number % 10 == 0 else b"%d" % (number % 100))
    add(b"many long", None)
    for number in range(400):
        add(b"many long/%03d" % number + b"y" * 252, b"" if number % 2 else Link(b"l" * number or b"l"))
    return tree
