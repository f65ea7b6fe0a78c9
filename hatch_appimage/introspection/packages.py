# SPDX-License-Identifier: MIT
"""Packages of Debian and Ubuntu that have typelibs, and what goes with them, got by the machine's apt.

No index says which package has a file, but their names do: the typelib of ``Gtk`` in version ``4.0`` is in
``gir1.2-gtk-4.0``, or in a package that provides that name, as it does ``gir1.2-gdk-4.0`` (Debian's mini-policy for
GObject introspection, https://wiki.debian.org/Teams/DebianGnome/GIRPolicy). Some packages of many namespaces provide
none of their names; these are known here.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hatch_appimage.errors import AppImageError
from hatch_appimage.introspection.places import GIO_MODULES, GST_PLUGINS, ICON_THEME, PIXBUF
from hatch_appimage.introspection.repository import Repository, by_number
from hatch_appimage.libraries.apt import explain
from hatch_appimage.libraries.fetch import fetch_packages

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.libraries.apt import Apt
    from hatch_appimage.system import System

log = logging.getLogger(__name__)

# Namespaces, with what stands for them in the name of their package.
_FAMILIES: Final = (
    (r"GObject|GModule|Gio|GioUnix|GLibUnix", "glib"),
    (r"Gst(Base|Check|Controller|Net)?", "gstreamer"),
    (r"Gst(Allocators|App|Audio|GL\w*|Pbutils|Rtp|Rtsp|Sdp|Tag|Video)", "gst-plugins-base"),
    (r"GstRtspServer", "gst-rtsp-server"),
    (r"Gst\w+", "gst-plugins-bad"),
    (r"JavaScriptCore", "javascriptcoregtk"),
    (r"WebKit2WebExtension", "webkit2"),
    (r"WebKitWebProcessExtension", "webkit"),
    (r"Evince(Document|View)", "evince"),
    (r"Dbusmenu", "dbusmenu-glib"),
    (r"DbusmenuGtk3", "dbusmenu-gtk3"),
    (r"LibvirtG(Config|Lib|Object)", "libvirt-glib"),
)
_VERSION: Final = re.compile(r"\d+(\.\d+)*")
_GTK: Final = ("Gtk-3.0", "Gtk-4.0")
_GERMAN: Final = "/usr/share/locale/de/LC_MESSAGES"  # Debian's packages have translations into all languages at once


@dataclass(frozen=True)
class _Companion:
    """A package with what a namespace's library opens or reads, and does not depend on.

    Attributes:
        names: the namespaces with their versions; any of them wants it.
        place: a file that shows whether a machine has it: a full path, or a glob below the directories of libraries.
        package: its name.

    """

    names: tuple[str, ...]
    place: str
    package: str

    def is_lacking(self, system: System) -> bool:
        """Whether a machine does not have it."""
        if self.place.startswith("/"):
            return not system.locate(self.place).is_file()
        return not any(path for directory in system.directories for path in directory.glob(self.place))


_COMPANIONS: Final = (
    _Companion(("GdkPixbuf-2.0",), f"{PIXBUF}/loaders/libpixbufloader?svg.so", "librsvg2-common"),
    _Companion(("GdkPixbuf-2.0",), "/usr/share/mime/packages/freedesktop.org.xml", "shared-mime-info"),
    _Companion(_GTK, f"/usr/share/{ICON_THEME}/index.theme", "adwaita-icon-theme"),
    _Companion(_GTK, f"{GIO_MODULES}/libdconfsettings.so", "dconf-gsettings-backend"),
    _Companion(_GTK, f"{_GERMAN}/glib20.mo", "libglib2.0-data"),
    _Companion(("Gtk-3.0",), f"{_GERMAN}/gtk30.mo", "libgtk-3-common"),
    _Companion(("Gtk-4.0",), f"{_GERMAN}/gtk40.mo", "libgtk-4-common"),
    _Companion(("Gst-1.0",), f"{GST_PLUGINS}/libgstplayback.so", "gstreamer1.0-plugins-base"),
    _Companion(("Gst-1.0",), f"{GST_PLUGINS}/libgstautodetect.so", "gstreamer1.0-plugins-good"),
)
_TLS: Final = _Companion((), f"{GIO_MODULES}/libgiognutls.so", "glib-networking")


def package_names(namespace: str, version: str) -> list[str]:
    """Return the names that a package may have, or provide, which has a typelib; the first by Debian's policy.

    Args:
        namespace: such as ``GtkSource``.
        version: of the namespace; for "" the names end where it would stand.

    """
    known = next((stem for pattern, stem in _FAMILIES if re.fullmatch(pattern, namespace)), None)
    stems = [namespace.lower().replace("_", "-"), *([known] if known else [])]
    return [f"gir1.2-{stem}-{version}" for stem in stems]


def suggest_packages_of_typelibs(missing: Iterable[tuple[str, str]]) -> list[str]:
    """Return how Debian's packages may be called that have typelibs.

    Args:
        missing: pairs of a namespace and its version, or "", for which the name ends where a version would stand.

    """
    return list(dict.fromkeys(package_names(*pair)[-1].rstrip("-") for pair in sorted(missing)))


def fetch_typelibs(missing: Iterable[tuple[str, str]], system: System, architecture: Architecture, apt: Apt) -> System:
    """Add the packages to a machine that have typelibs, as far as the archives have them, with all that they need.

    What cannot be had is told in a warning.

    Args:
        missing: pairs of a namespace and its version, or "" for the newest.
        system: the machine.
        architecture: of the packages.
        apt: of the machine, or for its release.

    """
    for pair in sorted(missing):
        if Repository(system).find(*pair):  # it came with another one
            continue
        try:
            name = _find_package(*pair, apt)
            extended = fetch_packages([name], system, architecture, apt) if name else system
        except AppImageError as error:
            log.warning("A typelib of %s that %s lacks cannot be fetched: %s", pair[0], system, explain(error))
            continue
        if Repository(extended).find(*pair):
            system = extended
    return system


def fetch_companions(
    names: Container[str], system: System, architecture: Architecture, apt: Apt, *, network: bool
) -> System:
    """Add the packages to a machine that have what the libraries of namespaces open or read, where it lacks them.

    What cannot be had is told in a warning.

    Args:
        names: the namespaces with their versions, such as ``Gtk-4.0``.
        system: the machine.
        architecture: of the packages.
        apt: of the machine, or for its release.
        network: modules of GIO for TLS and proxies, too.

    """
    wanted = [each for each in _COMPANIONS if any(name in names for name in each.names)]
    lacking = [each.package for each in (*wanted, *([_TLS] if network else [])) if each.is_lacking(system)]
    try:
        known = apt.providers(lacking) if lacking else {}
        return fetch_packages(list(known), system, architecture, apt) if known else system
    except AppImageError as error:
        log.warning("%s cannot be fetched, which GTK or GStreamer wants: %s", ", ".join(lacking), explain(error))
    return system


def _find_package(namespace: str, version: str, apt: Apt) -> str | None:
    """Return the name of the package that should have a typelib; None where no name is known."""
    names = package_names(namespace, version)
    if not version:
        names = [name for prefix in names for name in _newest_first(prefix, apt)]
    known: Mapping[str, str] = apt.providers(names) if names else {}
    return next((known[name] for name in names if name in known), None)


def _newest_first(prefix: str, apt: Apt) -> list[str]:
    versions = [name.removeprefix(prefix) for name in apt.names(prefix)]
    numbered = [version for version in versions if _VERSION.fullmatch(version)]
    return [prefix + version for version in sorted(numbered, key=by_number, reverse=True)]
