# SPDX-License-Identifier: MIT
"""A lock of libraries has the same image made when their archive has moved on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage import cli
from hatch_appimage.architecture import native_architecture
from hatch_appimage.format import find_squashfs
from hatch_appimage.squashfs import SquashFSImage
from support.archive import TRIPLET, make_library
from support.projects import copy_project

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from support.archive import Archive


def read(image: Path, path: bytes) -> bytes:
    with image.open("rb") as file:
        squashfs = SquashFSImage(file, find_squashfs(image))
        (entry,) = (entry for entry in squashfs if entry.path == path)
        return b"".join(squashfs.chunks(entry))


def test_same_bytes(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = f"./usr/lib/{TRIPLET}/libzz.so.3"
    package = archive.add("libzz3", {file: make_library(tmp_path, "libzz.so.3")})
    archive.sign()
    project = copy_project("hello-cli", tmp_path, quick=True)
    lock = project / "appimage.libraries.toml"
    options = ["--set", 'libraries=["libzz.so.3"]', "--set", f"library-lock={lock}", "--set", "startup-order=false"]

    assert cli.main(["check", str(project), *options]) == 0
    assert "  fetched    libraries that lack; `--libraries` shows which\n" in capsys.readouterr().out
    assert cli.main(["check", "--libraries", str(project), *options]) == 0
    assert "\n             libzz3 1.0  " in capsys.readouterr().out
    assert not lock.exists()
    images: list[Path] = []
    for name in ("first", "again"):
        assert cli.main(["build", str(project), "--output", str(tmp_path / name), *options]) == 0
        images += (tmp_path / name).glob("*.AppImage")
        package.unlink(missing_ok=True)
        archive.index.unlink()
        archive.add("libzz3", {file: make_library(tmp_path, "libzz.so.3") + b"newer"}, version="1.1")
        archive.sign()
    first, again = images
    assert first.read_bytes() == again.read_bytes()
    assert read(first, b"usr/share/hello-cli/libraries.toml") == lock.read_bytes()
    capsys.readouterr()
    assert cli.main(["check", str(project), *options]) == 0
    assert f", as {lock.name} says\n             libzz3 1.0  " in capsys.readouterr().out
    assert f"[{native_architecture().name}]" in lock.read_text()
