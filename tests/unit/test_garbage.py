# SPDX-License-Identifier: MIT
"""When Python looks for garbage."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from hatch_appimage.garbage import searched_for_rarely


def test_as_before_afterwards() -> None:
    before = gc.get_threshold()

    def build() -> None:
        with searched_for_rarely():
            assert gc.get_threshold()[0] > 100 * before[0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()
    assert gc.get_threshold() == before
    assert gc.isenabled()


def test_not_right_afterwards() -> None:
    found: list[tuple[str, int]] = []
    gc.callbacks.append(lambda phase, info: found.append((phase, info["generation"])))
    try:
        with searched_for_rarely():
            kept: list[list[int]] = [[] for _ in range(10_000)]
        more: list[list[int]] = [[] for _ in range(100)]
    finally:
        del gc.callbacks[-1]
    assert found == []
    assert len(kept) > len(more)


def test_not_at_the_end() -> None:
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        "from hatch_appimage.garbage import searched_for_rarely\n"
        "with searched_for_rarely(): pass\n"
        "print(gc.get_freeze_count())"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output == "0\nTrue\n"
