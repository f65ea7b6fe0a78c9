# SPDX-License-Identifier: MIT
"""The modules that GIO, gdk-pixbuf and GTK open, and the lists by which they find them.

GIO and GTK 4 look through directories. gdk-pixbuf and GTK 3 have lists with full paths of the machine; names without a
directory do as well, as `libgmodule` opens them by its search path.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.introspection.places import GIO_MODULES, IM_MODULES, LOADERS, PIXBUF
from hatch_appimage.introspection.programs import find_program, run_program

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.system import System

log = logging.getLogger(__name__)

_GIO_CACHE = "gio/modules/giomodule.cache"

# Settings, as users have made them with their desktop.
_SETTINGS = ("libdconfsettings.so",)
# TLS, and the user's proxies. What goes through libproxy would bring an interpreter of JavaScript.
_NETWORK = ("libgiognutls.so", "libgioopenssl.so", "libgiognomeproxy.so", "libgioenvironmentproxy.so")
# Files can be printed to without the machine's print server.
_PRINT_BACKENDS = ("libprintbackend-file.so",)

# A line of a list that is the path of a module, in quotation marks.
_PATH = re.compile(r'^"(?P<directory>/[^"]*/)(?P<name>[^"/]+)"', re.MULTILINE)


@dataclass(frozen=True)
class _ListOfMachine:
    """A list of modules that a machine has, and packages have not: it is made where they are installed.

    Attributes:
        place: below the directories of libraries.
        directory: of the modules, likewise.
        makers: where the program may be that makes it.

    """

    place: str
    directory: str
    makers: tuple[str, ...]


_LOADERS = _ListOfMachine(f"{PIXBUF}/loaders.cache", f"{PIXBUF}/loaders", ("gdk-pixbuf-2.0/gdk-pixbuf-query-loaders",))
_METHODS = _ListOfMachine(
    IM_MODULES,
    "gtk-3.0/3.0.0/immodules",
    tuple(f"{package}/gtk-query-immodules-3.0" for package in ("libgtk-3-0", "libgtk-3-0t64")),
)


@dataclass(frozen=True)
class Modules:
    """What libraries open.

    Attributes:
        files: by their places below the directory of bundled libraries; one without a directory is opened by its name.
        lists: the texts of the lists by which they are found, by their places there. An empty one keeps a library
            from the machine's.

    """

    files: Mapping[str, Path] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)


def find_modules(names: Collection[str], system: System, *, network: bool) -> Modules:
    """Return the modules that the libraries of some namespaces open.

    Args:
        names: the namespaces with their versions, such as ``Gtk-4.0``.
        system: the machine.
        network: modules of GIO for TLS and proxies, too.

    """
    gio = _gio_modules(system, network=network)
    files = {**gio}
    lists = {_GIO_CACHE: _gio_cache(system, gio)}
    if "GdkPixbuf-2.0" in names:
        loaders, lists[LOADERS] = _listed(system, _LOADERS)
        files |= loaders
    if "Gtk-3.0" in names:
        methods, lists[IM_MODULES] = _listed(system, _METHODS)
        files |= methods
    for version in ("3", "4"):
        if f"Gtk-{version}.0" in names:
            files |= _gtk_modules(system, version)
    if not lists[_GIO_CACHE]:
        del lists[_GIO_CACHE]
    return Modules(files, lists)


def _gio_modules(system: System, *, network: bool) -> dict[str, Path]:
    names = (*_SETTINGS, *(_NETWORK if network else ()))
    return {f"{GIO_MODULES}/{name}": path for name in names if (path := system.find(f"{GIO_MODULES}/{name}"))}


def _gio_cache(system: System, modules: Collection[str]) -> str:
    """Return the list of what GIO's modules are for, which spares it to load all of them; "" where there is none.

    A line has the name of a module, a colon and its extension points.
    """
    cache = system.find(_GIO_CACHE)
    names = {PurePosixPath(module).name for module in modules}
    lines = cache.read_text().splitlines() if cache else []
    chosen = [line for line in lines if line.partition(":")[0] in names]
    return "".join(f"{line}\n" for line in chosen) if len(chosen) == len(names) else ""


def _gtk_modules(system: System, version: str) -> dict[str, Path]:
    """Return what GTK opens by the paths of files."""
    base = f"gtk-{version}.0/{version}.0.0"
    wanted: Mapping[str, Iterable[str]] = {"printbackends": _PRINT_BACKENDS}
    if version != "3":
        wanted = {**wanted, "immodules": _names(system, f"{base}/immodules")}
    places = (f"{base}/{directory}/{name}" for directory, names in wanted.items() for name in names)
    return {place: path for place in places if (path := system.find(place))}


def _names(system: System, directory: str) -> list[str]:
    return sorted({path.name for place in system.directories for path in (place / directory).glob("*.so")})


def _listed(system: System, kind: _ListOfMachine) -> tuple[dict[str, Path], str]:
    """Return the modules of a list, and the list with their names in place of paths."""
    cache = system.find(kind.place)
    text = cache.read_text() if cache else ""
    listed = {match["name"] for match in _PATH.finditer(text)}
    text += _list_added([path for path in _added(system, kind.directory) if path.name not in listed], kind, system)
    modules = {match["name"]: system.locate(match["directory"] + match["name"]) for match in _PATH.finditer(text)}
    if not all(path.is_file() for path in modules.values()):
        modules = {name: path for name, path in modules.items() if path.is_file()}
        text = "".join(_without_absent(text, modules))
    return modules, _PATH.sub(r'"\g<name>"', _without_comments(text)) if modules else ""


def _added(system: System, directory: str) -> list[Path]:
    """Return the modules in a directory that are of added packages."""
    paths = (path for place in system.directories for path in sorted((place / directory).glob("*.so")))
    return [path for path in paths if system.package_of(path)]


def _list_added(modules: Sequence[Path], kind: _ListOfMachine, system: System) -> str:
    """Return a list of modules of added packages, with the paths that they would have where these are installed."""
    maker = find_program(kind.makers, system) if modules else None
    if maker is None:
        return ""
    try:
        text = run_program(maker, *modules, system=system, doing=f"list {kind.directory}")
    except AppImageError as error:
        log.warning("What was fetched for %s is not in the image: %s", kind.directory, str(error).splitlines()[0])
        return ""
    for path in modules:
        text = text.replace(f'"{path}"', f'"{system.name_of(path)}"')
    return f"\n{text}"


def _without_comments(text: str) -> str:
    """Return a list without the lines that name the machine's directories, or who wrote it."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _without_absent(text: str, modules: Collection[str]) -> Iterator[str]:
    """Yield the paragraphs of a list whose modules are there."""
    for paragraph in re.split(r"(?<=\n)\n+", text):
        match = _PATH.search(paragraph)
        if match and match["name"] in modules:
            yield f"{paragraph.rstrip()}\n\n"
