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
from typing import TYPE_CHECKING

from hatch_appimage import TABLE
from hatch_appimage.appdir.outside import FILE, LIBRARY, MODULE, TYPELIB, TYPELIB_SUFFIX
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from hatch_appimage.appdir.outside import OutsideFile
    from hatch_appimage.layout import AppDir
    from hatch_appimage.system import System

log = logging.getLogger(__name__)

_HEADER = """\
# What the application opened outside of the AppImage. It is brought into the image: libraries and typelibs by their
# names, other files at their paths below the image's directory.
# hatch-appimage wrote this once and does not change it: remove it to have it made anew.
"""
# Below the root of an image; machines have them beside each architecture's libraries.
_TYPELIBS = "usr/lib/girepository-1.0"


@dataclass(frozen=True)
class Trace:
    """What a project's file brings into the image.

    Attributes:
        libraries: by sonames or paths, each with what to call the place where it is named.
        files: pairs of a file on this machine and its path below the AppDir.
        entries: all lines of the file.

    """

    libraries: Mapping[str, str] = field(default_factory=dict)
    files: tuple[tuple[Path, str], ...] = ()
    entries: tuple[str, ...] = ()


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
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"))
    entries = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    libraries: dict[str, str] = {}
    files, errors = [], []
    for entry in entries:
        try:
            source, target = _find(entry, system)
        except AppImageError as error:
            errors.append(f"{path.name} names {entry}, {error}")
            continue
        if target is None:
            libraries[entry if source is None else str(source)] = path.name
        elif source is not None:
            files.append((source, target))
    if errors:
        raise ConfigurationError(errors)
    return Trace(libraries, tuple(files), entries)


def _find(entry: str, system: System) -> tuple[Path | None, str | None]:
    """Return a file and its place in the image; no place for a library, and no file for a library's name.

    Raises:
        AppImageError: there is none; the text completes "... names ..., ".

    """
    if "/" not in entry and not entry.endswith(TYPELIB_SUFFIX):
        return None, None
    if "/" not in entry:
        places = (directory / "girepository-1.0" / entry for directory in system.directories)
        return _existing(places, system), f"{_TYPELIBS}/{entry}"
    if not entry.startswith("/") or posixpath.normpath(entry) != entry or "\0" in entry:
        raise AppImageError("which is neither the name of a library or typelib nor a whole path: remove that line")
    source = _existing([system.locate(entry)], system)
    return source, None if read_elf(source) else entry[1:]


def _existing(places: Iterable[Path], system: System) -> Path:
    for place in places:
        if place.is_file():
            return place
    raise AppImageError(f"which {system} does not have: install what provides it, or remove that line")


def warn_of_outside(files: tuple[OutsideFile, ...], appdir: AppDir, given: Trace) -> Outside:
    """Warn of each file outside of the image that the application opened, with what to do about it.

    Args:
        files: what it opened.
        appdir: complete; what it has is opened by the wrong path.
        given: what the project's file brings.

    """
    for file in files:
        by = f" by {file.by}" if file.by else ""
        log.warning("%s was opened outside of the image%s: %s", file.entry, by, _advise(file, appdir, given))
    return Outside(files)


def _advise(file: OutsideFile, appdir: AppDir, given: Trace) -> str:
    if file.kind == MODULE:
        return "it is of the machine's Python; add its package to the project's `dependencies`"
    if file.kind == LIBRARY:
        name = posixpath.basename(file.entry)
        if (appdir.lib / name).exists() or file.entry in given.entries:
            return f"the image has it, too; open it by its name, {name}, without a directory"
        return f"add libraries = {json.dumps([file.entry])}"
    target = f"{_TYPELIBS}/{file.entry}" if file.kind == TYPELIB else file.path[1:]
    inside = (
        f"sys.prefix + {json.dumps(target.removeprefix('usr'))}"
        if target.startswith("usr/")
        else (f'os.environ["APPDIR"] + {json.dumps("/" + target)}')
    )
    if (appdir.root / target).exists():
        return f"the image has it, too; open {inside} where that exists"
    line = f"{json.dumps(file.path)} = {json.dumps(target)}"
    return (
        f"add {line} to [{TABLE}.force-include] and open {inside} where that exists, or name it in `system-files` if "
        "it is to be the machine's"
    )


def write_trace_file(path: Path, outside: Outside) -> TraceFile:
    """Write the file, whole or not at all.

    Raises:
        OSError: it cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        text = _HEADER + "".join(f"{entry}\n" for entry in _recorded(outside))
        beside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return TraceFile(path)


def _recorded(outside: Outside) -> Iterator[str]:
    return (file.entry for file in outside.files if file.kind in {LIBRARY, TYPELIB, FILE})
