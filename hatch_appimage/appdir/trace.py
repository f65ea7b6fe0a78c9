# SPDX-License-Identifier: MIT
"""The file of a project that keeps what its application opened outside of the image, and what is said of it.

It is UTF-8 text with one entry a line, sorted: the name of a library (``libsodium.so.23``) or of a typelib
(``Gtk-4.0.typelib``), which the build finds where the machine has those, or the absolute path of any other file. Empty
lines and those that begin with ``#`` count for nothing.
"""

from __future__ import annotations

import json
import logging
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage import TABLE
from hatch_appimage.appdir.outside import FILE, LIBRARY, MODULE, TYPELIB, TYPELIB_SUFFIX
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError, ErrorCollector
from hatch_appimage.introspection.places import TYPELIBS
from hatch_appimage.text import printable
from hatch_appimage.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_appimage.appdir.outside import OutsideFile
    from hatch_appimage.layout import AppDir
    from hatch_appimage.system import System

log = logging.getLogger(__name__)

_HEADER = """\
# What the application opened outside of the AppImage. It is brought into the image: libraries and typelibs by their
# names, other files at their paths below the image's directory.
# hatch-appimage wrote this once and does not change it: remove it to have it made anew.
"""


@dataclass(frozen=True)
class Trace:
    """What a project's file brings into the image.

    Attributes:
        libraries: by sonames or paths, each with what to call the place where it is named.
        namespaces: those of typelibs, with their versions.
        files: pairs of a file on this machine and its path below the AppDir.

    """

    libraries: Mapping[str, str] = field(default_factory=dict)
    namespaces: tuple[str, ...] = ()
    files: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True)
class Outside:
    """What was opened outside of the image.

    Attributes:
        files: one for each entry.

    """

    files: tuple[OutsideFile, ...] = ()


@dataclass(frozen=True)
class TraceFile:
    """A file that was written.

    Attributes:
        path: its place.

    """

    path: Path


def read_trace(path: Path, system: System) -> Trace:
    """Read the file, and find what it names; libraries are looked for with all others, as they may be fetched.

    Args:
        path: the file.
        system: where the files are.

    Raises:
        ConfigurationError: files are not there, or lines mean nothing.
        OSError: the file cannot be read.

    """
    errors = ErrorCollector()
    found = [errors.catch(_read_entry, entry, path.name, system) for entry in read_entries(path)]
    errors.raise_all()
    libraries = {name: named for each in found for name, named in each.libraries.items()}
    namespaces = tuple(name for each in found for name in each.namespaces)
    return Trace(libraries, namespaces, tuple(pair for each in found for pair in each.files))


def read_entries(path: Path) -> list[str]:
    """Return the lines of the file that count, each once.

    Raises:
        OSError: the file cannot be read.

    """
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"))
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def _read_entry(entry: str, named: str, system: System) -> Trace:
    """Return what one line brings.

    Raises:
        AppImageError: there is no such file, or the line means nothing.

    """
    if entry.endswith(TYPELIB_SUFFIX) and "/" not in entry:
        places = [directory / TYPELIBS / entry for directory in system.directories]
        _first_file(places, entry, named, system)
        return Trace(namespaces=(entry[: -len(TYPELIB_SUFFIX)],))
    if "/" not in entry:
        return Trace({entry: named})
    if not entry.startswith("/") or posixpath.normpath(entry) != entry or not entry.isprintable():
        raise AppImageError(
            f"{named} has a line that is neither the name of a library or typelib nor a whole path: {printable(entry)}"
        )
    # Where the libraries are those of a release, other files are this machine's, where they were seen.
    place = Path(entry) if system.release else system.locate(entry)
    source = _first_file([place], entry, named, system)
    return Trace({str(source): named}) if read_elf(source) else Trace(files=((source, entry[1:]),))


def _first_file(places: Iterable[Path], entry: str, named: str, system: System) -> Path:
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise AppImageError(
            f"{named} names {entry}, which {system} does not have: install what provides it, or remove that line"
        )
    return found


def warn_of_outside(files: tuple[OutsideFile, ...], appdir: AppDir) -> Outside:
    """Warn of each file outside of the image that the application opened, with what to do about it.

    Args:
        files: what it opened.
        appdir: complete; what it has is opened by the wrong path.

    """
    for file in files:
        by = f" by {file.by}" if file.by else ""
        log.warning("%s was opened outside of the image%s: %s", file.path, by, _ADVICE[file.kind](file, appdir))
    return Outside(files)


def _advise_module(_file: OutsideFile, _appdir: AppDir) -> str:
    return "it is of the machine's Python; add its package to the project's `dependencies`"


def _advise_library(file: OutsideFile, appdir: AppDir) -> str:
    name = posixpath.basename(file.path)
    by_name = f"open it by its name, {_quote(name)}, without a directory"
    if (appdir.lib / name).exists():
        return f"the image has it, too; {by_name if file.by_path else 'whatever opened it did not find that'}"
    return f"add libraries = {_quote([file.entry])}{f' and {by_name}' if file.by_path else ''}"


def _advise_typelib(file: OutsideFile, appdir: AppDir) -> str:
    if (appdir.lib / TYPELIBS / file.entry).exists():
        return "the image has it, too; whatever opened it did not find that"
    return f"add gi-namespaces = {_quote([file.entry[: -len(TYPELIB_SUFFIX)]])}"


def _advise_file(file: OutsideFile, appdir: AppDir) -> str:
    target = file.path[1:]
    root, rest = ("sys.prefix", target[3:]) if target.startswith("usr/") else ('os.environ["APPDIR"]', f"/{target}")
    inside = f"open {root} + {_quote(rest)} where that exists"
    if (appdir.root / target).exists():
        return f"the image has it, too; {inside}"
    return (
        f"add {_include(file.path, target)} to [{TABLE}.force-include] and {inside}, or name it in `system-files` if "
        "it is to be the machine's"
    )


def _quote(value: object) -> str:
    """Return a text, or a list of texts, as TOML and Python write it; JSON is much the same."""
    return json.dumps(value, ensure_ascii=False)


def _include(path: str, target: str) -> str:
    """Return a line of the table of additional files."""
    return f"{_quote(path)} = {_quote(target)}"


_ADVICE = {MODULE: _advise_module, LIBRARY: _advise_library, TYPELIB: _advise_typelib, FILE: _advise_file}


def write_trace_file(path: Path, outside: Outside) -> TraceFile:
    """Write the file, whole or not at all.

    Raises:
        OSError: it cannot be written.

    """
    entries = (file.entry for file in outside.files if file.kind != MODULE)
    write_whole(path, _HEADER + "".join(f"{entry}\n" for entry in entries))
    return TraceFile(path)
