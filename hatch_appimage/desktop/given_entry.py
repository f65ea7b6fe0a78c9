# SPDX-License-Identifier: MIT
"""Have a project's own desktop entry, with all ways to start that it has, start the image."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hatch_appimage.desktop.entry import ACTION, MAIN_GROUP
from hatch_appimage.desktop.exec_line import escape, program_of, replace_program

if TYPE_CHECKING:
    from hatch_appimage.desktop.entry import DesktopEntry

log = logging.getLogger(__name__)


def adapt_entry(entry: DesktopEntry, *, command: str, app_id: str) -> DesktopEntry:
    """Return a desktop entry whose programs, paths and icons are those of an image; warn of what it loses.

    Args:
        entry: one without fatal faults.
        command: what the image starts.
        app_id: the icon's name.

    """
    entry = _without_paths(_without_activation(entry), entry.get("Icon"), app_id)
    main = program_of(entry.get("Exec") or "")
    for line in [line for line in entry.pairs() if line.key == "Exec"]:
        if program_of(line.value) != main:
            log.warning(
                "[%s] of the desktop entry starts `%s`, and an image starts one command from there: it starts `%s` "
                "with the same arguments now",
                line.group,
                program_of(line.value),
                command,
            )
        entry = entry.with_keys({"Exec": replace_program(line.value, command)}, line.group)
    if entry.get("TryExec"):  # a program that is nowhere would hide the entry
        entry = entry.with_keys({"TryExec": escape(command)})
    return entry


def _without_activation(entry: DesktopEntry) -> DesktopEntry:
    """Return the entry without what D-Bus would have to start: a service file that is in no image."""
    lines = [line.number for line in entry.pairs() if (line.group, line.key) == (MAIN_GROUP, "DBusActivatable")]
    if entry.get("DBusActivatable") != "true":
        return entry
    log.warning(
        "`DBusActivatable=true` is left out of the desktop entry: D-Bus finds no service in an image, and it is "
        "started by `Exec=` instead"
    )
    entry = entry.without_lines(lines)
    for name in [name for _, name in entry.headings() if name.startswith(ACTION)]:
        if not entry.get("Exec", name):
            log.warning("[%s] is left out of the desktop entry: it has no `Exec=`, and D-Bus does not start it", name)
            entry = _without_action(entry, name)
    return entry


def _without_action(entry: DesktopEntry, group: str) -> DesktopEntry:
    names = [name for name in (entry.get("Actions") or "").split(";") if name and f"{ACTION}{name}" != group]
    entry = entry.without_group(group)
    if names:
        return entry.with_keys({"Actions": "".join(f"{name};" for name in names)})
    return entry.without_lines(
        [line.number for line in entry.pairs() if (line.group, line.key) == (MAIN_GROUP, "Actions")]
    )


def _without_paths(entry: DesktopEntry, icon: str | None, app_id: str) -> DesktopEntry:
    """Return the entry without icons and directories that no user's machine has; the image's icon in their place."""
    gone = []
    for line in entry.pairs():
        is_main = line.group == MAIN_GROUP
        if line.key == "Icon" and (line.locale if is_main else line.value.startswith("/") and line.value != icon):
            log.warning(
                "`%s=%s` in [%s] is left out of the desktop entry: an image has one icon",
                line.full_key,
                line.value,
                line.group,
            )
            gone.append(line.number)
        elif line.key == "Icon" and line.value == icon:
            entry = entry.with_keys({line.full_key: app_id}, line.group)
        elif line.key == "Path" and is_main:
            log.warning("`Path=%s` is left out of the desktop entry: the directory is on no user's machine", line.value)
            gone.append(line.number)
    return entry.without_lines(gone)
