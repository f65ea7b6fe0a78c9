# SPDX-License-Identifier: MIT
"""What tests need of the machine that runs them: programs, rights, devices."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def require(program: str, package: str) -> str:
    """Return the path of a program; where it is missing, the test is skipped, and under CI it fails.

    Args:
        program: its name.
        package: the Debian package that has it.

    """
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return found or unavailable(f"`{program}` is missing: install Debian's `{package}`")


def require_root() -> None:
    """Only root can mount, and become another user."""
    if os.geteuid() != 0:
        unavailable("only root can do this")


def unavailable(reason: str) -> NoReturn:
    """Skip a test for want of something on this machine; under CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
