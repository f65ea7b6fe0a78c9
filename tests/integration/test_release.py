# SPDX-License-Identifier: MIT
"""A build with all that a release has: update information, a signature, a description for zsync."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.builder import AppImageBuilder
from hatch_appimage.format import find_squashfs
from hatch_appimage.image.sign import State
from hatch_appimage.inspect.image import inspect_image
from hatch_appimage.squashfs import SquashFSImage
from support.keys import make_key
from support.projects import copy_project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def build(project: Path, out: Path, table: dict[str, Any], *, clean: bool = False) -> list[Path]:
    config = tomllib.loads((project / "pyproject.toml").read_text())
    config["project"]["urls"] = {"Source": "https://github.com/me/hello"}
    config["tool"]["hatch"]["build"]["targets"]["appimage"] |= {"compression": "fast", "startup-order": False, **table}
    builder = AppImageBuilder(str(project), config=config)
    return [Path(path) for path in builder.build(directory=str(out), clean=clean)]


@pytest.mark.network
@pytest.mark.usefixtures("gnupg_home")
def test_everything_beside_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key("ed25519")
    project, out = copy_project("hello-cli", tmp_path), tmp_path / "out"
    table = {"update-information": "github", "sign-key": key}
    # What is tried is the signed image, and nothing writes to it afterwards.
    (image,) = build(
        project, out, {**table, "test-command": 'test -n "$({appimage} --appimage-signature)" && {appimage}'}
    )
    assert sorted(path.name for path in out.iterdir()) == [
        image.name,
        f"{image.name}.sig",
        f"{image.name}.zsync",
    ]
    found = inspect_image(image)
    assert (found.signature.state, found.signature.primary) == (State.GOOD, key)
    line = f"gh-releases-zsync|me|hello-cli|latest|hello-cli-[0-9]*-{native_architecture().name}.AppImage.zsync"
    assert found.update_information == line.replace("|hello-cli|latest", "|hello|latest")
    assert found.packages == {"hello-cli": "1.0"}
    assert found.entry_points == ("hello",)
    assert found.python is not None
    assert found.python.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert f"Length: {image.stat().st_size}\n".encode() in Path(f"{image}.zsync").read_bytes()
    # The runtime says the same, and the image still runs.
    said = subprocess.check_output([image, "--appimage-updateinformation"], text=True)
    assert said.strip() == found.update_information
    assert subprocess.check_output([image, "--appimage-signature"]).startswith(b"-----BEGIN PGP SIGNATURE-----")
    assert subprocess.check_output([image], env={"PATH": "/usr/bin:/bin"}, text=True) == "Hello, world!\n"

    # What fitted that image only is gone with the next one, and --clean takes away all that is there.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    build(project, out, {"update-information": "github"})
    assert sorted(path.name for path in out.iterdir()) == [image.name, f"{image.name}.zsync"]
    assert b"\nMTime: Thu, 01 Jan 1970 00:00:00 +0000\n" in Path(f"{image}.zsync").read_bytes()
    build(project, out, {}, clean=True)
    assert [path.name for path in out.iterdir()] == [image.name]


def test_a_key_that_is_not_there_ends_the_build_early(
    gnupg_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del gnupg_home
    project = copy_project("hello-cli", tmp_path)
    with pytest.raises(SystemExit):
        build(project, tmp_path / "out", {"sign": True})
    output = capsys.readouterr().err
    assert output.startswith("Cannot sign with the default key: gpg: ")
    assert "wheel" not in output
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.network
def test_names_that_release_pages_would_change(tmp_path: Path) -> None:
    """People read the name as it is; files are named so that nobody changes them, wherever their names stand."""
    project, out = copy_project("hello-cli", tmp_path), tmp_path / "out"
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace('version = "1.0"', 'version = "1!2.0+local.3"'))
    out.mkdir()
    other = out / f"Grosse_Co_beta-lite-1.0-{native_architecture().name}.AppImage"
    other.touch()
    (image,) = build(project, out, {"name": "Größe & Co (beta)", "update-information": "github"})
    assert image.name == f"Grosse_Co_beta-1_2.0_local.3-{native_architecture().name}.AppImage"
    assert sorted(path.name for path in out.iterdir()) == sorted([image.name, f"{image.name}.zsync", other.name])
    zsync = Path(f"{image}.zsync").read_bytes()
    assert f"\nFilename: {image.name}\n".encode() in zsync
    assert f"\nURL: {image.name}\n".encode() in zsync
    assert inspect_image(image).update_information == (
        f"gh-releases-zsync|me|hello|latest|Grosse_Co_beta-[0-9]*-{native_architecture().name}.AppImage.zsync"
    )
    with image.open("rb") as stream:
        squashfs = SquashFSImage(stream, find_squashfs(image))
        entry = squashfs.find("hello-cli.desktop")
        assert entry is not None
        desktop = squashfs.read(entry).decode().splitlines()
    assert {"Name=Größe & Co (beta)", "X-AppImage-Name=Größe & Co (beta)", "X-AppImage-Version=1!2.0+local.3"} <= {
        *desktop
    }
    # The next build takes away what it replaces, whatever its version was, and nothing else.
    file.write_text(file.read_text().replace("1!2.0+local.3", "1!2.1"))
    (following,) = build(project, out, {"name": "Größe & Co (beta)"}, clean=True)
    assert sorted(path.name for path in out.iterdir()) == sorted([following.name, other.name])
