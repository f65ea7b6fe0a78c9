# SPDX-License-Identifier: MIT
"""Text files for the user: the old content or the new one, whatever happens."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_new_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b", "ä\n\udcff\r\n")
    assert (tmp_path / "a" / "b").read_bytes() == b"\xc3\xa4\n\xff\r\n"


def test_link_and_mode_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("file")
    write_whole(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"file", "link"}


def test_full(tmp_path: Path) -> None:
    """Nothing half-written stays, and nothing is lost."""
    file = tmp_path / "file"
    file.write_text("old")
    (tmp_path / ".file.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        write_whole(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
