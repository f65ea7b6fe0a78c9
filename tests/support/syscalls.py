# SPDX-License-Identifier: MIT
"""System calls that Python has no function for, or has from a later version on."""

from __future__ import annotations

import ctypes
import os
import signal

# linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
# sys/mount.h
MS_RDONLY = 1
MS_BIND = 1 << 12
MS_REC = 1 << 14
MS_PRIVATE = 1 << 18
MS_SHARED = 1 << 20
MNT_DETACH = 2
# linux/prctl.h
_PR_SET_PDEATHSIG = 1

_LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones (unshare(2))."""
    _check(_LIBC.unshare(flags), "unshare")


def setns(descriptor: int) -> None:
    """Enter a namespace (setns(2))."""
    _check(_LIBC.setns(descriptor, 0), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount, or change a mount (mount(2))."""
    texts = [os.fsencode(text) or None for text in (source, target, kind)]
    _check(_LIBC.mount(*texts, ctypes.c_ulong(flags), os.fsencode(options)), f"mount on {target}")


def unmount(target: str) -> None:
    """Unmount as soon as nothing uses it any more (umount2(2))."""
    _check(_LIBC.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def end_with_parent() -> None:
    """Have the calling process killed when its parent ends (PR_SET_PDEATHSIG of prctl(2))."""
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
