# SPDX-License-Identifier: MIT
"""Run a command in namespaces of its own, which need neither root nor a container engine, and leave nothing running.

Three processes take part: one that makes the namespaces, the first one in them, and the command. The kernel ends each
when the one before it ends, and all that run in a process namespace with its first one; mounts end with the last.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from hatch_appimage.errors import AppImageError, explain_os_error
from hatch_appimage.roots.system_calls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MS_PRIVATE,
    MS_REC,
    end_with_parent,
    mount,
    unshare,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# How long the command may take to end after an interrupt, in seconds: the terminal interrupts it, too.
_PATIENCE: Final = 5.0
_POLL_SECONDS: Final = 0.02
# What is written to a pipe at once stays together (pipe(7)).
_PIPE_BUF: Final = 4096
# Where kernels say that they allow no user namespaces: the setting, the value that forbids, and one that allows.
_SYSCTLS: Final = (
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Attributes:
        status: its exit status; as shells have it, 128 + n if the signal n ended it.
        signal: the number of the signal that ended it; None if it ended by itself.

    """

    status: int
    signal: int | None


def run_isolated(
    command: Sequence[str],
    *,
    prepare: Callable[[], None],
    environment: Mapping[str, str],
    directory: str | Path,
    flags: int = 0,
) -> Ending:
    """Run a command in new user, mount and process namespaces, with this process's user id and standard streams.

    Args:
        command: the program, as a path or a name on its ``PATH``, and its arguments.
        prepare: called in the namespaces before the command starts, to mount what it needs.
        environment: the command's whole environment.
        directory: where the command runs, as it is found once all is prepared.
        flags: further namespaces (``CLONE_NEW...``).

    Raises:
        AppImageError: there are no such namespaces here, they cannot be prepared, or the command not be started.

    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, child = _start(command, prepare, environment, directory, flags, quiet=False)
    interrupt = None
    ending = None
    try:
        ending = _read_ending(reader)
    except KeyboardInterrupt as error:
        interrupt = error
        _wait(child, _PATIENCE)  # the terminal interrupts it, too
    finally:
        _end(child)
        if interrupt:
            ending = _read_ending(reader)  # there is one if the command has heeded it
        os.close(reader)
    if ending is None:
        raise interrupt or _killed()
    return ending


@contextmanager
def isolated(
    command: Sequence[str],
    *,
    prepare: Callable[[], None],
    environment: Mapping[str, str],
    directory: str | Path,
    flags: int = 0,
) -> Iterator[Callable[[float], Ending]]:
    """Run a command as `run_isolated` does, beside a block; it reads nothing and nobody sees what it writes.

    Args:
        command: the program, as a path or a name on its ``PATH``, and its arguments.
        prepare: called in the namespaces before the command starts, to mount what it needs.
        environment: the command's whole environment.
        directory: where the command runs, as it is found once all is prepared.
        flags: further namespaces (``CLONE_NEW...``).

    Returns:
        A function that waits for the end, as many seconds as it is told. It raises a TimeoutError if that is too short,
        and what `run_isolated` raises. What has not ended when the block does is killed.

    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, child = _start(command, prepare, environment, directory, flags, quiet=True)

    def wait(seconds: float) -> Ending:
        ending = _read_ending(reader, seconds)
        if ending is None:
            raise _killed()
        return ending

    try:
        yield wait
    finally:
        _end(child)
        os.close(reader)


def _start(
    command: Sequence[str],
    prepare: Callable[[], None],
    environment: Mapping[str, str],
    directory: str | Path,
    flags: int,
    *,
    quiet: bool,
) -> tuple[int, int]:
    """Start the first process; return the pipe on which the end is told, and the number of that process."""
    reader, writer = os.pipe()
    processes = _Isolated(command, prepare, environment, directory, flags, quiet, writer)
    child = processes.fork(processes.make_namespaces)
    os.close(writer)
    return reader, child


def _killed() -> AppImageError:
    return AppImageError("The command was killed together with its namespaces")


def _wait(child: int, seconds: float) -> None:
    """Wait for the end of a process for some time; it keeps its number until `_end`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(_POLL_SECONDS)


def _end(child: int) -> None:
    """End the first process, which sees to the end of all others before."""
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)


def _read_ending(pipe: int, seconds: float | None = None) -> Ending | None:
    """Wait for what one of the processes tells of the end first; None if they have ended without a word.

    Raises:
        AppImageError: it tells of an error.
        TimeoutError: it takes too long.

    """
    if not select.select([pipe], [], [], seconds)[0]:
        raise TimeoutError
    kind, _, rest = os.read(pipe, _PIPE_BUF).decode(errors="replace").partition("\n")[0].partition(" ")
    if kind == "error":
        raise AppImageError(rest)
    if not kind:
        return None
    number = int(rest)
    return Ending(128 + number, number) if kind == "signal" else Ending(number, None)


@dataclass(frozen=True)
class _Isolated:
    """What the processes know that a command is run by, and the pipe that the first of them to fail tells why on."""

    command: Sequence[str]
    prepare: Callable[[], None]
    environment: Mapping[str, str]
    directory: str | Path
    flags: int
    quiet: bool
    pipe: int

    def fork(self, work: Callable[[], None]) -> int:
        """Start a process that does some work and ends; return its number."""
        child = os.fork()
        if child == 0:
            try:
                work()
            except OSError as error:
                self._tell(f"error {explain_os_error(error)}")
            except Exception as error:  # noqa: BLE001 - there is nobody else here to tell
                self._tell(f"error {error}")
            finally:
                os._exit(1)
        return child

    def _tell(self, text: str) -> None:
        os.write(self.pipe, f"{text}\n".encode(errors="replace")[:_PIPE_BUF])

    def make_namespaces(self) -> None:
        """Do the work of the first process: the next one is in the new process namespace, which it cannot enter."""
        _ignore_interrupts()
        _enter_namespaces(self.flags)
        child = self.fork(self.run)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
        os.close(self.pipe)
        os.waitpid(child, 0)

    def run(self) -> None:
        """Do the work of the first process in the namespaces: prepare them, and wait for the command."""
        end_with_parent()
        self.prepare()
        child = self.fork(self._execute)
        while True:
            process, status = os.wait()  # whose parents have ended are its children, too
            if process == child:
                break
        if os.WIFSIGNALED(status):
            self._tell(f"signal {os.WTERMSIG(status)}")
        else:
            self._tell(f"exit {os.WEXITSTATUS(status)}")

    def _execute(self) -> NoReturn:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(self.directory)
        if self.quiet:
            _silence()
        try:
            os.execvpe(self.command[0], list(self.command), self.environment)  # noqa: S606 - it replaces this process
        except OSError as error:
            raise AppImageError(f"{self.command[0]} cannot be started there: {_explain_start(error)}") from error


def _silence() -> None:
    """Take this process's streams away, and the terminal that it has."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def _ignore_interrupts() -> None:
    """Leave it to the command what an interrupt of the terminal does, and to the kernel what ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _enter_namespaces(flags: int) -> None:
    """Enter new namespaces in which this user can mount, and is who they were outside (user_namespaces(7))."""
    parent, user, group = os.getppid(), os.getuid(), os.getgid()
    try:
        unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | flags)
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="utf-8")
        mount(None, "/", flags=MS_REC | MS_PRIVATE)
    except OSError as error:
        raise AppImageError(f"There are no user namespaces here ({error.strerror}): {_explain_refusal()}") from error
    end_with_parent()
    if os.getppid() != parent:  # it ended just before
        os._exit(1)


def _explain_refusal() -> str:
    """Return what to do where the system allows no user namespaces."""
    for name, forbidding, allowing in _SYSCTLS:
        with suppress(OSError):
            if Path("/proc/sys", *name.split(".")).read_text(encoding="utf-8").strip() == forbidding:
                return f"`sysctl {name}={allowing}` allows them"
    return "containers and chroots often forbid them; try it outside"


def _explain_start(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is not there, or the interpreter or loader is not that it asks for"
    return error.strerror or str(error)
