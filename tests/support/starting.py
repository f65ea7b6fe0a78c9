# SPDX-License-Identifier: MIT
"""Start a program with whatever a machine may have in store for it, and see how it ends."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.syscalls import CLONE_NEWPID, setns, unshare

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

#: Seconds that anything may take which ends by itself: far more than it does on a busy machine.
PATIENCE = 30.0
# What a child writes that could not be prepared, and its status, with which a program may end as well.
_UNPREPARED = "The test itself cannot start "
_UNPREPARED_STATUS = 125


class MisbehaviorError(Exception):
    """Something is not as it should be."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        status: its exit status, or the negative number of the signal that ended it.
        output: what it wrote to its standard output.
        errors: what it wrote to its standard error.

    """

    status: int
    output: str
    errors: str

    @property
    def works(self) -> bool:
        """Whether nobody complained: one line of the runtime's may say what it does instead of mounting."""
        return not self.errors or (self.errors.startswith("AppImage: ") and self.errors.count("\n") == 1)

    @property
    def is_refusal(self) -> bool:
        """Whether the runtime says in one line that it cannot start the application."""
        return self.status == 127 and self.errors.startswith("AppImage: ") and self.errors.count("\n") == 1

    def expect(self, *statuses: int, refusal: bool = False) -> Outcome:
        """Return this outcome if it is an expected one.

        Args:
            *statuses: what it may be.
            refusal: it may also be 127 with one line that says why.

        Raises:
            MisbehaviorError: it is another one.

        """
        if (self.status in statuses and self.works) or (refusal and self.is_refusal):
            return self
        wanted = " or ".join([*map(str, statuses), *(["127 with one line"] if refusal else [])])
        wrote = f"it wrote {self.output!r} and {self.errors!r}"
        raise MisbehaviorError(f"status {self.status} instead of {wanted}; {wrote}")


@dataclass(frozen=True)
class Start:
    """What to start, and how.

    Attributes:
        command: program and arguments.
        environment: all of it.
        directory: the working directory.
        user: a numeric user id, whose group of the same number it gets.
        groups: supplementary groups.
        as_root: what the child does before it becomes the user.
        steps: what it does then, right before it becomes the program.
        terminal: a terminal's descriptor, of which it becomes the session leader; None to lead a process group only.
        first: it is process 1 of a new pid namespace.

    """

    command: Sequence[str | Path]
    environment: Mapping[str, str]
    directory: Path
    user: int = 0
    groups: tuple[int, ...] = ()
    as_root: Sequence[Callable[[], None]] = ()
    steps: Sequence[Callable[[], None]] = ()
    terminal: int | None = None
    first: bool = False

    def start(self) -> Running:
        """Start it, with nothing to read and pipes to write to."""
        outputs, output = os.pipe()
        errors, error = os.pipe()
        # Whatever is sent to the child reaches what it becomes.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        process = _fork_first() if self.first else os.fork()
        if process == 0:
            self._become_program(output, error, mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(output)
        os.close(error)
        return Running(process, outputs, errors)

    def _become_program(self, output: int, error: int, mask: set[int | signal.Signals]) -> None:
        try:
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):  # which Python has changed
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._prepare(output, error)
            os.execve(self.command[0], [os.fspath(part) for part in self.command], self.environment)  # noqa: S606 - no shell is wanted
        except BaseException as problem:  # noqa: BLE001 - no exception may reach the caller's code in this process
            print(f"{_UNPREPARED}{self.command[0]}: {problem!r}", file=os.fdopen(error, "w", closefd=False), flush=True)
        finally:
            os._exit(_UNPREPARED_STATUS)

    def _prepare(self, output: int, error: int) -> None:
        null = os.open(os.devnull, os.O_RDONLY)
        for descriptor, number in ((null, 0), (output, 1), (error, 2)):
            os.dup2(descriptor, number)
        if self.terminal is None:
            os.setpgid(0, 0)
        else:
            os.setsid()
            fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0)
        for step in self.as_root:
            step()
        os.setgroups(self.groups)
        os.setresgid(self.user, self.user, self.user)
        os.setresuid(self.user, self.user, self.user)
        os.chdir(self.directory)
        for step in self.steps:
            step()


def _fork_first() -> int:
    """Fork process 1 of a new pid namespace, as a direct child of the caller, which stays in its own."""
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        unshare(CLONE_NEWPID)
        process = os.fork()
        if process:
            setns(own)
    finally:
        os.close(own)
    return process


@dataclass
class Running:
    """A program that was started.

    Attributes:
        process: its number.
        outputs: where its standard output arrives.
        errors: where its standard error arrives.
        seen: what has arrived of its output.

    """

    process: int
    outputs: int
    errors: int
    seen: str = field(default="")
    _ended: int | None = None

    def kill(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self._ended is None:
            os.kill(self.process, number)

    def kill_group(self, number: int) -> None:
        """Send a signal to its process group."""
        try:
            os.killpg(self.process, number)
        except ProcessLookupError:  # it has not come to make one
            self.kill(number)

    def wait_for(self, text: str) -> bool:
        """Wait until it has written something; False when it has ended without.

        Raises:
            MisbehaviorError: neither comes.

        """
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.outputs], [], [], left)[0]:
                raise MisbehaviorError(f"it has not written {text!r}, but {self.seen!r}, after {PATIENCE:.0f} seconds")
            piece = os.read(self.outputs, 65536).decode()
            self.seen += piece
            if not piece:
                return False
        return True

    def has_ended(self) -> bool:
        """Whether it has."""
        if self._ended is None:
            process, status = os.waitpid(self.process, os.WNOHANG)
            self._ended = os.waitstatus_to_exitcode(status) if process else None
        return self._ended is not None

    def end(self) -> Outcome:
        """Wait for its end.

        Raises:
            MisbehaviorError: it does not come.

        """
        wait_until(self.has_ended, "it has not ended")
        self.seen += _read_all(self.outputs)
        errors = _read_all(self.errors)
        if self._ended is None or _UNPREPARED in errors:
            raise MisbehaviorError(errors)
        return Outcome(self._ended, self.seen, errors)

    def close(self) -> None:
        """Read nothing more."""
        os.close(self.outputs)
        os.close(self.errors)


def _read_all(pipe: int) -> str:
    """Return what is in a pipe; others than the program may hold its other end."""
    os.set_blocking(pipe, False)
    pieces = []
    try:
        while piece := os.read(pipe, 65536):
            pieces.append(piece)
    except BlockingIOError:
        pass
    return b"".join(pieces).decode(errors="replace")


def wait_until(condition: Callable[[], bool], complaint: str) -> None:
    """Wait for something.

    Raises:
        MisbehaviorError: it does not come, which is the complaint.

    """
    deadline = time.monotonic() + PATIENCE
    pause = 0.001
    while not condition():
        if time.monotonic() > deadline:
            raise MisbehaviorError(f"{complaint} after {PATIENCE:.0f} seconds")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def close_descriptors(descriptors: Collection[int]) -> None:
    """Close some of the calling process's descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)
