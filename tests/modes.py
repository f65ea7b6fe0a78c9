#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a start is like in each mode, measured: ``tests/modes.py [--write]``.

Prints the table of `docs/how-it-works.md`, or writes it there. Each cell is an experiment with an image that is really
started; only the times are not compared by `test_modes.py`.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.runtime import runtime_path
from support.starting import MisbehaviorError
from support.tiny_image import MACHINE, build_tiny_image
from support.torture_kinds import limit, own_mounts, own_proc
from support.torture_round import Round
from support.ways import WAYS
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.starting import Running
    from support.ways import Way

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "how-it-works.md"
MARKED = re.compile(r"(?<=<!-- modes -->\n).*?(?=<!-- /modes -->)", re.DOTALL)
MODES = {
    "Mounted by root": [way for way in WAYS if way.name == "root"],
    "By fusermount": [way for way in WAYS if way.name == "fusermount"],
    "In a user namespace": [way for way in WAYS if way.name == "namespace"],
    "Unpacked": [way for way in WAYS if way.unpacks],
}
# Seconds in which what is sent twice arrives a second time.
SECOND_TIME = 0.3
ROUNDS = 21
# linux/magic.h: FUSE_SUPER_MAGIC
FUSE = "65735546\n"


def main() -> None:
    """Print the table, or put it in its place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtime", type=Path, default=runtime_path(MACHINE), help="measure this one")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args()
    if options.write:
        command = [sys.executable, __file__, "--runtime", options.runtime]
        table = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        PAGE.write_text(MARKED.sub(lambda _: table, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-modes-") as temporary:
        directory = Path(temporary)
        programs = [build_tiny_image(directory, options.runtime), directory / "AppDir" / "AppRun"]
        print(measure(programs), end="")


def measure(programs: list[Path]) -> str:
    """Return the table, for an image and its AppRun."""
    result, when_done = os.pipe()
    if process := os.fork():
        os.close(when_done)
        with os.fdopen(result) as stream:
            table = stream.read()
        os.waitpid(process, 0)
        return table
    world = World.enter(*programs)
    os.write(when_done, print_table(world).encode())
    os._exit(0)


def print_table(world: World) -> str:
    """Return all rows."""
    rows = [["", *MODES], ["---"] * (len(MODES) + 1)]
    for text, holds in PROPERTIES.items():
        cells = [all(measure_cell(world, way, holds) for way in ways) for ways in MODES.values()]
        rows.append([text, *("yes" if cell else "no" for cell in cells)])
    rows.append(
        [
            "Start, beside that of the plain directory",
            *(f"+{start_time(world, ways[-1])} ms" for ways in MODES.values()),
        ]
    )
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)


def measure_cell(world: World, way: Way, holds: Callable[[Round], bool]) -> bool:
    """Return whether a property holds, on a machine where this is the way."""
    with Round.begin(world, way, random.Random()) as r:  # noqa: S311 - nothing is chosen
        try:
            return holds(r)
        except MisbehaviorError as fault:
            print(f"{way.name}: {holds.__name__}: {fault}", file=sys.stderr)
            return False


# The properties


def writes_no_files(r: Round) -> bool:
    """Whether the application finds its files in a mount."""
    return r.start("file-system").end().output == FUSE


def is_the_same_process(r: Round) -> bool:
    """Whether the application has the number of the process that was started."""
    running = r.start("process")
    return running.end().output == f"{running.process}\n"


def gets_signals_once(r: Round) -> bool:
    """Whether what is sent to the process group arrives once, and from who sent it."""
    running = r.start("report-signals")
    running.wait_for("ready")
    running.kill_group(signal.SIGTERM)
    return arrived(running, signal.SIGTERM) == [f"signal {signal.SIGTERM} from {os.getpid()}"]


def gets_the_hangup_once(r: Round) -> bool:
    """Whether the session leader is told when its terminal goes away."""
    master, terminal = os.openpty()
    running = r.start("report-signals", terminal=terminal)
    os.close(terminal)
    running.wait_for("ready")
    os.close(master)
    return len(arrived(running, signal.SIGHUP)) == 1


def arrived(running: Running, number: signal.Signals) -> list[str]:
    """Wait for a signal, and a while for its second arrival; return all that arrived."""
    running.wait_for(f"signal {number} ")
    time.sleep(SECOND_TIME)
    running.kill(signal.SIGKILL)
    return running.end().output.splitlines()[1:]


def ends_as_the_application(r: Round) -> bool:
    """Whether exit status and fatal signal are the application's."""
    status = r.start("exit", "7").end().status
    signals = (signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL)
    ends = [r.start("raise", str(int(number)), steps=[partial(limit, "CORE", 0)]).end().status for number in signals]
    return [status, *ends] == [7, *(-number for number in signals)]


def is_a_good_first_process(r: Round) -> bool:
    """Whether process 1 of a container finds its orphans among what it waits for, and nothing else."""
    running = r.start("reap", first=True, as_root=[own_mounts, own_proc])
    return running.end().output == "pid 1, orphan reaped\n"


def passes_the_environment_on(r: Round) -> bool:
    """Whether a child gets the caller's variables, and those that are documented."""
    found = variables(r.start("environment", settings={"LINES": "a\nb"}).end().output)
    wanted = variables(r.start("environment", settings={"LINES": "a\nb"}, program="AppRun").end().output)
    image = str(r.world.programs / r.way.image)
    told = {"APPIMAGE": image, "ARGV0": image, "OWD": str(r.world.programs), "APPDIR": found.get("APPDIR", "")}
    return found == {**wanted, **told}


def variables(text: str) -> dict[str, str]:
    """Read an environment, each of whose variables is ended by a zero byte."""
    return dict(variable.split("=", 1) for variable in text.split("\0")[:-1])


def is_the_user_who_started_it(r: Round) -> bool:
    """Whether user, groups, owners of others' files, namespaces and signals are as without an image."""
    found, wanted = (
        r.start("identity", groups=(4, 24, 27), program=program).end().output for program in (None, "AppRun")
    )
    return bool(found) and found == wanted


def start_time(world: World, way: Way) -> int:
    """Return how many milliseconds the fastest start takes more than the fastest of the AppDir beside the image."""
    with Round.begin(world, way, random.Random()) as r:  # noqa: S311 - nothing is chosen
        times: dict[str, list[float]] = {r.way.image: [], "AppRun": []}
        for _ in range(ROUNDS):
            for program, taken in times.items():
                begin = time.perf_counter()
                r.start("exit", program=program).end()
                taken.append(time.perf_counter() - begin)
        r.settle()
    image, directory = map(min, times.values())
    return round((image - directory) * 1000)


PROPERTIES = {
    "Nothing is written to a disk": writes_no_files,
    "The application is the process that was started": is_the_same_process,
    "A signal to the process group arrives once": gets_signals_once,
    "So does the hangup of a session leader's terminal": gets_the_hangup_once,
    "Exit status and fatal signal are the application's": ends_as_the_application,
    "As process 1 it reaps orphans, and has no other children": is_a_good_first_process,
    "Children get the caller's environment and the documented variables": passes_the_environment_on,
    "User, groups, owners of files and namespaces are as without an image": is_the_user_who_started_it,
}


if __name__ == "__main__":
    main()
