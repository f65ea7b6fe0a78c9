# SPDX-License-Identifier: MIT
"""The table of modes in the documentation is what `modes.py` measures."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from modes import MARKED, MODES, PAGE, PROPERTIES
from support.projects import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def rows(table: str) -> dict[str, list[str]]:
    """Return the cells of a table by what their row is about."""
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


@pytest.fixture(scope="module")
def documented() -> dict[str, list[str]]:
    found = MARKED.search(PAGE.read_text(encoding="utf-8"))
    assert found, f"{PAGE.name} has no table between <!-- modes --> and <!-- /modes -->"
    return rows(found[0])


@pytest.fixture(scope="module")
def measured(needs_root: None, fuse: None) -> dict[str, list[str]]:
    del needs_root, fuse
    command: list[str | Path] = [sys.executable, REPOSITORY / "tests" / "modes.py"]
    return rows(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.parametrize("text", PROPERTIES)
def test_property(documented: dict[str, list[str]], measured: dict[str, list[str]], text: str) -> None:
    """If it differs for a good reason: `python tests/modes.py --write`."""
    assert documented[text] == measured[text], list(MODES)


def test_nothing_else_is_documented(documented: dict[str, list[str]], measured: dict[str, list[str]]) -> None:
    assert documented.keys() == measured.keys()
    assert {len(cells) for cells in documented.values()} == {len(MODES)}
