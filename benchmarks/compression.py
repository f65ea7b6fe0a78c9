#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a level of zstd and a block size cost and bring: the size of an image, its packing, its start, later reads.

``benchmarks/compression.py APPDIR --order FILE --code CODE [--setting LEVEL/KIB]... [--rounds N] [--json FILE]``

The AppDir's AppRun takes a Python program after ``-c``; CODE is one that does what a start does, and ``--order`` names
the files that it reads, one path a line. Packing is given in seconds of one processor, for a copy of the AppDir on warm
caches. A start is the ratio to that of the plain directory, the median of pairs that run in turn. Later reads are those
of 200 modules and libraries that a start does not read, in an order of chance, from a new mount: milliseconds more than
in the directory. The machine's load is printed before and after: other work on it makes the times worthless.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hatch_appimage.architecture import native_architecture  # noqa: E402 - this project, found once the path is set
from hatch_appimage.image.compression import Preset  # noqa: E402
from hatch_appimage.image.write import load_runtime, write_image  # noqa: E402
from hatch_appimage.runtime import runtime_path  # noqa: E402
from rounds import Case, measure, paired_ratios, print_load  # noqa: E402

SETTINGS = ["3/128", "15/128", "9/256", "15/256", "3/1024", "6/1024", "9/1024", "12/1024", "18/1024", "22/1024"]
READS = 200
_READ_FILES = "import os\nfor path in {paths}:\n    open(os.environ['APPDIR'] + '/' + path, 'rb').read()\n"


@dataclass(frozen=True)
class Row:
    """What one setting comes to.

    Attributes:
        setting: level and block size in KiB.
        size: of the image, in bytes.
        packing_s: processor time of packing.
        start: the median ratio to the directory's.
        start_ms: of a start, the median.
        reads_ms: of later reads, more than in the directory; the median.

    """

    setting: str
    size: int
    packing_s: float
    start: float
    start_ms: float
    reads_ms: float


def main() -> None:
    """Pack, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("appdir", type=Path)
    parser.add_argument("--order", type=Path, required=True)
    parser.add_argument("--code", required=True)
    parser.add_argument("--setting", action="append", metavar="LEVEL/KIB", help=f"by default {', '.join(SETTINGS)}")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    appdir = options.appdir.resolve()
    order = [line for line in options.order.read_text().splitlines() if not line.startswith("#")]
    print_load()
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-") as temporary:
        cases = [Case("directory", appdir / "AppRun", {"APPDIR": str(appdir)})]
        packing = {}
        for setting in options.setting or SETTINGS:
            image = Path(temporary, f"{setting.replace('/', '-')}.AppImage")
            packing[setting] = pack(appdir, order, image, setting)
            cases.append(Case(setting, image))
        starts = run(cases, options.code, options.rounds)
        reads = run(cases, _READ_FILES.format(paths=choose_others(appdir, set(order))), options.rounds)
        rows = [make_row(case, packing, starts, reads) for case in cases[1:]]
    print_table(rows)
    print_load()
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def pack(appdir: Path, order: list[str], image: Path, setting: str) -> float:
    """Write the image as a build does; return the seconds of processor time."""
    level, kibibytes = map(int, setting.split("/"))
    architecture = native_architecture()
    before = time.process_time()
    write_image(
        appdir,
        load_runtime(runtime_path(architecture.name), architecture),
        image,
        Preset("zstd", level, kibibytes << 10),
        order=order,
        application=(),
        update_information=None,
        timestamp=0,
    )
    return time.process_time() - before


def choose_others(appdir: Path, order: set[str]) -> list[str]:
    """Choose files that a start does not read, the same ones in the same order in every run."""
    files = sorted(
        str(path.relative_to(appdir))
        for path in appdir.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix in {".py", ".pyc", ".so"}
    )
    chance = random.Random(0)  # noqa: S311 - what matters is that it is the same in every run
    return chance.sample([file for file in files if file not in order], READS)


def run(cases: list[Case], code: str, rounds: int) -> dict[str, list[float]]:
    """Run every case once a round; return the milliseconds by the names of the cases."""
    measure(cases, ["-c", code], rounds)
    return {case.name: list(case.times) for case in cases}


def make_row(
    case: Case, packing: dict[str, float], starts: dict[str, list[float]], reads: dict[str, list[float]]
) -> Row:
    """Compare a setting with the directory, round by round."""
    return Row(
        setting=case.name,
        size=case.program.stat().st_size,
        packing_s=round(packing[case.name], 2),
        start=round(paired_ratios(starts[case.name], starts["directory"]).median, 3),
        start_ms=round(statistics.median(starts[case.name]), 1),
        reads_ms=round(statistics.median(map(_difference, reads[case.name], reads["directory"])), 1),
    )


def _difference(one: float, other: float) -> float:
    return one - other


def print_table(rows: list[Row]) -> None:
    """Print a table in Markdown, as the docs have it."""
    print(f"\nOn {os.cpu_count()} processors:\n")
    print("| level / block | image MB | packing s | start, ratio | start ms | later reads ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row.setting} KiB | {row.size / 1e6:.2f} | {row.packing_s:.1f} | {row.start:.2f} | {row.start_ms:.0f} "
            f"| {row.reads_ms:+.0f} |"
        )
    print()


if __name__ == "__main__":
    main()
