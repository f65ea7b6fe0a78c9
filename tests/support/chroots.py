# SPDX-License-Identifier: MIT
"""Other machines, in directories: bare installations of Debian, and systems that have almost nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.roots.debootstrap import unpack_packages
from hatch_appimage.roots.tree import move_into
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

# All of the mounts are the process's own and end with it.
ENTER = """
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
if [ -d "$1/tmp/.X11-unix" ] && [ -d /tmp/.X11-unix ]; then mount --bind /tmp/.X11-unix "$1/tmp/.X11-unix"; fi
user=$2 root=$1
shift 2
exec chroot --userspec="$user:$user" "$root" "$@"
"""


@dataclass(frozen=True)
class Chroot:
    """A system in a directory."""

    root: Path

    def run(
        self, image: Path, *arguments: str, env: dict[str, str] | None = None, user: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run an image in it.

        Args:
            image: the file, which is copied there.
            arguments: the image's.
            env: further variables.
            user: who runs it.

        """
        name = f"{zlib.crc32(os.fsencode(image)):08x}-{image.name}"
        if not (self.root / "tmp" / name).exists():
            shutil.copy(image, self.root / "tmp" / name)
        return self.execute(f"/tmp/{name}", *arguments, env=env, user=user)

    def execute(
        self, *command: str, env: dict[str, str] | None = None, user: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of it."""
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", ENTER, "sh"]
        clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "xterm"}
        return subprocess.run(
            [*enter, self.root, str(user), *command],
            env={**clean, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def debootstrap(directory: Path, suite: str, *include: str) -> Chroot:
    """Unpack a minimal Debian, and further packages; that takes half the time of an installation."""
    command: list[str | Path] = [
        require("debootstrap", "debootstrap"),
        "--download-only",
        "--variant=minbase",
        *([f"--include={','.join(include)}"] if include else []),
        suite,
        directory / "packages",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    directory.chmod(0o755)
    unpack_packages(directory / "packages", directory / "root", require("dpkg-deb", "dpkg"), merged_usr=True)
    shutil.rmtree(directory / "packages")
    return Chroot(directory / "root")


def make_small_system(directory: Path, *packages: str) -> Chroot:
    """Unpack a few of Debian's packages, and nothing that they depend on."""
    for name in ("tmp", "proc", "dev", "etc", "bin"):
        (directory / name).mkdir(parents=True)
    directory.chmod(0o755)
    (directory / "tmp").chmod(0o1777)
    (directory / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    archives = directory / "archives"
    archives.mkdir()
    subprocess.run(["apt-get", "download", "-qq", *packages], cwd=archives, check=True, stderr=subprocess.DEVNULL)
    for archive in archives.iterdir():
        subprocess.run(["dpkg-deb", "-x", archive, directory], check=True)
    shutil.rmtree(archives)
    for name in ("bin", "lib", "lib64"):  # from Debian 13 on, packages have no files there
        if (directory / "usr" / name).is_dir() and not any((directory / name).glob("*")):
            move_into(directory / "usr" / name, directory / name)
    return Chroot(directory)
