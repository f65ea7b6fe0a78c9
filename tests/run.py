#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pass all tests on a machine that has Python with pip and venv, and reaches a package index.

Makes a virtual environment in `.venv`, installs the Debian packages that the tests use (as root; otherwise it names
the missing ones), and runs the formatter, the linter, the type checker and the tests. Arguments go to pytest.
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

# Debian's package for each program that a test runs.
PROGRAMS = {
    "busybox": "busybox-static",
    "desktop-file-validate": "desktop-file-utils",
    "fusermount3": "fuse3",
    "mksquashfs": "squashfs-tools",
    "mount": "mount",
    "squashfuse": "squashfuse",
    "strace": "strace",
    "strip": "binutils",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}


def main() -> int:
    """Set everything up and run all checks; return the first bad exit status."""
    install_programs()
    python = make_environment()
    os.chdir(ROOT)
    tests = [python, "-m", "pytest", "--cov", "--cov-report=term", *sys.argv[1:]]
    for command in (
        [python, "-m", "ruff", "format", "--check", "."],
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "mypy"],
        tests,
    ):
        print("$", *command, flush=True)
        if status := subprocess.run(command, check=False).returncode:
            return status
    return 0


def install_programs() -> None:
    """Install what is missing through apt, where this user may."""
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-qq", "update"], check=True, env=environment)
        subprocess.run(["apt-get", "-qq", "install", "-y", *missing], check=True, env=environment)
    else:
        print(f"Missing Debian packages, whose tests are skipped: {' '.join(missing)}", file=sys.stderr)


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
