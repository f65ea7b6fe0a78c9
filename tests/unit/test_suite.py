# SPDX-License-Identifier: MIT
"""The tests themselves: how they are marked, what they import, and what they leave behind."""

from __future__ import annotations

import ast
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.processes import end_processes, processes
from support.projects import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TESTS = REPOSITORY / "tests"
MODULES = sorted([*TESTS.glob("unit/**/*.py"), *TESTS.glob("integration/**/*.py")])


def test_who_builds_with_our_wheel_is_slow(request: pytest.FixtureRequest) -> None:
    """Among the tests of this run."""
    users = [item for item in request.session.items if "plugin" in getattr(item, "fixturenames", ())]
    assert [item.nodeid for item in users if not item.get_closest_marker("slow")] == []


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_module_imports_tests(path: Path) -> None:
    own = ("unit", "integration", "conftest", *(module.stem for module in MODULES))
    assert [name for name in imported(path) if name.split(".")[0] in own] == []


@pytest.mark.parametrize("script", ["exec sleep 1000", "trap '' TERM; while :; do sleep 1; done"])
def test_what_is_left_behind_is_ended(tmp_path: Path, script: str) -> None:
    before = processes()
    with subprocess.Popen(["sh", "-c", script], cwd=tmp_path, start_new_session=True) as process:
        end_processes(tmp_path.parent, before, patience=0.2)
        assert process.wait(10) in {-signal.SIGTERM, -signal.SIGKILL}
