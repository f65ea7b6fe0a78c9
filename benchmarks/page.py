#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write docs/benchmarks.md and its plot from what the benchmarks measured.

``benchmarks/page.py [FILE]...`` takes the files that ``size.py``, ``startup.py`` and ``build_time.py`` write with
``--json`` into ``benchmarks/results.json``, each in place of the older run of the same command, and writes the page
and the plot from all that is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from apps import APPS, ROOT
from peers import BASE, CX_FREEZE, LEFT_OUT, OURS, PACKERS
from plot import Bar, Column, draw
from results import RESULTS, merge, read_runs, write_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from results import Figure, Run

PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = PAGE.with_suffix(".svg")
NOTHING = "-"
PLOT_TITLE = "Size and start of the test projects, by packer"


def main() -> None:
    """Merge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    options = parser.parse_args()
    runs = merge(read_runs(RESULTS) if RESULTS.exists() else [], read_runs(*options.files))
    write_runs(RESULTS, runs)
    PAGE.write_text(write_page(runs), encoding="utf-8")
    PLOT.write_text(write_plot(runs), encoding="utf-8")


def write_page(runs: Sequence[Run]) -> str:
    """Return the page in Markdown."""
    by_name = {run.benchmark: run for run in runs}
    parts = [
        "# Benchmarks",
        (
            "The test projects of this repository, packed by this plugin and by its peers. Each table is of one run "
            "on one machine, and its times are of rounds in which each packer had its turn. A packer counts for a "
            "project only if the program that it made ran and printed what it should."
        ),
        *(f"**{remark}**" for remark in dict.fromkeys(run.remark for run in runs if run.remark)),
        f"![{PLOT_TITLE}]({PLOT.name})",
    ]
    for name, section in (("size", size_section), ("startup", startup_section), ("build", build_section)):
        if run := by_name.get(name):
            parts += [*section(run), *_failures(run)]
    parts += [*_how(runs), *_machines(runs), *_left_out(), _repeat()]
    return "\n\n".join(parts) + "\n"


def size_section(run: Run) -> list[str]:
    """Return the section about sizes."""
    return [
        "## Size",
        (
            "The file that is shipped, in units of 10^6 bytes, and in parentheses what it holds, unpacked. pex and "
            "shiv pack no Python."
        ),
        table(run, _size_cell),
    ]


def _size_cell(values: Mapping[str, float]) -> str:
    file, tree = (megabytes(values[name]) if name in values else NOTHING for name in ("file", "tree"))
    return file if tree == NOTHING else f"{file} ({tree})"


def megabytes(size: float) -> str:
    """Return a size in units of 10^6 bytes, with its first digit however small it is."""
    text = f"{size / 1e6:.1f}"
    return text if float(text) else f"{size / 1e6:.1g}"


def startup_section(run: Run) -> list[str]:
    """Return the section about starts."""
    commands = "; ".join(f"`{' '.join([app.command, *app.arguments])}`" for app in APPS)
    return [
        "## Start",
        (
            f"From the start of the program to its end, with warm caches, for {commands}. Each cell has the median of "
            "the ratios to the same project in a virtual environment in the same round, the middle half of these "
            f"ratios, and the median time. {run.rounds} rounds. qt-window runs with `QT_QPA_PLATFORM=offscreen` and "
            "closes its window at once. What a program unpacks at its first start only is not in these times: pex "
            "and shiv unpack to a directory in the user's home that stays."
        ),
        table(run, _startup_cell),
    ]


def _startup_cell(values: Mapping[str, float]) -> str:
    spread = f"{values['ratio low']:.2f} to {values['ratio high']:.2f}"
    return f"{values['ratio']:.2f} ({spread}), {values['median']:.0f} ms"


def build_section(run: Run) -> list[str]:
    """Return the section about builds."""
    return [
        "## Build",
        (
            f"Seconds, the middle half of all rounds in parentheses, and the median of the ratios to {CX_FREEZE.name} "
            f"in the same round. {run.rounds} rounds. The first build starts with the packer installed, its bytecode "
            "compiled, empty caches of the packer, and full caches of downloads; the installation of the project and "
            "of what it depends on is a part of it. The second table is the build after one line of the project has "
            "changed."
        ),
        "### First build",
        table(run, _build_cell("first")),
        "### Build after a change",
        table(run, _build_cell("again")),
    ]


def _build_cell(kind: str) -> Callable[[Mapping[str, float]], str]:
    def cell(values: Mapping[str, float]) -> str:
        seconds = f"{values[kind]:.1f} s ({values[f'{kind} low']:.1f} to {values[f'{kind} high']:.1f})"
        ratio = values.get(f"{kind} ratio")
        return seconds if ratio is None else f"{seconds}, {ratio:.2f}"

    return cell


def table(run: Run, cell: Callable[[Mapping[str, float]], str]) -> str:
    """Return a table with a line for each packer and a column for each project."""
    projects = list(dict.fromkeys(figure.project for figure in run.figures))
    lines = [["", *projects], ["---"] * (len(projects) + 1)]
    for packer in dict.fromkeys(figure.packer for figure in run.figures):
        name = f"**{packer}**" if packer == OURS.name else packer
        lines.append([name, *(_cell(run.values(project, packer), cell) for project in projects)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(figure: Figure | None, cell: Callable[[Mapping[str, float]], str]) -> str:
    if figure is None:
        return NOTHING
    return "failed" if figure.failed else cell(figure.values)


def _failures(run: Run) -> list[str]:
    lines = [f"- {one.packer}, {one.project}: `{one.failed.replace('`', '')}`" for one in run.figures if one.failed]
    return ["What failed:", "\n".join(lines)] if lines else []


def _how(runs: Sequence[Run]) -> list[str]:
    used = {figure.packer for run in runs for figure in run.figures}
    lines = [f"- **{packer.name}**: {packer.how}." for packer in (BASE, *PACKERS) if packer.name in used]
    return ["## What each packer is given", "The same Python, and this:", "\n".join(lines)]


def _machines(runs: Sequence[Run]) -> list[str]:
    """Return the machines and versions, once each, with the benchmarks that they are of."""
    by_text: dict[str, list[str]] = {}
    for run in runs:
        lines = [f"- {name}: {value}" for name, value in [*run.machine.items(), ("date", run.date)]]
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        by_text.setdefault("\n".join([*lines, f"- versions: {versions}"]), []).append(run.benchmark)
    parts = ["## Machine and versions"]
    for text, names in by_text.items():
        parts += [f"{', '.join(names).capitalize()}:", text]
    return parts


def _left_out() -> list[str]:
    lines = [f"- {name}: {reason}." for name, reason in LEFT_OUT.items()]
    return ["## Who is not compared", "\n".join(lines)]


def _repeat() -> str:
    return (
        "## Measure again\n\nThis page is written by `benchmarks/page.py` from what `benchmarks/size.py`, "
        "`benchmarks/startup.py` and `benchmarks/build_time.py` measure:\n\n```sh\n"
        "for name in size startup build_time; do .venv/bin/python benchmarks/$name.py --directory /tmp/builds "
        "--json /tmp/$name.json; done\n"
        ".venv/bin/python benchmarks/page.py /tmp/size.json /tmp/startup.json /tmp/build_time.json\n```\n\n"
        "They need a package index, and name the Debian packages that are missing."
    )


def write_plot(runs: Iterable[Run]) -> str:
    """Return the plot of sizes and starts."""
    by_name = {run.benchmark: run for run in runs}
    size, startup = by_name.get("size"), by_name.get("startup")
    projects = [app.project for app in APPS if any(_has(run, app.project) for run in (size, startup))]
    groups = [(project, [packer.name for packer in PACKERS]) for project in projects]
    columns = [
        Column("File, MB", [_bars(size, *group, _size_bar) for group in groups]),
        Column(
            "Start, times that of a virtual environment", [_bars(startup, *group, _start_bar) for group in groups], 1.0
        ),
    ]
    return draw(PLOT_TITLE, groups, columns, OURS.name)


def _has(run: Run | None, project: str) -> bool:
    return run is not None and any(figure.project == project for figure in run.figures)


def _bars(
    run: Run | None, project: str, packers: Iterable[str], bar: Callable[[Mapping[str, float]], Bar]
) -> list[Bar]:
    bars = []
    for packer in packers:
        figure = run.values(project, packer) if run else None
        if figure is None or figure.failed:
            bars.append(Bar(None, "failed" if figure else "not measured"))
        else:
            bars.append(bar(figure.values))
    return bars


def _size_bar(values: Mapping[str, float]) -> Bar:
    if "file" not in values:
        return Bar(None, "not one file")
    return Bar(values["file"], megabytes(values["file"]))


def _start_bar(values: Mapping[str, float]) -> Bar:
    return Bar(values["ratio"], f"{values['ratio']:.2f}")


if __name__ == "__main__":
    main()
