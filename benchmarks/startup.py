#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast images start: beside what other packers make, or beside other runtimes on one AppDir; each in one run.

``benchmarks/startup.py [--project NAME]... [--packer NAME]... [--rounds N] [--json FILE]``, with the Python of a
development install, builds the test projects with this packer and with its peers, and compares all starts with those
of the same projects in virtual environments. What is built must run and print what it should, or the table says why it
does not. Needs the package index and the Debian packages that it names if they are missing. With ``--directory``,
builds stay and are used again, those of ``size.py`` too.

``benchmarks/startup.py APPDIR [--order FILE] [--rounds N] [--runtime NAME=PATH]...`` compares ours with the plain
directory and the other runtimes. The AppDir's AppRun takes a Python program after ``-c``; ``--order`` names the files
that a start reads, one path a line, for our image, which our packer writes. The others' images are mksquashfs's, with
the same compression. ``--runtime`` adds a runtime and may be given several times; one of ours, of another version, gets
its image from our packer as well, so that before and after are compared in one run: ``--runtime before=FILE``.
``squashfuse_ll`` and the kernel's own driver are added where they can be had.

Each round runs every case once, so that what disturbs the machine disturbs all; medians, and the median of the ratios
to the first case of the same round and their middle half, are printed, with the machine's load before and after: other
work on it makes all figures worthless. ``--cold`` drops the page cache before every run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import tempfile
from pathlib import Path

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.elf import read_sections
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.write import load_runtime, write_image
from hatch_appimage.runtime import runtime_path
from images import join, pack
from peers import BASE
from reference import fetch_reference
from results import Figure
from rounds import Case, measure, paired_ratios, print_load
from selection import add_options, selected

PROGRAMS = {"python -c pass": "pass", "import flask, requests": "import flask, requests"}


def main() -> None:
    """Build or pack, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("appdir", nargs="?", type=Path)
    parser.add_argument("--order", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--runtime", action="append", default=[], metavar="NAME=PATH", help="one that reads zstd images"
    )
    parser.add_argument("--cold", action="store_true", help="drop the page cache before every run (as root)")
    add_options(parser)
    options = parser.parse_args()
    if options.appdir:
        compare_runtimes(options)
    else:
        compare_packers(options)


def compare_packers(options: argparse.Namespace) -> None:
    """Measure the starts of the test projects."""
    figures: list[Figure] = []
    with selected("startup", options) as selection:
        for app in selection.apps:
            built = {packer.name: selection.try_build(packer, app) for packer in (BASE, *selection.packers)}
            cases = [
                Case(name, product.program, {**app.settings, **product.settings})
                for name, product in built.items()
                if not isinstance(product, Figure)
            ]
            failed = [figure for figure in built.values() if isinstance(figure, Figure)]
            if not cases or cases[0].name != BASE.name:
                raise SystemExit(failed[0].failed)
            print_load()
            measure(cases, app.arguments, options.rounds, before=drop_cache if options.cold else None)
            report(" ".join([app.command, *app.arguments]), cases)
            print_load()
            figures += [*(Figure(app.project, case.name, summary(case, cases[0])) for case in cases), *failed]
        for figure in figures:
            if figure.failed:
                print(f"{figure.project}, {figure.packer}: {figure.failed}")
        selection.finish(figures, options, rounds=options.rounds)


def summary(case: Case, base: Case) -> dict[str, float]:
    """Return the median of a case in milliseconds, and its ratios to the base."""
    ratios = paired_ratios(case.times, base.times)
    return {
        "median": statistics.median(case.times),
        "ratio": ratios.median,
        "ratio low": ratios.low,
        "ratio high": ratios.high,
    }


def compare_runtimes(options: argparse.Namespace) -> None:
    """Measure the starts of images of one AppDir."""
    appdir = options.appdir.resolve()
    order = options.order.read_text().splitlines() if options.order else []
    runtimes = dict(name.split("=", 1) for name in options.runtime)
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-") as temporary, contextlib.ExitStack() as stack:
        directory = Path(temporary)
        cases = make_cases(appdir, order, runtimes, directory, stack)
        print_load()
        for title, code in PROGRAMS.items():
            measure(cases, ["-c", code], options.rounds, before=drop_cache if options.cold else None)
            report(title, cases)
            print_load()
        print(f"\nPeak memory of our server: {peak_memory(cases[1]):.1f} MiB")
    for architecture in ("x86_64", "aarch64", "armhf", "i686"):
        print(f"{architecture:8} {runtime_path(architecture).stat().st_size:7,} bytes")


def make_cases(
    appdir: Path, order: list[str], runtimes: dict[str, str], directory: Path, stack: contextlib.ExitStack
) -> list[Case]:
    """Return the directory's case first, ours second."""
    same = ["-root-owned", "-noappend", "-b", "131072"]
    zstd = pack(appdir, directory / "zstd.squashfs", "-comp", "zstd", *same, "-Xcompression-level", "15")
    gzip = pack(appdir, directory / "gzip.squashfs", "-comp", "gzip", *same)
    ours = runtime_path(platform.machine())
    cases = [
        Case("directory", appdir / "AppRun", {"APPDIR": str(appdir)}),
        *our_cases("ours", ours, appdir, order, directory),
        Case("ours, nothing prefetched", write_ours(ours, appdir, directory / "plain.AppImage", [])),
        Case(
            "reference 5735cc5, gzip", join(fetch_reference(directory / "reference"), gzip, directory / "ref.AppImage")
        ),
    ]
    for name, path in runtimes.items():
        if ".startup" in read_sections(Path(path)).places:
            cases += our_cases(name, Path(path), appdir, order, directory)
        else:
            cases.append(Case(name, join(Path(path), zstd, directory / f"{name}.AppImage")))
    drivers = {"squashfuse_ll": ["squashfuse_ll"], "kernel's squashfs": ["mount", "-o", "loop"]}
    for name, command in drivers.items():
        point = directory / name.replace(" ", "-")
        point.mkdir()
        try:
            subprocess.run([*command, zstd, point], check=True, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            continue
        stack.callback(unmount, point)
        cases.append(Case(f"{name}, mounted before", point / "AppRun", {"APPDIR": str(point)}))
    return cases


def unmount(point: Path) -> None:
    """Unmount what was mounted for comparison."""
    subprocess.run(["umount", point], check=True)


def our_cases(name: str, runtime: Path, appdir: Path, order: list[str], directory: Path) -> list[Case]:
    """Return the cases of a runtime of ours: mounted first, then unpacked."""
    image = write_ours(runtime, appdir, directory / f"{name}.AppImage", order)
    return [Case(name, image), Case(f"{name}, extract and run", image, {"APPIMAGE_EXTRACT_AND_RUN": "1"})]


def write_ours(runtime: Path, appdir: Path, path: Path, order: list[str]) -> Path:
    """Write an image as the build does."""
    machine = platform.machine()
    write_image(
        appdir,
        load_runtime(runtime, ARCHITECTURES[machine]),
        path,
        PRESETS["default"],
        order=order,
        application=(),
        update_information=None,
        timestamp=None,
    )
    return path


def drop_cache() -> None:
    """Make the kernel forget what it has read of the disk."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def report(title: str, cases: list[Case]) -> None:
    """Print a table of all cases beside the first."""
    base = cases[0]
    print(f"\n{title:34} median    least   ratio  middle half     over {base.name}")
    for case in cases:
        middle, ratios = statistics.median(case.times), paired_ratios(case.times, base.times)
        over = middle - statistics.median(base.times)
        print(
            f"  {case.name:30} {middle:7.1f}  {min(case.times):7.1f}  {ratios.median:6.2f}  "
            f"{ratios.low:.2f} to {ratios.high:.2f}  {over:+7.1f} ms",
            flush=True,
        )


def peak_memory(case: Case) -> float:
    """Return the most memory that any of our processes took, with the image's largest import."""
    ready, when_ready = os.pipe()
    code = f"{PROGRAMS['import flask, requests']}; import os; os.close({when_ready}); input()"
    process = subprocess.Popen(
        [case.program, "-c", code], env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.PIPE, pass_fds=[when_ready]
    )
    os.close(when_ready)
    os.read(ready, 1)
    os.close(ready)
    most = 0.0
    for directory in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if directory.name.isdigit() and (directory / "exe").readlink() == case.program:
                lines = (directory / "status").read_text().splitlines()
                most = max([most, *(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))])
    process.communicate(b"\n")
    return most


if __name__ == "__main__":
    main()
