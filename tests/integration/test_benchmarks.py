# SPDX-License-Identifier: MIT
"""The benchmarks beside peers run from a checkout, and what they write makes a page."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from page import write_page, write_plot
from peers import require_packages
from results import read_runs
from support.projects import REPOSITORY
from support.tools import unavailable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.network]
PACKERS = ("hatch-appimage", "cx_Freeze")


def run(name: str, directory: Path, *options: str) -> Path:
    """Run a benchmark of the smallest project, and return its file."""
    file = directory / f"{name}.json"
    command: list[str | Path] = [sys.executable, REPOSITORY / "benchmarks" / f"{name}.py", "--project", "hello-cli"]
    for packer in PACKERS:
        command += ["--packer", packer]
    subprocess.run([*command, "--directory", directory / "builds", "--json", file, *options], check=True)
    return file


def test_measured_beside_a_peer(tmp_path: Path) -> None:
    try:
        require_packages()
    except SystemExit as missing:
        unavailable(str(missing))
    files = [run("size", tmp_path), run("startup", tmp_path, "--rounds", "2")]
    files.append(run("build_time", tmp_path, "--rounds", "1"))
    runs = read_runs(*files)
    assert [one.benchmark for one in runs] == ["size", "startup", "build"]
    for one in runs:
        assert [figure.failed for figure in one.figures if figure.failed] == []
        assert set(PACKERS) <= {figure.packer for figure in one.figures}
        assert {"hatch-appimage", "cx_Freeze"} <= set(one.versions)
    size, startup, build = runs
    for packer in PACKERS:
        values = size.values("hello-cli", packer)
        assert values
        assert 1e6 < values.values["file"] < values.values["tree"]
    assert {figure.values["ratio"] for figure in startup.figures if figure.packer == "virtual environment"} == {1.0}
    ours = build.values("hello-cli", "hatch-appimage")
    assert ours
    assert ours.values["first"] > 0 < ours.values["again ratio"]
    assert "hello-cli" in write_page(runs)
    assert "hello-cli" in write_plot(runs)
    # What builds leave is where it was asked for.
    assert not list((REPOSITORY / "test-projects" / "hello-cli").glob("dist"))
