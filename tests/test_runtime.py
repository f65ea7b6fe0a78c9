# SPDX-License-Identifier: MIT
"""The runtime: real images, really mounted, by root and by an ordinary user."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import stat
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tools import require

from hatch_appimage.runtime import runtime_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEVICE = Path("/dev/fuse")
NOBODY = 65534
HOST = {"x86_64": "x86_64", "aarch64": "aarch64", "armv7l": "armhf", "i686": "i686"}.get(platform.machine(), "x86_64")
#: How long anything that ends by itself may take to do so.
PATIENCE = 5.0

APPRUN = """#!/bin/sh
case "$1" in
run) shift; "$@";;
env) env;;
here) cat "$APPDIR/usr/share/data.txt";;
files) ls -l /proc/$$/fd | sed 's/.* -> //';;
mounts) cat /proc/self/mounts;;
esac
"""


def pack(folder: Path, image: Path, *options: str, compression: str = "zstd") -> Path:
    """Make an AppImage of a folder with the system's SquashFS packer."""
    packer = require("mksquashfs", "squashfs-tools")
    squashfs = image.with_suffix(".squashfs")
    command: list[str | Path] = [
        packer,
        folder,
        squashfs,
        "-comp",
        compression,
        "-root-owned",
        "-noappend",
        "-no-progress",
        "-quiet",
    ]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    image.write_bytes(runtime_path(HOST).read_bytes() + squashfs.read_bytes())
    image.chmod(0o755)
    return image


def make_appdir(root: Path) -> Path:
    share = root / "usr/share"
    share.mkdir(parents=True)
    (share / "data.txt").write_text("data\n")
    (root / "app.desktop").write_text("[Desktop Entry]\n")
    (root / "AppRun").write_text(APPRUN)
    (root / "AppRun").chmod(0o755)
    shutil.copy(require("busybox", "busybox-static"), root / "usr/busybox")
    return root


@dataclass(frozen=True)
class Image:
    """An image, and how to run it.

    Attributes:
        path: the file.
        temporary: its TMPDIR, where it may leave nothing.
        user: who runs it.
        prefix: the command that runs it.
        settings: added to its environment.

    """

    path: Path
    temporary: Path
    user: int = 0
    prefix: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = field(default=())

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": str(self.temporary), **dict(self.settings)}

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        who = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        settings = {**streams, "env": self.environment, **who, **options}
        return subprocess.Popen([*self.prefix, str(self.path), *arguments], **settings)  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **options) as process:
            output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())

    def wait_until_clean(self) -> None:
        wait_until(lambda: not self.leftovers())
        assert str(self.temporary) not in Path("/proc/self/mounts").read_text()


def wait_until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def device_mode(mode: int) -> Iterator[None]:
    """Open or close /dev/fuse to ordinary users: it differs between machines."""
    before = stat.S_IMODE(DEVICE.stat().st_mode)
    DEVICE.chmod(mode)
    try:
        yield
    finally:
        DEVICE.chmod(before)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid():
        message = "needs root, to be root and to become somebody else"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    folder = tmp_path_factory.mktemp("image")
    folder.chmod(0o755)
    for parent in folder.parents[:3]:
        parent.chmod(0o755)
    return pack(make_appdir(folder / "AppDir"), folder / "Some App.AppImage")


HIDE_DEVICES = 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec "$0" "$@"'

#: Every way to the files, by what a user may find on a machine.
WAYS: dict[str, tuple[int, Sequence[str], dict[str, str], str]] = {
    "root": (0, (), {}, "mount"),
    "fusermount": (NOBODY, (), {}, "mount"),
    "namespace": (NOBODY, (), {"FUSERMOUNT_PROG": "/nonexistent"}, "mount"),
    "network-less": (NOBODY, ("unshare", "--user", "--map-root-user", "--net"), {}, "mount"),
    "extract": (NOBODY, (), {"APPIMAGE_EXTRACT_AND_RUN": "1"}, "copy"),
    "no-device": (0, ("unshare", "--mount", "sh", "-c", HIDE_DEVICES), {}, "copy"),
}


@pytest.fixture(params=WAYS)
def image(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    user, prefix, settings, _ = WAYS[request.param]
    temporary = tmp_path_factory.mktemp("tmp")
    os.chown(temporary, user, user)
    with device_mode(0o666):
        yield Image(built, temporary, user, tuple(prefix), tuple(settings.items()))
        assert not temporary.exists() or not any(temporary.iterdir())


@pytest.fixture
def mounted(built: Path, tmp_path: Path) -> Image:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return Image(built, temporary)


class TestEveryWay:
    def test_runs(self, image: Image) -> None:
        result = image.run("here")
        assert (result.stdout, result.stderr, result.returncode) == ("data\n", "", 0)
        image.wait_until_clean()

    def test_exit_status(self, image: Image) -> None:
        assert image.run("run", "exit", "7").returncode == 7
        image.wait_until_clean()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_signal(self, image: Image, number: signal.Signals) -> None:
        process = image.start("run", "exec", "sleep", "60", stdin=subprocess.PIPE)
        wait_until(image.leftovers)
        time.sleep(0.3)
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number
        process.communicate()
        image.wait_until_clean()

    def test_environment(self, image: Image) -> None:
        result = image.run("env", cwd="/usr")
        found = dict(line.split("=", 1) for line in result.stdout.splitlines())
        assert found["APPIMAGE"] == str(image.path)
        assert found["ARGV0"] == str(image.path)
        assert found["OWD"] == "/usr"
        assert found["APPDIR"].startswith(f"{image.temporary}/.")
        assert {"TARGET_APPIMAGE", "REDIRECT_APPIMAGE", "_FUSE_COMMFD"}.isdisjoint(found)
        image.wait_until_clean()

    def test_nothing_open(self, image: Image) -> None:
        files = image.run("files").stdout.splitlines()
        assert not [name for name in files if "fuse" in name or "socket" in name or name == str(image.path)]
        image.wait_until_clean()

    def test_child_that_outlives_its_parent(self, image: Image) -> None:
        script = '(sleep 1; cat "$APPDIR/usr/share/data.txt") & exit 3'
        process = image.start("run", "eval", script)
        assert process.wait(PATIENCE) == 3
        assert process.communicate()[0] == "data\n"
        image.wait_until_clean()


class TestWay:
    @pytest.mark.parametrize("way", WAYS)
    def test_is_taken(self, built: Path, tmp_path_factory: pytest.TempPathFactory, way: str) -> None:
        user, prefix, settings, expected = WAYS[way]
        temporary = tmp_path_factory.mktemp("tmp")
        os.chown(temporary, user, user)
        image = Image(built, temporary, user, tuple(prefix), tuple(settings.items()))
        with device_mode(0o666):
            mounts = image.run("mounts").stdout
            image.wait_until_clean()
        assert (str(temporary) in mounts) == (expected == "mount")

    def test_closed_device(self, built: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        temporary = tmp_path_factory.mktemp("tmp")
        os.chown(temporary, NOBODY, NOBODY)
        with device_mode(0o600):
            image = Image(built, temporary, NOBODY)
            assert image.run("here").stdout == "data\n"
            image.wait_until_clean()


class TestCommandLine:
    def test_offset(self, mounted: Image) -> None:
        offset = int(mounted.run("--appimage-offset").stdout)
        assert offset == runtime_path(HOST).stat().st_size
        assert mounted.path.read_bytes()[offset : offset + 4] == b"hsqs"

    @pytest.mark.parametrize(("flag", "text"), [("help", "--appimage-extract"), ("version", "Zstandard")])
    def test_texts(self, mounted: Image, flag: str, text: str) -> None:
        result = mounted.run(f"--appimage-{flag}")
        assert result.returncode == 0
        assert result.stdout == ""
        assert text in result.stderr

    def test_unknown(self, mounted: Image) -> None:
        result = mounted.run("--appimage-frobnicate")
        assert result.returncode == 1
        assert result.stderr.startswith("--appimage-frobnicate is not yet implemented in version")

    def test_only_first_argument(self, mounted: Image) -> None:
        assert mounted.run("run", "echo", "--appimage-offset").stdout == "--appimage-offset\n"

    def test_extract(self, mounted: Image, tmp_path: Path) -> None:
        result = mounted.run("--appimage-extract", cwd=tmp_path)
        assert result.returncode == 0
        assert "squashfs-root/usr/share/data.txt" in result.stdout.splitlines()
        assert (tmp_path / "squashfs-root/usr/share/data.txt").read_text() == "data\n"
        assert os.access(tmp_path / "squashfs-root/AppRun", os.X_OK)

    @pytest.mark.parametrize(
        ("pattern", "files"),
        [("*.desktop", ["app.desktop"]), ("usr/share", ["usr", "usr/share", "usr/share/data.txt"]), ("nothing", [])],
    )
    def test_extract_pattern(self, mounted: Image, tmp_path: Path, pattern: str, files: list[str]) -> None:
        assert mounted.run("--appimage-extract", pattern, cwd=tmp_path).returncode == 0
        root = tmp_path / "squashfs-root"
        assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == files

    def test_mount(self, mounted: Image) -> None:
        process = mounted.start("--appimage-mount")
        assert process.stdout
        point = Path(process.stdout.readline().strip())
        assert (point / "usr/share/data.txt").read_text() == "data\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT
        process.communicate()
        mounted.wait_until_clean()

    def test_extract_and_run(self, mounted: Image) -> None:
        result = mounted.run("--appimage-extract-and-run", "run", "echo", "a  b", "")
        assert (result.stdout, result.returncode) == ("a  b \n", 0)
        mounted.wait_until_clean()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compression(tmp_path: Path, compression: str) -> None:
    image = pack(make_appdir(tmp_path / "AppDir"), tmp_path / "App.AppImage", compression=compression)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    mounted = Image(image, temporary)
    assert mounted.run("here").stdout == "data\n"
    mounted.wait_until_clean()
