# SPDX-License-Identifier: MIT
"""The project's own test of its image; a script stands for the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.seen import NOTHING_SEEN
from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.test_command import run_test_command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return an image that says whether it is watched."""
    image = tmp_path / "my app"
    image.write_text('#!/bin/sh\necho "watched: $LD_DEBUG$LD_DEBUG_OUTPUT" >&2\ntest "$1" = "${LD_DEBUG:-no}"\n')
    image.chmod(0o755)
    return image


def test_watched(image: Path) -> None:
    test = run_test_command("{appimage} files", image, native_architecture(), watch=True)
    assert test.command == "{appimage} files"
    assert [load.loader for load in test.seen.loads if load.name == "libc.so.6" and load.needed]


def test_not_watched(image: Path) -> None:
    """Nothing is in its environment that would not be there on a user's machine."""
    assert run_test_command("{appimage} no", image, native_architecture()).seen == NOTHING_SEEN


def test_fails(image: Path) -> None:
    with pytest.raises(AppImageError) as caught:
        run_test_command("{appimage} files", image, native_architecture())
    assert str(caught.value) == "`test-command` failed with exit status 1: {appimage} files\n  watched:"
