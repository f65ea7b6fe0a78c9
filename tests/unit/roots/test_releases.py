# SPDX-License-Identifier: MIT
"""Releases by number and code name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.roots import releases
from hatch_appimage.roots.releases import Release, find_release

if TYPE_CHECKING:
    from pathlib import Path

CSV = """\
version,codename,series,created,release
22.04 LTS,Jammy Jellyfish,jammy,2021-10-14,2022-04-21
31.10,Zany Zebra,zany,2031-04-01,2031-10-01
,Sid,sid,1993-08-16
"""


@pytest.fixture(params=["with distro-info", "without"], autouse=True)
def distro_info(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Have a file of releases, or none."""
    monkeypatch.setattr(releases, "DISTRO_INFO", tmp_path)
    known = bool(request.param != "without")
    if known:
        (tmp_path / "ubuntu.csv").write_text(CSV)
    return known


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("debian:11", Release("debian", "bullseye", "11")),
        ("debian:bullseye", Release("debian", "bullseye", "11")),
        ("debian:sid", Release("debian", "sid", "")),
        ("ubuntu:22.04", Release("ubuntu", "jammy", "22.04")),
        ("ubuntu:focal", Release("ubuntu", "focal", "20.04")),
    ],
)
def test_known(text: str, release: Release) -> None:
    assert find_release(text) == release


def test_distro_info_knows_more(*, distro_info: bool) -> None:
    if distro_info:
        assert find_release("ubuntu:31.10").code_name == "zany"
    else:
        with pytest.raises(AppImageError, match=r"no release `31\.10` of ubuntu; known are "):
            find_release("ubuntu:31.10")


def test_unknown_distribution() -> None:
    with pytest.raises(AppImageError, match=r"`debain` .* did you mean `debian`"):
        find_release("debain:11")


def test_unknown_release() -> None:
    with pytest.raises(AppImageError, match="no release `bulseye` of debian; known are bullseye"):
        find_release("debian:bulseye")


@pytest.mark.parametrize(
    ("text", "merged"),
    [("debian:10", True), ("debian:sid", True), ("ubuntu:18.04", False), ("ubuntu:20.04", True)],
)
def test_merged_usr(text: str, *, merged: bool) -> None:
    assert find_release(text).has_merged_usr is merged
