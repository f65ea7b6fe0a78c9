# SPDX-License-Identifier: MIT
"""What tests take for granted of the machine: its users, its device, and directories that everybody can enter."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

DEVICE = Path("/dev/fuse")
# A user of every Linux who owns nothing.
NOBODY = 65534


def clean_environment(home: Path) -> dict[str, str]:
    """Return what a fresh login has: settings of the machine that runs the tests would hide faults of an image."""
    return {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def make_public(factory: pytest.TempPathFactory, name: str) -> Path:
    """Make a directory that an ordinary user can reach: pytest's own are closed to others."""
    directory = factory.mktemp(name)
    open_to_all(directory)
    return directory


def open_to_all(directory: Path) -> None:
    """Let every user reach a directory below /tmp."""
    for place in [directory, *directory.parents]:
        if place.owner() == Path("/tmp").owner() and place not in (Path("/tmp"), Path("/")):
            place.chmod(place.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
