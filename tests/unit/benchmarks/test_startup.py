# SPDX-License-Identifier: MIT
"""Starts are compared with the first case of the same round."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rounds import Case
from startup import report, summary

if TYPE_CHECKING:
    import pytest

BASE = Case("base", Path("base"), times=[100.0, 200.0, 300.0])
# The ratio of the medians would be 1.
CASE = Case("case", Path("case"), times=[200.0, 180.0, 600.0])


def test_ratios_are_of_one_round() -> None:
    assert summary(CASE, BASE) == {"median": 200.0, "ratio": 2.0, "ratio low": 1.45, "ratio high": 2.0}


def test_the_report_has_both(capsys: pytest.CaptureFixture[str]) -> None:
    report("title", [BASE, CASE])
    _, head, base, case = capsys.readouterr().out.splitlines()
    assert head.split() == ["title", "median", "least", "ratio", "middle", "half", "over", "base"]
    assert base.split() == ["base", "200.0", "100.0", "1.00", "1.00", "to", "1.00", "+0.0", "ms"]
    assert case.split() == ["case", "200.0", "180.0", "2.00", "1.45", "to", "2.00", "+0.0", "ms"]
