# SPDX-License-Identifier: MIT
"""Run other programs: quiet while they succeed, with all they said when they fail."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple

from hatch_appimage.errors import AppImageError
from hatch_appimage.redact import redact

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


class ProcessError(AppImageError):
    """A program ended with another status than 0.

    Attributes:
        output: what it wrote to stdout and stderr, as one text.
        status: its exit status; negative for the number of the signal that ended it.
        stdout: what it wrote to stdout alone.

    """

    def __init__(self, message: str, output: str, status: int, stdout: str = "") -> None:
        self.output = output
        self.stdout = stdout
        self.status = status
        super().__init__(message)

    def with_advice(self, advice: str) -> ProcessError:
        """Return the same error with a line more in its message, which says what to do."""
        return ProcessError(f"{self}\n{advice}", self.output, self.status, self.stdout)


class Output(NamedTuple):
    """What a program wrote.

    Attributes:
        stdout: its results.
        stderr: what it said of them.

    """

    stdout: str
    stderr: str


def run(
    command: Sequence[str | Path],
    *,
    doing: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    seconds: float | None = None,
) -> str:
    """Run a program to its end and return what it wrote to stdout, as text.

    Args:
        command: the program and its arguments; no shell takes part.
        doing: what it is for, as it stands in the error: "build the wheel".
        cwd: the directory it runs in; this process's when None.
        env: its whole environment; this process's when None.
        stdin: what it can read; nothing when None.
        seconds: how long it may take; None for as long as it wants.

    Raises:
        ProcessError: it cannot be started, takes too long, or ends with another status than 0.

    """
    return run_to_end(command, doing=doing, cwd=cwd, env=env, stdin=stdin, seconds=seconds).stdout


def run_to_end(
    command: Sequence[str | Path],
    *,
    doing: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    seconds: float | None = None,
    unshown: re.Pattern[str] | None = None,
) -> Output:
    """Run a program to its end and return what it wrote.

    Args:
        command: the program and its arguments; no shell takes part.
        doing: what it is for, as it stands in the error: "build the wheel".
        cwd: the directory it runs in.
        env: its whole environment; this process's when None.
        stdin: what it can read; nothing when None.
        seconds: how long it may take; None for as long as it wants.
        unshown: matches the beginning of lines on stderr that are for the caller only, and in no error.

    Raises:
        ProcessError: it cannot be started, takes too long, or ends with another status than 0; the message shows the
            command and its output.

    """
    words = [os.fspath(word) for word in command]
    log.debug("$ %s", redact(shlex.join(words)))
    # Files, not pipes: a process that is left behind would keep a pipe open.
    with TemporaryFile() as said, TemporaryFile() as complained, TemporaryFile() as input_:
        input_.write((stdin or "").encode())
        input_.seek(0)
        try:
            status = _run_group(words, cwd, env, streams=(input_, said, complained), seconds=seconds)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(f"Cannot {doing}: {Path(words[0]).name} took more than {seconds} s", "", 124) from error
        except OSError as error:
            reason = f"`{error.filename or words[0]}`: {error.strerror}"
            raise ProcessError(f"Cannot {doing}: {reason}", "", 127) from error
        stdout, stderr = _text(said), _text(complained)
    for line in (stdout + stderr).splitlines():
        log.debug("  %s", redact(line))
    if status:
        shown_errors = "\n".join(line for line in stderr.splitlines() if not (unshown and unshown.match(line)))
        output = (shown_errors.rstrip() + "\n" + stdout.rstrip()).strip()
        how = f"exit status {status}" if status > 0 else f"signal {-status}"
        shown = "".join(f"\n  {line}" for line in [*output.splitlines(), f"$ {shlex.join(words)}"])
        raise ProcessError(f"Cannot {doing}: {Path(words[0]).name} ended with {how}{shown}", output, status, stdout)
    return Output(stdout, stderr)


def run_quietly(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], seconds: float) -> int:
    """Run a program that reads nothing and whose output nobody sees, and end its process group with it.

    Args:
        command: the program and its arguments.
        cwd: the directory it runs in.
        env: its whole environment.
        seconds: how long it may take.

    Returns:
        Its exit status; negative for the number of the signal that ended it.

    Raises:
        OSError: it cannot be started.
        TimeoutError: it took too long.

    """
    null = subprocess.DEVNULL
    try:
        return _run_group([os.fspath(word) for word in command], cwd, env, streams=(null, null, null), seconds=seconds)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error


def _run_group(
    words: list[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    *,
    streams: tuple[IO[bytes] | int, IO[bytes] | int, IO[bytes] | int],
    seconds: float | None,
) -> int:
    """Run a program as the leader of a process group, of which nothing is left when this ends, however it does."""
    stdin, stdout, stderr = streams
    with subprocess.Popen(
        words, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
    ) as process:
        try:
            return process.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def find_program(name: str) -> Path | None:
    """Find a program that a dependency installed beside this Python, else one on ``PATH``."""
    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
        beside = Path(sysconfig.get_path("scripts", scheme), name)
        if os.access(beside, os.X_OK):
            return beside
    found = shutil.which(name)
    return Path(found) if found else None


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment of a login that set nothing up: what a stranger's machine offers an image.

    Args:
        home: an existing directory that stands in for the user's home.

    """
    environment = {"HOME": str(home), "LANG": "C.UTF-8", "PATH": os.defpath + ":/usr/local/bin"}
    # Where this machine wants temporary files. Not below home: an image is mounted there until a moment after its end.
    if "TMPDIR" in os.environ:
        environment["TMPDIR"] = os.environ["TMPDIR"]
    return environment
