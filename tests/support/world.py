# SPDX-License-Identifier: MIT
"""A small world of its own for images to run in: its processes, its mounts, and an eye on what is left behind in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.machine import DEVICE
from support.starting import PATIENCE, MisbehaviorError
from support.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    MS_BIND,
    MS_PRIVATE,
    MS_REC,
    end_with_parent,
    mount,
    unmount,
    unshare,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/srv")
# linux/major.h: a minor number of the misc devices that no driver has; as /dev/fuse is without the kernel's module.
_NO_DRIVER = os.makedev(10, 250)
#: Where the runtime may put something, whatever the variables say.
SHARED = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))


@dataclass(frozen=True)
class World:
    """What an image finds: directories for everything that it may want to write, all of them empty.

    Attributes:
        programs: the images and other programs, by their names.

    """

    programs: Path = ROOT / "programs"
    temporary: Path = ROOT / "tmp"
    runtime: Path = ROOT / "runtime"
    home: Path = ROOT / "home"

    @property
    def watched(self) -> tuple[Path, ...]:
        """Where something could be left behind."""
        return (*SHARED, self.temporary, self.runtime, self.home)

    @classmethod
    def enter(cls, *programs: Path) -> World:
        """Return in a new process that is the first one of a new world; the caller's waits for its end and ends, too.

        Args:
            *programs: what to take along.

        Raises:
            OSError: the process is not root's.

        """
        contents = {path.name: path.read_bytes() for path in programs}
        unshare(CLONE_NEWNS | CLONE_NEWPID)
        if first := os.fork():
            os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
        end_with_parent()
        _keep_descriptors_to_oneself()
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        mount("proc", "/proc", "proc")
        _let_go_of_others()
        for place in (ROOT, *SHARED):
            mount("world", str(place), "tmpfs", options="mode=1777")
        world = cls()
        for place in (world.programs, world.temporary, world.runtime, world.home / ".cache"):
            place.mkdir(parents=True)
        world.temporary.chmod(0o1777)
        for name, content in contents.items():
            (world.programs / name).write_bytes(content)
            (world.programs / name).chmod(0o755)
        # Open to all, as distributions have it; some containers do not.
        world._make_device("fuse", DEVICE.stat().st_rdev)
        world._make_device("no-driver", _NO_DRIVER)
        mount(str(world.programs / "fuse"), str(DEVICE), flags=MS_BIND)
        return world

    def _make_device(self, name: str, number: int) -> None:
        os.mknod(self.programs / name, stat.S_IFCHR, number)
        (self.programs / name).chmod(0o666)

    def own(self, user: int) -> None:
        """Make the home and the other private directories this user's."""
        for place in (self.runtime, self.home, self.home / ".cache"):
            os.chown(place, user, user)
            place.chmod(0o700)

    def environment(self) -> dict[str, str]:
        """Return what a login sets."""
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(self.temporary),
            "XDG_RUNTIME_DIR": str(self.runtime),
        }

    def contents(self) -> frozenset[str]:
        """Return all mounts, and all files in the watched directories."""
        there = [
            f"mount {point} {kind}" for point, kind in mounts() if any(map(Path(point).is_relative_to, self.watched))
        ]
        files = [
            f"file {Path(directory, name)}"
            for place in self.watched
            for directory, directories, names in os.walk(place)
            for name in (*directories, *names)
        ]
        return frozenset((*there, *files))

    def settle(self, before: frozenset[str]) -> None:
        """Wait until no process is left of what this one has started, and see that nothing else is.

        Args:
            before: the contents before anything was started.

        Raises:
            MisbehaviorError: something is left, all of which is then removed.

        """
        running = _wait_for_all()
        _kill_all()  # who looks at a mount waits for its server
        left = sorted(self.contents() - before)
        if running or left:
            self.clean(before)
            tops = [line for line in left if f"file {Path(line[5:]).parent}" not in left]
            raise MisbehaviorError(f"left behind: {'; '.join([*running, *tops])}")
        if missing := sorted(before - self.contents()):
            raise MisbehaviorError(f"taken away: {'; '.join(missing)}")

    def clean(self, before: frozenset[str]) -> None:
        """Remove all that has come since then."""
        _kill_all()
        for line in self.contents() - before:
            kind, path = line.split(" ", 1)
            if kind == "mount":
                with suppress(OSError):
                    unmount(path.rpartition(" ")[0])
        for line in sorted(self.contents() - before, reverse=True):
            kind, path = line.split(" ", 1)
            if kind == "file" and Path(path).is_dir() and not Path(path).is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif kind == "file":
                Path(path).unlink(missing_ok=True)


def _keep_descriptors_to_oneself() -> None:
    """Pass none on but the standard streams: whoever has started the tests may have left others open."""
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the listing's own
            os.set_inheritable(int(entry.name), int(entry.name) <= 2)


def _let_go_of_others() -> None:
    """Unmount here what other images use elsewhere, whose mounts would last as long as this process."""
    for point, kind in mounts():
        if kind.startswith("fuse"):
            with suppress(OSError):  # it has just gone there, and so here
                unmount(point)


def mounts() -> list[tuple[str, str]]:
    """Return point and type of all mounts (proc(5), `/proc/pid/mountinfo`)."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    fields = [(line.split()[4], line.rpartition(" - ")[2].split()[0]) for line in lines]
    return [(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point), kind) for point, kind in fields]


def reap() -> bool:
    """Take note of all children that have ended; False when there are no others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _wait_for_all() -> list[str]:
    """Wait for the end of all descendants; return what is known of those that do not end."""
    deadline = time.monotonic() + PATIENCE
    while reap():
        if time.monotonic() > deadline:
            return [describe(process) for process in processes()]
        time.sleep(0.005)
    return []


def _kill_all() -> None:
    while reap():
        for process in processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def processes() -> list[int]:
    """Return all processes of this world but the first, which is the calling one."""
    numbers = (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sorted(int(number) for number in numbers if number != "1")


def program_of(process: int) -> str:
    """Return the path of what a process runs; nothing if it has ended."""
    try:
        return str(Path(f"/proc/{process}/exe").readlink())
    except OSError:
        return ""


def describe(process: int) -> str:
    """Say what a process is and what it waits for."""
    try:
        directory = Path(f"/proc/{process}")
        name, _, rest = (directory / "stat").read_text().partition("(")[2].rpartition(")")
        return (
            f"process {process} ({name}, {program_of(process)}, {rest.split()[0]}, {(directory / 'wchan').read_text()})"
        )
    except OSError:
        return f"process {process}, which has just ended"


# What a machine lacks


@contextmanager
def covered(path: Path, cover: Path) -> Iterator[None]:
    """Have another file in the place of one."""
    mount(str(cover), str(path), flags=MS_BIND)
    try:
        yield
    finally:
        unmount(str(path))


@contextmanager
def small(path: Path, options: str, flags: int = 0) -> Iterator[None]:
    """Mount a small file system on a directory."""
    mount("small", str(path), "tmpfs", flags, options)
    try:
        yield
    finally:
        unmount(str(path))
