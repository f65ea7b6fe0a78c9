#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pass all tests on a machine that has Python with pip and venv, and reaches a package index.

Makes a virtual environment in `.venv`, installs the Debian packages that the tests use (as root; otherwise it names
the missing ones), and runs the formatter, the linter, the type checker, the fuzzers for a minute
and the tests, some at a time. Arguments go to pytest, and are taken instead of those of the whole run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"

# Debian's packages that tests use.
PACKAGES = (
    "appstream",
    "bash",
    "binutils",
    "busybox-static",
    "clang",
    "curl",
    "debootstrap",
    "desktop-file-utils",
    "file",
    "fuse3",
    "git",
    "gnupg",
    "gcc",
    "libappimage1.0abi1",
    "libc6-dev",
    "libclang-rt-dev",
    "libdbus-1-3",
    "libegl1",
    "libfuse2",
    "libgl1",
    "libnss3",
    "libsasl2-modules",
    "libsodium23",
    "libwayland-cursor0",
    "libwayland-egl1",
    "libwayland-server0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxkbcommon-x11-0",
    "libyaml-dev",
    "make",
    "mount",
    "procps",
    "python3",
    "python3-dev",
    "python3-tk",
    "python3-venv",
    "qemu-user-static",
    "shared-mime-info",
    "shellcheck",
    "squashfs-tools",
    "squashfuse",
    "strace",
    "tzdata",
    "util-linux",
    "util-linux-extra",
    "weston",
    "xvfb",
    "xz-utils",
    "zsync",
)

# One process more than there are processors, as tests also wait: for disks, the network and clocks. A module's tests
# stay together, as they share what its fixtures make. What no test reaches must not become more.
PROCESSES = len(os.sched_getaffinity(0)) + 1
WHOLE = (
    f"--numprocesses={PROCESSES}",
    *("--dist=loadfile", "--no-loadscope-reorder"),
    *("--cov", "--cov-report=term", "--cov-fail-under=93"),
)


def main() -> int:
    """Set everything up and run all checks; return the first bad exit status."""
    install_packages()
    complete_etc()
    python = make_environment()
    os.chdir(ROOT)
    commands = [
        [python, "-m", "ruff", "format", "--check", "."],
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "mypy"],
        [python, "-m", "pytest", *(sys.argv[1:] or WHOLE)],
    ]
    if os.environ.get("CI") or (shutil.which("clang") and shutil.which("mksquashfs")):
        commands.insert(-1, [python, "fuzz/run.py", "--seconds", "60"])
    else:
        print("Without clang and mksquashfs nothing is fuzzed", file=sys.stderr)
    for command in commands:
        print("$", *command, flush=True)
        if status := subprocess.run(command, check=False).returncode:
            return status
    return 0


def install_packages() -> None:
    """Install what is missing through apt, where this user may."""
    if shutil.which("dpkg-query") is None:
        print(f"Not on Debian; tests are skipped that want one of: {' '.join(PACKAGES)}", file=sys.stderr)
        return
    missing = [package for package in PACKAGES if not is_installed(package)]
    if missing and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-qq", "update"], check=True, env=environment)
        subprocess.run(
            ["apt-get", "-qq", "install", "-y", "-o", "Dpkg::Options::=--force-confold", *missing],
            check=True,
            env=environment,
        )
    elif missing:
        print(f"Missing Debian packages, whose tests are skipped: {' '.join(missing)}", file=sys.stderr)


def complete_etc() -> None:
    """Make the link that systems have once they have booted, and without which fusermount unmounts nothing."""
    mtab = Path("/etc/mtab")
    if os.geteuid() == 0 and not mtab.exists():
        mtab.symlink_to("../proc/self/mounts")


def is_installed(package: str) -> bool:
    """Ask dpkg."""
    command = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout == "installed"


def make_environment() -> str:
    """Make the virtual environment with this project and its test dependencies; return its Python."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "uv"], check=True)
    install = ["pip", "install", "--quiet", "--python", str(python), "--group", "test", "--editable", "."]
    subprocess.run([python, "-m", "uv", *install], check=True, cwd=ROOT)
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
