# SPDX-License-Identifier: MIT
"""The start-up order of an application that imports inside of its functions, and the file that keeps it."""

from __future__ import annotations

import subprocess
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING

from support.projects import make_project
from support.tools import unavailable

if TYPE_CHECKING:
    from support.plugin import Plugin

LAZY = """\
def main():
    import argparse
    from flask import Flask
    parser = argparse.ArgumentParser()
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--acl", action="store_true")
    arguments = parser.parse_args()
    if arguments.fetch:
        import requests
        open("/usr/share/dpkg/cputable").close()
    if arguments.acl:
        import ctypes
        ctypes.CDLL("libacl.so.1")
    print(Flask.__name__)
"""
#: What this reads outside of an image: every Debian has both.
OUTSIDE = "/usr/share/dpkg/cputable"
LIBRARY = "libacl.so.1"


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
    """What it opens outside of the image is told of, and written down."""
    if find_library("acl") != LIBRARY or not Path(OUTSIDE).exists():
        unavailable(f"{LIBRARY} or {OUTSIDE} is missing")
    table = 'startup-order = "probe.startup"\nstartup-command = "--fetch"\ntrace = "probe.trace"\n'
    table += 'test-command = "{appimage} --acl"\n'
    project = make_project(tmp_path / "probe", LAZY, project='dependencies = ["flask", "requests"]', table=table)
    told = plugin.build(project).stderr
    assert steps(told)["startup"].endswith(", as `probe --fetch` shows")
    assert "/requests/__pycache__/api." in (project / "probe.startup").read_text()
    warnings = {line.partition(" was ")[0]: line for line in told.splitlines() if " was opened outside of " in line}
    assert [path.rpartition("/")[2] for path in warnings] == ["cputable", LIBRARY]
    by, _, advice = warnings[OUTSIDE].partition(": add ")
    assert by.endswith(" by probe, line 10")
    assert advice.startswith(f'"{OUTSIDE}" = "{OUTSIDE[1:]}" to [tool.hatch.build.targets.appimage.force-include] and ')
    assert list(warnings.values())[1].endswith(f' outside of the image by _ctypes: add libraries = ["{LIBRARY}"]')
    lines = (project / "probe.trace").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [OUTSIDE, LIBRARY]
