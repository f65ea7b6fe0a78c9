# SPDX-License-Identifier: MIT
"""Mount points have the same name at each start, and nobody's is taken away for it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import NOBODY, make_public
from support.runtime_image import Image, make_appdir, pack, processes_of, sized_for, wait_until
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How long anything may take on a machine with much else to do.
LONG = 60.0
#: How many names an image has (hatch_appimage/runtime/lasting_name.c).
NAMES = 32
NAMESPACE = (("FUSERMOUNT_PROG", "/nonexistent"),)


@pytest.fixture(scope="module")
def built(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del needs_root
    directory = make_public(tmp_path_factory, "image")
    return pack(make_appdir(directory / "AppDir"), directory / "Lasting-App.AppImage")


@pytest.fixture(params=["root", "user", "namespace"])
def image(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Return an image for each way to mount it; its names are no other test's, as is its file."""
    directory = make_public(tmp_path_factory, "copy")
    path = directory / "Lasting.AppImage"
    shutil.copy(sized_for(request.param, built), path)
    temporary = directory / "tmp"
    temporary.mkdir()
    user = 0 if request.param == "root" else NOBODY
    os.chown(temporary, user, user)
    settings = NAMESPACE if request.param == "namespace" else ()
    image = Image(path, temporary, user, settings=settings)
    yield image
    wait_until_ended(image)
    assert image.leftovers() == []


def wait_until_ended(image: Image) -> None:
    wait_until(lambda: not processes_of(image), LONG)
    wait_until(lambda: not any(name.startswith(".mount_") for name in image.leftovers()), LONG)


def start(image: Image) -> tuple[subprocess.Popen[str], str]:
    """Start it until its input ends; return what its mount point is called, too."""
    process = image.start("run", "eval", 'echo "$APPDIR"; exec cat', stdin=subprocess.PIPE)
    assert process.stdout
    return process, Path(process.stdout.readline().strip()).name


@contextmanager
def running(image: Image) -> Iterator[str]:
    """Have it running; yield what its mount point is called, and wait for the end of its processes, claims and all."""
    others = {*processes_of(image)}
    process, name = start(image)
    try:
        daemons = {*processes_of(image)} - others
        yield name
    finally:
        assert process.communicate() == ("", "")
    wait_until(lambda: not any(map(has_files, daemons)), LONG)


def has_files(process: int) -> bool:
    """Whether a process has files open: at its end it loses its program before them, and its number after them."""
    try:
        return any(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False


def name_of(image: Image) -> str:
    """Start it; return what its mount point was called."""
    with running(image) as name:
        return name


@contextmanager
def claimed(name: str) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as claim:
        wait_until(lambda: binds(claim, f"\0appimage/{name}"), LONG)
        yield


def binds(claim: socket.socket, address: str) -> bool:
    """Whether it is nobody else's: a process that ends shows no files from before it has closed the last one."""
    try:
        claim.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def names_at_once(image: Image, count: int) -> list[str]:
    with ExitStack() as stack:
        return [stack.enter_context(running(image)) for _ in range(count)]


def test_same_at_each_start(image: Image) -> None:
    assert len({name_of(image) for _ in range(5)}) == 1


def test_starts_at_once_have_each_their_own(image: Image) -> None:
    first = names_at_once(image, 4)
    assert len({*first}) == 4
    assert names_at_once(image, 4) == first


def test_called_differently(image: Image) -> None:
    """By a link to it, as the commands of an image may be."""
    link = ("/bin/bash", "-c", 'exec -a elsewhere/command "$0" "$@"')
    assert name_of(replace(image, prefix=link)) == name_of(image)


def test_forgotten_one_of_a_short_name(image: Image) -> None:
    """Of a start whose mount has gone with a container: the directory is in the way of all further ones."""
    short = replace(image, path=image.path.rename(image.path.with_name("é")))
    name = name_of(short)
    (image.temporary / name).mkdir(0o700)
    os.chown(image.temporary / name, image.user, image.user)
    os.utime(image.temporary / name, (0, 0))
    assert name_of(short) != name
    assert name_of(short) == name
    wait_until_ended(short)


def test_another_file(image: Image) -> None:
    """Even if it looks the same: what the application keeps by its paths belongs to this one."""
    before = name_of(image)
    status = image.path.stat()
    other = image.path.with_name("other")
    shutil.copy2(image.path, other)
    other.replace(image.path)
    assert (image.path.stat().st_mtime_ns, image.path.stat().st_size) == (status.st_mtime_ns, status.st_size)
    assert name_of(image) != before


def test_changed_in_place(image: Image) -> None:
    before = name_of(image)
    status = image.path.stat()
    with image.path.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\1")
    os.utime(image.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert name_of(image) != before


def test_another_user(built: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Somebody else's start does not decide on the name of mine."""
    temporary = make_public(tmp_path_factory, "tmp")
    temporary.chmod(0o1777)
    image = Image(built, temporary)
    with running(image) as mine, running(replace(image, user=NOBODY)) as theirs:
        assert mine != theirs


def test_something_is_there(image: Image) -> None:
    """Whatever it is, it stays, and the start goes on under another name."""
    name = name_of(image)
    there = image.temporary / name
    for make in (Path.mkdir, Path.touch, partial(Path.symlink_to, target="/etc")):
        make(there)
        before = there.lstat()
        assert name_of(image) != name
        assert there.lstat() == before
        there.rmdir() if there.is_dir() and not there.is_symlink() else there.unlink()
    assert name_of(image) == name


def test_claimed_by_another(image: Image) -> None:
    first = name_of(image)
    with claimed(first):
        second = name_of(image)
        assert second != first
        with claimed(second):
            assert name_of(image) not in {first, second}
    assert name_of(image) == first


def test_all_claimed(image: Image) -> None:
    names = []
    with ExitStack() as stack:
        for _ in range(NAMES):
            names.append(name_of(image))
            stack.enter_context(claimed(names[-1]))
        assert len({*names}) == NAMES
        others = {name_of(image) for _ in range(3)}
    assert len({*names, *others}) == NAMES + 3


@pytest.mark.parametrize("image", ["root"], indirect=True)  # fusermount has no rights under strace
@pytest.mark.parametrize("call", ["socket", "bind"])
def test_nothing_can_be_claimed(image: Image, call: str) -> None:
    """As under a filter of system calls: then no name is used twice."""
    trace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:error=EACCES", "--")
    require("strace", "strace")
    names = {name_of(replace(image, prefix=trace)) for _ in range(3)}
    assert len({*names, name_of(image)}) == 4


@pytest.mark.parametrize("image", ["root", "user"], indirect=True)  # a namespace takes its mount with it
class TestDeadMount:
    """All processes were killed at once, and the mount stays."""

    @pytest.fixture
    def image(self, image: Image) -> Iterator[Image]:
        """Return it in a mount namespace, as otherwise the start of any image of another test tidies here, too."""
        with subprocess.Popen([require("unshare", "util-linux"), "--mount", "sleep", "600"]) as holder:
            namespace = Path(f"/proc/{holder.pid}/ns/mnt")
            try:
                wait_until(lambda: namespace.readlink() != Path("/proc/self/ns/mnt").readlink(), LONG)
                yield image.started_by("nsenter", f"--mount={namespace}")
                wait_until_ended(image)
            finally:
                holder.kill()

    @pytest.fixture
    def dead(self, image: Image) -> str:
        process = image.start("run", "eval", 'echo "$APPDIR"; exec sleep 60')
        assert process.stdout
        name = Path(process.stdout.readline().strip()).name
        victims = [*processes_of(image), process.pid]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # at once: none sees another one's end
            for victim in victims:
                os.kill(victim, number)
        process.communicate()
        wait_until(lambda: not processes_of(image), LONG)
        return name

    def test_start_removes_what_is_in_its_way(self, image: Image, dead: str) -> None:
        assert name_of(image) != dead
        assert name_of(image) == dead

    def test_is_left_to_who_has_claimed_it(self, image: Image, dead: str) -> None:
        with claimed(dead):
            assert name_of(image) != dead
            assert image.leftovers() == [dead]
        assert name_of(image) != dead
        assert name_of(image) == dead


def test_end_of_one_does_not_end_another(image: Image) -> None:
    """Starts and ends at all moments, a few at once: each finds its files until its own end."""
    script = f"""
        for start in $(seq 15); do
            {image.path} run eval '
                for time in 1 2 3; do
                    test "$(cat "$APPDIR/usr/share/data.txt")" = data || echo lost
                    sleep 0.00"$time"
                done' || echo failed
        done
    """
    loops = [start_shell(image, script) for _ in range(4)]
    assert [loop.communicate() for loop in loops] == [("", "")] * 4


@pytest.mark.parametrize("image", ["root", "user"], indirect=True)  # a mount in a namespace is seen by nobody else
def test_late_end_is_none_of_another_start_elsewhere(image: Image) -> None:
    """Claims do not reach from one network namespace to another, as from a container's to the machine's."""
    process, name = start(image)
    unmounter = unmounter_of(image)
    os.kill(unmounter, signal.SIGSTOP)
    assert process.communicate() == ("", "")
    subprocess.run([require("umount", "mount"), "--lazy", image.temporary / name], check=True)
    wait_until(lambda: not image.leftovers(), LONG)
    with running(image.started_by("unshare", "--net")) as other:
        assert other == name
        os.kill(unmounter, signal.SIGCONT)
        wait_until(lambda: not has_files(unmounter), LONG)
        assert f" {image.temporary / name} " in Path("/proc/self/mounts").read_text()


LATE_FUSERMOUNT = """#!/bin/sh
case $1 in -u*)
    if mkdir begun 2>/dev/null; then
        until [ -e continued ]; do sleep 0.05; done
        trap 'touch ended' EXIT
    fi
esac
fusermount3 "$@"
"""


@pytest.mark.parametrize("image", ["user"], indirect=True)
def test_fusermount_outlives_who_has_started_it(image: Image) -> None:
    """Its path is nobody else's until it has ended."""
    steps = image.path.with_name("steps")
    steps.mkdir()
    os.chown(steps, image.user, image.user)
    fusermount = steps / "fusermount"
    fusermount.write_text(LATE_FUSERMOUNT.replace("#!/bin/sh\n", f"#!/bin/sh\ncd {steps}\n"))
    fusermount.chmod(0o755)
    image = replace(image, settings=(("FUSERMOUNT_PROG", str(fusermount)),))
    process, name = start(image)
    unmounter = unmounter_of(image)
    assert process.communicate() == ("", "")
    wait_until((steps / "begun").exists, LONG)
    os.kill(unmounter, signal.SIGKILL)
    wait_until_ended(image)
    with running(image) as other:
        (steps / "continued").touch()
        wait_until((steps / "ended").exists, LONG)
        assert f" {image.temporary / other} " in Path("/proc/self/mounts").read_text()
    assert other != name
    wait_until(lambda: name_of(image) == name, LONG)


def unmounter_of(image: Image) -> int:
    """Return which of the two processes of a running image is the other one's child."""
    processes = processes_of(image)
    [unmounter] = [process for process in processes if parent_of(process) in processes]
    return unmounter


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[1])


def start_shell(image: Image, script: str) -> subprocess.Popen[str]:
    return replace(image, path=Path("/bin/sh")).start("-c", script)
