# SPDX-License-Identifier: MIT
"""Timed runs, round after round: each round runs every case once, so that what disturbs the machine disturbs all."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

PAUSE = 0.06
WARM_UP = 2
# What programs are started with: nothing of the shell that runs the benchmark.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}


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
    settings: Mapping[str, str] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def run(self, arguments: Sequence[str] = ()) -> float:
        """Run once; return the milliseconds from the start to the end."""
        environment = {**ENVIRONMENT, **self.settings}
        start = time.perf_counter()
        subprocess.run(
            [self.program, *arguments],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return (time.perf_counter() - start) * 1000


def measure(
    cases: Iterable[Case], arguments: Sequence[str], rounds: int, *, before: Callable[[], None] | None = None
) -> None:
    """Run every case once a round, and note the times of all rounds but those that warm up.

    Args:
        cases: whose times are replaced.
        arguments: for each program.
        rounds: how many count.
        before: is called before each run.

    """
    cases = list(cases)
    for case in cases:
        case.times.clear()
    for number in range(rounds + WARM_UP):
        for case in cases:
            if before:
                before()
            duration = case.run(arguments)
            if number >= WARM_UP:
                case.times.append(duration)
            time.sleep(PAUSE)


@dataclass(frozen=True)
class Spread:
    """The middle of some values, and the middle half of them.

    Attributes:
        median: the middle.
        low: a quarter of the values is below it.
        high: a quarter is above it.

    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of values, of which there may be a single one."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


def paired_ratios(times: Sequence[float], base: Sequence[float]) -> Spread:
    """Return the spread of the ratios of two cases, of which each is of one round."""
    return Spread.of([one / other for one, other in zip(times, base, strict=True)])


def print_load() -> None:
    """Say how busy the machine was in the last minute."""
    print(f"Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
