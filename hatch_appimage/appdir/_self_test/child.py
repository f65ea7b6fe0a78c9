# SPDX-License-Identifier: MIT
"""Run checks in processes of their own: none can crash, hang or change what the others see."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress

from .check import FAILED, OK, Result, one_line
from .verdict import judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .check import Check
    from .image import Image

# How long one import may take: some modules start their program when they are imported.
SECONDS = 60
# Before each result of a child process, and before what says that there are no more; all else is what it prints.
MARK = b"\x1e"
END = MARK + b"end"
MAX_LINE = 65536


def run_checks(checks: list[Check], image: Image) -> Iterator[tuple[Check, Result]]:
    """Run checks in one child process, as long as they succeed.

    What does not is tried again as the first one of a process of its own, since what came before it may be the reason;
    what follows is run in a new process, too.
    """
    done = 0
    while done < len(checks):
        results = run_in_child(checks[done:], image)
        yield from zip(checks[done:], results)
        done += len(results)


def run_in_child(checks: list[Check], image: Image) -> list[Result]:
    """Return the results up to the first one that is not ``ok``, which counts only if it is the only one."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            be_child(checks, image, writer)
        finally:
            os._exit(1)
    os.close(writer)
    try:
        results, output, in_time = read_results(reader)
    finally:
        end_group(child)
        status = os.waitpid(child, 0)[1]
        os.close(reader)
    return results or [Result(FAILED, explain_end(status, output, in_time=in_time))]


def be_child(checks: list[Check], image: Image, writer: int) -> None:
    """Run checks and write their results; the process ends with it."""
    os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    for number, check in enumerate(checks):
        try:
            result = Result(OK, check.test())
        except BaseException as error:  # noqa: BLE001 - an import may raise anything, SystemExit among it
            result = judge(error, image, optional=check.optional)
        if result.verdict != OK and number:
            break
        os.write(writer, b"\n" + MARK + json.dumps([result.verdict, one_line(result.detail)]).encode() + b"\n")
        if result.verdict != OK:
            break
    os.write(writer, b"\n" + END + b"\n")
    os._exit(0)


def read_results(reader: int) -> tuple[list[Result], str, bool]:
    """Return a child's results, the last line of what else it printed, and whether each came in time."""
    results, printed = [], ""
    signal.signal(signal.SIGALRM, raise_timeout)
    signal.alarm(SECONDS)
    try:
        for line in read_lines(reader):
            if line == END:  # its own children may still hold the pipe
                break
            if line.startswith(MARK):
                results.append(Result(*json.loads(line[1:])))
                signal.alarm(SECONDS)
            elif line.strip():
                printed = line.decode(errors="replace")
    except TimeoutError:
        return results, printed, False
    finally:
        signal.alarm(0)
    return results, printed, True


def read_lines(reader: int) -> Iterator[bytes]:
    """Yield the lines from a pipe, and what is behind the last one; of very long ones the end."""
    rest = b""
    for chunk in iter(lambda: os.read(reader, MAX_LINE), b""):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        rest = rest[-MAX_LINE:]
    yield rest


def raise_timeout(*_: object) -> None:
    """Handle SIGALRM."""
    raise TimeoutError


def end_group(leader: int) -> None:
    """End what a child has left behind, and the child itself if it hangs."""
    with suppress(OSError):  # it has not got so far as to lead one, or nothing is left of it
        os.killpg(leader, signal.SIGKILL)


def explain_end(status: int, output: str, *, in_time: bool) -> str:
    """Say how a process ended that gave no result."""
    last = f": {output}" if output else ""
    if not in_time:
        return f"it takes more than {SECONDS} s"
    if os.WIFSIGNALED(status):
        return f"it crashes: {signal.strsignal(os.WTERMSIG(status))}{last}"
    return f"it ends the process with exit status {os.WEXITSTATUS(status)}{last}"
