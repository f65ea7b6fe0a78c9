#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Start images where, how and by whom they are started on real machines, and see that each start ends as it should.

``tests/torture.py [--seconds N | --rounds N] [--seed N] [--only KIND]... [--image FILE] [--runtime FILE] [--jobs N]``

Every round starts an image in a small world of its own (private mounts, as root), does something to it, and checks the
exit status, that nothing hangs, and that neither mount, process nor file stays behind. A round is made from its seed
alone, so that a failed one is repeated by the command that is printed with it; what depends on moments needs more
rounds than one. Exits with 1 if any round failed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.runtime import runtime_path
from support.starting import MisbehaviorError
from support.tiny_image import MACHINE, build_tiny_image, compile_program
from support.torture_kinds import KINDS
from support.torture_round import Round
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.sharedctypes import Synchronized


@dataclass(frozen=True)
class Plan:
    """Which rounds are played.

    Attributes:
        kinds: their names; one round of each in turn.
        seed: that of the first round; each further one has the next number.
        rounds: how many; None for as many as there is time for.
        seconds: after this time no round begins.
        jobs: how many are played at a time.

    """

    kinds: list[str]
    seed: int
    rounds: int | None
    seconds: float
    jobs: int

    def round(self, number: int) -> tuple[str, int] | None:
        """Return kind and seed of a round, counted from 0; None if there is no such round."""
        if self.rounds is not None and number >= self.rounds:
            return None
        return self.kinds[number % len(self.kinds)], self.seed + number


@dataclass(frozen=True)
class Result:
    """What came of a round; `failure` says what was wrong, and is None if nothing was."""

    kind: str
    seed: int
    failure: str | None


def main() -> int:
    """Play rounds; print each failure, and a line for each kind."""
    options = parse()
    begin = time.monotonic()
    results = []
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-torture-") as temporary:
        programs = gather_programs(Path(temporary), options.runtime, options.image)
        plan = Plan(options.only or playable(programs), options.seed, options.rounds, options.seconds, options.jobs)
        for result in play_all(plan, programs):
            results.append(result)
            if result.failure:
                print(f"{result.kind}: {result.failure}", flush=True)
            if result.failure and result.kind in KINDS:
                print(f"  again: {repeat_command(result)}", flush=True)
    print_summary(results, time.monotonic() - begin)
    return int(not results or any(result.failure for result in results))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--seconds", type=float, default=60.0, help="begin no round after this time")
    amount.add_argument("--rounds", type=int, help="play this many")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="of the first round")  # noqa: S311
    parser.add_argument("--only", action="append", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")
    parser.add_argument("--runtime", type=Path, default=runtime_path(MACHINE), help="put this one to the test")
    parser.add_argument("--image", type=Path, help="torture this image, too, which takes --version")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="rounds at a time")
    options = parser.parse_args()
    if options.rounds is not None:
        options.seconds = float("inf")
    if os.geteuid():
        parser.error("only root can mount, and become another user")
    return options


def gather_programs(directory: Path, runtime: Path, image: Path | None) -> list[Path]:
    """Build the tiny image and the filter, and have the real image beside them."""
    programs = [build_tiny_image(directory, runtime), compile_program("filter.c", directory / "filter")]
    if image:
        programs.append(Path(shutil.copy(image, directory / "Real.AppImage")))
    return programs


def playable(programs: list[Path]) -> list[str]:
    """Return the kinds for which everything is there."""
    names = {path.name for path in programs}
    return [name for name, kind in KINDS.items() if not kind.needs or kind.needs in names or shutil.which(kind.needs)]


def play_all(plan: Plan, programs: list[Path]) -> Iterator[Result]:
    """Yield the results of all rounds, in no order."""
    context = multiprocessing.get_context("fork")
    queue: SimpleQueue[Result | None] = context.SimpleQueue()
    next_round = context.Value("i", 0)
    jobs = [context.Process(target=play_some, args=(plan, next_round, programs, queue)) for _ in range(plan.jobs)]
    for job in jobs:
        job.start()
    running = len(jobs)
    while running:
        if result := queue.get():
            yield result
        else:
            running -= 1
    for job in jobs:
        job.join()


def play_some(
    plan: Plan, next_round: Synchronized[int], programs: list[Path], queue: SimpleQueue[Result | None]
) -> None:
    """Play one job's rounds, in a process of its own."""
    end = time.monotonic() + plan.seconds
    try:
        world = World.enter(*programs)
        while time.monotonic() < end:
            with next_round.get_lock():
                number = next_round.value
                next_round.value += 1
            if not (round_ := plan.round(number)):
                break
            queue.put(Result(*round_, play(world, *round_)))
    except Exception:  # noqa: BLE001 - it is a result
        queue.put(Result("torture.py", plan.seed, traceback.format_exc()))
    finally:
        queue.put(None)


def play(world: World, kind: str, seed: int) -> str | None:
    """Play a round; return what was wrong."""
    choices = random.Random(f"{kind} {seed}")  # noqa: S311 - not for secrets
    with Round.begin(world, choices.choice(KINDS[kind].ways), choices) as round_:
        try:
            KINDS[kind].play(round_)
            round_.settle()
        except MisbehaviorError as fault:
            return f"{round_}: {fault}"
    return None


def repeat_command(result: Result) -> str:
    """Return the command that plays a round again."""
    options = ["--only", result.kind, "--seed", str(result.seed), "--rounds", "1"]
    for name in ("--runtime", "--image"):
        if name in sys.argv:
            options += [name, sys.argv[sys.argv.index(name) + 1]]
    return shlex.join(["python", "tests/torture.py", *options])


def print_summary(results: list[Result], seconds: float) -> None:
    """Print a line for each kind and one for all."""
    rounds = Counter(result.kind for result in results)
    failures = Counter(result.kind for result in results if result.failure)
    print(f"\n{'kind':28} rounds  failures")
    for kind, number in sorted(rounds.items()):
        print(f"{kind:28} {number:6}  {failures[kind]:8}")
    print(f"\n{rounds.total()} rounds, {failures.total()} failures in {seconds:.0f} seconds")


if __name__ == "__main__":
    sys.exit(main())
