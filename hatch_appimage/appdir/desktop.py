# SPDX-License-Identifier: MIT
"""The desktop entry and the icons of an AppDir, where desktops and AppImage tools look for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.appdir.desktop_entry import MAIN_GROUP, DesktopEntry
from hatch_appimage.appdir.icon import generate_icon

if TYPE_CHECKING:
    from hatch_appimage.appdir.settings import DesktopSettings
    from hatch_appimage.layout import AppDir
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.project.metadata import Project


_ESCAPED = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
# What an argument may have in quotes only.
_RESERVED = re.compile(r"""[ \t\n"'\\><~|&;$*?#()`]""")


@dataclass(frozen=True)
class DesktopIntegration:
    """What was written for desktops.

    Attributes:
        entry: the desktop entry's path below the AppDir.
        icon: the icon's path below the AppDir.
        icon_generated: the project has no icon of its own.

    """

    entry: str
    icon: str
    icon_generated: bool


def write_desktop_files(
    appdir: AppDir,
    project: Project,
    settings: DesktopSettings,
    *,
    architecture: str,
    name: str,
    entry_point: EntryPoint,
) -> DesktopIntegration:
    """Write the desktop entry, the icon and ``.DirIcon``.

    In the AppDir's root they are regular files, as some tools read only these; the desktop entry also goes below
    ``usr/share/applications`` and the icon below ``usr/share/icons/hicolor`` (AppImage specification, "The filesystem
    image").

    Args:
        appdir: where to.
        project: what the image is of.
        settings: what the project says of its looks.
        architecture: AppImage's name of it.
        name: what people call the application.
        entry_point: what starts.

    """
    entry = settings.desktop_file or _generate(project, name, entry_point, settings)
    entry = entry.with_keys({
        "Exec": _exec(entry.get("Exec") or "", entry_point.command),
        "Icon": appdir.app_id,
        "X-AppImage-Name": _escape(name),
        "X-AppImage-Version": project.version,
        "X-AppImage-Arch": architecture,
    })  # fmt: skip
    if entry.get("TryExec"):  # a program that is nowhere would hide the entry
        entry = entry.with_keys({"TryExec": _escape(entry_point.command)})
    given = settings.icon or generate_icon(project.name)
    picture = given.for_desktops()
    icon_name = f"{appdir.app_id}.{picture.kind}"
    files = {
        appdir.root / f"{appdir.app_id}.desktop": str(entry).encode(),
        appdir.applications / f"{appdir.app_id}.desktop": str(entry).encode(),
        appdir.root / icon_name: picture.data,
        appdir.root / ".DirIcon": given.for_directory(),
        appdir.icons / picture.hicolor_directory / "apps" / icon_name: picture.data,
    }
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return DesktopIntegration(f"{appdir.app_id}.desktop", icon_name, icon_generated=settings.icon is None)


def _generate(project: Project, name: str, entry_point: EntryPoint, settings: DesktopSettings) -> DesktopEntry:
    lines = [f"[{MAIN_GROUP}]", "Type=Application", f"Name={_escape(name)}"]
    if project.summary:
        lines.append(f"Comment={_escape(project.summary)}")
    lines += [
        "Exec=",
        f"Terminal={str(settings.wants_terminal(entry_point)).lower()}",
        f"Categories={';'.join(settings.categories)};",
    ]
    return DesktopEntry(tuple(lines))


def _exec(value: str, command: str) -> str:
    """Put the image's own command before the arguments and field codes (``%U`` …) that an ``Exec`` line has.

    The program may be quoted (Desktop Entry Specification, "The Exec key").
    """
    arguments = re.sub(r'^\s*("(?:[^"\\]|\\.)*"|\S+)', "", _unescape(value))
    return _escape(_quote(command) + arguments)


def _quote(argument: str) -> str:
    """Write an argument of a command line, in quotes if it has to be (Desktop Entry Specification, "The Exec key").

    That is done before what is a command line is escaped as any other value.
    """
    argument = argument.replace("%", "%%")
    return '"' + re.sub(r'(["`$\\])', r"\\\1", argument) + '"' if _RESERVED.search(argument) else argument


def _escape(value: str) -> str:
    """Write a text as a value of type string (Desktop Entry Specification, "Possible value types")."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def _unescape(value: str) -> str:
    """Read a value of type string; a backslash before any other character stands for itself."""
    return re.sub(r"\\([sntr\\])", lambda match: _ESCAPED[match[1]], value)
