# SPDX-License-Identifier: MIT
"""The C of images as other compilers see it, and what their sanitizers find while it runs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.runtime.compile import GETENV_SOURCE, LAUNCHER_SOURCE, SOURCE, WARNINGS, ZSTD_SOURCES, fetch_zstd
from support.projects import SUPPORT
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DEFINITIONS = ("-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", '-DVERSION="test"')
#: What reads, caches, serves, prefetches and extracts an image.
UNDER_TEST = (
    "cache.c",
    "cpu_split.c",
    "decompress.c",
    "elf_file.c",
    "extract.c",
    "fuse_protocol.c",
    "fuse_server.c",
    "fuse_workers.c",
    "inflate.c",
    "message.c",
    "monotonic.c",
    "prefetch.c",
    "process.c",
    "squashfs.c",
    "startup_list.c",
)
SANITIZERS = {"thread": "thread", "address and undefined behaviour": "address,undefined"}


@pytest.fixture(scope="module")
def zstd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with Zstandard's headers and sources."""
    directory = tmp_path_factory.mktemp("zstd")
    fetch_zstd(directory)
    return directory / "zstd/lib"


@pytest.mark.parametrize("directory", [SOURCE, LAUNCHER_SOURCE, GETENV_SOURCE], ids=["runtime", "launcher", "getenv"])
def test_compiles_without_a_warning(zstd: Path, directory: Path) -> None:
    """With gcc and glibc; Zig has the same warnings for the programs in the wheel."""
    command: list[str | Path] = [require("gcc", "gcc"), "-std=gnu11", "-fsyntax-only", *WARNINGS]
    command += [*DEFINITIONS, "-iquote", directory, "-isystem", zstd]
    subprocess.run([*command, *sorted(directory.glob("*.c"))], check=True)


@pytest.fixture(scope="module")
def zstd_objects(zstd: Path) -> Sequence[Path]:
    """Return Zstandard without sanitizers, as it is tested by its own project."""
    command: list[str | Path] = [require("clang", "clang"), "-O1", "-DZSTD_DISABLE_ASM", "-c"]
    subprocess.run([*command, *(zstd / name for name in ZSTD_SOURCES)], check=True, cwd=zstd)
    return sorted(zstd.glob("*.o"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return files of all sizes, with bytes that follow from their place and size; see fake_kernel.c."""
    root = tmp_path_factory.mktemp("sanitized") / "tree"
    sizes = {f"large/{number}": size for number, size in enumerate([1, 4095, 4096, 4097, 130_000, 300_000, 1_000_000])}
    sizes |= {f"small/{number}": number * 37 for number in range(150)}
    sizes |= {f"small/deeper/{number}": 5000 + number * 137 for number in range(30)}
    for name, size in sizes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(place * size >> 8 & 255 for place in range(size)))
    (root / "link").symlink_to("large/1")
    return root


@pytest.mark.parametrize("sanitizer", SANITIZERS.values(), ids=SANITIZERS)
def test_sanitizers_find_nothing(
    zstd: Path, zstd_objects: Sequence[Path], tree: Path, tmp_path: Path, sanitizer: str
) -> None:
    """While threads read an image that is being prefetched, and extract it; see fake_kernel.c."""
    program = tmp_path / "fake_kernel"
    command: list[str | Path] = [require("clang", "clang"), "-g", "-O1", *DEFINITIONS, "-Dwritev=patient_writev"]
    command += [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=undefined", "-iquote", SOURCE, "-isystem", zstd]
    command += [*(SOURCE / name for name in UNDER_TEST), SUPPORT / "fake_kernel.c", *zstd_objects]
    subprocess.run([*command, "-pthread", "-o", program], check=True)
    for compression in ("gzip", "zstd"):
        image, output = tmp_path / f"{compression}.squashfs", tmp_path / compression
        packer: list[str | Path] = [require("mksquashfs", "squashfs-tools"), tree, image, "-comp", compression]
        subprocess.run([*packer, "-b", "16384", "-quiet", "-no-progress"], check=True, stdout=subprocess.DEVNULL)
        output.mkdir()
        subprocess.run([program, image, output], check=True, timeout=60)
