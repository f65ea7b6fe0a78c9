#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare our SquashFS writer with mksquashfs: the same tree, compressor, level, block size and processors.

Both pack the tree in turn, round after round. For each case it prints the median of each one's time, its size, and two
ratios of ours to mksquashfs's: the median of the rounds' ratios of time, and the ratio of size. The time of ours is
that of the call, as it is made inside a build. The exit status is 1 where a ratio misses its goal.

Each has its own version of the compressor's library, which alone makes some difference.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from hatch_appimage.squashfs import write_squashfs

TIME_GOAL = 1.2
SIZE_GOAL = 1.01


class Case(NamedTuple):
    """A compressor and its level."""

    compression: str
    level: int

    def __str__(self) -> str:
        return f"{self.compression} {self.level}"

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read a case as it is given on the command line."""
        compression, _, level = text.partition(":")
        return cls(compression, int(level))


CASES = [Case("zstd", 3), Case("zstd", 15), Case("zstd", 19), Case("zstd", 22), Case("gzip", 9)]


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "tree", nargs="?", type=Path, help="a directory; by default, a copy of this Python and its packages"
    )
    parser.add_argument("--case", action="append", type=Case.parse, help=f"as zstd:15; by default {len(CASES)} of them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--block-size", type=int, default=1 << 17, help="in bytes")
    arguments = parser.parse_args()
    processors = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as directory:
        tree = arguments.tree or copy_python(Path(directory) / "tree")
        # A first reading of everything, so that neither finds the files colder than the other.
        sizes = [len(path.read_bytes()) for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
        print(
            f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB; {processors} processors; blocks of {arguments.block_size}"
        )
        print(f"{'case':8} {'ours':>8} {'mksquashfs':>10} {'time':>6}   {'ours':>9} {'mksquashfs':>10} {'size':>6}")
        comparison = Comparison(tree, Path(directory), arguments.block_size, processors)
        good = [comparison.run(case, arguments.rounds) for case in arguments.case or CASES]
    return 0 if all(good) else 1


def copy_python(tree: Path) -> Path:
    """Copy the Python that runs this, without its tests, and all packages that it has."""
    paths = sysconfig.get_paths()
    shutil.copytree(
        paths["stdlib"], tree / "lib", symlinks=True, ignore=shutil.ignore_patterns("test", "site-packages", "config-*")
    )
    shutil.copytree(paths["purelib"], tree / "site-packages", symlinks=True)
    shutil.copy(Path(sys.executable).resolve(), tree)
    return tree


@dataclass(frozen=True)
class Comparison:
    """What is the same in all cases.

    Attributes:
        tree: what is packed.
        directory: where the images go.
        block_size: in bytes.
        processors: how many may be used at once.

    """

    tree: Path
    directory: Path
    block_size: int
    processors: int

    def run(self, case: Case, rounds: int) -> bool:
        """Run all rounds of a case and print the result; return whether it meets the goals."""
        ours, theirs = self.directory / "ours.squashfs", self.directory / "theirs.squashfs"
        our_times, their_times = [], []
        for number in range(rounds):
            if number % 2:
                our_times.append(self.write_squashfs(case, ours))
            their_times.append(self.mksquashfs(case, theirs))
            if not number % 2:
                our_times.append(self.write_squashfs(case, ours))
        time_ratio = median(our / their for our, their in zip(our_times, their_times, strict=True))
        our_size, their_size = ours.stat().st_size, theirs.stat().st_size
        size_ratio = our_size / their_size
        good = time_ratio <= TIME_GOAL and size_ratio <= SIZE_GOAL
        print(
            f"{case!s:8} {median(our_times):6.2f} s {median(their_times):8.2f} s {time_ratio:6.3f}   "
            f"{our_size / 1e6:6.2f} MB {their_size / 1e6:7.2f} MB {size_ratio:6.4f}{'' if good else '   MISSED'}",
            flush=True,
        )
        return good

    def write_squashfs(self, case: Case, image: Path) -> float:
        """Pack the tree with our writer and return the seconds it took."""
        start = time.perf_counter()
        with image.open("wb") as file:
            write_squashfs(
                self.tree,
                file,
                compression=case.compression,
                level=case.level,
                block_size=self.block_size,
                mtime=None,
                threads=self.processors,
            )
        return time.perf_counter() - start

    def mksquashfs(self, case: Case, image: Path) -> float:
        """Pack the tree with mksquashfs and return the seconds it took."""
        compressor = ["-comp", case.compression, "-Xcompression-level", str(case.level), "-b", str(self.block_size)]
        same = ["-processors", str(self.processors), "-all-root", "-no-xattrs", "-no-exports", "-noappend"]
        command: list[str | Path] = ["mksquashfs", self.tree, image, *compressor, *same, "-quiet", "-no-progress"]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
