# SPDX-License-Identifier: MIT
"""The plugins of GStreamer that come along."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hatch_appimage.introspection.places import GST_PLUGINS
from hatch_appimage.libraries.collected import NOTHING, Collected

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_appimage.python import BundledPython
    from hatch_appimage.system import System

log = logging.getLogger(__name__)

#: The library that opens plugins.
GST_LIBRARY = "libgstreamer-1.0.so.0"
# What QtMultimedia of Qt 5 plays everything with: plugins of Qt, below the directory of installed packages. Where the
# application does not use QtMultimedia, they have been left out. Qt 6 brings FFmpeg.
_OF_QT = "*/Qt*/plugins/mediaservice/libgst*.so"
# What Qt's plugins need, which goes with the plugins of this GStreamer alone.
_LIBRARIES = "libgst*-1.0.so.0"
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


def collect_for_qt(python: BundledPython, system: System, named: Iterable[str]) -> Collected:
    """Return GStreamer as a whole if QtMultimedia of Qt 5 uses it, and the machine has any of its plugins.

    Args:
        python: the Python that packages are installed for.
        system: the machine.
        named: plugins that come beside the usual ones.

    """
    if not any(path for directory in python.site_packages for path in directory.glob(_OF_QT)):
        return NOTHING
    plugins = find_plugins(system, named)
    return Collected(plugins, included=(_LIBRARIES,), complete=(GST_LIBRARY,)) if plugins else NOTHING
