# SPDX-License-Identifier: MIT
"""Which namespaces an application uses, and which of them are known to work in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.sources.files import installed_sources
from hatch_appimage.sources.reader import File

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import SourceReader

# PyGObject itself, which names what it has overrides for.
_BINDING = ("gi", "pygtkcompat")

# Those that have been tried on another distribution than the image was built on, and what they consist of.
_KNOWN = frozenset({
    "Adw",
    "Atk",
    "Atspi",
    "GIRepository",
    "GLib",
    "GLibUnix",
    "GModule",
    "GObject",
    "Gdk",
    "GdkPixbuf",
    "GdkPixdata",
    "GdkWayland",
    "GdkX11",
    "Gio",
    "GioUnix",
    "Graphene",
    "Gsk",
    "Gst",
    "GstApp",
    "GstAudio",
    "GstBase",
    "GstPbutils",
    "GstTag",
    "GstVideo",
    "Gtk",
    "HarfBuzz",
    "Pango",
    "PangoCairo",
    "PangoFT2",
    "PangoOT",
    "Rsvg",
    "cairo",
    "fontconfig",
    "freetype2",
    "libxml2",
    "xfixes",
    "xft",
    "xlib",
    "xrandr",
})  # fmt: skip


def has_pygobject(python: BundledPython) -> bool:
    """Whether PyGObject is installed."""
    return any((directory / _BINDING[0] / "__init__.py").is_file() for directory in python.site_packages)


def named_namespaces(python: BundledPython, reach: Reach, reader: SourceReader) -> set[tuple[str, str]]:
    """Return the namespaces that modules name which the application imports, each with its version, or ""."""
    counting = reach.files | reach.own
    sources = [file for file in installed_sources(python) if file.path in counting]
    facts = (reader.facts(file) for file in sources if file.package.split(".")[0] not in _BINDING)
    return {pair for found in facts if found for pair in found.namespaces}


def named_by_overrides(namespace: str, python: BundledPython, reader: SourceReader) -> set[str]:
    """Return the namespaces that PyGObject's own additions to a namespace import, where they are there."""
    package = (_BINDING[0], "overrides")
    paths = (directory.joinpath(*package, f"{namespace}.py") for directory in python.site_packages)
    facts = (reader.facts(File(path, ".".join(package))) for path in paths if path.is_file())
    return {name for found in facts if found for name, _ in found.namespaces}


def named_by_option(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield what the option `gi-namespaces` names, as pairs of a namespace and its version, or ""."""
    for name in names:
        namespace, _, version = name.partition("-")
        yield namespace, version


def is_known(namespace: str) -> bool:
    """Whether a namespace has been seen to work on another distribution than the image was built on."""
    return namespace in _KNOWN
