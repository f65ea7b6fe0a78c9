# SPDX-License-Identifier: MIT
"""Write a directory as a SquashFS 4.0 image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hatch_appimage.results import NO_RESULTS
from hatch_appimage.squashfs import format as fs
from hatch_appimage.squashfs.blocks import BlockWriter
from hatch_appimage.squashfs.compression import (
    CachedCompressor,
    compressor_options,
    new_compressor,
    parse_compression,
)
from hatch_appimage.squashfs.data import DataWriter
from hatch_appimage.squashfs.format import SquashFSError
from hatch_appimage.squashfs.metadata import lookup_table, metadata_block
from hatch_appimage.squashfs.tables import write_tree
from hatch_appimage.squashfs.tree import File, nodes_of, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from hatch_appimage.results import Results
    from hatch_appimage.squashfs.format import Compression
    from hatch_appimage.squashfs.tree import Directory, Node

_LATEST_TIME: Final = (1 << 32) - 1


class Span(NamedTuple):
    """A part of an image.

    Attributes:
        start: in bytes from the start of the image.
        end: likewise; as the start if nothing is in it.

    """

    start: int
    end: int


@dataclass(frozen=True)
class SquashFSReport:
    """What was written.

    Attributes:
        bytes_used: size of the image in bytes, without the padding at its end.
        inodes: how many files, directories and symbolic links it has, the root included.
        files: how many of them are regular files.
        file_bytes: what all regular files hold, in bytes.
        duplicates: how many files were equal to another one and take no room for their data.
        fragments: how many blocks small files share.
        front: where the data of the files in ``order`` is that lie at the front.
        ordered_last: where that of the files is that are in ``order`` and in ``last``.
        compression: name of the compressor.
        level: of the compressor.
        block_size: in bytes.

    """

    bytes_used: int
    inodes: int
    files: int
    file_bytes: int
    duplicates: int
    fragments: int
    front: Span
    ordered_last: Span
    compression: str
    level: int
    block_size: int


def write_squashfs(
    root: Path | Sequence[Directory],
    output: BinaryIO,
    *,
    compression: str = "zstd",
    level: int | None = None,
    block_size: int = 1 << 17,
    mtime: int | None,
    threads: int | None = None,
    order: Sequence[str] = (),
    last: Sequence[str] = (),
    results: Results = NO_RESULTS,
) -> SquashFSReport:
    """Write an image of a tree at the current position of a seekable file, and leave the position behind its end.

    The image depends on the tree and the arguments alone, not on the directory's place, the order in which it was made,
    or the number of threads; and on the version of the compressor's library. Everything in a directory belongs to root
    and has the permissions that it has there. Names of one file in a directory become files of their own; in a tree it
    says which are. Extended attributes are left out.

    Args:
        root: the directory, or the tree as `scan` returns it.
        output: where to write; its bytes from the current position on are overwritten.
        compression: ``zstd`` or ``gzip``.
        level: of the compressor; None for the default.
        block_size: how much is compressed at once, in bytes: a power of two from 4 KiB to 1 MiB.
        mtime: the time of every file and of the image, in seconds since the epoch. None keeps each file's own, and
            gives the image the latest of them.
        threads: how many compress at once; None for as many as the process has processors.
        order: paths in the image, as ``usr/bin/python3``, of files whose data is to be at the front, in this order.
            Those that are not regular files of the tree are passed over.
        last: paths of files whose data is to be at the end, those that are in ``order`` before the others, and their
            metadata at the end of its tables: when they change, little else does.
        results: where compressed blocks are kept for the next image.

    Raises:
        SquashFSError: an argument is out of its range, the tree holds something that cannot be packed, or it changed
            meanwhile.
        OSError: the tree cannot be read, or the output not be written.

    """
    settings = _Settings.check(compression, level, block_size, mtime)
    directories = scan(root) if isinstance(root, Path) else root
    files = [child for directory in directories for child in directory.children if isinstance(child, File)]
    start = output.tell()
    # The superblock is known last and stands first.
    output.write(bytes(fs.SUPERBLOCK_SIZE) + settings.options)
    with BlockWriter(
        output,
        fs.SUPERBLOCK_SIZE + len(settings.options),
        new_compressor=partial(settings.new_data_compressor, results),
        block_size=block_size,
        threads=threads or len(os.sched_getaffinity(0)),
    ) as blocks:
        data = DataWriter(files, blocks, block_size)
        last_files, rest = _in_order(files, last)
        first, others = _in_order(rest, order)
        last_first, last_others = _in_order(last_files, order)
        front = _add_files(data, blocks, first, large=block_size)
        _add_files(data, blocks, others)
        ordered_last = _add_files(data, blocks, last_first)
        _add_files(data, blocks, last_others)
    superblock = _write_tables(
        output, blocks.position, _changing_first(directories, last_files), data.fragments, settings
    )
    end = output.tell()
    output.seek(start)
    output.write(superblock.pack())
    output.seek(end)
    output.flush()
    return SquashFSReport(
        bytes_used=superblock.bytes_used,
        inodes=superblock.inodes,
        files=len(files),
        file_bytes=sum(file.size for file in files),
        duplicates=data.duplicates,
        fragments=superblock.fragments,
        front=front,
        ordered_last=ordered_last,
        compression=compression,
        level=settings.level,
        block_size=block_size,
    )


def _add_files(data: DataWriter, blocks: BlockWriter, files: list[File], *, large: int | None = None) -> Span:
    """Pack files so that no other's data lies among theirs; return where it is.

    Args:
        data: what packs them.
        blocks: where it puts them.
        files: the files.
        large: before a file of this size, in bytes, those before it are written, though their block is not full.

    """
    start = blocks.position
    for file in files:
        if large and file.size >= large:
            data.close_fragment()
        data.add(file)
    data.close_fragment()
    blocks.flush()
    return Span(start, blocks.position)


@dataclass(frozen=True)
class _Settings:
    compression: Compression
    level: int
    block_size: int
    mtime: int | None

    @classmethod
    def check(cls, compression: str, level: int | None, block_size: int, mtime: int | None) -> _Settings:
        if not fs.MINIMUM_BLOCK_SIZE <= block_size <= fs.MAXIMUM_BLOCK_SIZE or block_size & (block_size - 1):
            raise SquashFSError(f"A block size is a power of two from 4096 to 1048576 bytes, and not {block_size}")
        if mtime is not None and not 0 <= mtime <= _LATEST_TIME:
            raise SquashFSError(f"SquashFS has no time {mtime}: its times go from 0 to {_LATEST_TIME}, in seconds")
        return cls(*parse_compression(compression, level), block_size, mtime)

    @property
    def options(self) -> bytes:
        """The metadata block with the compressor's options, which is never compressed; empty if there are none."""
        options = compressor_options(self.compression, self.level)
        return metadata_block(options) if options else b""

    def new_compressor(self) -> Callable[[bytes | memoryview], bytes]:
        return new_compressor(self.compression, self.level)

    def new_data_compressor(self, results: Results) -> Callable[[bytes | memoryview], bytes]:
        return CachedCompressor(self.compression, self.level, results)

    def time(self, node: Node) -> int:
        """Return the time of an inode; what the format cannot hold becomes the nearest that it can."""
        return min(max(node.mtime // 10**9, 0), _LATEST_TIME) if self.mtime is None else self.mtime


def _write_tables(
    output: BinaryIO,
    position: int,
    directories: Sequence[Directory],
    fragments: list[tuple[int, int, int]],
    settings: _Settings,
) -> fs.Superblock:
    """Write all that follows the data, and return what the superblock says."""
    compress = settings.new_compressor()
    owners = sorted({owner for node in _nodes(directories) for owner in (node.uid, node.gid)})
    tree = write_tree(directories, owners, settings.time, compress)
    directory_table = position + len(tree.inode_table)
    fragment_table = directory_table + len(tree.directory_table)
    fragment_records, fragment_list = lookup_table(fs.FRAGMENT, fragments, fragment_table, compress)
    id_table = fragment_table + len(fragment_records)
    id_records, id_list = lookup_table(fs.ID, [(owner,) for owner in owners], id_table, compress)
    bytes_used = id_table + len(id_records)
    padding = bytes(-bytes_used % fs.PADDING)
    output.writelines((tree.inode_table, tree.directory_table, fragment_records, id_records, padding))
    flags = fs.FLAG_DUPLICATES | fs.FLAG_NO_XATTRS
    return fs.Superblock(
        inodes=tree.inodes,
        mtime=max(settings.time(node) for node in _nodes(directories)),
        block_size=settings.block_size,
        fragments=len(fragments),
        compression=settings.compression,
        flags=flags | (fs.FLAG_COMPRESSOR_OPTIONS if settings.options else 0),
        ids=len(owners),
        root=tree.root,
        bytes_used=bytes_used,
        id_table=id_list,
        xattr_table=fs.NO_TABLE,
        inode_table=position,
        directory_table=directory_table,
        fragment_table=fragment_list if fragments else fs.NO_TABLE,
        export_table=fs.NO_TABLE,
    )


def _in_order(files: list[File], order: Sequence[str]) -> tuple[list[File], list[File]]:
    """Part the files into those named in the order, as named, and the others."""
    places = {os.fsencode(path): place for place, path in reversed(list(enumerate(order)))}
    first = [file for file in files if file.path in places]
    return (
        sorted(first, key=lambda file: places[file.path]),
        [file for file in files if file.path not in places],
    )


def _changing_first(directories: Sequence[Directory], changing: list[File]) -> list[Directory]:
    """Put directories with a changing file anywhere below them before all others; in the tables that is the end.

    A metadata block changes as a whole, and moves those behind it, which listings point at. So what changes comes
    after everything that does not, and still each directory before those in it.
    """
    paths = set()
    for file in changing:
        path = file.path
        while path:
            path = path.rpartition(b"/")[0]
            paths.add(path)
    return sorted(directories, key=lambda directory: directory.path not in paths)


def _nodes(directories: Sequence[Directory]) -> Iterator[Node]:
    yield directories[0]
    yield from nodes_of(directories)
