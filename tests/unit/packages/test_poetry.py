# SPDX-License-Identifier: MIT
"""What Poetry's lock says of places, as requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from hatch_appimage.packages.poetry import read_poetry_lock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.org/first.git", "https://example.org/first.git"),
        ("ssh://git@example.org/me/first.git", "ssh://git@example.org/me/first.git"),
        ("git@example.org:me/first.git", "ssh://git@example.org/me/first.git"),
        ("example.org:/srv/first.git", "ssh://example.org/srv/first.git"),
        ("../first", "file://{parent}/first"),
        ("/srv/first", "file:///srv/first"),
    ],
)
def test_repositories(tmp_path: Path, url: str, address: str) -> None:
    """Git knows more addresses than requirements do."""
    root = tmp_path / "app"
    package = {
        "name": "first",
        "version": "1.5",
        "source": {"type": "git", "url": url, "resolved_reference": "0123abcd", "subdirectory": "lib"},
    }
    packages = read_poetry_lock(
        root / "poetry.lock",
        {"metadata": {"lock-version": "2.1"}, "package": [package]},
        roots=[Requirement("first")],
        groups=(),
        environment=default_environment(),
    )
    (requirement,) = packages.requirements
    expected = address.format(parent=tmp_path)
    assert requirement == f"first @ git+{expected}@0123abcd#subdirectory=lib"
    assert Requirement(requirement).url
