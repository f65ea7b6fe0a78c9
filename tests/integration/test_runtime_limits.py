# SPDX-License-Identifier: MIT
"""The runtime where the system sets limits: filters, refusals, few descriptors, little memory, and ends at any moment.

Whatever happens, the application starts, mounted or unpacked, or the start ends with one line; and nothing is left.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import NOBODY, make_public
from support.projects import SUPPORT
from support.runtime_image import Image, errors_of, make_appdir, pack, processes_of, sized_for, wait_until
from support.seccomp import NUMBERS
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long anything may take on a machine with much else to do.
LONG = float(os.environ.get("RUNTIME_PATIENCE", "60"))
ALL = os.environ.get("RUNTIME_TESTS") == "all"


@pytest.fixture(scope="module")
def built(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del needs_root
    directory = make_public(tmp_path_factory, "image")
    return pack(make_appdir(directory / "AppDir"), directory / "Limited-App.AppImage")


@pytest.fixture(params=[0, NOBODY], ids=["root", "user"])
def image(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    image = Image(built, make_temporary(tmp_path_factory, request.param), request.param)
    yield image
    check_clean(image)


@pytest.fixture
def user_image(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    image = Image(built, make_temporary(tmp_path_factory, NOBODY), NOBODY)
    yield image
    check_clean(image)


def make_temporary(factory: pytest.TempPathFactory, user: int) -> Path:
    temporary = make_public(factory, "tmp")
    os.chown(temporary, user, user)
    return temporary


def check_clean(image: Image) -> None:
    wait_until(lambda: not processes_of(image), LONG)
    with contextlib.suppress(AssertionError):  # the names of what is left say more
        wait_until(lambda: not image.temporary.exists() or not image.leftovers(), LONG)
    assert not image.temporary.exists() or image.leftovers() == []
    assert str(image.temporary) not in Path("/proc/self/mounts").read_text()


def with_settings(image: Image, **settings: str) -> Image:
    return replace(image, settings=(*image.settings, *settings.items()))


#: What systemd's @system-service lacks, of what concerns us; and what is often forbidden beside it.
SYSTEM_SERVICE = ("mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsmount", "ptrace")
FILTERS = {
    "system-service": SYSTEM_SERVICE,
    "resources": (*SYSTEM_SERVICE, "sched_setaffinity", "setpriority"),
    "namespaces": ("unshare", "setns"),
    "mount": ("mount",),
    "umount": ("umount2",),
    "setns": ("setns",),
    "processors": ("sched_setaffinity",),
    "new": ("pidfd_open", "close_range"),
}


@pytest.mark.skipif("mount" not in NUMBERS, reason="the numbers of this machine's system calls are not listed")
class TestFilter:
    """A seccomp filter that kills, or that makes calls fail."""

    @pytest.mark.parametrize("calls", FILTERS)
    @pytest.mark.parametrize("action", ["kill", "EPERM", "ENOSYS"])
    @pytest.mark.parametrize("size", ["small", "large"])
    def test_starts(self, image: Image, action: str, calls: str, size: str) -> None:
        if size == "large":
            image = replace(image, path=sized_for("namespace", image.path))
            image = with_settings(image, FUSERMOUNT_PROG="/nonexistent")
        command = [sys.executable, str(SUPPORT / "seccomp.py"), action, *FILTERS[calls], "--"]
        result = image.started_by(*command).run("here")
        assert (result.stdout, errors_of(result), result.returncode) == ("data\n", [], 0)
        check_clean(image)


def write_program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_public(tmp_path_factory, "programs")


class TestFusermount:
    def test_refuses_a_place(self, user_image: Image, programs: Path) -> None:
        """As AppArmor does, and fusermount itself for some file systems: another place is taken."""
        wrapper = write_program(
            programs / "refusing", f'case "$*" in *{user_image.temporary}*) exit 1;; esac; exec fusermount3 "$@"'
        )
        image = with_settings(user_image, FUSERMOUNT_PROG=str(wrapper))
        shown = image.run("run", "eval", 'echo "$APPDIR"; grep -c "$APPDIR fuse.appimage" /proc/self/mounts').stdout
        place, mounts = shown.splitlines()
        assert mounts == "1"
        assert not place.startswith(str(user_image.temporary))
        wait_until(lambda: Path(place) not in Path(place).parent.iterdir(), LONG)

    def test_refuses_always(self, user_image: Image, programs: Path) -> None:
        log = programs / "log"
        log.touch()
        log.chmod(0o666)
        wrapper = write_program(programs / "refusing", f'echo "$*" >>{log}; exit 1')
        assert with_settings(user_image, FUSERMOUNT_PROG=str(wrapper)).run("here").stdout == "data\n"
        assert 1 <= len(log.read_text().splitlines()) <= 3

    def test_is_not_tried_without_device(
        self, user_image: Image, programs: Path, without_device: tuple[str, ...]
    ) -> None:
        log = programs / "log"
        wrapper = write_program(programs / "fusermount", f"touch {log}; exit 1")
        image = with_settings(user_image, FUSERMOUNT_PROG=str(wrapper)).started_by(*without_device)
        assert image.run("here").stdout == "data\n"
        assert not log.exists()

    def test_is_not_tried_without_list_of_mounts(self, user_image: Image, programs: Path) -> None:
        """As in a minimal Debian 12: it would mount, and find nothing to unmount afterwards."""
        log = programs / "log"
        log.touch()
        log.chmod(0o666)
        wrapper = write_program(programs / "fusermount", f'echo "$*" >>{log}; exec fusermount3 "$@"')
        hide = (
            "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w && mknod /mnt/u/mtab c 0 0 && "
            'mount -t overlay -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w none /etc && exec "$0" "$@"'
        )
        image = with_settings(user_image, FUSERMOUNT_PROG=str(wrapper))
        image = image.started_by(require("unshare", "util-linux"), "--mount", "sh", "-c", hide)
        assert image.run("here").stdout == "data\n"
        assert log.read_text() == ""

    @pytest.mark.parametrize("name", ["fusermount", "./fusermount"])
    def test_relative_path(self, user_image: Image, programs: Path, name: str) -> None:
        """It is found again when it is time to unmount, from wherever that happens."""
        write_program(programs / "fusermount", 'exec fusermount3 "$@"')
        image = with_settings(user_image, FUSERMOUNT_PROG=name)
        result = image.run("run", "eval", 'grep -c "$APPDIR fuse.appimage" /proc/self/mounts', cwd=programs)
        assert result.stdout == "1\n"

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL])
    @pytest.mark.parametrize("mounted", [False, True])
    def test_hangs(self, user_image: Image, programs: Path, number: signal.Signals, *, mounted: bool) -> None:
        """The start can be ended, and it with what it has started."""
        begun = programs / "begun"
        programs.chmod(0o777)
        first = 'fusermount3 "$@" &&' if mounted else ""
        wrapper = write_program(
            programs / "hanging",
            f'case $1 in -u*) exec fusermount3 "$@";; esac; {first} touch {begun}; sleep 1000 & wait',
        )
        process = with_settings(user_image, FUSERMOUNT_PROG=str(wrapper)).start("here")
        wait_until(begun.exists, LONG)
        process.send_signal(number)
        assert process.wait(LONG) == -number
        process.communicate()
        wait_until(lambda: not processes_named(wrapper), LONG)

    def test_cannot_unmount(self, user_image: Image, programs: Path) -> None:
        """Nobody waits for ever for what will not happen; the mount is dead then."""
        wrapper = write_program(programs / "mounting", 'case $1 in -u*) exit 1;; esac; exec fusermount3 "$@"')
        image = with_settings(user_image, FUSERMOUNT_PROG=str(wrapper))
        assert image.run("here").stdout == "data\n"
        wait_until(lambda: not processes_of(image), LONG)
        assert is_dead(image)
        # The next start tidies up.
        assert user_image.run("here").stdout == "data\n"

    def test_unmounts_lazily_what_cannot_be_unmounted_otherwise(self, user_image: Image, programs: Path) -> None:
        wrapper = write_program(programs / "lazy", 'case $1 in -u) exit 1;; esac; exec fusermount3 "$@"')
        assert with_settings(user_image, FUSERMOUNT_PROG=str(wrapper)).run("here").stdout == "data\n"


def is_dead(image: Image) -> bool:
    """Whether nobody serves the image's mount, which any other image's start may have removed by now."""
    points = image.leftovers()
    if not points:
        return True
    command: list[str | Path] = [require("stat", "coreutils"), "--file-system", image.temporary / points[0]]
    who = {"user": image.user, "group": image.user, "extra_groups": []} if image.user else {}
    result = subprocess.run(command, capture_output=True, text=True, check=False, **who)  # type: ignore[call-overload]
    return "not connected" in result.stderr or not image.leftovers()


def processes_named(path: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(path) in process.read_bytes():
                found.append(process.parent.name)
    return found


class TestPlace:
    def test_renamed(self, image: Image) -> None:
        process = image.start("run", "eval", "echo started; exec sleep 60")
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        moved = image.temporary.with_name("moved " + image.temporary.name)
        image.temporary.rename(moved)
        process.kill()
        process.communicate()
        wait_until(lambda: not any(moved.iterdir()), LONG)
        assert str(moved.name) not in Path("/proc/self/mounts").read_text()

    def test_long_path(self, image: Image) -> None:
        deep = image.temporary
        while len(str(deep)) < 3800:
            deep = deep / ("d" * 180)
        deep.mkdir(parents=True)
        if image.user:
            for directory in [deep, *deep.parents[: len(deep.relative_to(image.temporary).parts) - 1]]:
                os.chown(directory, image.user, image.user)
        assert with_settings(image, TMPDIR=str(deep)).run("here").stdout == "data\n"
        wait_until(lambda: not any(deep.iterdir()), LONG)
        shutil.rmtree(image.temporary / ("d" * 180))

    def test_small_stack(self, image: Image) -> None:
        limited = ("sh", "-c", 'ulimit -s 64; exec "$0" "$@"')
        result = replace(image, prefix=limited).run("here")
        assert (result.stdout, result.returncode) == ("data\n", 0)

    def test_without_proc(self, image: Image) -> None:
        hide = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc; exec "$0" "$@"')
        result = image.started_by(*hide).run("here")
        assert (result.stdout, result.returncode) == ("data\n", 0)

    def test_is_locked(self, image: Image) -> None:
        """Where the mount is not seen, what tidies up takes the directory for an empty one."""
        process = image.start("run", "eval", "echo started; exec sleep 60")
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        (point,) = image.leftovers()
        script = f'umount -l "$0" && exec {sys.executable} -c "$1" "$0"'
        lock = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        command = ["unshare", "--mount", "sh", "-c", script, str(image.temporary / point), lock]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        process.kill()
        process.communicate()
        assert "BlockingIOError" in result.stderr

    def test_of_somebody_else(self, built: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Who owns a directory above the mount point could put another one in its place."""
        for owner, link in itertools.product([NOBODY, 0], [False, True]):
            directory = make_temporary(tmp_path_factory, owner)
            place = directory
            if link:
                theirs = make_temporary(tmp_path_factory, NOBODY)
                place = theirs / "link"
                place.symlink_to(directory)
            image = Image(built, directory, settings=(("TMPDIR", str(place)),))
            point = image.run("run", "eval", 'echo "$APPDIR"').stdout
            assert point.startswith(f"{directory}/.mount_") == (owner == 0)
            check_clean(image)

    def test_owner_above(self, built: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        theirs = make_temporary(tmp_path_factory, NOBODY)
        (theirs / "roots").mkdir()
        image = Image(built, theirs / "roots")
        assert not image.run("run", "eval", 'echo "$APPDIR"').stdout.startswith(str(theirs))
        check_clean(image)


class TestEnd:
    """The start may be killed at any moment."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_at_any_moment(self, image: Image, number: signal.Signals) -> None:
        generator = random.Random(number)  # noqa: S311 - the same moments every time
        for _ in range(300 if ALL else 25):
            process = image.start("run", "exec", "sleep", "60")
            time.sleep(generator.uniform(0, 0.03))
            process.send_signal(number)
            assert process.wait(LONG) == -number
            process.communicate()
        check_clean(image)

    @pytest.mark.parametrize("settings", [{}, {"APPIMAGE_EXTRACT_AND_RUN": "1"}], ids=["mounted", "unpacked"])
    def test_of_all_processes(self, image: Image, settings: dict[str, str]) -> None:
        """As at the end of a container: what cannot be helped then, the next start clears."""
        process = image.start("run", "eval", "echo started; exec sleep 60")
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        victims = [*processes_of(image), process.pid]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # at once: none sees another one's end
            for victim in victims:
                os.kill(victim, number)
        process.communicate()
        wait_until(lambda: is_dead(image), LONG)
        other = image.temporary / ".mount_OthersXyZ123"
        forgotten = image.temporary / ".mount_Limiteabcdefgh"
        recent = image.temporary / ".mount_Limitehgfedcba"
        for directory in (other, forgotten, recent):
            directory.mkdir(mode=0o700)
            os.chown(directory, image.user, image.user)
        for directory in (other, forgotten):
            os.utime(directory, (0, 0))
        assert with_settings(image, **settings).run("here").stdout == "data\n"
        wait_until(lambda: set(image.leftovers()) == {other.name, recent.name}, LONG)
        for directory in (other, recent):
            directory.rmdir()

    def test_unmounted_by_another(self, image: Image) -> None:
        """As by a start that tidies, and is killed before it has removed the directory."""
        process = image.start("run", "eval", "echo started; exec sleep 60")
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        (point,) = image.leftovers()
        (server,) = filter(serves, processes_of(image))
        (unmounter,) = {*processes_of(image)} - {server}
        os.kill(unmounter, signal.SIGSTOP)
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: server not in processes_of(image), LONG)
        # Nothing is mounted any more where another image's start came first.
        subprocess.run(["umount", "--lazy", image.temporary / point], check=False)
        os.kill(unmounter, signal.SIGCONT)
        check_clean(image)
        process.kill()
        process.communicate()


def serves(process: int) -> bool:
    """Whether a process answers the kernel."""
    descriptors = Path(f"/proc/{process}/fd").iterdir()
    return any(each.readlink() == Path("/dev/fuse") for each in descriptors)


WAIT_FOR_ALL = """
import os
try:
    while True:
        print(os.wait())
except ChildProcessError:
    print("none", os.getpid())
"""


ADOPT = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
ADOPTERS = {
    "container": ("unshare", "--pid", "--fork", "--mount-proc"),
    "subreaper": (PYTHON, "-c", ADOPT, shutil.which("env") or ""),
}


class TestFirstProcess:
    """Who becomes the parent of all orphans, as the first process of a container does, does not become that of ours."""

    @pytest.mark.parametrize("adopter", ADOPTERS)
    @pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "unpacked"])
    def test_has_no_children(
        self, image: Image, without_device: tuple[str, ...], adopter: str, *, mounted: bool
    ) -> None:
        started = image.started_by(*(() if mounted else without_device), *ADOPTERS[adopter])
        result = started.run("run", "exec", PYTHON, "-c", WAIT_FOR_ALL)
        assert result.stdout.startswith("none ")
        assert errors_of(result) == []
        if not mounted:
            # The kernel ends the guard together with a container; the next start that unpacks finds the files.
            assert with_settings(image, APPIMAGE_EXTRACT_AND_RUN="1").run("here").stdout == "data\n"
        wait_until(lambda: not processes_of(image), LONG)
        # The kernel has killed all of the container at once: a later start removes what is left.
        for name in image.leftovers():
            os.utime(image.temporary / name, (0, 0))
        assert image.run("here").stdout == "data\n"


class TestResources:
    @pytest.mark.parametrize("limit", range(3, 20))
    def test_descriptors(self, image: Image, limit: int) -> None:
        """Nothing waits for ever for what could not be handed over."""
        result = replace(image, prefix=("sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"')).run("run", "exit", "5")
        if not any(
            line.startswith("/bin/sh: ") for line in result.stderr.splitlines()
        ):  # the shell wants some for itself
            check_ended_well(result, 5)
        wait_until(lambda: not processes_of(image), LONG)
        wait_until(lambda: not list(image.temporary.glob(".mount_*")), LONG)
        for copy in image.temporary.iterdir():
            shutil.rmtree(copy)

    @pytest.mark.parametrize("size", [64, 32, 16, 8, 4])
    def test_address_space(self, image: Image, size: int) -> None:
        limited = ("sh", "-c", f'ulimit -v {size << 10}; exec "$0" "$@"')
        result = replace(image, prefix=limited).run("run", "exit", "5")
        check_ended_well(result, 5)
        if size >= 16:
            assert result.returncode == 5

    def test_address_space_serves_all(self, image: Image) -> None:
        script = 'find "$APPDIR" -type f -exec cat {} + | wc -c; grep -c "$APPDIR fuse" /proc/self/mounts'
        limited = ("sh", "-c", f'ulimit -S -v {32 << 10}; exec "$0" "$@"')
        result = replace(image, prefix=limited).run("run", "eval", f"ulimit -S -v unlimited; {script}")
        assert int(result.stdout.split()[0]) > 1 << 20
        assert result.stdout.split()[1] == "1"


#: What a start does that can fail for reasons of its own.  Not what musl does before main(), nor writing messages.
CALLS = {
    "fork": ["EAGAIN", "ENOMEM"],
    "clone": ["EAGAIN", "ENOMEM"],
    "socketpair": ["EMFILE", "ENFILE"],
    "pipe2": ["EMFILE"],
    "pidfd_open": ["EMFILE", "ENOSYS", "EPERM"],
    "sendmsg": ["ENOMEM", "EAGAIN", "EPERM"],
    "recvmsg": ["ENOMEM", "EPERM", "EINTR"],
    "poll": ["EINTR", "ENOMEM"],
    "mount": ["EPERM", "ENOMEM", "EACCES"],
    "umount2": ["EPERM", "ENOMEM"],
    "mkdir": ["ENOSPC", "EDQUOT", "EACCES"],
    "open": ["EMFILE", "EACCES", "ENOMEM"],
    "openat": ["EMFILE", "EACCES", "ENOMEM"],
    "flock": ["ENOLCK", "EINTR"],
    "fchdir": ["EACCES"],
    "chdir": ["EACCES"],
    "getcwd": ["ENOENT"],
    "setpgid": ["EPERM"],
    "setsid": ["EPERM"],
    "close_range": ["ENOSYS", "EPERM"],
    "close": ["EINTR", "EIO"],
    "fcntl": ["EPERM"],
    "getrandom": ["ENOSYS", "EAGAIN"],
    "mmap": ["ENOMEM"],
    "pread64": ["EIO", "EINTR"],
    "wait4": ["EINTR"],
    "unlinkat": ["EINTR"],
    "prctl": ["EPERM"],
    "sched_getaffinity": ["EPERM"],
    "sched_setaffinity": ["EPERM"],
    "execve": ["ENOMEM"],
    "fstat": ["EIO"],
    "dup2": ["EIO"],
}

#: The how-many-th call of a process fails.
MOST_CALLS = 12

FAULTS = [(call, error, when) for call, errors in CALLS.items() for error in errors for when in range(1, MOST_CALLS)]


class TestFaults:
    """A failure of each system call in turn."""

    @pytest.mark.parametrize("number", range(len(FAULTS) if ALL else 45))
    def test_injected(self, built: Path, tmp_path_factory: pytest.TempPathFactory, number: int) -> None:
        call, error, when = FAULTS[number if ALL else number * len(FAULTS) // 45]
        strace = require("strace", "strace")
        temporary = make_temporary(tmp_path_factory, 0)
        # Each process that exists before the application counts for itself.
        command = (strace, "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:error={error}:when={when}")
        image = Image(built, temporary, prefix=(*command, "--"))
        result = image.run("run", "exit", "5")
        if result.returncode not in {5, 127}:
            # The call was the application's own.
            assert result.stderr
            assert "AppImage" not in result.stderr
        elif result.returncode == 127 and result.stderr.startswith("AppImage"):
            assert result.stderr.count("\n") == 1
        tidy_up = replace(image, prefix=())
        for name in image.leftovers():
            # What could not be removed for the injected failure, a later start removes.
            os.utime(temporary / name, (0, 0))
        assert tidy_up.run("here").stdout == "data\n"
        check_clean(image)


def check_ended_well(result: subprocess.CompletedProcess[str], status: int) -> None:
    """The application ran, or one line says why not."""
    if result.returncode == 127:
        assert result.stderr.startswith("AppImage: ")
        assert result.stderr.count("\n") == 1
    else:
        assert (result.returncode, errors_of(result)) == (status, [])
