# SPDX-License-Identifier: MIT
"""Unpacked images: the application is the process that was started, and however it ends nothing stays behind."""

from __future__ import annotations

import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.runtime import runtime_path
from support.machine import NOBODY, make_public
from support.runtime_image import HIDE_DEVICES, HOST, Image, make_appdir, pack, processes_of, runs_sleep, wait_until
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long anything that ends by itself may take to do so on a busy machine.
LONG = 60.0
FILES = 800
COUNT = 'find "$APPDIR" -type f | wc -l'
EXTRACT = (("APPIMAGE_EXTRACT_AND_RUN", "1"),)
NOTE = "AppImage: nothing is mounted, so the files are unpacked to "


@dataclass(frozen=True)
class Unpacked(Image):
    """An image that is unpacked at every start."""

    def wait_until_clean(self) -> None:
        wait_until(lambda: not self.leftovers(), LONG)
        wait_until(lambda: not processes_of(self), LONG)

    def as_user(self, user: int) -> Unpacked:
        os.chown(self.temporary, user, user)
        return replace(self, user=user)

    def behind(self, *prefix: str) -> Unpacked:
        return replace(self, prefix=prefix)

    def copy_path(self) -> Path:
        """Return where the copy is put."""
        path = Path(self.run("run", "eval", 'echo "$APPDIR"').stdout.strip()).parent
        self.wait_until_clean()
        return path


@pytest.fixture(scope="module")
def built(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that takes a while to unpack."""
    del needs_root
    directory = make_public(tmp_path_factory, "extraction")
    root = make_appdir(directory / "AppDir")
    noise = random.Random(1)  # noqa: S311 - the same each time
    for number in range(FILES):
        path = root / f"usr/lib/{number % 40}/deeper/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise.randbytes(noise.randrange(16_000)))
    (root / "usr/link").symlink_to("share/data.txt")
    return pack(root, directory / "App.AppImage")


@pytest.fixture
def image(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unpacked]:
    image = Unpacked(built, make_public(tmp_path_factory, "tmp"), settings=EXTRACT)
    yield image
    image.wait_until_clean()


PYTHON = sys.executable


def program(text: str) -> tuple[str, ...]:
    """Return arguments that have the application become a Python program."""
    return ("run", "exec", PYTHON, "-c", textwrap.dedent(text))


class TestProcess:
    def test_is_the_one_that_was_started(self, image: Unpacked) -> None:
        process = image.start("run", "eval", "echo $$ $PPID; ls -l /proc/$$/fd | sed 's/.* -> //'")
        output, _ = process.communicate(timeout=LONG)
        first, *files = output.splitlines()
        assert first == f"{process.pid} {os.getpid()}"
        # A shell has its script open.
        own = [name for name in files if str(image.temporary) in name or "socket" in name or "pidfd" in name]
        assert [name for name in own if not name.endswith("/AppRun")] == []

    def test_signal_to_the_group_arrives_once(self, image: Unpacked) -> None:
        process = image.start(
            *program("""
                import signal, time
                seen = []
                signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
                print("ready", flush=True)
                while not seen:
                    time.sleep(0.01)
                time.sleep(0.5)
                print(len(seen))
            """),
            start_new_session=True,
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGTERM)
        assert process.communicate(timeout=LONG)[0] == "1\n"

    def test_hangup_of_the_session(self, image: Unpacked, tmp_path: Path) -> None:
        """As with `ssh -t`: the application is told, once, and what it does then it can finish."""
        seen = tmp_path / "seen"
        script = program(f"""
            import signal, time
            seen = []
            signal.signal(signal.SIGHUP, lambda *_: seen.append(1))
            print("ready", flush=True)
            while not seen:
                time.sleep(0.01)
            time.sleep(0.5)
            open({str(seen)!r}, "w").write(str(len(seen)))
        """)
        child, terminal = pty.fork()
        if child == 0:
            os.execve(image.path, [str(image.path), *script], image.environment)  # noqa: S606 - no shell is wanted
        assert os.read(terminal, 5) == b"ready"
        os.close(terminal)
        assert os.waitpid(child, 0) == (child, 0)
        assert seen.read_text() == "1"

    def test_standard_input(self, image: Unpacked) -> None:
        process = image.start("run", "exec", "cat", stdin=subprocess.PIPE)
        assert process.communicate("from the caller\n", timeout=LONG)[0] == "from the caller\n"

    #: Everything that is the caller's child, and an orphan that becomes one.
    REAP = """
        import os, subprocess
        subprocess.run(["sh", "-c", "sleep 0.2 &"])
        reaped = 0
        try:
            while os.wait():
                reaped += 1
        except ChildProcessError:
            print(os.getpid() == 1, reaped)
    """

    def test_first_process_of_a_container(self, image: Unpacked) -> None:
        """Like without an image. The kernel ends its guard with it, so the copy waits for the next start."""
        container = image.behind("unshare", "--pid", "--fork", "--mount-proc")
        for _ in range(2):
            result = container.run(*program(self.REAP))
            assert (result.stdout, result.stderr) == ("True 1\n", "")
            assert len(image.leftovers()) == 1
        assert image.run("run", "eval", COUNT).stdout == f"{FILES + 4}\n"

    def test_who_adopts_orphans(self, image: Unpacked) -> None:
        adopt = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], sys.argv[1:])"
        result = image.behind(PYTHON, "-c", adopt).run(*program(self.REAP))
        assert (result.stdout, result.stderr) == ("False 1\n", "")

    def test_another_user_afterwards(self, image: Unpacked) -> None:
        """A server that root starts may go on as somebody else, and still has to read its own program."""
        command = "setpriv --reuid 65534 --regid 65534 --clear-groups cat $APPDIR/usr/share/data.txt"
        assert image.run("run", "eval", command).stdout == "data\n"

    def test_images_that_start_each_other(self, image: Unpacked, tmp_path: Path) -> None:
        """Their guards do not wait for one another."""
        other = Path(shutil.copy(image.path, tmp_path / "Other.AppImage"))
        nested = f"{other} run {image.path} run eval 'cat $APPDIR/usr/link'"
        assert image.run("run", "eval", nested).stdout == "data\n"
        replace(image, path=other).wait_until_clean()


ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)


class TestInterrupted:
    @pytest.mark.parametrize("user", [0, NOBODY])
    def test_while_unpacking(self, image: Unpacked, user: int) -> None:
        image = image.as_user(user)
        start = time.monotonic()
        assert image.run("here").stdout == "data\n"
        whole = time.monotonic() - start
        chance = random.Random(user)  # noqa: S311 - not a secret
        for number in range(40):
            process = image.start("run", "exec", "sleep", "60", start_new_session=True)
            time.sleep(chance.uniform(0, whole))
            send = os.killpg if number % 2 else os.kill
            end = ENDS[number % len(ENDS)]
            send(process.pid, end)
            process.communicate(timeout=LONG)
            assert process.returncode == -end
            image.wait_until_clean()

    def test_while_removing(self, image: Unpacked) -> None:
        """The next start never takes half of the files for all of them, and cleans."""
        image = image.as_user(NOBODY)
        chance = random.Random(3)  # noqa: S311 - not a secret
        left = rounds = 0
        while rounds < 8 or (not left and rounds < 80):  # how long it takes depends on the machine
            rounds += 1
            process = image.start("run", "exec", "sleep", "60")
            wait_until(partial(runs_sleep, process), LONG)
            (guard,) = processes_of(image)
            process.kill()
            process.communicate()
            time.sleep(chance.uniform(0, 0.05))
            with_guard = guard in processes_of(image)
            if with_guard:
                os.kill(guard, signal.SIGKILL)
                wait_until(lambda: not processes_of(image), LONG)
            left += bool(image.leftovers())
            assert image.run("run", "eval", COUNT).stdout == f"{FILES + 4}\n"
            image.wait_until_clean()
        assert left

    def test_with_its_guard(self, image: Unpacked) -> None:
        process = image.start("run", "exec", "sleep", "60")
        wait_until(image.leftovers, LONG)
        (guard,) = set(processes_of(image)) - {process.pid}
        os.kill(guard, signal.SIGKILL)
        process.kill()
        process.communicate()
        assert image.leftovers()
        assert image.run("run", "eval", COUNT).stdout == f"{FILES + 4}\n"

    def test_copy_from_before_the_last_boot(self, image: Unpacked) -> None:
        """A power failure may have taken the content of files whose names are there."""
        kept = replace(image, settings=(*EXTRACT, ("NO_CLEANUP", "1")))
        root = Path(kept.run("run", "eval", 'echo "$APPDIR"').stdout.strip())
        (root / "usr/share").chmod(0o755)
        (root / "usr/share/data.txt").unlink()
        (root / "usr/share/data.txt").touch()
        root.rename(root.with_name("squashfs-root-00000000"))
        assert image.run("here").stdout == "data\n"

    def test_while_another_unpacks(self, image: Unpacked) -> None:
        """Who is stopped does not stop others for ever, and they can be interrupted while they wait."""
        stopped = stop_while_unpacking(image)
        waiting = image.start("here")
        patient = image.start("here")
        wait_until(lambda: len(processes_of(image)) == 6, LONG)
        time.sleep(0.3)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(LONG) == -signal.SIGINT
        assert patient.communicate(timeout=LONG)[0] == "data\n"
        wait_until(lambda: len(image.leftovers()) == 1, LONG)
        stopped.send_signal(signal.SIGCONT)
        assert stopped.communicate(timeout=LONG)[0] == "data\n"
        waiting.communicate()


def stop_while_unpacking(image: Unpacked) -> subprocess.Popen[str]:
    """Start it until one start can be stopped in the middle: on a fast machine most are through before."""
    for _ in range(100):
        process = image.start("here")
        while process.poll() is None and not [*image.temporary.glob(".appimage-*/unfinished*/usr")]:
            pass
        process.send_signal(signal.SIGSTOP)
        if [*image.temporary.glob(".appimage-*/unfinished*")]:
            return process
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=LONG)
        image.wait_until_clean()
    raise AssertionError("every start was through before it could be stopped")


class TestGuard:
    def test_process_left_behind(self, image: Unpacked) -> None:
        process = image.start("run", "eval", '(sleep 1; cat "$APPDIR/usr/link") & exit 3')
        assert process.wait(LONG) == 3
        assert process.communicate(timeout=LONG)[0] == "data\n"

    def test_temporary_directory_renamed(self, image: Unpacked, tmp_path: Path) -> None:
        (tmp_path / "before").mkdir()
        moved = replace(image, temporary=tmp_path / "before")
        process = moved.start("run", "exec", "sleep", "60")
        wait_until(lambda: runs_sleep(process), LONG)
        (tmp_path / "before").rename(tmp_path / "after")
        process.kill()
        process.communicate()
        replace(image, temporary=tmp_path / "after").wait_until_clean()

    def test_deep_tree(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Few descriptors are enough to remove it."""
        directory = make_public(tmp_path_factory, "deep")
        root = make_appdir(directory / "AppDir")
        (root / "/".join("deeper" for _ in range(60))).mkdir(parents=True)
        deep = pack(root, directory / "Deep.AppImage")
        temporary = make_public(tmp_path_factory, "tmp")
        image = Unpacked(deep, temporary, settings=EXTRACT).as_user(NOBODY)
        assert image.behind("prlimit", "--nofile=16").run("here").stdout == "data\n"
        image.wait_until_clean()

    def test_shown(self, image: Unpacked) -> None:
        image = image.behind("unshare", "--mount", "sh", "-c", HIDE_DEVICES)
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            process = image.start("--appimage-mount")
            assert process.stdout
            assert (Path(process.stdout.readline().strip()) / "usr/share/data.txt").read_text() == "data\n"
            process.send_signal(end)
            assert process.wait(LONG) == -end
            assert process.communicate()[1].startswith(NOTE)
            image.wait_until_clean()


class TestNote:
    def test_only_where_the_files_are_unpacked_unasked(self, image: Unpacked) -> None:
        fallback = replace(image, prefix=("unshare", "--mount", "sh", "-c", HIDE_DEVICES), settings=())
        process = fallback.start("run", "eval", f"{image.path} here; echo there; sleep 60", start_new_session=True)
        assert process.stdout
        # The second start shares what the first has unpacked.
        assert [process.stdout.readline() for _ in range(2)] == ["data\n", "there\n"]
        os.killpg(process.pid, signal.SIGKILL)
        _, errors = process.communicate()
        assert errors.startswith(NOTE + str(image.temporary))
        assert errors.count("\n") == 1
        assert fallback.run("--appimage-extract-and-run", "here").stderr == ""
        assert image.run("here").stderr == ""


#: All places for copies are small, read-only or the like, as the options in PLACES say; the image is at another.
PLACES = """
set -e
mount --bind "$BASE" /mnt
for place in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o "$PLACES" none $place; done
cd /
"$@" && status=0 || status=$?
find /tmp /var/tmp /dev/shm -mindepth 1
exit $status
"""


class TestPlaces:
    def run(self, image: Unpacked, base: Path, options: str, *command: str, **settings: str) -> list[str]:
        """Run the image, wait until its guard has ended, and return what it said and what is left."""
        shutil.copy(image.path, base / "App.AppImage")
        (base / "home").mkdir(exist_ok=True)
        ended = "while ls -l /proc/[0-9]*/exe 2>&1 | grep -q /mnt/App.AppImage; do sleep 0.1; done"
        script = 'code=0; "$@" || code=$?; ' + ended + "; exit $code"
        started = ("/mnt/App.AppImage", "run", "eval", COUNT)
        environment = {"PATH": os.environ["PATH"], "BASE": str(base), "PLACES": options, **dict(EXTRACT), **settings}
        result = subprocess.run(
            ["unshare", "--mount", "sh", "-c", PLACES, "sh", "sh", "-c", script, "sh", *command, *started],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONG,
        )
        (base / "App.AppImage").unlink()
        assert not any((base / "home").iterdir())
        return [*result.stdout.splitlines(), *result.stderr.splitlines()]

    @pytest.mark.parametrize(
        "options", ["size=256k", "size=8m", "nr_inodes=100", "ro", "noexec", "size=1g,nr_inodes=4"]
    )
    def test_another_is_found(self, image: Unpacked, tmp_path: Path, options: str) -> None:
        assert self.run(image, tmp_path, options, HOME="/mnt/home") == [str(FILES + 4)]

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ("size=256k", "No space left on device"),
            ("nr_inodes=100", "No space left on device"),
            ("ro", "Read-only file system"),
            ("noexec", "mounted noexec"),
        ],
    )
    def test_none_is_found(self, image: Unpacked, tmp_path: Path, options: str, reason: str) -> None:
        (line,) = self.run(image, tmp_path, options, TMPDIR="/nowhere")
        assert line.startswith(
            "AppImage: cannot unpack the image to any of /nowhere (No such file or directory), /tmp ("
        )
        assert f"/tmp ({reason}), /var/tmp ({reason}), /dev/shm ({reason}); set TMPDIR to a directory" in line
        assert " MB of room where programs may be run" in line

    @pytest.mark.parametrize("error", ["EDQUOT", "ENOSPC", "EIO"])
    def test_quota(self, image: Unpacked, tmp_path: Path, error: str) -> None:
        """It shows only when the files are written."""
        strace = require("strace", "strace")
        # Calls are counted for each thread: there shall be one.
        command = ["taskset", "--cpu-list", "0", strace, "--output=/dev/null", "--quiet=all"]
        inject = f"--inject=pwrite64:error={error}:when=300"
        assert self.run(image, tmp_path, "size=1g", *command, inject) == [str(FILES + 4)]

    def test_measured_room_is_not_trusted_alone(self, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        """A sparse file takes less than it has."""
        directory = make_public(tmp_path_factory, "sparse")
        root = make_appdir(directory / "AppDir")
        with (root / "sparse").open("wb") as stream:
            stream.truncate(1 << 30)
        for number in range(FILES - 1):
            (root / f"{number}").touch()
        sparse = Unpacked(pack(root, directory / "Sparse.AppImage"), directory, settings=EXTRACT)
        assert self.run(sparse, tmp_path, "size=30m") == [str(FILES + 4)]


class TestOtherUsers:
    @pytest.mark.parametrize("kind", ["directory", "link", "file", "open"])
    def test_name_is_taken(self, image: Unpacked, tmp_path: Path, kind: str) -> None:
        """In a place like /tmp. What is there stays as it is, and the next start of the kind shares the new one."""
        image.temporary.chmod(0o1777)
        taken = image.copy_path()
        if kind == "link":
            (tmp_path / "target/squashfs-root").mkdir(parents=True)
            taken.symlink_to(tmp_path / "target")
        elif kind == "file":
            taken.touch()
        else:
            taken.mkdir(mode=0o777)
            taken.chmod(0o700 if kind == "directory" else 0o777)
        if kind != "open":
            os.chown(taken, NOBODY, NOBODY, follow_symlinks=False)
        before = taken.lstat()
        first = image.start("run", "eval", 'echo "$APPDIR"; exec sleep 60')
        assert first.stdout
        place = first.stdout.readline()
        assert not place.startswith(f"{taken}/")
        assert image.run("run", "eval", 'echo "$APPDIR"').stdout == place
        first.kill()
        first.communicate()
        wait_until(lambda: image.leftovers() == [taken.name], LONG)
        assert taken.lstat() == before
        shutil.rmtree(taken) if taken.is_dir() and not taken.is_symlink() else taken.unlink()

    def test_root_with_their_temporary_directory(self, image: Unpacked, tmp_path: Path) -> None:
        """They could put a program of their own there: by a new directory or a link."""
        theirs = image.temporary / "theirs"
        for path in (theirs, theirs / "root's"):
            path.mkdir()
        os.chown(theirs, NOBODY, NOBODY)
        (theirs / "link").symlink_to(tmp_path)
        os.chown(theirs / "link", NOBODY, NOBODY, follow_symlinks=False)
        show = ("run", "eval", 'echo "$APPDIR"')
        for unsafe in (theirs, theirs / "root's"):
            place = replace(image, temporary=unsafe).run(*show).stdout
            assert place
            assert not place.startswith(str(image.temporary))
        # Where the link leads is not theirs: from then on it is not asked any more.
        assert replace(image, temporary=theirs / "link").run(*show).stdout.startswith(f"{tmp_path}/.appimage-")
        wait_until(lambda: not processes_of(image), LONG)
        assert not [*tmp_path.glob(".appimage-*")]
        shutil.rmtree(theirs)


class TestLimits:
    @pytest.mark.parametrize("user", [0, NOBODY])
    @pytest.mark.parametrize("limit", range(3, 13))
    def test_few_descriptors(self, image: Unpacked, user: int, limit: int) -> None:
        image = image.as_user(user)
        result = image.behind("prlimit", f"--nofile={limit}").run("run", "eval", "echo started")
        image.wait_until_clean()
        # A shell needs twelve of them itself.
        assert limit < 12 or result.stdout == "started\n"
        if limit < 9:
            assert result.returncode == 127
        if result.returncode == 127:
            assert result.stderr.startswith("AppImage: cannot ")
            assert result.stderr.endswith(": No file descriptors available\n")
            assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("user", [0, NOBODY])
    def test_file_size(self, image: Unpacked, user: int) -> None:
        image = image.as_user(user)
        result = image.behind("prlimit", "--fsize=10000").run("here")
        assert (result.returncode, result.stdout) == (127, "")
        assert result.stderr.endswith(": it is larger than files may be here (RLIMIT_FSIZE; ulimit -f shows it)\n")
        assert result.stderr.count("\n") == 1
        # The application meets the limit as it would without an image.
        command = ("run", "eval", "grep SigIgn /proc/self/status")
        ignored = image.behind("prlimit", "--fsize=100000000").run(*command).stdout
        assert not int(ignored.split()[1], 16) & 1 << signal.SIGXFSZ - 1

    @pytest.mark.parametrize("megabytes", [64, 32, 16, 8, 4])
    def test_memory(self, image: Unpacked, megabytes: int) -> None:
        result = image.behind("prlimit", f"--as={megabytes << 20}").run("here")
        if megabytes == 64 or result.returncode == 0:
            assert (result.stdout, result.stderr) == ("data\n", "")
        else:
            assert result.returncode == 127
            assert result.stderr.endswith(": Out of memory\n")
            assert result.stderr.count("\n") == 1


#: What unpacking asks of the kernel, and at which of such calls it shall fail.
FAULTS = {
    "socketpair": [1],
    "clone,fork,vfork": [1],
    "recvfrom": [1],
    "sendto": [1, 2],
    "sendmsg": [1],
    "mkdirat": [1, 2, 3, 50],
    "openat": [*range(1, 10), 300],
    "flock": [1, 2, 3],
    "pwrite64": [1, 300],
    "ftruncate": [1],
    "fchmod,fchmodat": [1, 300, 820],
    "utimensat": [1, 300],
    "symlinkat": [1],
    "renameat": [1],
    "fstat,newfstatat": [1, 2, 3, 4],
    "statfs,fstatfs": [1],
    "mmap": [1, 2, 3, 4, 5, 6],
}


class TestFaults:
    @pytest.mark.parametrize("call", FAULTS)
    def test_each_call(self, image: Unpacked, call: str) -> None:
        """It works all the same, or ends with one line; the program's own process only is hit."""
        for number in FAULTS[call]:
            inject = f"--inject={call}:error={'EIO' if number % 2 else 'ENOMEM'}:when={number}"
            traced = image.behind(require("strace", "strace"), "--output=/dev/null", "--quiet=all", inject)
            result = traced.run("here")
            if result.stdout != "data\n":
                assert result.stderr.startswith("AppImage: "), inject
                assert result.stderr.count("\n") == 1, inject
                assert "damaged" not in result.stderr, inject
            wait_until(lambda: not processes_of(image), LONG)
            assert image.leftovers() == [], inject

    def test_no_locks(self, image: Unpacked) -> None:
        """NFS has none for directories: nothing is shared then, and all is removed as ever."""
        strace = (require("strace", "strace"), "-f", "--output=/dev/null", "--quiet=all", "--inject=flock:error=EBADF")
        first = image.behind(*strace).start("run", "eval", 'cat "$APPDIR/usr/link"; exec sleep 60')
        assert first.stdout
        assert first.stdout.readline() == "data\n"
        assert image.behind(*strace).run("run", "eval", COUNT).stdout == f"{FILES + 4}\n"
        (pid,) = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()[:1]
        os.kill(int(pid), signal.SIGKILL)
        first.communicate()


class TestReadOnly:
    @pytest.mark.parametrize("user", [0, NOBODY])
    def test_modes(self, image: Unpacked, user: int) -> None:
        result = image.as_user(user).run("run", "eval", 'find "$APPDIR" -not -type l -perm /222 | wc -l')
        assert result.stdout == "0\n"

    def test_installing_into_it_fails(self, image: Unpacked) -> None:
        script = 'cd "$APPDIR/usr"; cp /bin/sh lib/0/deeper/new; echo more >>share/data.txt; cat link'
        result = image.as_user(NOBODY).run("run", "eval", script)
        assert result.stdout == "data\n"
        assert result.stderr.count("Permission denied") == 2

    def test_extracted_files_are_not(self, image: Unpacked, tmp_path: Path) -> None:
        os.chown(tmp_path, NOBODY, NOBODY)
        for parent in tmp_path.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o111)
        assert image.as_user(NOBODY).run("--appimage-extract", cwd=tmp_path).returncode == 0
        for path in (tmp_path / "squashfs-root").rglob("*"):
            assert path.is_symlink() or path.stat().st_mode & 0o200


class TestName:
    """Which runs share a copy."""

    @pytest.fixture
    def runtime(self, tmp_path: Path) -> Path:
        """Return a runtime apart from the image, which can be written to then."""
        return Path(shutil.copy(runtime_path(HOST), tmp_path / "runtime"))

    @pytest.fixture
    def plain(self, tmp_path: Path) -> Path:
        """Return an image whose data is not compressed."""
        return pack(make_appdir(tmp_path / "AppDir"), tmp_path / "Plain.AppImage", "-noD", "-noF", "-no-fragments")

    def start(self, runtime: Path, plain: Path, temporary: Path) -> subprocess.Popen[str]:
        settings = (*EXTRACT, ("TARGET_APPIMAGE", str(plain)))
        command = ("run", "eval", 'cat "$APPDIR/usr/share/data.txt"; exec sleep 60')
        return Unpacked(runtime, temporary, settings=settings).start(*command)

    @staticmethod
    def spoil(plain: Path) -> None:
        """Change data in place; sizes, tables and times stay as they are."""
        before = plain.stat()
        content = plain.read_bytes().replace(b"data\n", b"evil\n")
        with plain.open("r+b") as stream:
            stream.write(content)
        os.utime(plain, ns=(before.st_atime_ns, before.st_mtime_ns))

    def contents(self, processes: list[subprocess.Popen[str]]) -> list[str]:
        lines = [process.stdout.readline() for process in processes if process.stdout]
        for process in processes:
            process.kill()
            process.communicate()
        return lines

    def test_changed_in_place(self, image: Unpacked, runtime: Path, plain: Path) -> None:
        good = self.start(runtime, plain, image.temporary)
        assert good.stdout
        assert good.stdout.readline() == "data\n"
        self.spoil(plain)
        evil = self.start(runtime, plain, image.temporary)
        assert self.contents([evil]) == ["evil\n"]
        good.kill()
        good.communicate()

    def test_changed_copy(self, image: Unpacked, runtime: Path, plain: Path, tmp_path: Path) -> None:
        other = Path(shutil.copy2(plain, tmp_path / "other"))
        self.spoil(other)
        good = self.start(runtime, plain, image.temporary)
        assert good.stdout
        assert good.stdout.readline() == "data\n"
        assert self.contents([self.start(runtime, other, image.temporary)]) == ["evil\n"]
        good.kill()
        good.communicate()

    def test_changed_while_unpacking(self, image: Unpacked, runtime: Path, plain: Path) -> None:
        delay = "--inject=utimensat:delay_enter=2s:when=1"
        strace = (require("strace", "strace"), "-f", "--output=/dev/null", "--quiet=all", delay)
        slow = Unpacked(runtime, image.temporary, prefix=strace, settings=(*EXTRACT, ("TARGET_APPIMAGE", str(plain))))
        process = slow.start("here")
        wait_until(lambda: [*image.temporary.glob(".appimage-*/unfinished*/usr")], LONG)
        self.spoil(plain)
        os.utime(plain)
        output, errors = process.communicate(timeout=LONG)
        assert (process.returncode, output) == (127, "")
        assert errors.endswith(": it was changed meanwhile\n")

    def test_replaced_while_unpacking(self, image: Unpacked, runtime: Path, plain: Path, tmp_path: Path) -> None:
        """An update puts another file in its place, which is no change of this one."""
        delay = "--inject=utimensat:delay_enter=2s:when=1"
        strace = (require("strace", "strace"), "-f", "--output=/dev/null", "--quiet=all", delay)
        slow = Unpacked(runtime, image.temporary, prefix=strace, settings=(*EXTRACT, ("TARGET_APPIMAGE", str(plain))))
        process = slow.start("here")
        wait_until(lambda: [*image.temporary.glob(".appimage-*/unfinished*/usr")], LONG)
        shutil.copy(plain, tmp_path / "new")
        self.spoil(tmp_path / "new")
        (tmp_path / "new").replace(plain)
        output, _ = process.communicate(timeout=LONG)
        assert (process.returncode, output) == (0, "data\n")

    def test_links_share(self, image: Unpacked, tmp_path: Path) -> None:
        os.link(image.path, tmp_path / "hard")
        (tmp_path / "soft").symlink_to(image.path)
        script = f'for name in hard soft; do {tmp_path}/$name run eval "echo \\$APPDIR"; done; echo "$APPDIR"'
        assert len(set(image.run("run", "eval", script).stdout.splitlines())) == 1
        (tmp_path / "hard").unlink()
