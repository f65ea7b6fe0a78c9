# SPDX-License-Identifier: MIT
"""System calls of namespaces and mounts that the standard library has from Python 3.12 on, or not at all.

They are called through ctypes. The programs `unshare` and `mount` would do for most of them, but their options differ
from release to release of util-linux and from BusyBox's, and none keeps the caller's user id in releases that are still
in use.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from typing import TYPE_CHECKING, Final

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from pathlib import Path

# <linux/sched.h>
CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
# <linux/mount.h>
MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_NOATIME: Final = 0x400
MS_NODIRATIME: Final = 0x800
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MS_RELATIME: Final = 0x200000
_MNT_DETACH: Final = 2
# <linux/prctl.h>
_PR_SET_PDEATHSIG: Final = 1
# statvfs(3) has its own number for one flag of mounts; the others are the same.
_ST_RELATIME: Final = 0x1000
# The C library has no function for it (arch/*/entry/syscalls and <asm-generic/unistd.h> of Linux).
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41, "armv7l": 218, "armv8l": 218, "i686": 217, "i586": 217}

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Make new namespaces (unshare(2)).

    Raises:
        OSError: the system does not allow it.

    """
    _check(_libc.unshare(flags))


def mount(source: str | Path | None, target: str | Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system, or change a mount (mount(2)).

    Raises:
        OSError: the system does not allow it; it names the target.

    """
    encoded = os.fsencode(source) if source is not None else None
    _check(_libc.mount(encoded, os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode()), target)


def make_read_only(target: str | Path) -> None:
    """Make a bind mount read-only; what else limits it stays, as a user namespace may not take limits away.

    Raises:
        OSError: the system does not allow it.

    """
    found = os.statvfs(target).f_flag
    flags = found & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)
    flags |= MS_RELATIME if found & _ST_RELATIME else 0
    mount(None, target, flags=flags | MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def change_root(directory: str | Path) -> None:
    """Make a mount point the root of this mount namespace, and detach the former root (pivot_root(2)).

    Raises:
        AppImageError: the number of the system call is not known on this machine.
        OSError: the system does not allow it.

    """
    number = _PIVOT_ROOT.get(_user_land())
    if number is None:
        raise AppImageError(f"The root cannot be changed on `{platform.machine()}`")
    os.chdir(directory)
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), directory)
    _check(_libc.umount2(b".", _MNT_DETACH), directory)
    os.chdir("/")


def _user_land() -> str:
    """Return the name of the machine whose system calls this process makes: on a 64-bit kernel it may have 32 bits."""
    narrow = {"x86_64": "i686", "aarch64": "armv7l"} if ctypes.sizeof(ctypes.c_void_p) == 4 else {}  # noqa: PLR2004 - bytes
    return narrow.get(platform.machine(), platform.machine())


def end_with_parent() -> None:
    """Have this process killed when its parent ends (prctl(2)). New credentials take that back: get them before."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0))


def _check(result: int, path: str | Path | None = None) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), None if path is None else str(path))
