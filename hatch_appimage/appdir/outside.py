# SPDX-License-Identifier: MIT
"""Tell which of the files that an application opened lie outside of its image, and which of these it would miss."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.introspection.repository import Repository
from hatch_appimage.libraries.companions import find_companions
from hatch_appimage.libraries.search import ElfFiles, find_on_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hatch_appimage.appdir.loader_log import Load
    from hatch_appimage.appdir.seen import Opened, Seen
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.policy import LibraryPolicy
    from hatch_appimage.system import System

# What a file outside of the image is. Modules of the machine's Python are no matter of files.
LIBRARY, TYPELIB, MODULE, FILE = "library", "typelib", "module", "file"
#: How names of compiled descriptions of libraries end (GObject introspection).
TYPELIB_SUFFIX = ".typelib"
_MODULE = re.compile(r".*(\.pyc?|\.(cpython-\w[\w-]*|abi3)\.so|/lib-dynload/[^/]*\.so|/(site|dist)-packages/.*\.so)")

# Where distributions and administrators put files of programs. All others are the user's, the kernel's, temporary, or
# settings of the machine (``/etc``).
_OF_PROGRAMS = ("/usr/", "/lib/", "/lib32/", "/lib64/", "/opt/", "/srv/", "/nix/store/", "/gnu/store/")
# Among these, what an application expects of the machine it runs on: its fonts, languages, time zones, themes, schemas
# of its desktop, what its drivers and servers read, and its programs.
_OF_SYSTEM = (
    *(f"/usr/{name}/*" for name in ("bin", "sbin", "libexec", "include", "local/bin", "local/sbin")),
    *(
        f"{prefix}/share/{name}/*"
        for prefix in ("/usr", "/usr/local")
        for name in (
            "X11",
            "alsa",
            "applications",
            "ca-certificates",
            "cups",
            "dbus-1",
            "drirc.d",
            "egl",
            "fontconfig",
            "fonts",
            "glvnd",
            "i18n",
            "icons",
            "libdrm",
            "locale",
            "locale-langpack",
            "mime",
            "nvidia",
            "pipewire",
            "pixmaps",
            "pki",
            "sounds",
            "ssl",
            "terminfo",
            "themes",
            "vulkan",
            "zoneinfo",
        )
    ),
    *(f"*/lib/{name}/*" for name in ("fontconfig", "locale", "ssl", "terminfo")),
    *("*/share/glib-2.0/schemas/*", "*/share/*/fonts/*", "/usr/share/fonts-*/*"),
    *(f"*.{ending}" for ending in ("afm", "otf", "pfa", "pfb", "ttc", "ttf")),
    "*/lib/os-release",
    *(f"*/lib*/{name}/*" for name in ("dri", "gconv", "vdpau")),
)


@dataclass(frozen=True)
class OutsideFile:
    """A file outside of the image that the application opened.

    Attributes:
        kind: `LIBRARY`, `TYPELIB`, `MODULE` (of the machine's Python) or `FILE`.
        entry: what stands for it in the file of the option ``trace``: the name of a library or a typelib that is found
            by it, else the path.
        path: where it is on this machine.
        by: who opened it: a module of Python with the line, or the name of a library; "" if that is not known.
        by_path: a library was opened by its path, which leads to the machine's even where the image has it.

    """

    kind: str
    entry: str
    path: str
    by: str
    by_path: bool = False


@dataclass(frozen=True)
class OutsideSearch:
    """What decides whether a file is outside of the image, and is to be in it.

    Attributes:
        appdir: complete.
        architecture: of the image.
        policy: says which libraries stay the machine's.
        system: where libraries are found by their names.
        system_files: globs of files that are meant to be the machine's.

    """

    appdir: AppDir
    architecture: Architecture
    policy: LibraryPolicy
    system: System
    system_files: Sequence[str] = ()
    _read: ElfFiles = field(default_factory=ElfFiles, compare=False, repr=False)

    def find(self, seen: Iterable[Seen]) -> tuple[OutsideFile, ...]:
        """Return what runs of the application opened outside of the image, each file once, by entries.

        Args:
            seen: what each run opened.

        """
        found: dict[str, OutsideFile] = {}
        for run in seen:
            for file in (*self._libraries(run), *self._files(run)):
                known = found.get(file.entry)
                if known is None or (file.by and not known.by):
                    found[file.entry] = file
        companions = {path.resolve() for file in found.values() for path in self._companions(file)}
        return tuple(
            file
            for _, file in sorted(found.items())
            if self._is_wanted(file) and Path(file.path).resolve() not in companions
        )

    def _companions(self, file: OutsideFile) -> Iterator[Path]:
        """Yield what comes into an image with a library, and needs no advice of its own."""
        elf = self._read(Path(file.path)) if file.kind == LIBRARY else None
        soname = (elf and elf.soname) or posixpath.basename(file.path)
        return (path for _, path in find_companions(Path(file.path), soname, self.system))

    def _is_wanted(self, file: OutsideFile) -> bool:
        patterns = [*self.system_files, *(_OF_SYSTEM if file.kind in {FILE, TYPELIB} else ())]
        return not any(fnmatchcase(file.path, pattern) for pattern in patterns)

    def _libraries(self, run: Seen) -> Iterator[OutsideFile]:
        """Yield the libraries that something in the image opened, or something that it opened in turn."""
        loads: dict[int, dict[str, Load]] = {}
        for load in reversed(run.loads):
            loads.setdefault(load.process, {})[load.path] = load
        callers = {library.name: str(library) for library in run.libraries}
        for load in run.loads:
            if (
                not load.needed
                and not self._is_inside(load.path)
                and not self._is_of_system(load.path, loads[load.process])
            ):
                yield from self._library(load.name, load.path, callers.get(load.name) or _called(load.loader))
        if not run.loads:  # musl says nothing
            mapped = {posixpath.basename(file.name): file.name for file in run.files}
            for name in sorted(callers.keys() & mapped.keys()):
                if not self._stays(mapped[name]):
                    yield from self._library(name, mapped[name], callers[name])

    def _is_of_system(self, path: str, loads: Mapping[str, Load]) -> bool:
        """Whether a library stays the machine's, or is only there for one that does, or for a program of the machine.

        What the libraries of a graphics driver or of a name service open must be of one build with them.

        Args:
            path: of the library.
            loads: all of the process, by the libraries' paths.

        """
        passed: set[str] = set()
        while not self._is_inside(path):
            if path in passed or path not in loads or self._stays(path):
                return True
            passed.add(path)
            path = loads[path].loader
        return False

    def _stays(self, path: str) -> bool:
        """Whether a library is one that images do not bring; links for developers have other names than it has."""
        elf = self._read(Path(path))
        names = {posixpath.basename(path), *([elf.soname] if elf and elf.soname else [])}
        return any(self.policy.group(name) is not None for name in names)

    def _is_inside(self, path: str) -> bool:
        """Whether a path is of the image, which may have been mounted elsewhere than the AppDir is."""
        if Path(path).is_relative_to(self.appdir.root):
            return True
        mount, usr, rest = path.partition("/usr/")
        return bool(mount and usr) and (self.appdir.usr / rest).exists()

    def _library(self, name: str, path: str, by: str) -> Iterator[OutsideFile]:
        """Yield a library, unless it is gone by now."""
        if not path.isprintable() or not _is_file(path) or not self._read(Path(path)):
            return
        if _MODULE.fullmatch(path):
            yield OutsideFile(MODULE, path, path, by)
        else:
            yield OutsideFile(LIBRARY, self._library_entry(path), path, by, by_path="/" in name)

    def _library_entry(self, path: str) -> str:
        """Return a library's name; its path where the name leads to no library or another one of this machine."""
        name = posixpath.basename(path)
        if self.system.root != Path("/"):  # has its own, if any
            return name
        found = find_on_system(name, self.system, self.architecture)
        return name if found is not None and found.resolve() == Path(path).resolve() else path

    def _typelib_entry(self, path: str) -> str:
        """Return a typelib's name; its path if it is in a place of a program's own."""
        name = posixpath.basename(path)
        found = Repository(self.system).find(*name[: -len(TYPELIB_SUFFIX)].rsplit("-", 1)) if "-" in name else None
        return name if found is not None and found.resolve() == Path(path).resolve() else path

    def _files(self, run: Seen) -> Iterator[OutsideFile]:
        for file in run.files:
            yield from self._file(file)

    def _file(self, file: Opened) -> Iterator[OutsideFile]:
        """Yield a file of a program that is no library; libraries are told of by their names."""
        path = posixpath.normpath(file.name)
        if not (path.startswith(_OF_PROGRAMS) and path.isprintable() and _is_file(path)) or self._is_inside(path):
            return
        if _MODULE.fullmatch(path):
            yield OutsideFile(MODULE, path, path, str(file))
        elif path.endswith(TYPELIB_SUFFIX):
            yield OutsideFile(TYPELIB, self._typelib_entry(path), path, str(file))
        elif not self._read(Path(path)):
            yield OutsideFile(FILE, path, path, str(file))


def _called(loader: str) -> str:
    """Return what to call a file that opened a library: an extension module by its name."""
    name = posixpath.basename(loader)
    return name.partition(".")[0] if _MODULE.fullmatch(loader) else name


def _is_file(path: str) -> bool:
    """Whether a path is of a file that this user may read; nothing else can have been opened."""
    try:
        return Path(path).is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError):  # the user may not look there, or the name is none that a file can have
        return False
