# SPDX-License-Identifier: MIT
"""What is finished goes to its place as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.image.publish import publish_directory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Make a directory that is to go elsewhere, and one that lies beside its place."""
    (tmp_path / "work" / "AppDir").mkdir(parents=True)
    (tmp_path / "work" / "AppDir" / "AppRun").symlink_to("usr/bin/app")
    (tmp_path / "beside").mkdir()
    return tmp_path / "work" / "AppDir"


def test_earlier_directory_goes(tmp_path: Path, made: Path) -> None:
    target = tmp_path / "a.AppDir"
    (target / "old").mkdir(parents=True)
    assert publish_directory(made, tmp_path / "beside", target) == target
    assert [path.name for path in target.iterdir()] == ["AppRun"]
    assert not made.exists()


def test_file_stays(tmp_path: Path, made: Path) -> None:
    target = tmp_path / "a.AppDir"
    target.write_text("mine")
    with pytest.raises(OSError, match=r"a\.AppDir"):
        publish_directory(made, tmp_path / "beside", target)
    assert target.read_text() == "mine"
