# SPDX-License-Identifier: MIT
"""The file of a project that says what a start reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.startup import StartupOrder
from hatch_appimage.appdir.startup_file import StartupFile, read_startup_file, write_startup_file
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir

if TYPE_CHECKING:
    from pathlib import Path

ODD = os.fsdecode(b"usr/lib/\xff and \xc3\xa4.txt")


@pytest.fixture
def appdir(tmp_path: Path) -> AppDir:
    appdir = AppDir(tmp_path / "AppDir", "app")
    appdir.lib.mkdir(parents=True)
    for name in ("AppRun", "usr/lib/b.so", ODD):
        (appdir.root / name).touch()
    (appdir.lib / "link").symlink_to("b.so")
    (tmp_path / "outside").touch()
    return appdir


def test_comes_back(appdir: AppDir, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "new" / "app.startup"
    order = StartupOrder(("usr/lib/b.so", ODD, "AppRun"), command="app --help")
    assert write_startup_file(path, order) == StartupFile(path)
    assert [each.name for each in path.parent.iterdir()] == ["app.startup"]
    assert read_startup_file(path, appdir) == StartupOrder(order.files, stored=path)
    assert not caplog.messages


def test_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "app.startup"
    write_startup_file(path, StartupOrder(("AppRun", "a\nb", "a\r", "usr/x y")))
    lines = path.read_bytes().split(b"\n")
    assert all(line.startswith(b"# ") for line in lines[:2])
    assert lines[2:] == [b"AppRun", b"usr/x y", b""]


def test_what_is_not_there(appdir: AppDir, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what is not in the image, nor what is no file of it, nor what is outside."""
    path = tmp_path / "app.startup"
    names = [
        "# mine",
        "",
        "usr/lib/b.so",
        "AppRun",
        "AppRun",
        "usr/lib/link",
        "gone",
        "usr/lib",
        "../outside",
        "/etc/passwd",
    ]
    path.write_bytes("\r\n".join(names).encode())
    assert read_startup_file(path, appdir).files == ("usr/lib/b.so", "AppRun")
    assert caplog.messages == ["5 of 7 files in app.startup are not in the image: remove it to have it made anew"]


def test_that_is_no_text(appdir: AppDir, tmp_path: Path) -> None:
    path = tmp_path / "app.startup"
    path.write_bytes(b"\x7fELF\0")
    with pytest.raises(AppImageError, match=r"app.startup is no list of files, one path a line: name another file"):
        read_startup_file(path, appdir)


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    (tmp_path / "app.startup").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_startup_file(tmp_path / "app.startup", StartupOrder(("a",)))
    assert [path.name for path in tmp_path.iterdir()] == ["app.startup"]
