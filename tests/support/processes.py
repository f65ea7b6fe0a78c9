# SPDX-License-Identifier: MIT
"""What ends the processes that a test leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def processes() -> set[int]:
    """Return the ids of all processes."""
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}


def end_processes(directory: Path, before: set[int], patience: float = 5.0) -> None:
    """End all processes that have come since then and know a directory, and unmount what they leave there.

    Args:
        directory: one below it is their program, their working directory, or stands in their command or environment.
        before: the ids of all processes then.
        patience: seconds that they may take to end when they are asked to.

    """
    left = {process for process in processes() - before if _knows(process, directory)}
    if not left:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        deadline = time.monotonic() + patience
        while any(map(_runs, left)) and time.monotonic() < deadline:
            time.sleep(0.01)
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    for point in (line.split(" ")[1].encode("utf-8", "surrogateescape").decode("unicode_escape") for line in mounts):
        if Path(point).is_relative_to(directory):
            subprocess.run(["umount", "--lazy", point], check=False)


def _knows(process: int, directory: Path) -> bool:
    entry = Path("/proc", str(process))
    try:
        places = [os.fsencode((entry / name).readlink()) for name in ("exe", "cwd")]
        texts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
    except OSError:  # it has just ended, or is somebody else's
        return False
    return any(os.fsencode(directory) + b"/" in text for text in [*places, *texts])


def _runs(process: int) -> bool:
    """Whether a process has not ended; of one that has, nothing is left but its exit status."""
    try:
        Path(f"/proc/{process}/exe").readlink()
    except OSError:
        return False
    return True
