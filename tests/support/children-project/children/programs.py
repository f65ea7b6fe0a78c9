# SPDX-License-Identifier: MIT
"""Programs of the host, started by an application in an image."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any


def environment() -> dict[str, dict[str, str]]:
    """Return what different kinds of children have in their environment."""
    read, write = os.pipe()
    os.set_inheritable(write, True)  # noqa: FBT003 - the function takes no keyword
    os.system(f"env -0 >&{write}")  # noqa: S605 - the shell is what is looked at
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        by_system = pipe.read()
    return {
        "own": dict(os.environ),
        "subprocess": _variables(subprocess.check_output(["env", "-0"])),
        "shell": _variables(subprocess.check_output("env -0", shell=True)),
        "bash": _variables(subprocess.check_output(["bash", "--norc", "-c", "env -0"])),
        "system": _variables(by_system),
        "python3": _variables(
            subprocess.check_output(
                ["/usr/bin/python3", "-c", "import subprocess; print(end=subprocess.getoutput('env -0'))"]
            )
        ),
        "spawned": _variables(_spawn("env", "-0")),
    }


def _variables(output: bytes) -> dict[str, str]:
    return dict(item.split("=", 1) for item in os.fsdecode(output).split("\0") if item)


def _spawn(*command: str) -> bytes:
    """Run a program as C libraries do, not Python's subprocess."""
    read, write = os.pipe()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)])
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        output = pipe.read()
    os.waitpid(process, 0)
    return output


def state() -> dict[str, Any]:
    """Return what else a process inherits."""
    return {"own": _state(), "child": _ask("cat", "/proc/self/status"), "limits": _ask("cat", "/proc/self/limits")} | {
        "descriptors": sorted(
            subprocess.check_output(["ls", "/proc/self/fd"], close_fds=False, text=True).split(), key=int
        ),
        "umask": _ask("sh", "-c", "umask"),
        "directory": _ask("pwd", "-P"),
    }


def _state() -> dict[str, Any]:
    return {
        "pipe": signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN,
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "group": os.getpgrp(),
        "session": os.getsid(0),
    }


def _ask(*command: str) -> str:
    return subprocess.check_output(command, text=True)


def run(*command: str) -> dict[str, Any]:
    """Run a command and return how it ended and what it wrote."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return {"status": result.returncode, "output": result.stdout, "errors": result.stderr}
