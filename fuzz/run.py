#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fuzz what runtime and launcher read with libFuzzer: ``fuzz/run.py [--seconds N] [--keep FOLDER]``.

Needs clang and mksquashfs. The seeds are images that mksquashfs makes here; what the fuzzer adds to them is kept in
the given directory for the next time. Exits with 1 when an input was found that crashes, hangs or takes much memory.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from hatch_appimage.runtime.compile import (  # noqa: E402 - this project, found once the path is set
    LAUNCHER_SOURCE,
    SOURCE,
    ZSTD_SOURCES,
    ZSTD_X86_64_SOURCES,
    fetch_zstd,
)
from support.elf_fixtures import library, make_elf  # noqa: E402 - one of the tests' own

if TYPE_CHECKING:
    from collections.abc import Iterator

LAUNCHER = ("dialogue.c", "file.c", "glibc.c", "message.c", "settings.c")
READER = ("cache.c", "decompress.c", "inflate.c", "squashfs.c")
FLAGS = ("-g", "-O1", "-D_GNU_SOURCE", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined")
#: For one input: seconds, and MiB for the fuzzer as a whole.
LIMITS = ("-timeout=10", "-rss_limit_mb=2048")
PACKINGS = (
    ("-comp", "gzip", "-b", "4096"),
    ("-comp", "gzip", "-b", "131072", "-no-fragments", "-noI", "-noD"),
    ("-comp", "zstd", "-b", "4096", "-exports"),
    ("-comp", "zstd", "-b", "1048576", "-no-exports", "-noI"),
)


def main() -> int:
    """Fuzz all targets, a third of the time each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="a directory for the inputs that the fuzzer found worth keeping")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-fuzz-") as temporary:
        directory = Path(temporary)
        fetch_zstd(directory)
        keep = options.keep or directory
        seconds = options.seconds // 3
        statuses = [
            fuzz(build("fuzz_squashfs.c", READER, directory), keep / "squashfs", image_seeds(directory), seconds),
            fuzz(build("fuzz_inflate.c", ("inflate.c",), directory), keep / "inflate", zlib_seeds(), seconds),
            fuzz(
                build("fuzz_launcher.c", LAUNCHER, directory, source=LAUNCHER_SOURCE),
                keep / "launcher",
                launcher_seeds(),
                seconds,
            ),
        ]
    return int(any(statuses))


def build(target: str, reader: tuple[str, ...], directory: Path, source: Path = SOURCE) -> Path:
    """Compile a target with the sanitizers; Zstandard without, as it is fuzzed by its own project."""
    library = directory / "zstd/lib"
    names = ZSTD_SOURCES + (ZSTD_X86_64_SOURCES if platform.machine() == "x86_64" else ())
    objects = []
    for name in names if "decompress.c" in reader else ():
        built = directory / (Path(name).name + ".o")
        subprocess.run(["clang", "-O2", "-c", library / name, "-o", built], check=True)
        objects.append(built)
    output = directory / Path(target).stem
    sources = [ROOT / "fuzz" / target, *(source / name for name in reader)]
    # -iquote: one of our headers must not be taken for the system's.
    subprocess.run(
        ["clang", *FLAGS, "-iquote", source, f"-I{library}", *sources, *objects, "-pthread", "-o", output], check=True
    )
    return output


def fuzz(program: Path, corpus: Path, seeds: Iterator[bytes], seconds: int) -> int:
    """Run a target; its last lines say how often."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    command: list[str | Path] = [
        program,
        f"-max_total_time={seconds}",
        "-print_final_stats=1",
        "-max_len=8192",
        *LIMITS,
        corpus,
    ]
    return subprocess.run(
        command, check=False, env={**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1"}
    ).returncode


def image_seeds(directory: Path) -> Iterator[bytes]:
    """Yield small images with everything in them that the reader knows."""
    tree = directory / "tree"
    (tree / "directory/below").mkdir(parents=True)
    (tree / "empty").touch()
    (tree / "small").write_text("small")
    (tree / "link").symlink_to("directory/below")
    (tree / "large").write_bytes(bytes(range(256)) * 40)
    with (tree / "sparse").open("wb") as sparse:
        sparse.truncate(3 << 20)
    os.link(tree / "small", tree / "directory/hard")
    for number in range(60):
        (tree / f"directory/below/file-{number}").write_text(str(number))
    with contextlib.suppress(PermissionError):
        os.mkfifo(tree / "fifo")
    for number, packing in enumerate(PACKINGS):
        image = directory / f"{number}.squashfs"
        command: list[str | Path] = [
            "mksquashfs",
            tree,
            image,
            "-noappend",
            "-root-owned",
            "-nopad",
            "-quiet",
            "-no-progress",
            *packing,
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        yield image.read_bytes()


def zlib_seeds() -> Iterator[bytes]:
    """Yield streams with stored, fixed and dynamic blocks."""
    text = Path(__file__).read_bytes()
    for level in (0, 1, 9):
        yield zlib.compress(text, level)
    yield zlib.compress(b"short")


def launcher_seeds() -> Iterator[bytes]:
    """Yield settings with every key, and a C library that defines versions."""
    keys = (
        "program",
        "name",
        "loader",
        "glibc",
        "option",
        "script",
        "link",
        "expose",
        "exposed-name",
        "default A",
        "commands",
        "dialogue",
    )
    lines = "".join(f"{key} a\\\\b\\n$APPDIR/${{APPDIR}}\n" for key in keys)
    yield f"hatch-appimage launcher 1\n{lines}".encode()
    for bits in (32, 64):
        yield make_elf(library("libc.so.6", defined=("GLIBC_2.2.5", "GLIBC_2.36", "GLIBC_PRIVATE"), bits=bits))


if __name__ == "__main__":
    sys.exit(main())
