# SPDX-License-Identifier: MIT
"""The plugins of GStreamer that come along."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hatch_appimage.introspection.places import GST_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_appimage.system import System

log = logging.getLogger(__name__)

# What plays and converts sound and pictures in free formats, from files. All plugins are loaded at each start, as no
# registry would fit the next one's path, and some bring a desktop's worth of libraries.
_DEFAULT = (
    *("alsa", "app", "audioconvert", "audiomixer", "audioparsers", "audiorate", "audioresample", "audiotestsrc"),
    *("autodetect", "coreelements", "deinterlace", "flac", "gio", "icydemux", "id3demux", "isomp4", "jpeg", "level"),
    *(
        "matroska",
        "mpg123",
        "ogg",
        "opus",
        "pbtypes",
        "playback",
        "png",
        "pulseaudio",
        "spectrum",
        "subparse",
        "theora",
    ),
    *("typefindfunctions", "videoconvert", "videoconvertscale", "videorate", "videoscale", "videotestsrc", "volume"),
    *("vorbis", "vpx", "wavenc", "wavparse", "ximagesink"),
)


def find_plugins(system: System, named: Iterable[str]) -> dict[str, Path]:
    """Return plugins by their places below the directory of bundled libraries.

    Args:
        system: the machine. It need not have those that come by default.
        named: those that come beside these, such as ``libav``.

    """
    found = {}
    for name in dict.fromkeys([*_DEFAULT, *named]):
        place = f"{GST_PLUGINS}/libgst{name}.so"
        if path := system.find(place):
            found[place] = path
        elif name in named:
            log.warning("`gstreamer-plugins` names %s, and this machine has no %s: install what has it", name, place)
    return found
