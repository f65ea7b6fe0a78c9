#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether applications still work however much is left out of their images: ``tests/self_tests.py [--directory DIR]``.

Builds the test projects, and applications from the index, with each of several sets of options, runs the self-test of
each image, and its command with ``--help``. Prints a table, and ends with 1 where anything fails that does not fail in
the image from which nothing is left out. It takes an hour, so it is no part of the tests.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = ROOT / "test-projects"
#: The options that leave nothing out come first: the others are compared with them.
OPTIONS = {
    "nothing left out": ("trim=false", "strip=false"),
    "default": (),
    "small": ('compression="small"',),
    "all stripped": ("trim=true", 'strip="all"'),
    "bytecode only": ('bytecode="only"',),
    "all of it": ('compression="small"', "trim=true", 'strip="all"', 'bytecode="only"'),
}
#: Each with the options that it needs. They are chosen for what they are made of: web servers, TLS, compiled modules,
#: plugins, data files, code that reads code.
FROM_INDEX: dict[str, tuple[str, ...]] = {
    "ansible-lint": (),
    "aws-shell": (),
    "black": (),
    "cookiecutter": (),
    "csvkit": ('entry-point="csvlook"',),
    "datasette": (),
    "glances": (),
    "httpie": (),
    "ipython": (),
    "mkdocs": (),
    "pgcli": (),
    "poetry": (),
    "pylint": (),
    "sqlfluff": (),
    "streamlink": (),
    "yt-dlp": (),
}
SECONDS = 300
MOUNT_POINT = re.compile(r"/tmp/\.mount_\w+")


@dataclass(frozen=True)
class Outcome:
    """What came of an image.

    Attributes:
        size: of the image, in bytes.
        summary: the last line of its self-test, or why there is none.
        failed: the lines of what failed.
        help: the exit status of its command with ``--help``, and what that printed.

    """

    size: int
    summary: str
    failed: tuple[str, ...]
    help: tuple[int, str]

    def faults(self, whole: Outcome) -> list[str]:
        """Return what is worse than in the image from which nothing is left out."""
        found = [line for line in self.failed if line not in whole.failed]
        if self.help[0] != whole.help[0]:
            found.append(f"--help: exit status {self.help[0]} in place of {whole.help[0]}: {self.help[1][-300:]}")
        elif self.help[1] != whole.help[1]:
            found.append("--help: prints something else")
        return found


def main() -> int:
    """Build and try all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="where the images stay (default: nowhere)")
    parser.add_argument("applications", nargs="*", help="these only: test projects, or requirements")
    parser.add_argument("--options", nargs="*", choices=OPTIONS, default=list(OPTIONS), help="these only")
    options = parser.parse_args()
    applications = options.applications or [*sorted(path.name for path in PROJECTS.iterdir()), *FROM_INDEX]
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        results = [try_application(name, options.options, directory) for name in applications]
    return 0 if all(results) else 1


def try_application(name: str, sets: Sequence[str], directory: Path) -> bool:
    """Build and try one application with sets of options; print what comes of each, and say whether all is well."""
    outcomes: dict[str, Outcome] = {}
    faults = []
    for label in sets:
        try:
            image = build(name, OPTIONS[label], directory / name / label.replace(" ", "-"))
        except subprocess.CalledProcessError as error:
            faults.append(f"{label}: not built: {error.stderr.strip().splitlines()[-1]}")
            print(f"{name:<20} {label:<17} {faults[-1]}", flush=True)
            continue
        outcomes[label] = outcome = run(image)
        print(f"{name:<20} {label:<17} {outcome.size / 1e6:7.1f} MB  {outcome.summary}", flush=True)
        worse = outcome.faults(outcomes[next(iter(OPTIONS))]) if next(iter(OPTIONS)) in outcomes else outcome.failed
        for fault in worse:
            print(f"    {fault}", flush=True)
        faults += worse
    return not faults


def build(name: str, options: Sequence[str], output: Path) -> Path:
    """Build an image.

    Raises:
        subprocess.CalledProcessError: it cannot be built; it has what the build says.

    """
    source = PROJECTS / name if (PROJECTS / name).is_dir() else name
    chosen = [*options, *FROM_INDEX.get(name, ())]
    settings = [part for option in chosen for part in ("--set", option)]
    command = Path(sys.executable).with_name("hatch-appimage")
    arguments = ["build", source, "--quiet", "--output", output, *settings]
    subprocess.run([command, *arguments], check=True, capture_output=True, text=True)
    return next(output.glob("*.AppImage"))


def run(image: Path) -> Outcome:
    """Run the self-test of an image, and its command with ``--help``."""
    tested = _start(image, "--appimage-self-test")
    lines = tested.stdout.splitlines() or ["no self-test"]
    asked = _start(image, "--help")
    failed = tuple(line for line in lines if line.startswith("failed"))
    text = MOUNT_POINT.sub("IMAGE", asked.stdout + asked.stderr)
    return Outcome(image.stat().st_size, lines[-1], failed, (asked.returncode, text))


def _start(image: Path, argument: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as home:
        kept = {name: os.environ[name] for name in ("DISPLAY", "WAYLAND_DISPLAY") if name in os.environ}
        environment = {"PATH": os.defpath, "HOME": home, "LANG": "C.UTF-8", "COLUMNS": "100", **kept}
        try:
            return subprocess.run(
                [image, argument],
                capture_output=True,
                text=True,
                errors="replace",
                env=environment,
                cwd=home,
                timeout=SECONDS,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess([], 124, "", f"did not end within {SECONDS} seconds")


if __name__ == "__main__":
    sys.exit(main())
