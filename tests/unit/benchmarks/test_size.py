# SPDX-License-Identifier: MIT
"""Sizes of files and of trees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from size import measure, tree_size
from workplace import Product

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tree_has_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory" / "file").write_bytes(bytes(1000))
    (tmp_path / "other").write_bytes(bytes(30))
    os.link(tmp_path / "other", tmp_path / "directory" / "same")
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "nowhere").symlink_to("not-there")
    assert tree_size(tmp_path) == 1030


def test_a_tree_that_is_there_is_not_unpacked(tmp_path: Path) -> None:
    program = tmp_path / "tree" / "program"
    program.parent.mkdir()
    program.write_bytes(bytes(7))
    assert measure(Product(program, tree=program.parent)) == {"tree": 7}
    assert measure(Product(program, program)) == {"file": 7}
