# SPDX-License-Identifier: MIT
"""The kinds of torture: each function plays one round; its name is the kind's, and `KINDS` has them all."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from support.starting import MisbehaviorError, close_descriptors, wait_until
from support.syscalls import (
    CLONE_NEWNS,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_SHARED,
    mount,
    unmount,
    unshare,
)
from support.ways import LARGE, WAYS
from support.world import processes, small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.starting import Running
    from support.torture_round import Round
    from support.ways import Way

#: probe.c: its files are not what they should be.
DAMAGED = 98
#: What ends a program that does nothing about it.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)


@dataclass(frozen=True)
class Kind:
    """A kind of torture.

    Attributes:
        play: plays a round.
        ways: in which images are started for it.
        needs: a program that must be there.

    """

    play: Callable[[Round], None]
    ways: Sequence[Way]
    needs: str | None = None


KINDS: dict[str, Kind] = {}
MOUNTED = [way for way in WAYS if not way.unpacks]
ORDINARY = [way for way in WAYS if way.user]


def kind(
    ways: Sequence[Way] = WAYS, needs: str | None = None
) -> Callable[[Callable[[Round], None]], Callable[[Round], None]]:
    """Enter a function into the table."""

    def enter(play: Callable[[Round], None]) -> Callable[[Round], None]:
        KINDS[play.__name__.replace("_", "-")] = Kind(play, ways, needs)
        return play

    return enter


# Starts


@kind()
def start(r: Round) -> None:
    """The application's status is the caller's."""
    status = r.number(0, 255)
    r.start("exit", str(status)).end().expect(status)


@kind()
def crash(r: Round) -> None:
    """So is the signal that ends it."""
    number = r.chance.choice((signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE, signal.SIGALRM, signal.SIGXCPU))
    r.note(number.name)
    r.start("raise", str(int(number)), steps=[partial(limit, "CORE", 0)]).end().expect(-number)


@kind()
def parallel(r: Round) -> None:
    """Many at once, which may share files."""
    statuses = [r.chance.randrange(90) for _ in range(r.number(5, 25))]
    started = [r.start("exit", str(status)) for status in statuses]
    for running, status in zip(started, statuses, strict=True):
        running.end().expect(status)


@kind()
def parallel_and_killed(r: Round) -> None:
    """Those that are left in peace end as they should."""
    started = [r.start("exit", "6") for _ in range(r.number(3, 12))]
    r.pass_a_moment()
    killed = r.chance.sample(started, len(started) // 2)
    for running in killed:
        running.kill(signal.SIGKILL)
    for running in started:
        running.end().expect(6, *([-signal.SIGKILL] if running in killed else []))


@kind()
def left_behind(r: Round) -> None:
    """A process that the application leaves has its files until it ends."""
    running = r.start("leave-behind", str(r.number(0, 400)))
    running.end().expect(0)
    if not running.wait_for("whole"):
        raise MisbehaviorError("what was left behind has not found its files")


@kind()
def deleted_image(r: Round) -> None:
    """The file is deleted, or replaced by an update, while it runs."""
    path = r.world.programs / "Deleted.AppImage"
    shutil.copy(r.world.programs / "Tiny.AppImage", path)
    if r.way.is_large:
        os.truncate(path, LARGE)
    running = r.start("wait", program=path.name)
    ready(running)
    path.unlink()
    running.kill(signal.SIGUSR1)
    running.end().expect(0)


# Signals


@kind()
def killed(r: Round) -> None:
    """The application alone, at any time."""
    number = choose_signal(r)
    running = r.start("wait")
    r.pass_a_moment()
    running.kill(number)
    running.end().expect(-number)


@kind(needs="strace")
def killed_at_a_call(r: Round) -> None:
    """Right before one of the system calls of its start."""
    options = ["-D", "-qqq", "-o", os.devnull, "-e", f"inject=all:signal=KILL:when={r.number(2, 90)}"]
    running = r.start("exit", "7", wrapper=[str(shutil.which("strace")), *options])
    running.end().expect(-signal.SIGKILL, 7)


@kind()
def killed_as_a_group(r: Round) -> None:
    """As the terminal, a supervisor or a shell does it."""
    number = choose_signal(r)
    running = r.start("wait")
    r.pass_a_moment()
    running.kill_group(number)
    running.end().expect(-number)


@kind()
def killed_near_its_end(r: Round) -> None:
    """Perhaps when all is over, and perhaps while the files are removed."""
    number = choose_signal(r)
    running = r.start("exit", "7")
    r.pass_a_moment()
    running.kill_group(number)
    running.end().expect(-number, 7)


@kind()
def killed_and_started(r: Round) -> None:
    """The next start finds nothing half done, though it comes at once."""
    running = r.start("exit", "7")
    r.pass_a_moment()
    running.kill_group(signal.SIGKILL)
    again = r.start("exit", "8")
    running.end().expect(-signal.SIGKILL, 7)
    again.end().expect(8)


@kind()
def helper_told_to_end(r: Round) -> None:
    """When a machine is shut down everyone is told, and the application needs its files until it is done."""
    number = r.chance.choice([number for number in ENDING if number != signal.SIGKILL])
    running = r.start("wait")
    r.pass_a_moment()
    for process in r.helpers(running):
        with suppress(ProcessLookupError):
            os.kill(process, number)
    ready(running)
    running.kill(signal.SIGUSR1)
    running.end().expect(0)


@kind()
def helper_killed(r: Round) -> None:
    """One of the runtime's own processes: what the application cannot read is an error, and no crash of ours.

    Beside a mount there are two, and the other one clears up; who removes an unpacked copy is alone.
    """
    running = r.start("wait")
    r.pass_a_moment()
    helpers = r.helpers(running)
    for process in r.chance.sample(helpers, min(1, len(helpers))):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    if running.wait_for("ready"):
        running.kill(signal.SIGTERM)
    outcome = running.end()
    # The kernel kills what it can read no page of, and a program while it loads it.
    if outcome.status not in {DAMAGED, -signal.SIGBUS, -signal.SIGSEGV, -signal.SIGKILL}:
        outcome.expect(-signal.SIGTERM, refusal=True)
    if r.way.unpacks:
        r.expect_a_later_start()


@kind()
def all_killed(r: Round) -> None:
    """As by the kernel when memory is short, or at the end of a unit: the next start clears what is left."""
    running = r.start("wait")
    r.pass_a_moment()
    for process in processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    running.end().expect(-signal.SIGKILL)
    r.expect_a_later_start()


@kind()
def stopped(r: Round) -> None:
    """Job control stops and resumes it."""
    running = r.start("wait")
    r.pass_a_moment()
    running.kill_group(r.chance.choice((signal.SIGSTOP, signal.SIGTSTP)))
    r.pass_a_moment()
    running.kill_group(signal.SIGCONT)
    ready(running)
    running.kill_group(signal.SIGTERM)
    running.end().expect(-signal.SIGTERM)


@kind()
def child_stopped(r: Round) -> None:
    """What stops its group may catch a child that is just leaving it, which is not resumed with the group."""
    running = r.start("exit", "7")
    children = Path(f"/proc/{running.process}/task/{running.process}/children")
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        with suppress(OSError):  # either has ended
            for child in children.read_text().split():
                os.kill(int(child), signal.SIGSTOP)
    running.end().expect(7)


@kind()
def hangup(r: Round) -> None:
    """The session leader of a terminal that goes away, or on which a key is pressed."""
    key, number = r.chance.choice([(b"", signal.SIGHUP), (b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
    r.note(number.name)
    master, terminal = os.openpty()
    running = r.start("wait", terminal=terminal, steps=[partial(limit, "CORE", 0)])
    os.close(terminal)
    if not key or r.chance.random() < 0.5:
        ready(running)
    else:
        # Before it leads the terminal's session nobody is there to be told.
        wait_until(lambda: os.tcgetpgrp(master) == running.process, "it has not become the session leader")
    if key:
        os.write(master, key)
    else:
        os.close(master)
    running.end().expect(-number)
    if key:
        os.close(master)


# What a process inherits


@kind()
def closed_descriptors(r: Round) -> None:
    """Each subset of the standard streams; the application gets no others for them, and none of ours."""
    closed = [number for number in range(3) if r.chance.random() < 0.5]
    r.note(closed)
    status = sum(1 << number for number in range(3) if number not in closed)
    r.start("descriptors", steps=[partial(close_descriptors, closed)]).end().expect(status)


@kind()
def inherited_signals(r: Round) -> None:
    """Blocked and ignored signals are what they were, SIGCHLD among them."""
    possible = sorted(set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP})
    blocked = sorted(r.chance.sample(possible, r.chance.choice((0, 1, 5, 28))))
    ignored = sorted({int(signal.SIGCHLD), *r.chance.sample(possible, r.chance.choice((0, 1, 5, 28)))})
    r.note(f"blocked {blocked}, ignored {ignored}")
    outcome = r.start("identity", steps=[partial(set_signals, blocked, ignored)]).end().expect(0)
    for name, numbers in (("blocked", blocked), ("ignored", ignored)):
        found = [int(number) for number in re.findall(rf"^{name}(.*)$", outcome.output, re.MULTILINE)[0].split()]
        if found != numbers:
            raise MisbehaviorError(f"{name} are {found} instead of {numbers}")


@kind()
def few_descriptors(r: Round) -> None:
    """An open-files limit as small as it may be."""
    number = r.number(3, 16)
    r.start("exit", "9", steps=[partial(limit, "NOFILE", number)]).end().expect(9, refusal=True)


@kind()
def little_memory(r: Round) -> None:
    """A limit of address space; 64 MiB are enough for small images."""
    size = r.chance.choice((32, 48, 64, 96, 128, 256))
    r.note(f"{size} MiB")
    r.start("exit", "9", steps=[partial(limit, "AS", size << 20)]).end().expect(9, refusal=True)


@kind()
def small_files(r: Round) -> None:
    """A limit of what may be written to one file."""
    size = r.chance.choice((0, 1, 4096, 65536, 1 << 19, 1 << 22))
    r.note(f"{size} bytes")
    r.start("exit", "9", steps=[partial(limit, "FSIZE", size)]).end().expect(9, refusal=True)


@kind()
def small_stack(r: Round) -> None:
    """A limit of the stack."""
    size = r.chance.choice((64, 128, 256, 1024))
    r.note(f"{size} KiB")
    r.start("exit", "9", steps=[partial(limit, "STACK", size << 10)]).end().expect(9, refusal=True)


@kind(ORDINARY)
def few_processes(r: Round) -> None:
    """A limit of the user's processes, threads among them."""
    number = r.number(1, 12)
    r.start("exit", "9", steps=[partial(limit, "NPROC", number)]).end().expect(9, refusal=True)


@kind(ORDINARY)
def no_more_processes(r: Round) -> None:
    """The user's processes come to their limit while the image is in use, so that nothing more can be started."""
    running = r.start("wait")
    ready(running)
    which = r.choose("all", "first", "last")
    helpers = sorted(r.helpers(running))
    for process in helpers if which == "all" else helpers[:1] if which == "first" else helpers[-1:]:
        subprocess.run(["prlimit", f"--pid={process}", "--nproc=1"], user=r.way.user, group=r.way.user, check=True)
    running.kill(signal.SIGUSR1)
    running.end().expect(0)


# Places

SMALL = {
    "full": ("size=4k", 0),
    "without inodes": ("nr_inodes=1", 0),
    "with three inodes": ("nr_inodes=4", 0),
    "of 4 KiB": ("size=4k", 0),
    "of 600 KiB": ("size=600k", 0),
    "read-only": ("", MS_RDONLY),
}


@kind()
def small_place(r: Round) -> None:
    """TMPDIR is on a file system with no room; there are others."""
    name = r.choose(*SMALL)
    make_small(r, r.world.temporary, name)
    r.start("exit", "9").end().expect(9)


@kind()
def noexec_place(r: Round) -> None:
    """TMPDIR is on a file system that runs no programs."""
    r.stack.enter_context(small(r.world.temporary, "mode=1777", NOEXEC))
    r.start("exit", "9").end().expect(9)


@kind()
def no_place(r: Round) -> None:
    """There is no other either: what cannot be is said in one line."""
    name = r.choose(*SMALL, "noexec")
    for place in r.world.watched:
        make_small(r, place, name)
    r.start("exit", "9").end().expect(9, refusal=True)


@kind()
def odd_place(r: Round) -> None:
    """TMPDIR is a path that nobody expects."""
    base = r.world.temporary
    name = r.choose("missing", "relative", "file", "not mine", "link", "dead link", "loop", "empty", "slash", "comma")
    (base / "elsewhere").mkdir(mode=0o777)
    (base / "elsewhere").chmod(0o777)
    values: dict[str, str | Path] = {
        "missing": base / "missing",
        "relative": Path("missing"),
        "file": base / "file",
        "not mine": base / "not mine",
        "link": base / "link",
        "dead link": base / "dead",
        "loop": base / "loop",
        "empty": "",
        "slash": f"{base}//elsewhere/",
        "comma": base / "a, b\\ \n=ü\"'$x",
    }
    (base / "file").touch()
    (base / "not mine").mkdir(mode=0o700)
    (base / "link").symlink_to("elsewhere")
    (base / "dead").symlink_to("missing")
    (base / "loop").symlink_to("loop")
    comma = Path(values["comma"])
    comma.mkdir()
    comma.chmod(0o777)
    r.settings["TMPDIR"] = str(values[name])
    r.start("exit", "9").end().expect(9)


@kind()
def renamed_place(r: Round) -> None:
    """TMPDIR gets another name while the application runs."""
    place, other = r.world.temporary / "place", r.world.temporary / "other"
    for directory in (place, other):
        directory.mkdir()
    os.chown(place, r.way.user, r.way.user)
    r.settings["TMPDIR"] = str(place)
    running = r.start("wait")
    ready(running)
    place.rename(other)
    running.kill_group(choose_signal(r))
    running.end()
    wait_until(lambda: not list(other.iterdir()), "something is left in the renamed directory")
    other.rename(place)
    other.mkdir()


@kind(MOUNTED)
def tidied_place(r: Round) -> None:
    """systemd-tmpfiles looks through TMPDIR from another mount namespace, and removes what nobody has locked."""
    running = r.start("wait", as_root=[own_mounts])
    ready(running)
    for directory in r.world.temporary.iterdir():
        tidy(directory)
    running.kill(signal.SIGUSR1)
    running.end().expect(0)


# Machines


@kind(ORDINARY)
def in_user_namespace(r: Round) -> None:
    """As `unshare --map-root-user` makes one."""
    others = [name for name in ("--mount", "--net") if r.chance.random() < 0.5]
    r.note(others)
    wrapper = [str(shutil.which("unshare")), "--user", "--map-root-user", *others]
    r.start("exit", "9", wrapper=wrapper).end().expect(9)


@kind()
def in_mount_namespace(r: Round) -> None:
    """As a unit with PrivateTmp or ProtectSystem has one."""
    running = r.start("wait", as_root=[own_mounts])
    r.pass_a_moment()
    number = choose_signal(r)
    running.kill_group(number)
    running.end().expect(-number)


@kind()
def as_first_process(r: Round) -> None:
    """Process 1 of a container waits for every child until there is none, and all others end with it."""
    outcome = r.start("reap", first=True, as_root=[own_mounts, own_proc]).end().expect(0)
    if outcome.output != "pid 1, orphan reaped\n":
        raise MisbehaviorError(outcome.output)
    r.expect_a_later_start()


@kind()
def first_process_killed(r: Round) -> None:
    """With it all processes of its namespace, so that the next start clears what is left."""
    steps = [own_mounts, own_proc] if r.choose("own mounts", "shared mounts") == "own mounts" else []
    running = r.start("wait", first=True, as_root=steps)
    r.pass_a_moment()
    running.kill(signal.SIGKILL)
    running.end().expect(-signal.SIGKILL)
    r.expect_a_later_start()


@kind()
def shared_mounts(r: Round) -> None:
    """Process 1 of a pid namespace whose mounts are everybody's."""
    status = r.number(0, 255)
    r.start("exit", str(status), first=True).end().expect(status)
    r.expect_a_later_start()


#: systemd.exec(5): @system-service is without @mount; RestrictNamespaces= takes the two of the end.
MOUNTING = "mount,umount2,pivot_root,chroot,fsopen,fsconfig,fsmount,fspick,move_mount,open_tree,mount_setattr"
NAMESPACES = "unshare,setns"
#: Calls that older kernels and stricter filters do not have.
NEWER = ("pidfd_open", "close_range", "memfd_create", "renameat2", "statx", "copy_file_range", "openat2")


@kind()
def filtered(r: Round) -> None:
    """The calls that mount are forbidden: by an error, or by death."""
    calls = r.choose(MOUNTING, NAMESPACES, f"{MOUNTING},{NAMESPACES}", "mount", "umount2", "mount,umount2", "setns")
    action = r.choose("kill", str(errno.EPERM), str(errno.ENOSYS))
    r.start("exit", "9", wrapper=[r.world.programs / "filter", action, calls]).end().expect(9)
    if calls == "umount2":  # what cannot be unmounted is the next start's
        r.expect_a_later_start()


@kind()
def old_kernel(r: Round) -> None:
    """Calls that came to Linux late are not there."""
    calls = r.choose(*NEWER, ",".join(NEWER))
    running = r.start("wait", wrapper=[r.world.programs / "filter", str(errno.ENOSYS), calls])
    r.pass_a_moment()
    number = choose_signal(r)
    running.kill(number)
    running.end().expect(-number)


@kind()
def without_proc(r: Round) -> None:
    """It works, or says in one line why not."""
    r.start("exit", "9", as_root=[own_mounts, no_proc]).end().expect(9, refusal=True)


@kind(needs="strace")
def failing_call(r: Round) -> None:
    """One system call of the start fails, whichever it is."""
    name = r.choose(*FAILING)
    error = r.choose("EMFILE", "ENOMEM", "EIO", "EPERM", "ENOSPC", "EAGAIN", "EINTR")
    options = ["-D", "-qqq", "-o", os.devnull, "-e", f"inject={name}:error={error}:when={r.number(1, 12)}"]
    outcome = r.start("exit", "7", wrapper=[str(shutil.which("strace")), *options]).end()
    # The application's own call may be the one.
    if outcome.status != DAMAGED:
        outcome.expect(7, refusal=True)


# Not close(), which closes whatever it returns (close(2)): a descriptor that stays open would be an error of ours.
FAILING = (
    "?open,openat", "read", "pread64", "?mkdir,mkdirat", "?rmdir,unlinkat", "?pipe,pipe2", "socketpair", "sendmsg",
    "recvmsg", "recvfrom,sendto", "?fork,?vfork,clone,?clone3", "mount", "fcntl", "?dup2,dup3", "wait4", "mmap",
    "flock", "?rename,renameat,renameat2", "pwrite64", "fchmod", "ftruncate", "?poll,ppoll", "getcwd", "chdir",
    "?readlink,readlinkat", "pidfd_open", "execve", "fstat", "getrandom", "prctl", "close_range",
)  # fmt: skip


# fusermount

FUSERMOUNT = [way for way in WAYS if way.name == "fusermount"]
PROGRAMS = {
    "fails": "exit 1",
    "does nothing": "exit 0",
    "is killed": "kill -9 $$",
    "sends nothing": "sleep 0.1; exit 0",
    "is no program": "",
}


@kind(FUSERMOUNT)
def relative_fusermount(r: Round) -> None:
    """FUSERMOUNT_PROG need not be an absolute path."""
    (r.world.programs / "fm").symlink_to(str(shutil.which("fusermount3")))
    r.stack.callback((r.world.programs / "fm").unlink)
    r.settings["FUSERMOUNT_PROG"] = r.choose("./fm", "../programs/fm")
    r.start("exit", "9").end().expect(9)


@kind(FUSERMOUNT)
def broken_fusermount(r: Round) -> None:
    """Another way is found when it does not do its work."""
    script = PROGRAMS[r.choose(*PROGRAMS)]
    r.settings["FUSERMOUNT_PROG"] = str(write_script(r, script))
    r.start("exit", "9").end().expect(9)


@kind(FUSERMOUNT)
def hanging_fusermount(r: Round) -> None:
    """Whoever waits for it can be ended."""
    r.settings["FUSERMOUNT_PROG"] = str(write_script(r, "exec sleep 1000"))
    running = r.start("wait")
    r.pass_a_moment()
    number = choose_signal(r)
    running.kill_group(number) if r.chance.random() < 0.5 else running.kill(number)
    running.end().expect(-number)


# All at once


@kind()
def misery(r: Round) -> None:
    """Several of these together: nothing hangs, and nothing is left."""
    steps: list[Callable[[], None]] = []
    wrapper: list[str | Path] = []
    if r.chance.random() < 0.5:
        steps.append(partial(limit, "NOFILE", r.number(6, 20)))
    if r.chance.random() < 0.3:
        steps.append(partial(limit, "AS", r.number(32, 128) << 20))
    if r.chance.random() < 0.3:
        wrapper = [r.world.programs / "filter", r.choose("kill", str(errno.EPERM)), r.choose(MOUNTING, NAMESPACES)]
    if r.chance.random() < 0.5:
        make_small(r, r.world.temporary, r.choose(*SMALL, "noexec"))
    closed = [number for number in (0, 1) if r.chance.random() < 0.3]
    steps.append(partial(close_descriptors, closed))
    running = r.start("exit", "7", steps=steps, wrapper=wrapper)
    number = None
    if r.chance.random() < 0.7:
        r.pass_a_moment()
        number = choose_signal(r)
        running.kill_group(number)
    running.end().expect(7, *([-number] if number else []), refusal=True)


@kind(needs="Real.AppImage")
def real(r: Round) -> None:
    """A whole Python, whose unpacking takes a while."""
    started = [r.start("--version", program="Real.AppImage") for _ in range(r.number(1, 3))]
    for running in started:
        running.end().expect(0)


@kind(needs="Real.AppImage")
def real_killed(r: Round) -> None:
    """The same, ended while it starts; the next start is unharmed."""
    running = r.start("--version", program="Real.AppImage")
    time.sleep(r.chance.uniform(0, 0.5))
    number = choose_signal(r)
    running.kill_group(number)
    again = r.start("--version", program="Real.AppImage")
    # What Python makes of an interrupt is a traceback.
    if running.end().status not in {-number, 0} and number != signal.SIGINT:
        raise MisbehaviorError("the real image ended otherwise")
    again.end().expect(0)


@kind(needs="Real.AppImage")
def real_without_proc(r: Round) -> None:
    """The loader cannot tell where the image is: it works, or says in one line why not."""
    running = r.start("--version", program="Real.AppImage", as_root=[own_mounts, no_proc])
    running.end().expect(0, refusal=True)


# Steps, in the child before it becomes the image


def limit(name: str, value: int) -> None:
    """Set a resource limit."""
    resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


def set_signals(blocked: Sequence[int], ignored: Sequence[int]) -> None:
    """Set what is blocked and what is ignored."""
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def own_mounts() -> None:
    """Leave the mount namespace for a copy."""
    unshare(CLONE_NEWNS)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("none", "/", flags=MS_REC | MS_SHARED)


def own_proc() -> None:
    """Have /proc show one's own pid namespace."""
    mount("proc", "/proc", "proc")


def no_proc() -> None:
    """Have no /proc."""
    unmount("/proc")


# Parts of several kinds


def choose_signal(r: Round) -> signal.Signals:
    """Choose one that ends programs."""
    number = r.chance.choice(ENDING)
    r.note(number.name)
    return number


def ready(running: Running) -> None:
    """Wait until the application has found its files."""
    if not running.wait_for("ready"):
        outcome = running.end()
        raise MisbehaviorError(f"it ended with status {outcome.status}; it wrote {outcome.errors!r}")


NOEXEC = 8  # MS_NOEXEC of sys/mount.h


def make_small(r: Round, place: Path, name: str) -> None:
    """Have a small file system in a place, for this round."""
    options, flags = SMALL.get(name, ("", NOEXEC))
    r.stack.enter_context(small(place, ",".join(filter(None, ["mode=1777", options])), flags))
    if name == "full":
        (place / "full").write_bytes(bytes(4096))


def tidy(directory: Path) -> None:
    """Remove a directory if nobody holds a lock on it; systemd does it after some days."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)
    with suppress(OSError):
        directory.rmdir()


def write_script(r: Round, text: str) -> Path:
    """Write a program for this round; without a text, one that cannot be executed."""
    path = r.world.programs / "script"
    path.write_text(f"#!/bin/sh\n{text}\n" if text else "\0nothing")
    path.chmod(0o755)
    r.stack.callback(path.unlink)
    return path
