#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast images start: ours beside the plain directory and the other runtimes, on one AppDir, in one run.

``benchmarks/startup.py APPDIR [--order FILE] [--rounds N] [--runtime NAME=PATH]... [--cold]``

The AppDir's AppRun takes a Python program after ``-c``; ``--order`` names the files that a start reads, one path a
line, for our image, which our packer writes. The others' images are mksquashfs's, with the same compression.
``--runtime`` adds a runtime and may be given several times; one of ours, of another version, gets its image from our
packer as well, so that before and after are compared in one run: ``--runtime before=FILE``. Each round runs every case
once, so that what disturbs the machine disturbs all; medians, and their ratio and difference to the directory's, are
printed, with the machine's load before and after: other work on it makes all figures worthless. ``squashfuse_ll`` and
the kernel's own driver are added where they can be had.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from hatch_appimage.image.settings import ImageSettings
from reference import fetch_reference

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hatch_appimage.architecture import ARCHITECTURES  # noqa: E402
from hatch_appimage.elf import read_sections  # noqa: E402
from hatch_appimage.image.write import load_runtime, write_image  # noqa: E402
from hatch_appimage.layout import AppDir  # noqa: E402 - this project, found once the path is set
from hatch_appimage.runtime import runtime_path  # noqa: E402

PROGRAMS = {"python -c pass": "pass", "import flask, requests": "import flask, requests"}
PAUSE = 0.06
WARM_UP = 2


@dataclass
class Case:
    """One way to start, and how long it took.

    Attributes:
        name: as it is printed.
        program: what is run.
        settings: added to its environment.
        times: milliseconds, one a round.

    """

    name: str
    program: Path
    settings: dict[str, str] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def run(self, code: str) -> float:
        """Run once; return the milliseconds from the start to the end."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", **self.settings}
        start = time.perf_counter()
        subprocess.run([self.program, "-c", code], env=environment, check=True, stderr=subprocess.DEVNULL)
        return (time.perf_counter() - start) * 1000


def main() -> None:
    """Pack, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("appdir", type=Path)
    parser.add_argument("--order", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--runtime", action="append", default=[], metavar="NAME=PATH", help="one that reads zstd images"
    )
    parser.add_argument("--cold", action="store_true", help="drop the page cache before every run (as root)")
    options = parser.parse_args()
    appdir = options.appdir.resolve()
    order = options.order.read_text().splitlines() if options.order else []
    runtimes = dict(name.split("=", 1) for name in options.runtime)
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-") as temporary, contextlib.ExitStack() as stack:
        directory = Path(temporary)
        cases = make_cases(appdir, order, runtimes, directory, stack)
        print_load()
        for title, code in PROGRAMS.items():
            measure(cases, code, options.rounds, cold=options.cold)
            report(title, cases)
            print_load()
        print(f"\nPeak memory of our server: {peak_memory(cases[1]):.1f} MiB")
    for architecture in ("x86_64", "aarch64", "armhf", "i686"):
        print(f"{architecture:8} {runtime_path(architecture).stat().st_size:7,} bytes")


def make_cases(
    appdir: Path, order: list[str], runtimes: dict[str, str], directory: Path, stack: contextlib.ExitStack
) -> list[Case]:
    """Return the directory's case first, ours second."""
    zstd, gzip = pack(appdir, directory, "zstd", "-Xcompression-level", "15"), pack(appdir, directory, "gzip")
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
        AppDir(appdir, "app"),
        load_runtime(runtime, ARCHITECTURES[machine]),
        path,
        ImageSettings(),
        order=order,
        application=(),
        update_information=None,
        timestamp=None,
    )
    return path


def pack(appdir: Path, directory: Path, compression: str, *options: str) -> Path:
    """Pack with mksquashfs."""
    image = directory / f"{compression}.squashfs"
    command: list[str | Path] = ["mksquashfs", appdir, image, "-comp", compression, "-root-owned", "-noappend"]
    command += ["-quiet", "-no-progress", "-b", "131072", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return image


def join(runtime: Path, squashfs: Path, image: Path) -> Path:
    """Put a runtime and an image together."""
    image.write_bytes(runtime.read_bytes() + squashfs.read_bytes())
    image.chmod(0o755)
    return image


def measure(cases: list[Case], code: str, rounds: int, *, cold: bool) -> None:
    """Run every case once a round."""
    for case in cases:
        case.times.clear()
    for number in range(rounds + WARM_UP):
        for case in cases:
            if cold:
                os.sync()
                Path("/proc/sys/vm/drop_caches").write_text("3")
            duration = case.run(code)
            if number >= WARM_UP:
                case.times.append(duration)
            time.sleep(PAUSE)


def report(title: str, cases: list[Case]) -> None:
    """Print a table."""
    directory = statistics.median(cases[0].times)
    print(f"\n{title:34} median    least   ratio  over the directory")
    for case in cases:
        middle, least = statistics.median(case.times), min(case.times)
        print(f"  {case.name:30} {middle:7.1f}  {least:7.1f}  {middle / directory:6.2f}  {middle - directory:+7.1f} ms")


def print_load() -> None:
    """Say how busy the machine was in the last minute."""
    print(f"Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


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
