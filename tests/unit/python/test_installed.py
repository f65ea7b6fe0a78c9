# SPDX-License-Identifier: MIT
"""What the metadata of installed packages says."""

from __future__ import annotations

from importlib.metadata import PathDistribution
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.python.installed import name_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("file", ["METADATA", "PKG-INFO"])
def test_name(tmp_path: Path, file: str) -> None:
    """A description may have what looks like a header."""
    (tmp_path / file).write_text("Metadata-Version: 2.1\nname: My_Package\n\nName: other\n")
    assert name_of(PathDistribution(tmp_path)) == "my-package"
    (tmp_path / file).write_text("Metadata-Version: 2.1\nName: another\n")
    assert name_of(PathDistribution(tmp_path)) == "another"
