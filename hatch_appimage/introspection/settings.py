# SPDX-License-Identifier: MIT
"""Options for GObject introspection."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hatch_appimage.option import TEXTS, option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_appimage.table import Table

_PLUGIN = re.compile(r"[\w-]+")
_NAMESPACE = re.compile(r"[A-Za-z_]\w*(-\d+(\.\d+)*)?")


def _namespaces(names: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    for name in names:
        if not _NAMESPACE.fullmatch(name):
            raise ValueError(f'must be an array of namespaces, such as `"Gtk-4.0"`: `{name}`')
    return names


def _plugins(names: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    for name in names:
        if not _PLUGIN.fullmatch(name):
            raise ValueError(f'must be an array of names of plugins, such as `"libav"`: `{name}`')
    return names


@dataclass(frozen=True)
class IntrospectionSettings:
    """Options for what PyGObject uses."""

    gi_namespaces: tuple[str, ...] = option(
        TEXTS,
        "Namespaces of GObject introspection that the code does not name in plain text, with their versions: "
        '`"GtkSource-5"`.',
        details="The others are found in the sources; see [GTK](how-it-works.md#gtk).",
        default=(),
        check=_namespaces,
    )
    gstreamer_plugins: tuple[str, ...] = option(
        TEXTS,
        'Plugins of GStreamer beside the usual ones: `"libav"` for `libgstlibav.so`.',
        details="See [GStreamer](how-it-works.md#gstreamer) for what comes by default.",
        default=(),
        check=_plugins,
    )

    def with_namespaces(self, names: Iterable[str]) -> IntrospectionSettings:
        """Return the settings with further namespaces."""
        return replace(self, gi_namespaces=tuple(dict.fromkeys((*self.gi_namespaces, *names))))
