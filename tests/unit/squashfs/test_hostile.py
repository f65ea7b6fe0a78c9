# SPDX-License-Identifier: MIT
"""Images that are damaged, or made to harm whoever reads them."""

from __future__ import annotations

import dataclasses
import io
import lzma
import stat
import struct
import sys
import tracemalloc
import zlib
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_appimage.squashfs import Compression, SquashFSError, SquashFSImage, write_squashfs, writer
from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.compression import decompress
from support.squashfs_trees import BLOCK_SIZE, Link, Node, make_tree, noise

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# More than any of the images here has.
ENTRIES = 1000
CHUNKS = 10_000


def read_everything(data: bytes) -> None:
    """Read all there is, as far as a reader goes who cares for its time."""
    image = SquashFSImage(io.BytesIO(data))
    for entry in islice(image, ENTRIES):
        if stat.S_ISREG(entry.mode):
            for chunk in islice(image.chunks(entry), CHUNKS):
                assert len(chunk) <= image.superblock.block_size


def refused(data: bytes) -> str:
    """Return what the reader says of an image that it must not read."""
    with pytest.raises(SquashFSError) as raised:
        read_everything(data)
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = {
        b"": Node(0o755, 0, None),
        b"dddd": Node(0o755, 0, None),
        b"dddd/inner": Node(0o755, 0, None),
        b"dddd/inner/file": Node(0o644, 0, b"content"),
        b"eeee": Node(0o755, 0, None),
        b"eeee/second": Node(0o755, 0, None),
        b"blocks": Node(0o644, 0, noise(BLOCK_SIZE + 100)),
        b"compressible": Node(0o644, 0, b"0123" * 2000),
        b"fragment": Node(0o644, 0, b"fragment"),
        b"link": Node(0o777, 0, Link(b"target of the link")),
        b"sparse": Node(0o644, 0, bytes(2 * BLOCK_SIZE) + b"x" * BLOCK_SIZE),
        b"wwww": Node(0o755, 0, None),
        b"wwww/other": Node(0o644, 0, b"other"),
    }
    tree |= {b"wwww/%03d" % number: Node(0o644, 0, b"") for number in range(60)}
    return make_tree(tree, tmp_path_factory.mktemp("hostile") / "tree")


def write(root: Path, compression: str) -> bytes:
    output = io.BytesIO()
    write_squashfs(root, output, compression=compression, level=1, block_size=BLOCK_SIZE, mtime=0, threads=1)
    return output.getvalue()


@pytest.fixture(scope="module", params=["zstd", "gzip"])
def compressed(request: pytest.FixtureRequest, root: Path) -> bytes:
    return write(root, request.param)


@pytest.fixture(scope="module")
def plain(root: Path) -> bytes:
    """Return an image with nothing compressed, so that a changed byte is a changed field."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "new_compressor", lambda *_: bytes)
        return write(root, "zstd")


@pytest.fixture(scope="module")
def superblock(plain: bytes) -> fs.Superblock:
    return fs.Superblock.unpack(plain[: fs.SUPERBLOCK_SIZE])


def replace(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)


def put(data: bytes, position: int, piece: bytes) -> bytes:
    assert position + len(piece) <= len(data)
    return data[:position] + piece + data[position + len(piece) :]


def entry_position(plain: bytes, superblock: fs.Superblock, name: bytes) -> int:
    """Return where the directory entry of a name is, which must be in the image only once."""
    needle = struct.pack("<H", len(name) - 1) + name
    assert plain.count(needle, superblock.directory_table) == 1
    return plain.index(needle, superblock.directory_table) - fs.DIRECTORY_ENTRY.size + 2


def inode_position(plain: bytes, superblock: fs.Superblock, path: str) -> int:
    """Return where the inode of a file is."""
    entry = SquashFSImage(io.BytesIO(plain)).find(path)
    assert entry
    return superblock.inode_table + (entry.reference >> 16) + fs.METADATA_HEADER.size + (entry.reference & 0xFFFF)


def change_inode(plain: bytes, superblock: fs.Superblock, path: str, field: int, value: bytes) -> bytes:
    """Put bytes so far behind the common header of a file's inode."""
    return put(plain, inode_position(plain, superblock, path) + fs.INODE_HEADER.size + field, value)


@pytest.mark.slow
class TestDamage:
    def test_the_images_are_good_without(self, plain: bytes, compressed: bytes) -> None:
        read_everything(plain)
        read_everything(compressed)

    @settings(max_examples=150, deadline=10_000)
    @given(position=st.integers(0, 1 << 20), value=st.integers(0, 255))
    def test_one_byte_of_a_plain_image(self, plain: bytes, position: int, value: int) -> None:
        position %= fs.Superblock.unpack(plain[: fs.SUPERBLOCK_SIZE]).bytes_used
        with suppress(SquashFSError):
            read_everything(put(plain, position, bytes([value])))

    @settings(max_examples=150, deadline=10_000)
    @given(position=st.integers(0, 1 << 20), value=st.integers(0, 255))
    def test_one_byte_of_a_compressed_image(self, compressed: bytes, position: int, value: int) -> None:
        position %= fs.Superblock.unpack(compressed[: fs.SUPERBLOCK_SIZE]).bytes_used
        with suppress(SquashFSError):
            read_everything(put(compressed, position, bytes([value])))

    @settings(max_examples=150, deadline=10_000)
    @given(
        back=st.integers(0, 1 << 20),
        values=st.lists(
            st.sampled_from([0, 1, 3, 0x7FFF, 0x8000, 0xFFFF, 0x1000000, 0x7FFFFFFF, 0xFFFFFFFF]), max_size=4
        ),
    )
    def test_fields_of_the_tables(self, plain: bytes, superblock: fs.Superblock, back: int, values: list[int]) -> None:
        size = superblock.bytes_used - superblock.inode_table - 4 * len(values)
        piece = struct.pack(f"<{len(values)}I", *values)
        with suppress(SquashFSError):
            read_everything(put(plain, superblock.inode_table + back % size, piece))

    @pytest.mark.parametrize("value", [b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\0" * 4, b"\xff" * 4, b"\xff" * 8])
    def test_every_byte_of_the_superblock(self, plain: bytes, compressed: bytes, value: bytes) -> None:
        for position in range(fs.SUPERBLOCK_SIZE):
            for image in (plain, compressed):
                with suppress(SquashFSError):
                    read_everything(put(image, position, value))

    def test_cut_off_anywhere(self, plain: bytes, superblock: fs.Superblock) -> None:
        for size in range(superblock.bytes_used):
            message = refused(plain[:size])
            assert message == "There is no SquashFS image" or message.startswith("The image is cut off: ")

    def test_cut_off_anywhere_and_said_to_be_whole(self, plain: bytes, compressed: bytes) -> None:
        for image in (plain, compressed):
            bytes_used = fs.Superblock.unpack(image[: fs.SUPERBLOCK_SIZE]).bytes_used
            for size in range(fs.SUPERBLOCK_SIZE, bytes_used, 7):
                refused(put(image[:size], 40, struct.pack("<Q", size)))

    def test_became_shorter(self, plain: bytes) -> None:
        file = io.BytesIO(plain)
        image = SquashFSImage(file)
        entry = next(entry for entry in image if entry.path == b"blocks")
        file.truncate(200)
        with pytest.raises(SquashFSError, match="The image became shorter while it was being read"):
            image.read(entry)


class TestNoImage:
    @pytest.mark.parametrize("data", [b"", b"hsqs", bytes(5000), b"\x7fELF" * 100, b"hsqs" + b"\xff" * 200])
    def test_something_else(self, data: bytes) -> None:
        refused(data)

    def test_offset_behind_the_end(self, plain: bytes) -> None:
        with pytest.raises(SquashFSError, match="There is no SquashFS image"):
            SquashFSImage(io.BytesIO(plain), len(plain) + 1)

    def test_other_version(self, plain: bytes) -> None:
        assert refused(put(plain, 28, b"\3")) == "The image is of SquashFS 3.0, and only 4.0 can be read"

    def test_unknown_compressor(self, plain: bytes) -> None:
        assert refused(put(plain, 20, b"\x63")) == "The image names an unknown compressor, number 99"

    def test_block_size(self, plain: bytes) -> None:
        assert refused(put(plain, 12, b"\1")) == "The image is damaged: its blocks have 4097 bytes, and 2^12"


class TestNames:
    @pytest.mark.parametrize("name", [b"../xx", b"/root", b"in\0er"])
    def test_leading_out(self, plain: bytes, name: bytes) -> None:
        assert "the directory 'dddd' has no place for a name" in refused(replace(plain, b"inner", name))

    @pytest.mark.parametrize("name", [b".", b".."])
    def test_dots(self, plain: bytes, superblock: fs.Superblock, name: bytes) -> None:
        position = entry_position(plain, superblock, b"inner")
        offset, delta, inode_type, _ = fs.DIRECTORY_ENTRY.unpack_from(plain, position)
        entry = fs.DIRECTORY_ENTRY.pack(offset, delta, inode_type, len(name) - 1)
        assert refused(put(plain, position, entry + name)) == (
            f"The image is damaged: the directory 'dddd' has no place for a name '{name.decode()}'"
        )

    def test_twice(self, plain: bytes) -> None:
        # Unpacking a link and then a directory of the same name would write through the link.
        assert "the directory 'wwww' has no place for a name '001'" in refused(replace(plain, b"002", b"001"))

    def test_not_sorted(self, plain: bytes) -> None:
        assert "the directory 'wwww' has no place for a name '002'" in refused(replace(plain, b"001", b"003"))

    def test_too_long(self, plain: bytes, superblock: fs.Superblock) -> None:
        position = entry_position(plain, superblock, b"dddd")
        assert "a name has 257 bytes" in refused(put(plain, position + 6, b"\0\1"))

    def test_path_too_long(self, plain: bytes) -> None:
        image = SquashFSImage(io.BytesIO(plain))
        directory = image.find("dddd")
        assert directory
        with pytest.raises(SquashFSError, match=r"^The image is damaged: a path has 4096 bytes"):
            list(image.list(dataclasses.replace(directory, path=b"d" * 4090)))


class TestLoops:
    def point(self, plain: bytes, superblock: fs.Superblock, name: bytes, to: str) -> bytes:
        """Let the first entry of a directory refer to the inode of another file."""
        target = SquashFSImage(io.BytesIO(plain)).find(to)
        assert target
        entry = entry_position(plain, superblock, name)
        count, _, _ = fs.DIRECTORY_HEADER.unpack_from(plain, entry - fs.DIRECTORY_HEADER.size)
        _, delta, inode_type, size = fs.DIRECTORY_ENTRY.unpack_from(plain, entry)
        assert delta == 0
        header = fs.DIRECTORY_HEADER.pack(count, target.reference >> 16, target.inode)
        changed = header + fs.DIRECTORY_ENTRY.pack(target.reference & 0xFFFF, 0, inode_type, size)
        return put(plain, entry - fs.DIRECTORY_HEADER.size, changed)

    def test_a_directory_in_itself(self, plain: bytes, superblock: fs.Superblock) -> None:
        message = refused(self.point(plain, superblock, b"inner", "dddd"))
        assert message == "The image is damaged: the directory dddd/inner is in it twice"

    def test_a_directory_in_two_places(self, plain: bytes, superblock: fs.Superblock) -> None:
        message = refused(self.point(plain, superblock, b"second", "dddd"))
        assert message == "The image is damaged: the directory eeee/second is in it twice"

    def test_directories_that_share_a_listing(self, tmp_path: Path) -> None:
        directories = 60
        tree = {b"": Node(0o755, 0, None), b"many": Node(0o755, 0, None)}
        tree |= {b"many/%03d" % number: Node(0o644, 0, b"") for number in range(400)}
        tree |= {b"directory %03d" % number: Node(0o755, 0, None) for number in range(directories)}
        root = make_tree(tree, tmp_path / "tree")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer, "new_compressor", lambda *_: bytes)
            image = write(root, "zstd")
        superblock = fs.Superblock.unpack(image[: fs.SUPERBLOCK_SIZE])
        listing = inode_position(image, superblock, "many") + fs.INODE_HEADER.size
        for number in range(directories):
            shared = image[listing : listing + fs.BASIC_DIRECTORY.size]
            image = change_inode(image, superblock, f"directory {number:03}", 0, shared)
        with pytest.raises(SquashFSError, match="its directories share their entries"):
            list(SquashFSImage(io.BytesIO(image)))

    def test_a_directory_that_is_a_file(self, plain: bytes, superblock: fs.Superblock) -> None:
        message = refused(self.point(plain, superblock, b"inner", "blocks"))
        assert message == "The image is damaged: dddd/inner is another file than its directory says"


class TestSizes:
    def test_a_file_of_an_exabyte(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "sparse", 8, struct.pack("<Q", 1 << 60))
        image = SquashFSImage(io.BytesIO(hostile))
        entry = image.find("sparse")
        assert entry
        assert entry.size == 1 << 60
        with pytest.raises(SquashFSError, match="at most 67108864 are taken"):
            image.read(entry)
        refused(hostile)

    def test_a_long_link(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "link", 4, b"\xff" * 4)
        assert refused(hostile) == "The image is damaged: a symbolic link points to 4294967295 bytes"

    def test_a_directory_longer_than_it_is(self, plain: bytes, superblock: fs.Superblock) -> None:
        refused(change_inode(plain, superblock, "dddd/inner", 8, b"\xff\xff"))

    def test_a_directory_shorter_than_it_is(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "dddd/inner", 8, b"\x10\0")
        assert refused(hostile) == "The image is damaged: the directory 'dddd/inner' is longer than its inode says"

    def test_a_run_of_too_many(self, plain: bytes, superblock: fs.Superblock) -> None:
        header = entry_position(plain, superblock, b"inner") - fs.DIRECTORY_HEADER.size
        assert "4294967296 entries share a header" in refused(put(plain, header, b"\xff" * 4))

    def test_a_fragment_that_is_not_there(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "fragment", 4, b"\x09")
        assert refused(hostile) == "fragment cannot be read. The image is damaged: it has no fragment 9"

    def test_a_fragment_that_is_too_short(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "fragment", 8, b"\xff\xff")
        assert "a fragment is shorter than what it is said to hold" in refused(hostile)

    def test_a_block_that_is_too_large(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "blocks", 16, struct.pack("<I", 1 << 24 | 4097))
        assert "a data block is larger than blocks are" in refused(hostile)

    def test_a_block_that_is_too_small(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "blocks", 16, struct.pack("<I", 1 << 24 | 4095))
        assert "a block has 4095 bytes in place of 4096" in refused(hostile)

    def test_a_last_block_that_is_too_large(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "blocks", 20, struct.pack("<I", 1 << 24 | 101))
        assert "a data block is larger than its file" in refused(hostile)

    def test_a_block_outside(self, plain: bytes, superblock: fs.Superblock) -> None:
        hostile = change_inode(plain, superblock, "blocks", 0, b"\xff" * 4)
        assert "it has nothing at 4294967295" in refused(hostile)


# Each makes one block out of much.
BOMB = bytes(64 << 20)
DICTIONARY = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]
WINDOW: dict[int, int] = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
COMPRESSED: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: zlib.compress,
    Compression.XZ: lzma.compress,
    Compression.ZSTD: zstd.compress,
}


class TestBlocks:
    @pytest.mark.parametrize("compression", COMPRESSED)
    def test_bomb(self, compression: Compression) -> None:
        bomb = COMPRESSED[compression](BOMB)
        tracemalloc.start()
        try:
            with pytest.raises(SquashFSError, match="cannot be decompressed"):
                decompress(compression, bomb, 8192)
            assert tracemalloc.get_traced_memory()[1] < len(BOMB) / 4
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("compression", COMPRESSED)
    @pytest.mark.parametrize("size", [0, 1, 8191, 8192])
    def test_up_to_the_limit(self, compression: Compression, size: int) -> None:
        data = noise(size)
        assert decompress(compression, COMPRESSED[compression](data), 8192) == data

    @pytest.mark.parametrize("compression", COMPRESSED)
    def test_cut_off(self, compression: Compression) -> None:
        block = COMPRESSED[compression](noise(1000))
        for size in range(len(block)):
            with pytest.raises(SquashFSError, match="cannot be decompressed"):
                decompress(compression, block[:size], 8192)

    @pytest.mark.parametrize("compression", COMPRESSED)
    def test_noise(self, compression: Compression) -> None:
        for seed in range(100):
            with pytest.raises(SquashFSError, match="cannot be decompressed"):
                decompress(compression, noise(100, seed), 8192)

    def test_a_decoder_that_wants_much_memory(self) -> None:
        with pytest.raises(SquashFSError, match="cannot be decompressed"):
            decompress(Compression.XZ, lzma.compress(b"x" * 100, filters=DICTIONARY), 8192)
        stream = zstd.ZstdCompressor(options=WINDOW)
        frame = stream.compress(b"x") + stream.compress(b"y", stream.FLUSH_BLOCK) + stream.flush()
        with pytest.raises(SquashFSError, match="cannot be decompressed"):
            decompress(Compression.ZSTD, frame, 8192)
