# SPDX-License-Identifier: MIT
"""The AppDir on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hatch_appimage.layout import AppDir, ExtraFiles


@pytest.fixture
def appdir(tmp_path: Path) -> AppDir:
    root = tmp_path / "AppDir"
    root.mkdir()
    return AppDir(root, "my-app")


def test_paths(appdir: AppDir) -> None:
    paths = [appdir.apprun, appdir.usr, appdir.bin, appdir.lib, appdir.applications, appdir.icons]
    assert [str(path.relative_to(appdir.root)) for path in paths] == [
        "AppRun",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/share/applications",
        "usr/share/icons/hicolor",
    ]


class TestFiles:
    def test_regular_ones_in_a_fixed_order(self, appdir: AppDir) -> None:
        names = ["b", "a", "usr/z/1", "usr/a/2", "usr/a/10", "usr/x", ".hidden"]
        for name in names:
            path = appdir.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (appdir.root / "link").symlink_to("a")
        (appdir.root / "directory").symlink_to("usr")
        (appdir.root / "dangling").symlink_to("nothing")
        (appdir.root / "empty").mkdir()
        os.mkfifo(appdir.root / "pipe")
        found = [str(path.relative_to(appdir.root)) for path in appdir.files()]
        assert found == [".hidden", "a", "b", "usr/x", "usr/a/10", "usr/a/2", "usr/z/1"]

    def test_names_that_are_not_utf8(self, appdir: AppDir) -> None:
        path = os.fsencode(appdir.root) + b"/\xff"
        os.close(os.open(path, os.O_CREAT))
        assert [os.fsencode(found) for found in appdir.files()] == [path]


class TestAdd:
    def test_new_files(self, appdir: AppDir, tmp_path: Path) -> None:
        source = tmp_path / "tool"
        source.write_text("x")
        source.chmod(0o755)
        assert appdir.add([(source, "usr/bin/tool"), (source, "tool")]) == ExtraFiles(2)
        assert (appdir.bin / "tool").read_text() == "x"
        assert (appdir.bin / "tool").stat().st_mode & 0o777 == 0o755

    def test_replaces_files_and_links(self, appdir: AppDir, tmp_path: Path) -> None:
        source = tmp_path / "new"
        source.write_text("new")
        outside = tmp_path / "outside"
        outside.write_text("old")
        (appdir.root / "file").write_text("old")
        (appdir.root / "link").symlink_to(outside)
        appdir.add([(source, "file"), (source, "link")])
        assert (appdir.root / "file").read_text() == (appdir.root / "link").read_text() == "new"
        assert not (appdir.root / "link").is_symlink()
        assert outside.read_text() == "old"

    def test_does_not_go_into_a_directory_of_that_name(self, appdir: AppDir, tmp_path: Path) -> None:
        """It would be there by another name than the one asked for."""
        source = tmp_path / "new"
        source.touch()
        appdir.bin.mkdir(parents=True)
        with pytest.raises(OSError, match="usr/bin"):
            appdir.add([(source, "usr/bin")])
        assert not (appdir.bin / "new").exists()

    def test_nothing(self, appdir: AppDir) -> None:
        assert appdir.add([]) == ExtraFiles(0)


class TestTake:
    def test_trees_become_one(self, appdir: AppDir, tmp_path: Path) -> None:
        other = AppDir(tmp_path / "other", "x")
        site = appdir.lib / "python3.12" / "site-packages"
        for path in (site / "own.py", appdir.bin / "app", other.lib / "python3.12/site-packages/new/a.py"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("own" if path.is_relative_to(appdir.root) else "new")
        other.bin.mkdir()
        (other.bin / "app").write_text("new")
        (other.bin / "link").symlink_to("app")
        # Debian's Python finds packages by a link.
        (appdir.usr / "local").mkdir()
        (appdir.usr / "local" / "dist-packages").symlink_to("../lib/python3.12/site-packages")
        (other.usr / "local" / "dist-packages").mkdir(parents=True)
        (other.usr / "local" / "dist-packages" / "linked.py").write_text("new")
        appdir.take(other)
        assert {path.relative_to(site): path.read_text() for path in site.rglob("*.py")} == {
            Path("own.py"): "own",
            Path("new/a.py"): "new",
            Path("linked.py"): "new",
        }
        assert (appdir.bin / "app").read_text() == "new"
        assert (appdir.bin / "link").readlink() == Path("app")
        assert not list(other.files())

    def test_a_file_where_a_directory_is(self, appdir: AppDir, tmp_path: Path) -> None:
        other = AppDir(tmp_path / "other", "x")
        (appdir.usr / "share").mkdir(parents=True)
        other.usr.mkdir(parents=True)
        (other.usr / "share").touch()
        with pytest.raises(IsADirectoryError):
            appdir.take(other)


def test_normalize_modes(appdir: AppDir, tmp_path: Path) -> None:
    modes = {"secret": 0o600, "program": 0o700, "odd": 0o4711, "open": 0o666}
    directory = appdir.root / "directory"
    directory.mkdir(mode=0o700)
    for name, mode in modes.items():
        (directory / name).touch()
        (directory / name).chmod(mode)
    outside = tmp_path / "outside"
    outside.touch(mode=0o600)
    outside.chmod(0o600)
    (directory / "link").symlink_to(outside)
    appdir.root.chmod(0o700)
    appdir.normalize_modes()
    assert {name: (directory / name).stat().st_mode & 0o7777 for name in modes} == {
        "secret": 0o644,
        "program": 0o755,
        "odd": 0o755,
        "open": 0o644,
    }
    assert [path.stat().st_mode & 0o7777 for path in (appdir.root, directory)] == [0o755, 0o755]
    assert outside.stat().st_mode & 0o777 == 0o600
