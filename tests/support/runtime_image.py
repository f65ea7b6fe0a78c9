# SPDX-License-Identifier: MIT
"""Small images behind the runtime, made without the build: every way to start one, and what it leaves behind."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.runtime import runtime_path
from support.machine import NOBODY
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def pack(directory: Path, image: Path, *options: str, compression: str = "zstd") -> Path:
    """Make an AppImage of a directory with the system's SquashFS packer."""
    packer = require("mksquashfs", "squashfs-tools")
    squashfs = image.with_suffix(".squashfs")
    command: list[str | Path] = [
        packer,
        directory,
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

    def started_by(self, *command: str) -> Image:
        """Return the same image, started by a command of root's that becomes the user in the end."""
        identity = (f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups")
        become = ("setpriv", *identity) if self.user else ()
        return replace(self, user=0, prefix=(*command, *become))

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        who = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # The user may not enter the directory of the tests.
        settings = {**streams, "env": self.environment, "cwd": "/", **who, **options}
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

    def clear(self) -> None:
        """Remove what those have left that were killed; any other image's start may be about to, too."""
        for name in self.leftovers():
            command: list[str | Path] = ["umount", "--lazy", self.temporary / name]
            subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(self.temporary / name, ignore_errors=True)
        assert not self.leftovers()


def wait_until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


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
#: Ways that only a large image takes; small ones are unpacked instead.
FOR_LARGE = {"namespace", "network-less"}
LARGE = 300 << 20


def sized_for(way: str, path: Path) -> Path:
    """Return an image that takes this way: the same one, or one that a hole at its end makes large."""
    if way not in FOR_LARGE:
        return path
    large = path.with_name(f"large {path.name}")
    if not large.exists():
        shutil.copy(path, large)
        os.truncate(large, LARGE)
    return large


def errors_of(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of standard error but that which says that files were unpacked."""
    return [line for line in result.stderr.splitlines() if not line.startswith("AppImage: nothing is mounted")]


def processes_of(image: Image) -> list[int]:
    """Return the processes that run the image's own program: the server and the keeper, and before them the start."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                target = (directory / "exe").readlink()
            except OSError:
                continue
            if target == image.path:
                found.append(int(directory.name))
    return found


def runs_sleep(process: subprocess.Popen[str]) -> bool:
    return Path(f"/proc/{process.pid}/exe").readlink().name == "sleep"
