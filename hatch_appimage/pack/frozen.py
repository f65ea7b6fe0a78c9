# SPDX-License-Identifier: MIT
"""Directories that PyInstaller, cx_Freeze and Nuitka make: recognised, and completed to AppDirs.

- PyInstaller, one-dir: its program ends with an archive whose cookie is looked for near the end (``bootloader/src/
  pyi_archive.c``). It finds its files by ``/proc/self/exe``, so AppRun can be a link to it.
- Nuitka, standalone: likewise (``nuitka/build/static_src/HelpersFilesystemPaths.c``).
- cx_Freeze, ``build_exe``: its program looks for ``lib`` beside what ``argv[0]`` leads to, which is the AppImage where
  a runtime starts it. So AppRun is a script that starts it by its own path, as that of its ``bdist_appimage``.
"""

from __future__ import annotations

import mmap
import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hatch_appimage.desktop.files import write_desktop_files
from hatch_appimage.desktop.gui_toolkits import is_of_toolkit
from hatch_appimage.desktop.settings import DesktopSettings
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.name import first_part
from hatch_appimage.layout import AppDir
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.project.metadata import Project
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.desktop.icon import Icon
    from hatch_appimage.pack.contents import Contents

#: Where a frozen application lies in its AppDir.
PLACE: Final = "usr/bin"
_ELF = b"\x7fELF"
# PyInstaller, PyInstaller/archive/writers.py (CArchiveWriter): the cookie ends the archive, which is a section of the
# ELF file or stands behind it.
_COOKIE = b"MEI\014\013\012\013\016"
_COOKIE_DISTANCE = 1 << 16
# Of every module that Nuitka compiles.
_NUITKA = b"__nuitka_version__"
# cx_Freeze/freezer.py: what names the archive of modules, and the licence that always comes with it.
_CX_FREEZE = ("lib/library.dat", "frozen_application_license.txt")
_CX_FREEZE_APPRUN = """\
#!/bin/sh
# The program looks for its files beside the path by which it is started.
here=$0
[ -L "$here" ] && here=$(readlink -f -- "$here")
exec "${{here%/*}}"/{program} "$@"
"""


@dataclass(frozen=True)
class FrozenApplication:
    """A program with all that it needs beside it.

    Attributes:
        tool: that has made it.
        program: the name of what starts it, in its directory.
        finds_itself: it finds its files by whatever name it is started.

    """

    tool: str
    program: str
    finds_itself: bool

    @property
    def name(self) -> str:
        """What it is called if nobody says more; Nuitka ends names of programs with ``.bin``."""
        return self.program.removesuffix(".bin")


@dataclass(frozen=True)
class Appearance:
    """What desktops show of a frozen application.

    Attributes:
        name: what people call it; None for the name of its program.
        version: None for none.
        icon: None for a generated one.

    """

    name: str | None = None
    version: str | None = None
    icon: Icon | None = None


def find_frozen(directory: Path, program: str | None) -> FrozenApplication | None:
    """Recognise what a tool has made.

    Args:
        directory: the directory.
        program: the name of what is to start; None for the only program, or the one that is named like the directory.

    Returns:
        None if no tool that is known has made it.

    Raises:
        AppImageError: there is no such program, or there are several.
        OSError: a file cannot be read.

    """
    found = {path.name: application for path in sorted(directory.iterdir()) if (application := _recognise(path))}
    if not found:
        return None
    names = ", ".join(printable(name) for name in found)
    if program is not None:
        if program not in found:
            raise AppImageError(f"{directory} has no program `{program}`, only {names}")
        return found[program]
    stem = directory.name.removesuffix(".dist")
    likely = [name for name in found if len(found) == 1 or name in {stem, f"{stem}.bin"}]
    if not likely:
        raise AppImageError(f"{directory} has several programs: name the one to start with `--executable`: {names}")
    return found[likely[0]]


def _recognise(path: Path) -> FrozenApplication | None:
    """Return the application whose program a file is; None for any other file."""
    if path.is_symlink() or not path.is_file() or not os.access(path, os.X_OK) or ".so" in path.name:
        return None
    with path.open("rb") as file:
        if file.read(len(_ELF)) != _ELF:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data.rfind(_COOKIE, max(len(data) - _COOKIE_DISTANCE, 0)) >= 0:
                return FrozenApplication("PyInstaller", path.name, finds_itself=True)
            if data.find(_NUITKA) >= 0:
                return FrozenApplication("Nuitka", path.name, finds_itself=True)
    if any((path.parent / each).is_file() for each in _CX_FREEZE):
        return FrozenApplication("cx_Freeze", path.name, finds_itself=False)
    return None


def write_surroundings(
    frozen: FrozenApplication,
    contents: Contents,
    appearance: Appearance,
    architecture: Architecture,
    directory: Path,
) -> None:
    """Write what an AppDir has beside a frozen application: AppRun, desktop entry and icons.

    Args:
        frozen: the application.
        contents: of its directory.
        appearance: what desktops show of it.
        architecture: that it is for.
        directory: an empty one, for what is to be laid over an AppDir that has the application in `PLACE`.

    Raises:
        OSError: something cannot be written.

    """
    _write_apprun(frozen, directory / "AppRun")
    name = appearance.name or frozen.name
    app_id = first_part(name, frozen.name)
    gui = any(is_of_toolkit(os.fsdecode(node.name)) for node in contents)
    write_desktop_files(
        AppDir(directory, app_id),
        _as_project(directory, app_id, appearance.version or ""),
        DesktopSettings(icon=appearance.icon, app_id=app_id),
        architecture=architecture.name,
        name=name,
        entry_point=EntryPoint(frozen.program, None, None, gui=gui),
        window_class=frozen.program,
    )


def _write_apprun(frozen: FrozenApplication, path: Path) -> None:
    program = f"{PLACE}/{frozen.program}"
    if frozen.finds_itself:
        path.symlink_to(program)
    else:
        path.write_text(_CX_FREEZE_APPRUN.format(program=shlex.quote(program)), encoding="utf-8")
        path.chmod(0o755)


def _as_project(root: Path, name: str, version: str) -> Project:
    """Return what is known of a frozen application as the metadata of a project."""
    return Project(
        root=root,
        name=name,
        version=version,
        summary="",
        requires_python="",
        scripts={},
        gui_scripts={},
        features=(),
    )
