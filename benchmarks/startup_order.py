#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the start-up order is worth: images beside a virtual environment, for several places of the same imports.

``benchmarks/startup_order.py [--rounds N] [--directory DIR]``

A program imports Flask and Requests, at the top of its module, inside `main()`, in the function of a subcommand, or in
a module that click loads for it, and ends. Images of each are built: with the application run for the start-up order as
by default; with ``startup-command = false``, when the entry point is only imported; without any order; and with the
subcommand as ``startup-command``. Each round starts the virtual environment's command and then the image's, so that
what disturbs the machine disturbs both of a pair; the ratio of the pair is what counts. Printed are the median of these
ratios, the middle half of them, and the median times in milliseconds, with the machine's load before and after: other
work on it makes the figures worthless. The environment has the same Python and packages, with bytecode compiled.
What is built stays in ``--directory`` and is used again, so that it can be built at another time than it is measured.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

from rounds import Case, measure, paired_ratios, print_load

if TYPE_CHECKING:
    from collections.abc import Collection

COMMAND = "work"
MODULES = {
    "imports at the top": "import flask, requests\ndef main():\n    print(flask.Flask, requests.get)\n",
    "imports in main()": "def main():\n    import flask, requests\n    print(flask.Flask, requests.get)\n",
    "imports in a subcommand": """\
import click

@click.group()
def main():
    pass

@main.command()
def work():
    import flask, requests
    print(flask.Flask, requests.get)
""",
    "subcommand loaded by click": """\
import importlib

import click

class Commands(click.Group):
    def list_commands(self, context):
        return ["work"]

    def get_command(self, context, name):
        return importlib.import_module(f"app_{name}").main

main = Commands()
""",
}
SUBCOMMAND = """\
import click, flask, requests

@click.command()
def main():
    print(flask.Flask, requests.get)
"""
ORDERS = {
    "by default": [],
    "import alone": ["--set", "startup-command=false"],
    "none": ["--set", "startup-order=false"],
    "of the subcommand": ["--set", f'startup-command="{COMMAND}"'],
}
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "app"
version = "1.0"
dependencies = ["flask", "requests"]

[project.scripts]
app = "app:main"

[tool.hatch.build.targets.wheel]
only-include = ["app.py", "app_work.py"]
"""


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--programs", nargs="*", choices=MODULES, default=list(MODULES), help="these only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-") as temporary:
        pairs = make_pairs(options.directory or Path(temporary), options.programs)
        print_load()
        print(f"\n{'':40} ratio  middle half     environment      image")
        for name, (command, image) in pairs.items():
            cases = Case("environment", command), Case("image", image)
            measure(cases, (COMMAND,), options.rounds)
            report(name, *cases)
        print_load()


def make_pairs(directory: Path, programs: Collection[str]) -> dict[str, tuple[Path, Path]]:
    """Return the commands that are compared, the environment's first, by what they have in common."""
    pairs = {}
    for number, (title, module) in enumerate(MODULES.items()):
        if title not in programs:
            continue
        # What takes no arguments does the same with them as without.
        orders = [order for order in ORDERS if "subcommand" in title or "subcommand" not in order]
        project = directory / str(number)
        if not project.exists():
            install(write_project(project, module))
            for order in orders:
                build(project, order, ORDERS[order])
        for order in orders:
            (image,) = (project / order).glob("*.AppImage")
            pairs[f"{title}, order {order}"] = (project / "environment" / "bin" / "app", image)
    return pairs


def write_project(directory: Path, module: str) -> Path:
    """Write a project of one module, and one that only click loads."""
    directory.mkdir(parents=True)
    (directory / "app.py").write_text(module)
    (directory / "app_work.py").write_text(SUBCOMMAND)
    (directory / "pyproject.toml").write_text(PROJECT)
    return directory


def install(project: Path) -> None:
    """Install a project into a virtual environment of its own."""
    environment = project / "environment"
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    command: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--python",
        environment / "bin" / "python",
    ]
    subprocess.run([*command, project], check=True)


def build(project: Path, name: str, options: list[str]) -> None:
    """Build the image of a project."""
    out = project / name
    program = Path(sys.executable).with_name("hatch-appimage")
    subprocess.run(
        [program, "build", project, "--output", out, *options],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def report(name: str, environment: Case, image: Case) -> None:
    """Print a line."""
    ratios = paired_ratios(image.times, environment.times)
    medians = [statistics.median(case.times) for case in (environment, image)]
    print(
        f"{name:40} {ratios.median:5.2f}  {ratios.low:.2f} to {ratios.high:.2f}  "
        f"{medians[0]:9.1f} ms {medians[1]:9.1f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
