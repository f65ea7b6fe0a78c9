#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long builds take: the test projects built by this packer and by its peers, for the first time and once more.

``benchmarks/build_time.py [--rounds N] [--project NAME]... [--packer NAME]... [--json FILE]``, with the Python of a
development install.

In each round every packer builds the project once in a new directory, with empty caches of its own, and once more
after one line of the project has changed. What is not timed: the installation of the packer itself. What is timed of
the first build: all that the project needs, from the caches of uv and pip, which a round before has filled. Printed are
the median seconds, the middle half of them, and the median of the ratios to cx_Freeze's build of the same round. Needs
the package index and the Debian packages that it names if they are missing.
"""

from __future__ import annotations

import argparse
import shutil
import time
from typing import TYPE_CHECKING

from peers import CX_FREEZE
from results import Figure
from rounds import Spread, paired_ratios, print_load
from selection import add_options, selected
from workplace import PackerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps import App
    from peers import Packer
    from selection import Selection

KINDS = ("first", "again")


def main() -> None:
    """Build in rounds, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    add_options(parser)
    options = parser.parse_args()
    figures = []
    with selected("build", options) as selection:
        print_load()
        for app in selection.apps:
            figures += compare(selection, app, options.rounds)
            print_load()
        report(figures)
        selection.finish(figures, options, rounds=options.rounds)


def compare(selection: Selection, app: App, rounds: int) -> list[Figure]:
    """Build one project in rounds, after one that fills the caches of downloads; a packer that fails builds no more."""
    times: dict[str, dict[str, list[float]]] = {
        packer.name: {kind: [] for kind in KINDS} for packer in selection.packers
    }
    failed: dict[str, str] = {}
    for number in range(rounds + 1):
        for packer in (packer for packer in selection.packers if packer.name not in failed):
            print(f"{app.project}, round {number} of {rounds}: {packer.name} …", flush=True)
            try:
                seconds = build_twice(selection, packer, app, number)
            except PackerError as error:
                failed[packer.name] = str(error)
                continue
            for kind in KINDS if number else ():
                times[packer.name][kind].append(seconds[kind])
    return [
        Figure(app.project, name, failed=failed[name])
        if name in failed
        else Figure(app.project, name, summary(of_packer, times.get(CX_FREEZE.name)))
        for name, of_packer in times.items()
    ]


def build_twice(selection: Selection, packer: Packer, app: App, number: int) -> dict[str, float]:
    """Return the seconds that the first build takes, and the one after a change; both results must run.

    Raises:
        PackerError: a build fails, or its result does not run.

    """
    workplace = selection.workplace(packer, app, kind=f"round {number}")
    try:
        selection.set_up(packer, workplace)
        first = timed(lambda: packer.build(workplace))
        workplace.check(packer.find(workplace))
        app.change_line(workplace.project, number)
        again = timed(lambda: packer.pack(workplace))
        workplace.check(packer.find(workplace))
        selection.note_versions(packer, workplace)
    finally:
        shutil.rmtree(workplace.directory, ignore_errors=True)
    return {"first": first, "again": again}


def timed(call: Callable[[], None]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def summary(times: dict[str, list[float]], base: dict[str, list[float]] | None) -> dict[str, float]:
    """Return the spread of the seconds of both kinds of build, and their ratios to those of the base.

    Args:
        times: by kind, one a round.
        base: what they are compared with, of the same rounds; there are no ratios if it lacks a round.

    """
    values: dict[str, float] = {}
    for kind, seconds in times.items():
        spread = Spread.of(seconds)
        values |= {kind: spread.median, f"{kind} low": spread.low, f"{kind} high": spread.high}
        if base and len(base[kind]) == len(seconds):
            values[f"{kind} ratio"] = paired_ratios(seconds, base[kind]).median
    return values


def report(figures: list[Figure]) -> None:
    """Print a table."""
    print(f"\n{'project':14} {'packer':24} {'first':>18}   ratio {'again':>18}   ratio  (seconds; to {CX_FREEZE.name})")
    for figure in figures:
        cells = "".join(_cell(figure, kind) for kind in KINDS) if figure.values else figure.failed
        print(f"{figure.project:14} {figure.packer:24}{cells}")


def _cell(figure: Figure, kind: str) -> str:
    values = figure.values
    spread = f"{values[kind]:6.1f} ({values[f'{kind} low']:.1f}-{values[f'{kind} high']:.1f})"
    return f" {spread:>18} {values.get(f'{kind} ratio', float('nan')):7.2f}"


if __name__ == "__main__":
    main()
