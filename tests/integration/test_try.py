# SPDX-License-Identifier: MIT
"""`hatch-appimage try`: an image in other root file systems, as root and as an ordinary user."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import NOBODY, make_public
from support.runtime_image import pack, wait_until
from support.tools import require, require_root

if TYPE_CHECKING:
    from collections.abc import Iterator

APPRUN = """\
#!/bin/sh
case "$1" in
--help) echo "usage: app";;
exit) exit "$2";;
kill) kill -"$2" $$;;
run) shift; exec "$@";;
esac
"""
APPLETS = ("sh", "cat", "env", "id", "ls", "pwd", "sleep", "touch", "sed", "kill", "readlink")
# The command as a user, who need not be able to read this Python's files: whatever it needs is imported before. What
# setuid(2) takes, and execve(2) would give back, is that a process may write its own files in /proc (proc(5)).
AS_USER = """\
import ctypes, email.message, os, sys
import requests
from hatch_appimage.cli import main, try_
user = int(sys.argv[1])
if user != os.getuid():
    os.setgroups([]); os.setgid(user); os.setuid(user)
    PR_SET_DUMPABLE = 4
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
sys.exit(main(["try", *sys.argv[2:]]))
"""


@dataclass(frozen=True)
class User:
    """Who tries an image.

    Attributes:
        number: the user's, and the group's.
        home: where everything of theirs is.

    """

    number: int
    home: Path

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    def start(self, image: Path, *arguments: object, prefix: tuple[str, ...] = (), **env: str) -> subprocess.Popen[str]:
        """Start the command, in an environment with something that must not reach what it runs."""
        settings = {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PATH": "/usr/bin:/bin",
            "TERM": "vt100",
            "LANG": "tlh",
            "LD_LIBRARY_PATH": "/nonexistent",
            **env,
        }
        command = [*prefix, sys.executable, "-c", AS_USER, str(self.number), str(image), *map(str, arguments)]
        return subprocess.Popen(
            command,
            env=settings,
            cwd="/",
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def attempt(self, image: Path, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        with self.start(image, *arguments, **options) as process:  # type: ignore[arg-type] # a prefix or variables
            output, errors = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture(params=["root", pytest.param("user", marks=pytest.mark.root)])
def user(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Be the user who runs the tests, and an ordinary one; see that nothing is left."""
    home = make_public(tmp_path_factory, "home")
    number = os.getuid()
    if request.param == "user":
        require_root()
        number = NOBODY
    user = User(number, home)
    user.temporary.mkdir()
    for path in (home, user.temporary):
        os.chown(path, number, number)
    yield user
    assert list(user.temporary.iterdir()) == []
    assert str(tmp_path_factory.getbasetemp()) not in Path("/proc/self/mounts").read_text()
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root file system of one static program."""
    root = make_public(tmp_path_factory, "root")
    for name in ("bin", "etc", "var/tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(require("busybox", "busybox-static"), root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "lib").symlink_to("/bin")
    (root / "etc/os-release").write_text("ID=tiny\n")
    (root / "etc/resolv.conf").symlink_to("/nonexistent/resolv.conf")
    (root / "etc/secret").touch(mode=0)
    return root


@pytest.fixture(scope="module")
def archive(root: Path) -> Path:
    """Return it as an archive."""
    path = root.with_name("root.tar.gz")
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(root, ".")
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = make_public(tmp_path_factory, "image")
    appdir = directory / "AppDir"
    appdir.mkdir()
    (appdir / "AppRun").write_text(APPRUN)
    (appdir / "AppRun").chmod(0o755)
    (appdir / "app.desktop").write_text("[Desktop Entry]\n")
    return pack(appdir, directory / "My App.AppImage")


def tree(root: Path) -> list[tuple[str, float]]:
    return sorted((str(path), path.lstat().st_mtime) for path in root.rglob("*"))


def knowing(token: str) -> list[str]:
    """Return the commands of all processes that have a word in their command."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_text(errors="replace")
            except OSError:
                continue
            if token in command:
                found.append(command.rstrip("\0").replace("\0", " "))
    return found


@pytest.mark.usefixtures("fuse")
class TestInside:
    def test_help(self, user: User, root: Path, image: Path) -> None:
        before = tree(root)
        result = user.attempt(image, "--on", root)
        assert (result.stdout, result.returncode) == ("usage: app\n", 0), result.stderr
        assert result.stderr.endswith(f"My App.AppImage on {root}: exit status 0\n")
        assert tree(root) == before

    def test_archive(self, user: User, archive: Path, image: Path) -> None:
        result = user.attempt(image, "--on", archive, "--", "cat", "/etc/os-release")
        assert (result.stdout, result.returncode) == ("ID=tiny\n", 0), result.stderr

    @pytest.mark.parametrize("status", [1, 2, 127, 200])
    def test_exit_status(self, user: User, root: Path, image: Path, status: int) -> None:
        result = user.attempt(image, "--on", root, "--", "{appimage}", "exit", str(status))
        assert result.returncode == status
        assert f"`/image/My App.AppImage exit {status}` failed with exit status {status}" in result.stderr

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
    def test_signal(self, user: User, root: Path, image: Path, number: signal.Signals) -> None:
        result = user.attempt(image, "--on", root, "--", "{appimage}", "kill", str(int(number)))
        assert result.returncode == 128 + number
        assert f"signal {int(number)} ({signal.strsignal(number)}) ended" in result.stderr

    def test_command_that_is_not_there(self, user: User, root: Path, image: Path) -> None:
        result = user.attempt(image, "--on", root, "--", "nonsense")
        assert result.returncode == 2
        assert result.stderr == (
            "hatch-appimage: nonsense cannot be started there: it is not there, or the interpreter or loader is not "
            "that it asks for\n"
        )

    def test_environment(self, user: User, root: Path, image: Path) -> None:
        result = user.attempt(image, "--on", root, "--", "env")
        home = "/home/user" if user.number else "/root"
        path = "/usr/local/bin:/usr/bin:/bin" + ("" if user.number else ":/usr/local/sbin:/usr/sbin:/sbin")
        assert dict(line.split("=", 1) for line in result.stdout.splitlines()) == {
            "HOME": home,
            "PATH": path,
            "LANG": "C.UTF-8",
            "TERM": "vt100",
        }

    def test_who_and_where(self, user: User, root: Path, image: Path) -> None:
        script = "id -u; id -un; pwd; readlink /lib; cat /etc/resolv.conf; echo $$; ls /proc | sed -n '/^[0-9]*$/p'"
        result = user.attempt(image, "--on", root, "--", "sh", "-c", script)
        name, home = ("user", "/home/user") if user.number else ("root", "/root")
        resolver = Path("/etc/resolv.conf").read_text().splitlines()
        expected = [str(user.number), name, home, "/bin", *resolver, "2"]
        lines = result.stdout.splitlines()
        assert lines[: len(expected)] == expected, result.stderr
        assert len(lines) - len(expected) <= 4  # the first process, the shell, and its two programs

    def test_what_can_be_written(self, user: User, root: Path, image: Path) -> None:
        script = "for name in /bin /etc /home /image /root /run /tmp /var /var/tmp /dev/shm $HOME; do"
        script += " touch $name/new && echo $name; done; echo x > /dev/null"
        result = user.attempt(image, "--on", root, "--", "sh", "-c", script)
        written = set(result.stdout.splitlines())
        home = "/home/user" if user.number else "/root"
        assert {"/tmp", "/run", "/var/tmp", "/dev/shm", "/etc", home} <= written, result.stderr
        assert not written & {"/bin", "/var"}
        assert result.returncode == 0
        assert not list(root.rglob("new"))

    def test_mounted_and_extracted(self, root: Path, image: Path, user: User) -> None:
        command = ("--", "{appimage}", "run", "cat", "/proc/mounts")
        mounted = user.attempt(image, "--on", root, *command).stdout
        extracted = user.attempt(image, "--on", root, "--extract", *command).stdout
        assert "fuse" not in re.sub(r"\S+ /dev/fuse .*", "", extracted)
        if not user.number:
            assert " fuse" in mounted

    def test_image_that_lies_in_the_root(self, root: Path, image: Path, user: User) -> None:
        inner = root / "App"
        shutil.copy(image, inner)
        try:
            result = user.attempt(inner, "--on", root)
        finally:
            inner.unlink()
        assert (result.stdout, result.returncode) == ("usage: app\n", 0), result.stderr


class TestEnd:
    @pytest.mark.parametrize(
        ("kind", "how"),
        [
            ("directory", "terminal"),
            ("archive", "terminal"),
            ("directory", "interrupt"),
            ("archive", "terminate"),
            ("directory", "hang up"),
        ],
    )
    def test_interrupted(self, user: User, root: Path, archive: Path, image: Path, *, kind: str, how: str) -> None:
        """Neither the command nor what it has started in the background is left."""
        token = f"{70000 + os.getpid() % 20000}.{user.number}"
        script = f"sleep {token} & sleep {token}"
        place = root if kind == "directory" else archive
        with user.start(image, "--on", place, "--", "sh", "-c", script) as process:
            wait_until(lambda: f"sleep {token}" in knowing(token), 60)
            if how == "terminal":
                os.killpg(process.pid, signal.SIGINT)
            else:
                number = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM, "hang up": signal.SIGHUP}[how]
                process.send_signal(number)
            output, errors = process.communicate(timeout=30)
        assert (output, process.returncode) == ("", 130), errors
        assert knowing(token) == []
        assert len(errors.splitlines()) == 1, errors

    def test_command_heeds_the_interrupt(self, user: User, root: Path, image: Path) -> None:
        script = "trap 'echo heeded; exit 7' INT; echo ready; while :; do sleep 0.05; done"
        with user.start(image, "--on", root, "--", "sh", "-c", script) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        assert (output, process.returncode) == ("heeded\n", 7), errors

    def test_killed(self, user: User, root: Path, image: Path) -> None:
        token = f"{60000 + os.getpid() % 10000}.{user.number}"
        with user.start(image, "--on", root, "--", "sleep", token) as process:
            wait_until(lambda: f"sleep {token}" in knowing(token), 60)
            process.kill()
            process.communicate(timeout=30)
        wait_until(lambda: not knowing(token))

    def test_what_runs_in_the_background_ends_with_the_command(self, user: User, root: Path, image: Path) -> None:
        token = f"{50000 + os.getpid() % 10000}.{user.number}"
        result = user.attempt(image, "--on", root, "--", "sh", "-c", f"sleep {token} >/dev/null 2>&1 & exit 0")
        assert result.returncode == 0
        assert knowing(token) == []


def test_no_user_namespaces(
    needs_root: None, tmp_path_factory: pytest.TempPathFactory, root: Path, image: Path
) -> None:
    """As on a machine whose administrator forbids them; the setting is one of the namespace that the test makes."""
    del needs_root
    home = make_public(tmp_path_factory, "home")
    (home / "tmp").mkdir()
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    prefix = (require("unshare", "util-linux"), "--user", "--map-root-user", "sh", "-c", script, "sh")
    result = User(0, home).attempt(image, "--on", root, prefix=prefix)
    assert (result.stdout, result.returncode) == ("", 2)
    assert result.stderr == (
        "hatch-appimage: There are no user namespaces here (No space left on device): "
        "`sysctl user.max_user_namespaces=15000` allows them\n"
    )


@pytest.mark.network
@pytest.mark.timeout(1800)
class TestReleases:
    def test_debian(self, user: User, image: Path) -> None:
        """A root that is made once, and then there offline."""
        require("debootstrap", "debootstrap")
        number, name = ("12", "bookworm") if user.number else ("11", "bullseye")
        result = user.attempt(image, "--on", f"debian:{number}")
        assert (result.stdout, result.returncode) == ("usage: app\n", 0), result.stderr
        script = ". /etc/os-release; echo $VERSION_ID; /sbin/ldconfig -p | grep -c libc.so.6; readlink /bin; id -un; "
        script += "awk 'BEGIN { print 1 + 1 }'; exec '{appimage}' exit 3"
        command = ("--", "sh", "-c", script)
        result = user.attempt(image, "--on", f"debian:{name}", *command, HATCH_APPIMAGE_OFFLINE="1")
        assert result.stdout.splitlines() == [number, "1", "usr/bin", "nobody" if user.number else "root", "2"]
        assert result.returncode == 3, result.stderr
        made = [path.name for path in (user.home / ".cache/hatch-appimage/roots").iterdir()]
        assert len(made) == 2
        assert all(path.startswith(f"debian-{name}-") for path in made)

    def test_no_network(self, user: User, image: Path) -> None:
        require("debootstrap", "debootstrap")
        result = user.attempt(image, "--on", "debian:12", "--mirror", "http://127.0.0.1:9/debian")
        assert result.returncode == 2
        assert re.fullmatch(
            r"hatch-appimage: debian:12 cannot be fetched: debootstrap says: .*http://127\.0\.0\.1:9/.*\n",
            result.stderr,
        )
