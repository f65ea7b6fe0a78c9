# SPDX-License-Identifier: MIT
"""Programs of the system that tests run."""

from __future__ import annotations

import os
import shutil

import pytest


def require(program: str, package: str) -> str:
    """Return the path of a program; where it is missing, the test is skipped, and under CI it fails.

    Args:
        program: its name.
        package: the Debian package that has it.

    """
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found:
        return found
    reason = f"`{program}` is missing: install Debian's `{package}`"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
