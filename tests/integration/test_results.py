# SPDX-License-Identifier: MIT
"""Images do not depend on what earlier builds have kept."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from support.plugin import build_image
from support.projects import copy_project

if TYPE_CHECKING:
    from pathlib import Path

    from support.plugin import Plugin

pytestmark = pytest.mark.slow


def test_same_image_with_and_without(plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Packages are not what is kept here: they need not be fetched again.
    packages = subprocess.check_output([find_uv_bin(), "cache", "dir"], text=True).strip()
    monkeypatch.setenv("UV_CACHE_DIR", packages)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = copy_project("hello-cli", tmp_path, quick=True)
    kept = tmp_path / "cache" / "hatch-appimage" / "results"

    def build(limit: str) -> bytes:
        monkeypatch.setenv("HATCH_APPIMAGE_CACHE_MB", limit)
        return build_image(plugin, project).read_bytes()

    image = build("0")
    assert not any(kept.rglob("*"))
    assert build("1000") == image
    entries = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    assert len(entries) > 20
    assert build("1000") == image
    assert {path for path in kept.rglob("*") if path.is_file()} == set(entries), "nothing had to be made again"
    for number, (path, data) in enumerate(sorted(entries.items())):
        path.write_bytes((data[:-1], b"", data + b"x", data[:40] + b"\0" + data[41:])[number % 4])
    assert build("1000") == image
    assert {path: path.read_bytes() for path in entries} == entries, "what was damaged was made again"
