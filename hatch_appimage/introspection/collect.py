# SPDX-License-Identifier: MIT
"""Find what an application with PyGObject needs on the build machine, and bring its data into the AppDir."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
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
from hatch_appimage.introspection.packages import fetch_companions, fetch_typelibs, suggest_packages_of_typelibs
from hatch_appimage.introspection.places import GIO_MODULES, LOADERS, TYPELIBS
from hatch_appimage.introspection.repository import Repository, by_number, find_typelibs, sonames_of
from hatch_appimage.introspection.schemas import compile_schemas, find_schemas, names_in
from hatch_appimage.introspection.shared_data import find_icons, find_types, theme_of
from hatch_appimage.introspection.translations import domains_in, find_translations
from hatch_appimage.libraries.collected import Collected
from hatch_appimage.libraries.debian import copy_licences, find_packages
from hatch_appimage.libraries.policy import group_of
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.sources.files import installed_sources
from hatch_appimage.system import System

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.introspection.settings import IntrospectionSettings
    from hatch_appimage.introspection.typelib import Typelib
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.apt import Apt
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reach import Reach
    from hatch_appimage.sources.reader import SourceReader

log = logging.getLogger(__name__)

# Pango, and GTK above it, want the libraries for text that they were built with, or newer ones; GTK 4 is linked to the
# loader of Vulkan, which not every desktop has.
_WITH_PANGO = "@fonts"
_WITH_GTK_4 = "libvulkan.so.1"
_GTK = ("Gtk-3.0", "Gtk-4.0")
_GSTREAMER = "Gst-1.0"
_PIXBUF = "libgdk_pixbuf-2.0.so.0"
_WEBKIT = ("WebKit", "WebKit2")
# Where one of these is used, the network is.
_NETWORK = ("Soup", *_WEBKIT)
_TLS = frozenset({"SocketClient", "TlsBackend", "TlsClientConnection", "TlsConnection", "TlsServerConnection"})


@dataclass(frozen=True)
class Introspection:
    """What was found for PyGObject.

    Attributes:
        typelibs: the names of the namespaces with their versions, such as ``Gtk-4.0``.
        missing: those that code names and the machine does not have, each with what is said of it.
        modules: the names of modules of GIO, gdk-pixbuf, GTK and GStreamer.
        schemas: how many files with schemas.
        data: how many bytes of icons and types of files.
        translations: the domains of gettext of which translations are there.
        collected: what the step for libraries is to bring.
        system: where all of it is from, with what was fetched.

    """

    typelibs: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    schemas: int = 0
    data: int = 0
    translations: tuple[str, ...] = ()
    collected: Collected = field(default_factory=Collected)
    system: System = field(default=System(Path("/"), ()), compare=False, repr=False)


def collect_introspection(
    appdir: AppDir,
    architecture: Architecture,
    python: BundledPython,
    reach: Reach,
    settings: IntrospectionSettings,
    *,
    reader: SourceReader,
    system: System,
    apt: Apt | None = None,
    remedy: str = "",
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
        apt: gets packages that it lacks; None to get none.
        remedy: what to do so that apt does so, where the user keeps it from that.

    Raises:
        AppImageError: a typelib is damaged, or schemas cannot be compiled.

    """
    for_qt = collect_for_qt(python, system, settings.gstreamer_plugins)
    if not has_pygobject(python) and not settings.gi_namespaces:
        return Introspection(modules=_names(for_qt.files), collected=for_qt, system=system)
    wanted = named_namespaces(python, reach, reader).union(named_by_option(settings.gi_namespaces))
    search = _Search(wanted, python, reader, architecture)
    found = search.find(system, apt)
    typelibs, system = found.typelibs, found.system
    missing = _explain_missing(found, remedy)
    for message in dict.fromkeys(missing.values()):
        log.warning(message)
    _warn_of_doubtful(typelibs.values())
    network = _uses_network(typelibs.values(), reach, python, reader)
    if apt:
        system = fetch_companions(typelibs, system, architecture, apt, network=network)
    libraries = _find_libraries(typelibs.values(), system, architecture)
    modules = find_modules(typelibs, system, network=network)
    plugins = find_plugins(system, settings.gstreamer_plugins) if _GSTREAMER in typelibs else {}
    (appdir.lib / GIO_MODULES).mkdir(parents=True, exist_ok=True)  # an empty one keeps GIO from the machine's
    for place, text in modules.lists.items():
        _write(appdir.lib / place, text)
    opened = {**modules.files, **plugins, **for_qt.files}
    users = [*libraries.values(), *opened.values(), *sorted(reach.own)]
    # What was trimmed is not there any more.
    texts = [path.read_bytes() for path in users if path.is_file()]
    schemas = find_schemas({name for text in texts for name in names_in(text)}, system)
    translations = _find_translations(typelibs, texts, system)
    data = _copy_data(typelibs, chain.from_iterable(map(dict.items, translations.values())), appdir, system)
    # Of a theme's thousands of files, or a domain's hundred, one says whose it is.
    samples = (*filter(None, [theme_of(system)]), *(next(iter(files.values())) for files in translations.values()))
    packages = find_packages([*schemas, *samples], system)
    copy_licences(set(packages.values()), appdir, system)
    return Introspection(
        typelibs=tuple(sorted(typelibs)),
        missing=missing,
        modules=_names(opened),
        schemas=compile_schemas(schemas, appdir, system),
        data=data,
        translations=tuple(translations),
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
            missing=tuple(f"{name}.typelib" for name in missing),
        ),
        system=system,
    )


def _names(places: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(PurePosixPath(place).name for place in places))


@dataclass(frozen=True)
class _Found:
    """What there is of the typelibs that were looked for.

    Attributes:
        typelibs: by their names.
        missing: pairs of a namespace and its version, or "".
        searched: those of them that the archives of packages do not have, either.
        system: the machine, with what was fetched.

    """

    typelibs: Mapping[str, Typelib]
    missing: Sequence[tuple[str, str]]
    searched: Container[tuple[str, str]]
    system: System


@dataclass(frozen=True)
class _Search:
    """What typelibs are looked for, and for whom.

    Attributes:
        wanted: pairs of a namespace and its version, or "".
        python: the Python with PyGObject.
        reader: knows what sources name.
        architecture: of the image.

    """

    wanted: Collection[tuple[str, str]]
    python: BundledPython
    reader: SourceReader
    architecture: Architecture

    def find(self, system: System, apt: Apt | None) -> _Found:
        """Return what the machine has, or its archives."""
        tried: set[tuple[str, str]] = set()
        typelibs, missing = _find_typelibs(self.wanted, Repository(system), self.python, self.reader)
        while apt and (pairs := _to_fetch(set(missing) - tried, typelibs.values())):
            tried |= pairs
            system = fetch_typelibs(pairs, system, self.architecture, apt)
            typelibs, missing = _find_typelibs(self.wanted, Repository(system), self.python, self.reader)
        return _Found(typelibs, missing, tried, system)


def _to_fetch(missing: Iterable[tuple[str, str]], typelibs: Iterable[Typelib]) -> set[tuple[str, str]]:
    """Return which of the missing typelibs to fetch next.

    Code that names several versions of a namespace is content with one. Those that it names without a version come
    last: what was fetched by then decides which one it is.
    """
    present = {typelib.namespace for typelib in typelibs}
    ordered = sorted(missing, key=lambda pair: by_number(pair[1]))
    newest = {namespace: version for namespace, version in ordered if namespace not in present}
    pairs = set(newest.items())
    return {pair for pair in pairs if pair[1]} or pairs


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


def _explain_missing(found: _Found, remedy: str) -> dict[str, str]:
    """Return one statement about all that the system does not have, and one about what its archives lack, too."""
    said: dict[str, str] = {}
    for searched in (False, True):
        pairs = [pair for pair in found.missing if (pair in found.searched) == searched]
        titles = [_title(*pair) for pair in pairs]
        archives = ", nor have the archives of its apt," if searched and not found.system.release else ","
        be, it = ("it is", "it") if len(pairs) == 1 else ("they are", "them")
        allow = f"{remedy} to have apt get {it}, or " if remedy else ""
        names = ", ".join(suggest_packages_of_typelibs(pairs))
        install = f"install what has {it} (on Debian, packages may be called {names})"
        way_out = f"set another `sysroot` that has {it}" if found.system.release else f"{allow}{install}"
        message = (
            f"{found.system} has no typelib of {', '.join(titles)}{archives} and so {be} not in the image: {way_out}"
        )
        said |= dict.fromkeys(titles, message)
    return said


def _warn_of_doubtful(typelibs: Iterable[Typelib]) -> None:
    """Say of what nobody knows whether it works on other systems."""
    for typelib in typelibs:
        if typelib.namespace in _WEBKIT:
            log.warning(
                "%s is in the image and will not work on other systems: WebKitGTK starts processes of its own by a "
                "path that is compiled in, so that it needs the same WebKitGTK installed there. Open pages in the "
                "user's browser (webbrowser.open), or use QtWebEngine, which images have whole",
                typelib,
            )
        elif not is_known(typelib.namespace):
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


def _find_translations(names: Container[str], texts: Iterable[bytes], system: System) -> Mapping[str, dict[str, Path]]:
    """Return the translations of what GTK's libraries show, where there are windows."""
    if not any(name in names for name in _GTK):
        return {}
    return find_translations({domain for text in texts for domain in domains_in(text)}, system)


def _copy_data(names: Container[str], translations: Iterable[tuple[str, Path]], appdir: AppDir, system: System) -> int:
    """Copy what GTK and gdk-pixbuf look for in directories of data; return how many bytes."""
    with TemporaryDirectory(prefix="hatch-appimage-") as work:
        files = dict(translations)
        if "GdkPixbuf-2.0" in names:
            files |= find_types(system, Path(work))
        if any(name in names for name in _GTK):
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
