# SPDX-License-Identifier: MIT
"""The platform tags of wheels for glibc (https://peps.python.org/pep-0600/) and musl (.../pep-0656/)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The names that tags had before PEP 600, with the glibc that they stand for.
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_LEGACY_NAMES = {glibc: name for name, glibc in _LEGACY.items()}
# The minor version of the oldest glibc that wheels are tagged for.
_OLDEST = {"x86_64": 5, "i686": 5}
_OLDEST_ELSEWHERE = 17


def glibc_of(tag: str) -> tuple[int, ...]:
    """Return the oldest glibc that a tag without its machine stands for, such as ``manylinux_2_28``."""
    return _LEGACY.get(tag) or tuple(map(int, re.findall(r"\d+", tag)))


def glibc_platforms(machine: str, glibc: tuple[int, ...]) -> Iterator[str]:
    """Yield the platform tags that fit a machine, the newest first.

    Args:
        machine: as tags name it.
        glibc: the major and minor version on that machine.

    """
    major, minor = glibc
    yield f"linux_{machine}"
    for older in range(minor, _OLDEST.get(machine, _OLDEST_ELSEWHERE) - 1, -1):
        yield f"manylinux_{major}_{older}_{machine}"
        if (major, older) in _LEGACY_NAMES:
            yield f"{_LEGACY_NAMES[major, older]}_{machine}"


def musl_platforms(machine: str, musl: tuple[int, ...]) -> Iterator[str]:
    """Yield the platform tags that fit a machine, the newest first.

    Args:
        machine: as tags name it.
        musl: the version on that machine, of which the first two numbers count.

    """
    major, minor = musl[:2]
    yield f"linux_{machine}"
    for older in range(minor, -1, -1):
        yield f"musllinux_{major}_{older}_{machine}"
