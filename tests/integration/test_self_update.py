# SPDX-License-Identifier: MIT
"""Images that manage themselves: real ones, mounted and unpacked, as an ordinary user, and while they run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.image.block_map import write_block_map
from hatch_appimage.image.sign import Signer, sign_file
from hatch_appimage.image.zsync import write_zsync
from support.keys import make_key
from support.machine import NOBODY, clean_environment, make_public
from support.plugin import build_image
from support.projects import REPOSITORY, make_project
from support.runner import unpack
from support.tools import require
from support.update_server import Site, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.plugin import Plugin

APPLICATION = """
import os
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
    _, chapter = text.split("\n## An application that updates itself\n")
    (code,) = re.findall(r"```python\n(.*?)```", chapter.partition("\n## ")[0], re.DOTALL)
    return str(code)


@dataclass
class World:
    """Two versions of an application, the server that has the newer one, and where the older one is installed.

    Attributes:
        site: the server's.
        old: an image.
        new: an image.
        home: of whoever updates.

    """

    site: Site
    old: Path
    new: Path
    home: Path

    def publish(self, image: Path) -> None:
        """Put an image and its companions on the server."""
        self.site.files = {f"/{image.name}{end}": Path(f"{image}{end}").read_bytes() for end in ("", ".blocks")}
        self.site.files["/probe.zsync"] = Path(f"{image}.zsync").read_bytes()
        self.site.sent.clear()

    def install(self, image: Path, user: int = 0) -> Path:
        target = self.home / "apps" / "My Probe.AppImage"
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        shutil.copy(image, target)
        for path in (target.parent, target):
            os.chown(path, user, user)
        return target

    def run(self, *command: str | Path, user: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**clean_environment(self.home), **variables},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            user=user or None,
            group=user or None,
            extra_groups=[] if user else None,
        )


@pytest.fixture(scope="module")
def world(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = make_public(tmp_path_factory, "update")
    directory.chmod(0o755)
    with serving(Site()) as site:
        images = []
        for version in ("1.0", "2.0"):
            table = f'update-information = "zsync|{site.url}/probe.zsync"\ncompression = "fast"\nmanage = "command"\n'
            project = make_project(directory / version, recipe() + APPLICATION, table=table)
            metadata = project / "pyproject.toml"
            metadata.write_text(metadata.read_text().replace('version = "1.0"', f'version = "{version}"'))
            images.append(build_image(plugin, project))
        yield World(site, images[0], images[1], directory)


def test_recipe(world: World) -> None:
    """The application updates itself while it runs, and starts anew in the same process."""
    world.publish(world.new)
    installed = world.install(world.old)
    result = world.run(installed, "--update", "a b", "")
    assert result.returncode == 0, result.stderr
    first, second, third = result.stdout.splitlines()
    match = re.fullmatch(r"version 1\.0, process (\d+), (arguments .*)", first)
    assert match
    assert match[2] == "arguments ['--update', 'a b', '']"
    # The new one runs in the same process, whoever waits for it, and finds itself to be the newest.
    assert second == f"version 2.0, process {match[1]}, {match[2]}"
    assert third == "nothing newer"
    assert installed.read_bytes() == world.new.read_bytes()
    assert sorted(path.name for path in installed.parent.iterdir()) == [installed.name, f"{installed.name}.previous"]
    # Another version number changes metadata, the desktop entry and one module: hardly anything of the image.
    assert 0 < world.site.sent[f"/{world.new.name}"] < world.new.stat().st_size * 0.02


@pytest.mark.root
@pytest.mark.usefixtures("needs_root")
@pytest.mark.parametrize("variables", [{}, {"APPIMAGE_EXTRACT_AND_RUN": "1"}], ids=["mounted", "extracted"])
def test_command(world: World, variables: dict[str, str]) -> None:
    world.publish(world.new)
    installed = world.install(world.old, NOBODY)
    installed.chmod(0o750)
    check = world.run(installed, "self", "update", "--check", user=NOBODY, **variables)
    assert (check.returncode, check.stdout) == (1, "probe 2.0 is available, and this is 1.0\n"), check.stderr
    refused = world.run(installed, "--appimage-self", "update", user=NOBODY, **variables)
    assert (refused.returncode, installed.read_bytes()) == (2, world.old.read_bytes())
    assert "say --yes" in refused.stderr
    done = world.run(installed, "--appimage-self", "update", "--yes", user=NOBODY, **variables)
    assert done.returncode == 0, done.stderr
    assert "nothing but TLS protects" in done.stderr
    assert installed.read_bytes() == world.new.read_bytes()
    assert (installed.stat().st_mode & 0o777, installed.stat().st_uid) == (0o750, NOBODY)
    back = world.run(installed, "self", "update", "--rollback", user=NOBODY, **variables)
    assert back.returncode == 0, back.stderr
    assert installed.read_bytes() == world.old.read_bytes()


@pytest.mark.root
@pytest.mark.usefixtures("needs_root")
def test_read_only(world: World) -> None:
    world.publish(world.new)
    installed = world.install(world.old)
    result = world.run(installed, "self", "update", "--yes", user=NOBODY)
    assert result.returncode == 2
    assert f"you may not write to {installed.parent}" in result.stderr
    assert installed.read_bytes() == world.old.read_bytes()


@pytest.mark.root
@pytest.mark.usefixtures("needs_root")
def test_menu(world: World) -> None:
    """An update renews what is in the menu, and nothing of it stays behind."""
    world.publish(world.new)
    installed = world.install(world.old, NOBODY)
    home = world.home / "home"
    home.mkdir(mode=0o755)
    os.chown(home, NOBODY, NOBODY)
    run = partial(world.run, installed, user=NOBODY, HOME=str(home))
    result = run("self", "install", "--link-commands")
    assert result.returncode == 0, result.stderr
    entry = home / ".local/share/applications/probe.desktop"
    assert "X-AppImage-Version=1.0\n" in entry.read_text()
    command = [require("desktop-file-validate", "desktop-file-utils"), str(entry)]
    assert not subprocess.check_output(command, text=True)
    link = home / ".local/bin/probe"
    assert world.run(link, user=NOBODY).stdout.startswith("version 1.0, ")
    result = run("--appimage-self", "update", "--yes", "--notify")
    assert result.returncode == 0, result.stderr
    assert "X-AppImage-Version=2.0\n" in entry.read_text()
    assert world.run(link, user=NOBODY).stdout.startswith("version 2.0, ")
    result = run("self", "uninstall")
    assert (result.returncode, result.stderr) == (0, "")
    assert not list(home.rglob("*"))


@pytest.mark.usefixtures("gnupg_home")
@pytest.mark.parametrize("kind", ["ed25519", "rsa4096"])
def test_signed(world: World, kind: str, tmp_path: Path) -> None:
    signer = Signer.find(make_key(kind))
    images = [Path(shutil.copy(image, tmp_path / image.name)) for image in (world.old, world.new)]
    for image, version in zip(images, ("1.0", "2.0"), strict=True):
        sign_file(image, signer)
        write_zsync(image, url=image.name, mtime=0)
        write_block_map(image, version=version)
    old, new = images
    world.publish(new)
    installed = world.install(old)
    verified = world.run(installed, "self", "verify")
    assert (verified.returncode, verified.stdout) == (0, f"good: signed by {signer.fingerprint}\n"), verified.stderr
    result = world.run(installed, "self", "update", "--yes")
    assert result.returncode == 0, result.stderr
    assert f"signed by {signer.fingerprint}" in result.stdout
    assert installed.read_bytes() == new.read_bytes()
    # Whoever has the server has not the key.
    world.publish(world.new)
    installed = world.install(old)
    result = world.run(installed, "self", "update", "--yes")
    assert result.returncode == 2
    assert "not signed any more" in result.stderr
    assert installed.read_bytes() == old.read_bytes()


def test_broken_application(world: World, tmp_path: Path) -> None:
    """What is installed cannot keep the image from managing itself."""
    tree = unpack(world.old, tmp_path)
    (site,) = tree.glob("usr/lib/python3*/site-packages")
    (site / "broken.pth").write_text("import nothing_of_this_name; raise SystemExit(9)\n")
    (site / "sitecustomize.py").write_text("raise SystemExit(9)\n")
    (site / "argparse.py").write_text("raise SystemExit(9)\n")
    shutil.rmtree(next(site.glob("probe-*.dist-info")))
    result = world.run(tree / "AppRun", "--appimage-self", "info", "--json")
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert (facts["name"], facts["version"], facts["path"]) == ("probe", "1.0", None)
    result = world.run(tree / "AppRun", "--appimage-self", "update")
    assert result.returncode == 2
    assert "unpacked image" in result.stderr
    licenses = world.run(tree / "AppRun", "self", "licenses")
    assert re.search(r"^cpython [\d.]+: ", licenses.stdout, re.MULTILINE)


def test_word_of_a_command(world: World) -> None:
    """It is the first argument that counts."""
    assert "arguments ['x', 'self']" in world.run(world.old, "x", "self").stdout


def test_outside_of_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    """Developers run the same code from their checkout."""
    names: dict[str, object] = {}
    exec(recipe() + "update_and_restart()\n", names)  # noqa: S102 - the recipe's
    assert names["appimage_self"] is None
    assert capsys.readouterr().err == ""
