# SPDX-License-Identifier: MIT
"""What programs of Qt read to open a window: to import them shows nothing of it."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_appimage.libraries.symbol_versions import Graph

_GUI = re.compile(r"libQt\d+Gui\.so[.\d]*")
# Of these kinds Qt reads all plugins, to choose by what they say of themselves (qfactoryloader.cpp).
_PLUGINS = re.compile(r".*/plugins/(platforms|platformthemes|platforminputcontexts|wayland-shell-integration)/[^/]+")
# It loads one of these, with all that they need; others are for machines without a desktop.
_DESKTOP = re.compile(r".*/platforms/libq(xcb|wayland[\w-]*)\.so")


def add_display_files(order: Sequence[str], graph: Graph) -> tuple[str, ...]:
    """Put behind the files that a start reads those by which Qt opens a window, if Qt is among them.

    Args:
        order: paths below the AppDir.
        graph: the ELF files in it.

    """
    gui = {name for name in order if _GUI.fullmatch(PurePath(name).name)}
    plugins = [name for name in sorted(graph.files) if _PLUGINS.fullmatch(name)]
    used = [name for name in plugins if not gui.isdisjoint(graph.loaded_by([name]))]
    libraries = sorted(graph.loaded_by(filter(_DESKTOP.fullmatch, used)))
    return tuple(dict.fromkeys([*order, *used, *libraries]))
