# SPDX-License-Identifier: MIT
"""What the commands measured, in files: one a run, and all of the newest runs beside this module."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What the page is made from.
RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Figure:
    """What was measured of one packer and one project.

    Attributes:
        project: of ``test-projects``.
        packer: its name.
        values: by what they are: bytes, seconds, milliseconds or ratios.
        failed: why there are no values; empty where there are.

    """

    project: str
    packer: str
    values: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Attributes:
        benchmark: the command.
        date: of its end, as YYYY-MM-DD (UTC).
        machine: what it ran on, in words by what they are about.
        versions: of programs and packages, by their names.
        rounds: how many counted; 1 where nothing is timed.
        remark: what readers must know; empty for nothing.
        figures: what was measured.

    """

    benchmark: str
    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    rounds: int
    remark: str
    figures: tuple[Figure, ...]

    @classmethod
    def finish(
        cls, benchmark: str, figures: Iterable[Figure], versions: Mapping[str, str], *, rounds: int = 1, remark: str
    ) -> Run:
        """Return the run that ends now, on this machine."""
        today = datetime.now(timezone.utc).date().isoformat()
        return cls(benchmark, today, describe_machine(), dict(versions), rounds, remark, tuple(figures))

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Run:
        """Return the run that was written as a document."""
        return cls(**{**document, "figures": tuple(Figure(**figure) for figure in document["figures"])})

    def values(self, project: str, packer: str) -> Figure | None:
        """Return what was measured of one packer and one project; None if nothing was."""
        return next((one for one in self.figures if (one.project, one.packer) == (project, packer)), None)


def describe_machine() -> dict[str, str]:
    """Say what this machine is, without the names of hosts and users."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory / 2**30:.0f} GiB",
        # What follows the number is of those who built it.
        "kernel": re.sub(r"[^\d.].*", "", platform.release()),
        "distribution": platform.freedesktop_os_release()["PRETTY_NAME"],
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def read_runs(*files: Path) -> list[Run]:
    """Read the runs in files."""
    return [Run.read(run) for file in files for run in json.loads(file.read_text(encoding="utf-8"))]


def write_runs(file: Path, runs: Iterable[Run]) -> None:
    """Write runs to a file."""
    text = json.dumps([asdict(run) for run in runs], indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def merge(runs: Sequence[Run], newer: Iterable[Run]) -> list[Run]:
    """Return the runs, each replaced by a newer one of the same command, in the order of the commands' names."""
    return sorted({run.benchmark: run for run in [*runs, *newer]}.values(), key=lambda run: run.benchmark)
