# SPDX-License-Identifier: MIT
"""Run a program under a seccomp filter: ``seccomp.py kill|ERRNO CALL... -- PROGRAM ARGUMENT...``.

The filter answers the named system calls as systemd's ``SystemCallFilter=`` does for what is not in its list: it kills
the process, or the calls fail with an error number.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

# include/uapi/asm-generic/unistd.h and arch/x86/entry/syscalls/syscall_64.tbl; from 424 on they are the same on all.
NUMBERS = {
    "x86_64": {
        "mount": 165,
        "umount2": 166,
        "pivot_root": 155,
        "chroot": 161,
        "ptrace": 101,
        "unshare": 272,
        "setns": 308,
        "sched_setaffinity": 203,
        "setpriority": 141,
    },
    "aarch64": {
        "mount": 40,
        "umount2": 39,
        "pivot_root": 41,
        "chroot": 51,
        "ptrace": 117,
        "unshare": 97,
        "setns": 268,
        "sched_setaffinity": 122,
        "setpriority": 140,
    },
}.get(platform.machine(), {}) | {
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsmount": 432,
    "pidfd_open": 434,
    "close_range": 436,
    "mount_setattr": 442,
}

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
KILL_PROCESS, FAIL, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(action: int, calls: list[str]) -> None:
    """Install a filter that answers some system calls with an action and allows all others."""
    instructions = [(LOAD, 0, 0, 0)]
    for call in calls:
        instructions += [(EQUAL, 0, 1, NUMBERS[call]), (RETURN, 0, 0, action)]
    instructions.append((RETURN, 0, 0, ALLOW))
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    program = Program(len(instructions), code)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "cannot install the filter")


def main() -> None:
    """Install the filter and execute the program."""
    action, *rest = sys.argv[1:]
    end = rest.index("--")
    install(KILL_PROCESS if action == "kill" else FAIL | getattr(errno, action), rest[:end])
    os.execvp(rest[end + 1], rest[end + 1 :])  # noqa: S606 - there is no shell


if __name__ == "__main__":
    main()
