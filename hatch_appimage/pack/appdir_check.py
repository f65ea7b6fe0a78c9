# SPDX-License-Identifier: MIT
"""What a directory must have to be an AppDir (AppImage specification, "The filesystem image")."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.desktop.check import find_faults
from hatch_appimage.desktop.entry import DesktopEntry
from hatch_appimage.desktop.exec_line import find_starter, unescape
from hatch_appimage.desktop.icon import check_picture
from hatch_appimage.errors import AppImageError, ErrorCollector
from hatch_appimage.pack.contents import read_all, read_start
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from hatch_appimage.pack.contents import Contents
    from hatch_appimage.squashfs.tree import File

log = logging.getLogger(__name__)

APPRUN = "AppRun"
DIRECTORY_ICON = ".DirIcon"
_DESKTOP = ".desktop"
# In the order in which appimagetool looks for them (src/appimagetool.c).
_ICON_ENDINGS = (".png", ".svg", ".xpm")
_PROGRAMS = (b"\x7fELF", b"#!")


@dataclass(frozen=True)
class AppDirParts:
    """What desktops and tools look for in an AppDir.

    Attributes:
        apprun: what `AppRun` leads to.
        entry_name: the name of the desktop entry in the root.
        entry: the desktop entry.
        icon: the path of the icon that the entry names.

    """

    apprun: File
    entry_name: str
    entry: DesktopEntry
    icon: str

    @property
    def name(self) -> str:
        """What people call the application."""
        return unescape(self.entry.get("Name") or "")

    @property
    def version(self) -> str | None:
        """What the entry says of the version; None for nothing."""
        return self.entry.get("X-AppImage-Version") or None


def check_appdir(contents: Contents, where: str, *, strict: bool = True) -> AppDirParts:
    """Find the parts of an AppDir.

    Args:
        contents: of the AppDir.
        where: its path, for messages.
        strict: refuse more than one desktop entry in the root, of which appimagetool takes one, and icons that are no
            pictures, which it does not look into.

    Raises:
        ConfigurationError: with all that is missing or wrong.
        OSError: a file cannot be read.

    """
    errors = ErrorCollector()
    apprun = errors.catch(_find_apprun, contents, where)
    found = errors.catch(_find_entry, contents, where, strict=strict)
    icon = errors.catch(_find_icon, contents, where, *found) if found else None
    for path in _pictures(contents, icon):
        errors.catch(_check_picture, contents, path, where, strict=strict)
    errors.raise_all()
    name, entry = found
    return AppDirParts(apprun, name, entry, icon or "")


def _find_apprun(contents: Contents, where: str) -> File:
    node = contents.get(APPRUN)
    if node is None:
        raise AppImageError(
            f"{where} has no `{APPRUN}`, the program or script that an image starts: add one, or a link to the program"
        )
    file = contents.file(APPRUN)
    if file is None:
        raise AppImageError(f"`{APPRUN}` in {where} leads to no file inside it: make it a program, or a relative link")
    if not file.permissions & 0o111:
        raise AppImageError(f"`{APPRUN}` in {where} is not executable: `chmod +x` makes it so")
    if not read_start(file).startswith(_PROGRAMS):
        raise AppImageError(f"`{APPRUN}` in {where} is neither a program nor a script that begins with `#!`")
    return file


def _find_entry(contents: Contents, where: str, *, strict: bool) -> tuple[str, DesktopEntry]:
    names = [name for name in contents.names() if name.endswith(_DESKTOP)]
    if not names:
        raise AppImageError(f"{where} has no desktop entry: put a file `NAME{_DESKTOP}` at its top")
    if len(names) > 1:
        listed = ", ".join(printable(name) for name in names)
        if strict:
            raise AppImageError(f"{where} has {len(names)} desktop entries at its top, and there can be one: {listed}")
        log.warning("%s has %d desktop entries at its top, of which tools take one: %s", where, len(names), listed)
    return names[0], _read_entry(contents, where, names[0])


def _read_entry(contents: Contents, where: str, name: str) -> DesktopEntry:
    path = f"{where}/{printable(name)}"
    file = contents.file(name)
    if file is None:
        raise AppImageError(f"{path} leads to no file inside the AppDir: make it a file, or a relative link")
    try:
        entry = DesktopEntry.parse(read_all(file), path)
    except ValueError as error:
        raise AppImageError(f"{where} has {error}") from error
    # Image integrations lose what such a line has before the application's arguments; desktops do not mind.
    starter = find_starter(entry.get("Exec") or "")
    fatal = []
    for fault in find_faults(entry):
        if fault.fatal and not (starter and starter in fault.reason):
            fatal.append(str(fault))
        else:
            log.warning("The desktop entry has a fault in %s", fault)
    if fatal:
        raise AppImageError(f"{where} has a desktop entry that is not valid: {path}, {'; '.join(fatal)}")
    return entry


def _find_icon(contents: Contents, where: str, entry_name: str, entry: DesktopEntry) -> str:
    named = (entry.get("Icon") or "").lstrip("/")  # cx_Freeze writes a path there, as appimagetool takes it
    if not named:
        raise AppImageError(f"The desktop entry {where}/{printable(entry_name)} has no `Icon=`: name one")
    for ending in _ICON_ENDINGS:
        if contents.file(f"{named}{ending}"):
            return f"{named}{ending}"
    name, ending = os.path.splitext(named)  # noqa: PTH122 - of a name, and no path of this machine
    hint = f": write `Icon={printable(name)}`, without the ending" if ending in _ICON_ENDINGS else ""
    raise AppImageError(
        f"{where} has no icon `{printable(named)}.png`, `.svg` or `.xpm` at its top, as its desktop entry names it"
        f"{hint or ': put one there, ideally a PNG of 256 by 256 pixels'}"
    )


def _pictures(contents: Contents, icon: str | None) -> list[str]:
    """Return the paths of what is to be a picture; the directory's icon may be a link to the application's."""
    shown = contents.file(DIRECTORY_ICON)
    is_other = shown is not None and (icon is None or shown is not contents.file(icon))
    return [path for path in (icon, DIRECTORY_ICON if is_other else None) if path]


def _check_picture(contents: Contents, path: str, where: str, *, strict: bool) -> None:
    file = contents.file(path)
    kind = "" if path == DIRECTORY_ICON else path.rpartition(".")[2]
    try:
        check_picture(read_all(file) if file else b"", kind)
    except ValueError as error:
        message = f"The icon {where}/{printable(path)} {error}: put a picture there"
        if strict:
            raise AppImageError(message) from error
        log.warning("%s", message)
