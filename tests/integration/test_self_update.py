# SPDX-License-Identifier: MIT
"""The recipe for an application that updates itself, with the real zsync client and real images."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from range_server import serving
from support.machine import clean_environment, make_public
from support.plugin import build_image
from support.projects import REPOSITORY, make_project
from support.tools import require

if TYPE_CHECKING:
    import pytest

    from support.plugin import Plugin


# Does what the real one does, for the one kind of update information that this test has (its src/cli/main.cpp).
UPDATE_TOOL = """\
#!{python}
import hashlib, os, re, shutil, subprocess, sys, urllib.request

*options, image = sys.argv[1:]
line = subprocess.check_output([image, "--appimage-updateinformation"], text=True)
kind, url = line.strip().split("|")
assert kind == "zsync"
header = urllib.request.urlopen(url).read().split(b"\\n\\n")[0].decode()
with open(image, "rb") as file:
    newest = re.search("^SHA-1: (.*)$", header, re.MULTILINE)[1] == hashlib.sha1(file.read()).hexdigest()
if options == ["--check-for-update"]:
    sys.exit(0 if newest else 1)
assert options == ["--overwrite", "--remove-old"] and not newest
subprocess.run(["{zsync}", "-q", "-i", image, "-o", image + ".new", url], check=True, cwd=os.path.dirname(image))
shutil.copymode(image, image + ".new")
os.replace(image + ".new", image)
os.unlink(image + ".zs-old") if os.path.exists(image + ".zs-old") else None
"""

APPLICATION = """\
from importlib.metadata import version


def main():
    print(f"version {version('probe')}, process {os.getpid()}, arguments {sys.argv[1:]}", flush=True)
    if sys.argv[1:2] == ["--update"]:
        update_and_restart()
        print("nothing newer")
"""


def recipe() -> str:
    """Return the Python code of the recipe."""
    text = (REPOSITORY / "docs" / "recipes.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(code)


def test_updates_and_restarts(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = make_public(tmp_path_factory, "update")
    (directory / "bin").mkdir()
    tool = directory / "bin" / "appimageupdatetool"
    tool.write_text(UPDATE_TOOL.format(python=sys.executable, zsync=require("zsync", "zsync")))
    tool.chmod(0o755)
    (directory / "web").mkdir()
    with serving(directory / "web") as server:
        images = []
        for version in ("1.0", "2.0"):
            project = make_project(
                directory / version,
                recipe() + APPLICATION,
                table=f'update-information = "zsync|{server.url}/probe.zsync"\ncompression = "fast"\n',
            )
            metadata = project / "pyproject.toml"
            metadata.write_text(metadata.read_text().replace('version = "1.0"', f'version = "{version}"'))
            images.append(build_image(plugin, project))
        old, new = images
        assert subprocess.check_output([old, "--appimage-updateinformation"], text=True).strip() == (
            f"zsync|{server.url}/probe.zsync"
        )
        (directory / "web" / "probe.zsync").write_bytes(Path(f"{new}.zsync").read_bytes())
        (directory / "web" / new.name).write_bytes(new.read_bytes())
        installed = directory / "My Probe.AppImage"
        installed.write_bytes(old.read_bytes())
        installed.chmod(0o755)

        environment = clean_environment(directory)
        environment["PATH"] = f"{directory / 'bin'}:{environment['PATH']}"
        command: list[str | Path] = [installed, "--update", "a b", ""]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert result.returncode == 0, result.stderr
        first, second, third = result.stdout.splitlines()
        match = re.fullmatch(r"version 1\.0, process (\d+), (arguments .*)", first)
        assert match
        assert match[2] == "arguments ['--update', 'a b', '']"
        # The new one runs in the same process, whoever waits for it, and finds itself to be the newest.
        assert second == f"version 2.0, process {match[1]}, {match[2]}"
        assert third == "nothing newer"
        assert installed.read_bytes() == new.read_bytes()
        assert sorted(path.name for path in directory.iterdir() if path.suffix != "") == ["1.0", "2.0", installed.name]
        # Another version number changes metadata, the desktop entry and one module: hardly anything of the image.
        assert 0 < server.sent[new.name] < new.stat().st_size * 0.02


def test_outside_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Developers run the same code from their checkout."""
    monkeypatch.delenv("APPIMAGE", raising=False)
    names: dict[str, object] = {}
    exec(recipe() + "update_and_restart()\n", names)  # noqa: S102 - the recipe's
    assert "update_and_restart" in names
