# SPDX-License-Identifier: MIT
"""The start-up order of an application that imports inside of its functions, and the file that keeps it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.projects import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from support.plugin import Plugin

LAZY = """\
def main():
    import argparse
    from flask import Flask
    parser = argparse.ArgumentParser()
    parser.add_argument("--fetch", action="store_true")
    if parser.parse_args().fetch:
        import requests
    print(Flask.__name__)
"""


def steps(output: str) -> dict[str, str]:
    """Return what is said of each step of a build."""
    lines = (line.split(maxsplit=3) for line in output.splitlines() if " s  " in line)
    return {name: text for name, _, _, text in lines}


def test_application_that_imports_in_main(plugin: Plugin, tmp_path: Path) -> None:
    table = 'startup-order = "probe.startup"\n'
    project = make_project(tmp_path / "probe", LAZY, project='dependencies = ["flask", "requests"]', table=table)
    told = steps(plugin.build(project).stderr)
    stored = (project / "probe.startup").read_bytes()
    order = [line for line in stored.decode().splitlines() if not line.startswith("#")]
    assert told["startup"] == f"{len(order)} files are read at every start, as `probe --help` shows"
    assert told["order"].startswith(str(project / "probe.startup"))
    modules = ["/__pycache__/probe.", "/argparse.", "/flask/__pycache__/__init__.", "/flask/__pycache__/app."]
    places = [next(place for place, path in enumerate(order) if part in path) for part in modules]
    assert order[0] == "AppRun"
    assert places == sorted(places)
    assert not [path for path in order if "/requests/" in path]
    (image,) = (project / "dist").glob("*.AppImage")
    assert subprocess.run([image], capture_output=True, check=True).stdout == b"Flask\n"

    first = image.read_bytes()
    told = steps(plugin.build(project).stderr)
    assert told["startup"] == f"{len(order)} files are read at every start, says probe.startup"
    assert "order" not in told
    assert image.read_bytes() == first
    assert (project / "probe.startup").read_bytes() == stored


def test_command_of_the_project(plugin: Plugin, tmp_path: Path) -> None:
    table = 'startup-order = "probe.startup"\nstartup-command = "--fetch"\n'
    project = make_project(tmp_path / "probe", LAZY, project='dependencies = ["flask", "requests"]', table=table)
    assert steps(plugin.build(project).stderr)["startup"].endswith(", as `probe --fetch` shows")
    assert "/requests/__pycache__/api." in (project / "probe.startup").read_text()
