# SPDX-License-Identifier: MIT
"""Which plugins of GStreamer come along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.introspection.gstreamer import find_plugins
from hatch_appimage.system import System

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def system(tmp_path: Path) -> System:
    directory = tmp_path / "lib/gstreamer-1.0"
    directory.mkdir(parents=True)
    for name in ("coreelements", "libav", "ogg", "qml6"):
        (directory / f"libgst{name}.so").touch()
    return System(tmp_path, (tmp_path / "lib",))


def test_usual_ones_and_named_ones(system: System, caplog: pytest.LogCaptureFixture) -> None:
    usual = {"gstreamer-1.0/libgstcoreelements.so", "gstreamer-1.0/libgstogg.so"}
    assert set(find_plugins(system, [])) == usual
    assert set(find_plugins(system, ["libav", "ogg"])) == {*usual, "gstreamer-1.0/libgstlibav.so"}
    assert caplog.messages == []


def test_missing(system: System, caplog: pytest.LogCaptureFixture) -> None:
    find_plugins(system, ["nvcodec", "vorbis"])
    assert caplog.messages == [
        f"`gstreamer-plugins` names {name}, and this machine has no gstreamer-1.0/libgst{name}.so: install what has it"
        for name in ("vorbis", "nvcodec")
    ]
