# SPDX-License-Identifier: MIT
"""Machines with and without a desktop, in directories, and the servers that desktop applications speak to.

All machines have one directory as their `/tmp`: sockets, images and virtual environments have the same path on each.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.chroots import debootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: What images leave to the machine (`hatch_appimage/libraries/policy.py`), and a font.
LEFT_TO_THE_MACHINE = (
    *("libegl1", "libgl1", "libgles2", "libglx0", "libopengl0", "libdrm2", "libgbm1", "libvulkan1", "libvdpau1"),
    *("libva2", "libva-drm2", "libva-x11-2", "libgl1-mesa-dri", "libegl-mesa0", "libglx-mesa0"),
    *("libice6", "libsm6", "libx11-6", "libx11-xcb1", "libwayland-client0", "libxcb1", "libxcb-dri2-0"),
    *("libxcb-dri3-0", "libasound2", "libjack-jackd2-0", "libpipewire-0.3-0", "libfontconfig1", "libfreetype6"),
    *("libfribidi0", "libharfbuzz0b", "libgmp10", "libuuid1", "zlib1g", "libcups2", "libpulse0"),
    *("libpulse-mainloop-glib0", "fonts-dejavu-core"),
)
#: What the wheels of toolkits need beside that, a Python, and what plays the user.
OF_A_DESKTOP = (
    *("libxcb-cursor0", "libxcb-icccm4", "libxcb-image0", "libxcb-keysyms1", "libxcb-render-util0", "libxcb-shape0"),
    *("libxcb-xinerama0", "libxcb-xkb1", "libxkbcommon-x11-0", "libxkbcommon0", "libdbus-1-3", "libnss3", "libnspr4"),
    *("libxcomposite1", "libxdamage1", "libxrandr2", "libxtst6", "libxi6", "libxkbfile1", "libwayland-cursor0"),
    *("libwayland-egl1", "libwayland-server0", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"),
    *("python3", "python3-venv", "python3-tk", "xvfb", "weston", "xdotool", "xclip", "cups-daemon", "libnss3-tools"),
    *("dbus", "polkitd", "pkexec", "fuse3"),
)
#: Debian 13 has new names for libraries with times of 64 bits.
_RENAMED = {"trixie": {name: f"{name}t64" for name in ("libasound2", "libcups2", "libpipewire-0.3-0")}}

#: The applications' user.
USER = 1000
# All of the mounts are the process's own and end with it. The new root is no chroot: the kernel refuses those the user
# namespaces of mounted images and of Chromium's sandbox.
_ENTER = """
mount --bind "$1" "$1"
cd "$1"
mkdir -p mnt
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount --bind "$2" tmp
user=$3
shift 3
pivot_root . mnt
umount -l /mnt
cd "$HOME"
exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
"""


@dataclass(frozen=True)
class DesktopMachine:
    """A machine in a directory.

    Attributes:
        root: the directory.
        shared: a directory of this machine that is its `/tmp`.

    """

    root: Path
    shared: Path

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        user: int = USER,
        output: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start a program; the process is the program's own.

        Args:
            command: with paths as they are there.
            variables: its environment, beside what everyone has.
            user: who runs it.
            output: where it writes: a pipe, or nowhere.

        """
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _ENTER, "sh"]
        path = "/usr/local/bin:/usr/bin:/bin" + ("" if user else ":/usr/sbin:/sbin")
        return subprocess.Popen(
            [*enter, self.root, self.shared, str(user), *command],
            env={"PATH": path + ":/usr/sbin:/sbin", "HOME": f"/tmp/home-{user}", "LANG": "C.UTF-8", **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            errors="replace",
        )

    def run(
        self, command: Sequence[str], variables: Mapping[str, str], *, user: int = USER, seconds: float = 60
    ) -> str:
        """Run a program, and return what it prints.

        Raises:
            subprocess.CalledProcessError: it failed.
            subprocess.TimeoutExpired: it took too long.

        """
        with self.start(command, variables, user=user) as process:
            try:
                output, errors = process.communicate(timeout=seconds)
            finally:
                process.kill()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, output, errors)
        return output

    def path(self, name: str) -> Path:
        """Return where this machine has a file of the directory that all machines share."""
        return self.shared / name


def make_machine(directory: Path, suite: str, packages: Sequence[str], shared: Path) -> DesktopMachine:
    """Return a machine with a release of Debian, which is made unless it is there.

    Args:
        directory: where it is.
        suite: the release's code name.
        packages: that it has, beside the smallest installation.
        shared: the directory that all machines have as `/tmp`.

    """
    if not (directory / "made").exists():
        shutil.rmtree(directory, ignore_errors=True)  # of a run that was interrupted
        directory.mkdir(parents=True)
        names = _RENAMED.get(suite, {})
        debootstrap(directory, suite, *(names.get(package, package) for package in packages))
        (directory / "made").touch()
    for user in (0, USER):
        home = shared / f"home-{user}"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        os.chown(home, user, user)
    return DesktopMachine(directory / "root", shared)
