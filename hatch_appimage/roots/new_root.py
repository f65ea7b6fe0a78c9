# SPDX-License-Identifier: MIT
"""Make another root file system that of a process, without changing anything in it.

The new root is a tmpfs with what the given root has at its top: directories as read-only mounts, and `/etc` as a copy
with the machine's name servers in it. `/home`, `/root`, `/run` and `/tmp` are empty. An overlay would allow writing
everywhere, but user namespaces have overlays only since Linux 5.11, and not on every file system.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hatch_appimage.roots.system_calls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    change_root,
    make_read_only,
    mount,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where the new root is put together. Every Linux has it, and what is needed of it is opened before.
_STAGE: Final = Path("/tmp")  # noqa: S108 - nothing is written into it: a file system is mounted there
_FRESH: Final = {"dev": 0o755, "image": 0o755, "home": 0o755, "proc": 0o755, "root": 0o700, "run": 0o755, "sys": 0o755}
_FOR_EVERYBODY: Final = 0o1777
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty", "fuse")
_STREAMS: Final = {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
# How this machine finds others: the command uses its network.
_NETWORK_FILES: Final = ("resolv.conf", "hosts")


def path_inside(image: Path) -> str:
    """Return where the command finds an image."""
    return f"/image/{image.name}"


def home_directory() -> str:
    """Return the home directory of this user in the new root."""
    return "/home/user" if os.getuid() else "/root"


def enter_root(root: Path, *, image: Path | None, writable: bool) -> None:
    """Put the new root together and make it that of this process, which is in a mount namespace of its own.

    Args:
        root: the directory with the given root.
        image: a file that is where `path_inside` says.
        writable: the given root may be changed, ``/etc`` among it.

    Raises:
        OSError: something cannot be mounted.

    """
    network = {name: path.read_bytes() for name in _NETWORK_FILES if (path := Path("/etc", name)).is_file()}
    descriptor = None if image is None else os.open(image, os.O_PATH)
    os.chdir(root)  # from here on it is found as the current directory, even if it lies below the stage
    mount("tmpfs", _STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for entry in os.scandir("."):
        if entry.name not in _FRESH and entry.name != "tmp":
            _take(entry, writable=writable)
    _make_directories()
    _make_devices()
    mount("proc", _STAGE / "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if not writable:
        _adapt_etc(network)
    if image is not None:
        _bind(f"/proc/self/fd/{descriptor}", _STAGE / path_inside(image)[1:], read_only=True)
    change_root(_STAGE)
    if Path("/var/tmp").is_dir():  # noqa: S108 - the command's own
        mount("tmpfs", "/var/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")  # noqa: S108 - the same


def _take(entry: os.DirEntry[str], *, writable: bool) -> None:
    """Have an entry of the given root's top in the new one."""
    target = _STAGE / entry.name
    if entry.is_symlink():
        target.symlink_to(Path(entry.path).readlink())
    elif entry.name == "etc" and entry.is_dir() and not writable:
        with suppress(shutil.Error):  # some files of it are for root alone
            shutil.copytree(entry.path, target, symlinks=True)
    elif entry.is_dir() or entry.is_file():
        _bind(entry.path, target, read_only=not writable)


def _bind(source: str | Path, target: Path, *, read_only: bool) -> None:
    """Have a file or a directory in another place, too."""
    if stat.S_ISDIR(os.stat(source).st_mode):  # noqa: PTH116 - of a descriptor's link, which is no path
        target.mkdir()
    else:
        target.touch()
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        make_read_only(target)


def _make_directories() -> None:
    for name, mode in _FRESH.items():
        (_STAGE / name).mkdir(mode)
    Path(_STAGE, home_directory()[1:]).mkdir(mode=0o700, exist_ok=True)
    for name in ("tmp", "dev/shm"):
        (_STAGE / name).mkdir()
        (_STAGE / name).chmod(_FOR_EVERYBODY)  # whatever the umask is


def _make_devices() -> None:
    """Have the devices of this machine that every program may expect."""
    devices = _STAGE / "dev"
    for name in _DEVICES:
        if Path("/dev", name).exists():
            _bind(f"/dev/{name}", devices / name, read_only=False)
    for name, target in _STREAMS.items():
        (devices / name).symlink_to(f"/proc/self/{target}")
    (devices / "pts").mkdir()
    mount("devpts", devices / "pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    (devices / "ptmx").symlink_to("pts/ptmx")


def _adapt_etc(network: Mapping[str, bytes]) -> None:
    """Put the files of this machine's network into the copy of ``/etc``, and who the user is."""
    etc = _STAGE / "etc"
    if etc.is_symlink():
        return
    etc.mkdir(exist_ok=True)
    for name, content in network.items():
        (etc / name).unlink(missing_ok=True)
        (etc / name).write_bytes(content)
    users = etc / "passwd"
    if users.is_symlink():
        return
    lines = users.read_text(encoding="utf-8", errors="surrogateescape") if users.is_file() else ""
    if not any(line.split(":")[2:3] == [str(os.getuid())] for line in lines.splitlines()):
        name = "user" if os.getuid() else "root"
        line = f"{name}:x:{os.getuid()}:{os.getgid()}::{home_directory()}:/bin/sh\n"
        users.write_text(lines + line, encoding="utf-8", errors="surrogateescape")
