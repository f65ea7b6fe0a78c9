# SPDX-License-Identifier: MIT
"""The desktop entry, icons and metainfo of an AppDir, where desktops and AppImage tools look for them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.desktop.check import find_faults
from hatch_appimage.desktop.component import find_obstacle
from hatch_appimage.desktop.entry import MAIN_GROUP, DesktopEntry
from hatch_appimage.desktop.exec_line import escape, replace_program
from hatch_appimage.desktop.generated_metainfo import generate_metainfo
from hatch_appimage.desktop.given_entry import adapt_entry
from hatch_appimage.desktop.icon import generate_icon
from hatch_appimage.desktop.metainfo import Metainfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_appimage.desktop.settings import DesktopSettings
    from hatch_appimage.layout import AppDir
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.project.metadata import Project

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DesktopIntegration:
    """What was written for desktops.

    Attributes:
        entry: the desktop entry's path below the AppDir.
        icon: the icon's path below the AppDir.
        icon_generated: the project has no icon of its own.
        metainfo: the name of what was written for software centres; None if nothing was.
        obstacle: what a metainfo file could not be generated without; completes "it needs ".

    """

    entry: str
    icon: str
    icon_generated: bool
    metainfo: str | None
    obstacle: str | None


def write_desktop_files(
    appdir: AppDir,
    project: Project,
    settings: DesktopSettings,
    *,
    architecture: str,
    name: str,
    entry_point: EntryPoint,
    window_class: str,
    released: int | None = None,
    extra: Iterable[str] = (),
) -> DesktopIntegration:
    """Write the desktop entry, the icon, ``.DirIcon`` and the metainfo file.

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
        window_class: what its windows are called.
        released: when the version was released, in seconds since the epoch; None if that is not known.
        extra: paths below the AppDir of files that the project adds to it.

    """
    entry = _find_entry(
        appdir, project, settings, name=name, entry_point=entry_point, window_class=window_class
    ).with_keys({
        "Icon": appdir.app_id,
        "X-AppImage-Name": escape(name),
        **({"X-AppImage-Version": project.version} if project.version else {}),
        "X-AppImage-Arch": architecture,
    })  # fmt: skip
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
    metainfo, obstacle = _find_metainfo(appdir, settings, extra), None
    if metainfo is True and (obstacle := find_obstacle(project, appdir.app_id)) is None:
        metainfo = generate_metainfo(project, settings, entry, command=entry_point.command, released=released)
    if isinstance(metainfo, Metainfo):
        files |= {appdir.metainfo / name: metainfo.data for name in metainfo.file_names}
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return DesktopIntegration(
        f"{appdir.app_id}.desktop",
        icon_name,
        icon_generated=settings.icon is None,
        metainfo=metainfo.file_names[0] if isinstance(metainfo, Metainfo) else None,
        obstacle=obstacle,
    )


def _find_metainfo(appdir: AppDir, settings: DesktopSettings, extra: Iterable[str]) -> Metainfo | bool:
    """Return what the project has for software centres, or else whether it is to be generated."""
    if settings.metainfo is not None:
        return settings.metainfo
    # One that came with the project's wheel, or is to be added.
    directory = appdir.metainfo.relative_to(appdir.root)
    added = any(PurePosixPath(path).is_relative_to(directory) for path in extra)
    return not added and not any(appdir.metainfo.glob("*.xml"))


def _find_entry(
    appdir: AppDir,
    project: Project,
    settings: DesktopSettings,
    *,
    name: str,
    entry_point: EntryPoint,
    window_class: str,
) -> DesktopEntry:
    if settings.desktop_file is None:
        return _generate(project, name, entry_point, window_class, settings)
    for fault in find_faults(settings.desktop_file):
        log.warning("The desktop entry has a fault in %s", fault)
    return adapt_entry(settings.desktop_file, command=entry_point.command, app_id=appdir.app_id)


def _generate(
    project: Project, name: str, entry_point: EntryPoint, window_class: str, settings: DesktopSettings
) -> DesktopEntry:
    terminal = settings.wants_terminal(entry_point)
    values = {"Type": "Application", "Name": escape(name)}
    if project.summary:
        values["Comment"] = escape(project.summary)
    values["Exec"] = replace_program(f"program{settings.field_code}", entry_point.command)
    values["Terminal"] = str(terminal).lower()
    values["Categories"] = _list(settings.categories)
    if project.keywords:
        # AppStream takes a semicolon that is escaped for damage: it separates words, too.
        values["Keywords"] = _list(";".join(project.keywords).split(";"))
    if settings.mime_types:
        values["MimeType"] = _list(settings.mime_types)
    if not terminal:
        values["StartupWMClass"] = escape(window_class)  # so that desktops know whose they are
    values.update((key, escape(value)) for key, value in settings.desktop_keys.items())
    return DesktopEntry((f"[{MAIN_GROUP}]", *(f"{key}={value}" for key, value in values.items())))


def _list(items: Iterable[str]) -> str:
    """Write the value of a key that has several."""
    return "".join(f"{escape(item.strip())};" for item in items if item.strip())
