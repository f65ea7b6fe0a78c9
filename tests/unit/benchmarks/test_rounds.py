# SPDX-License-Identifier: MIT
"""Rounds: every case has its turn in each, and ratios are of one round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import rounds
from rounds import Case, Spread, measure, paired_ratios

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_text(f'#!/bin/sh\necho "$NAME $*" >> {tmp_path}/log\n')
    path.chmod(0o755)
    return path


def test_cases_take_turns(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PAUSE", 0)
    monkeypatch.setenv("NAME", "the shell's")
    cases = [Case(name, program, {"NAME": name}, [1.0]) for name in ("a", "b")]
    called: list[None] = []
    measure(cases, ["-x", "y z"], 3, before=lambda: called.append(None))
    lines = program.with_name("log").read_text().splitlines()
    assert lines == ["a -x y z", "b -x y z"] * (3 + rounds.WARM_UP)
    assert [len(case.times) for case in cases] == [3, 3]
    assert len(called) == len(lines)


def test_ratios_are_of_one_round() -> None:
    """The ratio of the medians would be 1."""
    assert paired_ratios([2.0, 20.0, 30.0], [1.0, 20.0, 60.0]) == Spread(1.0, 0.75, 1.5)
    assert paired_ratios([2.0, 4.0, 30.0], [1.0, 2.0, 60.0]).median == 2.0


def test_ratios_want_whole_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_ratios([1.0, 2.0], [1.0])


def test_spread_of_few() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)
    assert Spread.of([1.0, 3.0]) == Spread(2.0, 1.5, 2.5)
