# SPDX-License-Identifier: MIT
"""What is finished goes to its place as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.image import publish
from hatch_appimage.image.exchange import exchange
from hatch_appimage.image.publish import publish_directory
from support.tools import unavailable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Make a directory that is to go elsewhere, and one that lies beside its place."""
    (tmp_path / "work" / "AppDir").mkdir(parents=True)
    (tmp_path / "work" / "AppDir" / "AppRun").symlink_to("usr/bin/app")
    (tmp_path / "beside").mkdir()
    return tmp_path / "work" / "AppDir"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_earlier_directory_goes(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch, *, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(publish, "exchange", lambda *_: False)
    target = tmp_path / "a.AppDir"
    (target / "old").mkdir(parents=True)
    assert publish_directory(made, tmp_path / "beside", target) == target
    assert [path.name for path in target.iterdir()] == ["AppRun"]
    assert not made.exists()


def test_there_is_always_a_directory(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call renames what is at the place, or something to it: that would leave a moment without any."""
    target = tmp_path / "a.AppDir"
    target.mkdir()
    (target / "old").touch()
    if not exchange(target, made):
        unavailable("the file system of temporary files cannot exchange directories")
    assert (made / "old").exists()
    assert exchange(target, made)
    monkeypatch.setattr(type(target), "rename", lambda *_: pytest.fail("renamed"))
    publish_directory(made, tmp_path / "beside", target)
    assert [path.name for path in target.iterdir()] == ["AppRun"]


def test_nothing_to_exchange(tmp_path: Path) -> None:
    assert not exchange(tmp_path / "one", tmp_path / "other")


def test_file_stays(tmp_path: Path, made: Path) -> None:
    target = tmp_path / "a.AppDir"
    target.write_text("mine")
    with pytest.raises(OSError, match=r"a\.AppDir"):
        publish_directory(made, tmp_path / "beside", target)
    assert target.read_text() == "mine"
