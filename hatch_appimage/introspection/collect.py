# SPDX-License-Identifier: MIT
"""Find what an application with PyGObject needs on the build machine, and bring its data into the AppDir."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.introspection.gstreamer import GST_LIBRARY, collect_for_qt, find_plugins
from hatch_appimage.introspection.modules import find_modules
from hatch_appimage.introspection.namespaces import (
    has_pygobject,
    is_known,
    named_by_option,
    named_by_overrides,
    named_namespaces,
)
from hatch_appimage.introspection.places import GIO_MODULES, LOADERS, TYPELIBS
from hatch_appimage.introspection.repository import Repository, find_typelibs, sonames_of
from hatch_appimage.introspection.schemas import compile_schemas, find_schemas, names_in
from hatch_appimage.introspection.shared_data import find_icons, find_types, theme_of
from hatch_appimage.libraries.collected import Collected
from hatch_appimage.libraries.debian import copy_licences, find_packages
from hatch_appimage.libraries.policy import group_of
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.sources.files import installed_sources

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.introspection.settings import IntrospectionSettings
    from hatch_appimage.introspection.typelib import Typelib
    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import SourceReader
    from hatch_appimage.system import System

log = logging.getLogger(__name__)

# Pango, and GTK above it, want the libraries for text that they were built with, or newer ones; GTK 4 is linked to the
# loader of Vulkan, which not every desktop has.
_WITH_PANGO = "@fonts"
_WITH_GTK_4 = "libvulkan.so.1"
_GSTREAMER = "Gst-1.0"
_PIXBUF = "libgdk_pixbuf-2.0.so.0"
# Where one of these is used, the network is.
_NETWORK = ("Soup", "WebKit", "WebKit2")
_TLS = frozenset({"SocketClient", "TlsBackend", "TlsClientConnection", "TlsConnection", "TlsServerConnection"})


@dataclass(frozen=True)
class Introspection:
    """What was found for PyGObject.

    Attributes:
        typelibs: the names of the namespaces with their versions, such as ``Gtk-4.0``.
        missing: those that code names and the machine does not have.
        modules: the names of modules of GIO, gdk-pixbuf, GTK and GStreamer.
        schemas: how many files with schemas.
        data: how many bytes of icons and types of files.
        collected: what the step for libraries is to bring.

    """

    typelibs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    schemas: int = 0
    data: int = 0
    collected: Collected = field(default_factory=Collected)


def collect_introspection(
    appdir: AppDir,
    architecture: Architecture,
    python: BundledPython,
    reach: Reach,
    settings: IntrospectionSettings,
    *,
    reader: SourceReader,
    system: System,
) -> Introspection:
    """Find typelibs, modules and data, if PyGObject is installed or namespaces are given; the data are copied.

    GStreamer is found without these, too, if Qt uses it.

    Args:
        appdir: with everything installed, and the project's extra files.
        architecture: that it is for.
        python: the Python in it.
        reach: what the application imports.
        settings: which namespaces the code does not show.
        reader: knows what sources name.
        system: the build machine.

    Raises:
        AppImageError: a typelib is damaged, or schemas cannot be compiled.

    """
    for_qt = collect_for_qt(python, system, settings.gstreamer_plugins)
    if not has_pygobject(python) and not settings.gi_namespaces:
        return Introspection(modules=_names(for_qt.files), collected=for_qt)
    wanted = named_namespaces(python, reach, reader).union(named_by_option(settings.gi_namespaces))
    typelibs, missing = _find_typelibs(wanted, Repository(system), python, reader)
    _warn(typelibs.values(), missing, system)
    libraries = _find_libraries(typelibs.values(), system, architecture)
    modules = find_modules(typelibs, system, network=_uses_network(typelibs.values(), reach, python, reader))
    plugins = find_plugins(system, settings.gstreamer_plugins) if _GSTREAMER in typelibs else {}
    (appdir.lib / GIO_MODULES).mkdir(parents=True, exist_ok=True)  # an empty one keeps GIO from the machine's
    for place, text in modules.lists.items():
        _write(appdir.lib / place, text)
    data = _copy_data(typelibs, appdir, system)
    opened = {**modules.files, **plugins, **for_qt.files}
    users = [*libraries.values(), *opened.values(), *sorted(reach.own)]
    # What was trimmed is not there any more.
    texts = (path.read_bytes() for path in users if path.is_file())
    schemas = find_schemas({name for text in texts for name in names_in(text)}, system)
    # Of a theme's thousands of files one says whose it is.
    packages = find_packages([*schemas, *filter(None, [theme_of(system)])], system)
    copy_licences(set(packages.values()), appdir, system)
    return Introspection(
        typelibs=tuple(sorted(typelibs)),
        missing=tuple(_title(*pair) for pair in missing),
        modules=_names(opened),
        schemas=compile_schemas(schemas, appdir, system),
        data=data,
        collected=Collected(
            {
                **{f"{TYPELIBS}/{typelib.path.name}": typelib.path for typelib in typelibs.values()},
                **libraries,
                **opened,
            },
            included=(*_included(typelibs), *for_qt.included),
            complete=(
                *([_PIXBUF] if modules.lists.get(LOADERS) else []),
                *([GST_LIBRARY] if plugins else for_qt.complete),
            ),
        ),
    )


def _names(places: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(PurePosixPath(place).name for place in places))


def _find_typelibs(
    wanted: Iterable[tuple[str, str]], repository: Repository, python: BundledPython, reader: SourceReader
) -> tuple[dict[str, Typelib], list[tuple[str, str]]]:
    """Find typelibs, and those that PyGObject uses beside them: of the same version, if there is one."""
    found, missing = find_typelibs(wanted, repository)
    looked_at: set[str] = set()
    while new := set(found) - looked_at:
        looked_at |= new
        present = {typelib.namespace for typelib in found.values()}
        beside = {
            (name, version)
            for typelib in (found[each] for each in sorted(new))
            for name in named_by_overrides(typelib.namespace, python, reader) - present
            for version in (typelib.version, "")
            if repository.find(name, version)
        }
        versioned = {name for name, version in beside if version}
        more, _ = find_typelibs({pair for pair in beside if pair[1] or pair[0] not in versioned}, repository)
        found |= more
    return dict(sorted(found.items())), missing


def _warn(typelibs: Iterable[Typelib], missing: Iterable[tuple[str, str]], system: System) -> None:
    """Say what the system does not have, and of what nobody knows whether it works."""
    for namespace, version in missing:
        package = f"gir1.2-{namespace.lower()}{f'-{version}' if version else ''}"
        log.warning(
            "%s has no typelib of %s, and so it is not in the image: install what has it (Debian's package may be "
            "called %s)",
            *(system, _title(namespace, version), package),
        )
    for typelib in typelibs:
        if not is_known(typelib.namespace):
            log.warning(
                "%s is in the image with its libraries, but is not known to work on other systems: what these open or "
                "read by themselves is not collected",
                typelib,
            )


def _title(namespace: str, version: str) -> str:
    return f"{namespace}-{version}" if version else namespace


def _find_libraries(typelibs: Iterable[Typelib], system: System, architecture: Architecture) -> dict[str, Path]:
    """Return the libraries that typelibs open, by their names; what is missing is found when others need it."""
    found = {name: find_on_system(name, system, architecture) for name in sonames_of(typelibs)}
    return {name: path for name, path in found.items() if path and group_of(name) is None}


def _uses_network(typelibs: Iterable[Typelib], reach: Reach, python: BundledPython, reader: SourceReader) -> bool:
    """Whether an application speaks TLS by means of GIO."""
    if any(typelib.namespace in _NETWORK for typelib in typelibs):
        return True
    own = (reader.facts(file) for file in installed_sources(python) if file.path in reach.own)
    return any(facts and not facts.words.isdisjoint(_TLS) for facts in own)


def _copy_data(names: Container[str], appdir: AppDir, system: System) -> int:
    """Copy what GTK and gdk-pixbuf look for in directories of data; return how many bytes."""
    files: dict[str, Path] = {}
    if "GdkPixbuf-2.0" in names:
        files |= find_types(system)
    if "Gtk-3.0" in names or "Gtk-4.0" in names:
        files |= find_icons(system)
    for place, path in files.items():
        target = appdir.usr / "share" / place
        if not target.exists():  # the project has its own
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return sum(path.stat().st_size for path in files.values())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _included(names: Container[str]) -> Iterator[str]:
    if "Pango-1.0" in names:
        yield _WITH_PANGO
    if "Gtk-4.0" in names:
        yield _WITH_GTK_4
