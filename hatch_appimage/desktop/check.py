# SPDX-License-Identifier: MIT
"""What is wrong in a desktop entry (Desktop Entry Specification), and where, as ``desktop-file-validate`` sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hatch_appimage.desktop.entry import ACTION, MAIN_CATEGORIES, MAIN_GROUP
from hatch_appimage.desktop.exec_line import find_deprecated_code, find_exec_fault, find_starter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hatch_appimage.desktop.entry import DesktopEntry, Line

_BOOLEANS = frozenset({
    "DBusActivatable", "Hidden", "NoDisplay", "PrefersNonDefaultGPU", "SingleMainWindow", "StartupNotify", "Terminal",
})  # fmt: skip
_LOCALIZED = frozenset({"Comment", "GenericName", "Icon", "Keywords", "Name"})
_KEYS = _BOOLEANS | _LOCALIZED | {
    "Actions", "Categories", "Exec", "Implements", "MimeType", "NotShowIn", "OnlyShowIn", "Path", "StartupWMClass",
    "TryExec", "Type", "Version",
}  # fmt: skip
# Appendix A and B; what tools still read of older versions.
_DEPRECATED_KEYS = frozenset({
    "BinaryPattern", "DefaultApp", "DocPath", "Encoding", "Extensions", "FilePattern", "InitialPreference", "MapNotify",
    "MiniIcon", "Patterns", "Protocols", "ServiceTypes", "SortOrder", "SwallowExec", "SwallowTitle", "TerminalOptions",
})  # fmt: skip
_ACTION_KEYS = frozenset({"Exec", "Icon", "Name"})
_VERSIONS = frozenset({"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"})
_MEDIA_TYPES = frozenset({
    "application", "audio", "chemical", "font", "image", "inode", "message", "model", "multipart", "text", "video",
    "x-content", "x-epoc", "x-scheme-handler",
})  # fmt: skip
_DESKTOPS = frozenset({
    "Budgie", "COSMIC", "Cinnamon", "DDE", "Deepin", "EDE", "Endless", "Enlightenment", "GNOME", "GNOME-Classic",
    "GNOME-Flashback", "KDE", "LXDE", "LXQt", "MATE", "Old", "Pantheon", "ROX", "Razor", "TDE", "Unity", "XFCE",
})  # fmt: skip
# Desktop Menu Specification, "Additional Categories" and "Reserved Categories".
_MORE_CATEGORIES = frozenset({
    "2DGraphics", "3DGraphics", "Accessibility", "ActionGame", "Adult", "AdventureGame", "Amusement", "Applet",
    "ArcadeGame", "Archiving", "Art", "ArtificialIntelligence", "Astronomy", "AudioVideoEditing", "Biology",
    "BlocksGame", "BoardGame", "Building", "Calculator", "Calendar", "CardGame", "Chat", "Chemistry", "Clock",
    "Compression", "ComputerScience", "ConsoleOnly", "Construction", "ContactManagement", "Core",
    "DataVisualization", "Database", "Debugger", "DesktopSettings", "Dialup", "Dictionary", "DiscBurning",
    "Documentation", "Economy", "Electricity", "Electronics", "Email", "Emulator", "Engineering", "Feed",
    "FileManager", "FileTools", "FileTransfer", "Filesystem", "Finance", "FlowChart", "GNOME", "GTK",
    "GUIDesigner", "Geography", "Geology", "Geoscience", "HamRadio", "HardwareSettings", "History", "Humanities",
    "IDE", "IRCClient", "ImageProcessing", "InstantMessaging", "Java", "KDE", "KidsGame", "Languages",
    "Literature", "LogicGame", "Maps", "Math", "MedicalSoftware", "Midi", "Mixer", "Monitor", "Motif", "Music",
    "News", "NumericalAnalysis", "OCR", "P2P", "PDA", "PackageManager", "ParallelComputing", "Photography",
    "Physics", "Player", "Presentation", "Printing", "Profiling", "ProjectManagement", "Publishing", "Qt",
    "RasterGraphics", "Recorder", "RemoteAccess", "RevisionControl", "Robotics", "RolePlaying", "Scanning",
    "Screensaver", "Security", "Sequencer", "Shell", "Shooter", "Simulation", "Spirituality", "Sports",
    "SportsGame", "Spreadsheet", "StrategyGame", "Telephony", "TelephonyTools", "TerminalEmulator", "TextEditor",
    "TextTools", "Translation", "TrayIcon", "Tuner", "VectorGraphics", "VideoConference", "Viewer", "WebBrowser",
    "WebDevelopment", "WordProcessor", "XFCE",
})  # fmt: skip
_CATEGORIES = MAIN_CATEGORIES | _MORE_CATEGORIES
_ACTION_NAME = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True)
class Fault:
    """Something that is wrong in a desktop entry.

    Attributes:
        line: its number, from one.
        reason: what is wrong.
        fatal: desktops or AppImage tools refuse the whole entry for it.

    """

    line: int
    reason: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


def find_faults(entry: DesktopEntry) -> list[Fault]:
    """Return what is wrong in a desktop entry of an application, in the order of its lines.

    Args:
        entry: one whose lines are groups, keys and comments.

    """
    found = [
        *_of_groups(entry),
        *_of_repeated_keys(entry),
        *_of_locales(entry),
        *_of_actions(entry),
        *(fault for line in entry.pairs() for fault in _of_line(line)),
        *_of_main_group(entry),
    ]
    return sorted(found, key=lambda fault: fault.line)


def _of_groups(entry: DesktopEntry) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, name in entry.headings():
        if not seen and name != MAIN_GROUP:
            yield Fault(number, f"the first group is [{name}] and not [{MAIN_GROUP}]")
        elif name in seen:
            yield Fault(number, f"there is a group [{name}] already")
        elif name != MAIN_GROUP and not name.startswith((ACTION, "X-")):
            yield Fault(number, f"[{name}] is no group of desktop entries: names of others begin with `X-`")
        seen.add(name)


def _of_repeated_keys(entry: DesktopEntry) -> Iterator[Fault]:
    seen: set[tuple[str, str]] = set()
    for line in entry.pairs():
        if (line.group, line.full_key) in seen:
            yield Fault(line.number, f"there is a `{line.full_key}=` already in [{line.group}]")
        seen.add((line.group, line.full_key))


def _of_locales(entry: DesktopEntry) -> Iterator[Fault]:
    plain = {(line.group, line.key) for line in entry.pairs() if not line.locale}
    for line in entry.pairs():
        if not line.locale or line.key.startswith("X-"):
            continue
        if line.key not in _LOCALIZED:
            yield Fault(line.number, f"`{line.key}` cannot be translated, as `{line.full_key}=` does")
        elif (line.group, line.key) not in plain:
            yield Fault(line.number, f"`{line.full_key}=` translates a `{line.key}=` that is not there")


def _of_actions(entry: DesktopEntry) -> Iterator[Fault]:
    groups = {name.removeprefix(ACTION): number for number, name in entry.headings() if name.startswith(ACTION)}
    line = next((line for line in entry.pairs() if (line.group, line.key) == (MAIN_GROUP, "Actions")), None)
    number, names = (line.number, _items(line.value)) if line else (0, [])
    for name in names:
        if not _ACTION_NAME.fullmatch(name):
            yield Fault(number, f"`{name}` is no name of an action, which has letters, digits and `-`")
        elif name not in groups:
            yield Fault(number, f"the action `{name}` has no group [{ACTION}{name}]")
    activated = entry.get("DBusActivatable") == "true"
    for name, number in groups.items():
        group = f"{ACTION}{name}"
        if name not in names:
            yield Fault(number, f"`Actions=` in [{MAIN_GROUP}] does not name `{name}`")
        for key in ("Name", "Exec"):
            if not entry.get(key, group) and not (key == "Exec" and activated):
                yield Fault(number, f"[{group}] has no `{key}=`")


def _of_main_group(entry: DesktopEntry) -> Iterator[Fault]:
    lines = {line.full_key: line for line in entry.pairs() if line.group == MAIN_GROUP}
    if "OnlyShowIn" in lines and "NotShowIn" in lines:
        yield Fault(lines["NotShowIn"].number, "there is an `OnlyShowIn=` already, and only one of the two can be")
    if "Comment" in lines and entry.get("Comment") == entry.get("Name"):
        yield Fault(lines["Comment"].number, "`Comment=` says the same as `Name=`", fatal=False)


def _of_line(line: Line) -> Iterator[Fault]:
    known = _KEYS if line.group == MAIN_GROUP else _ACTION_KEYS
    if line.key.startswith("X-") or not line.group.startswith((MAIN_GROUP, ACTION)):
        return
    if line.key == "URL":
        yield Fault(line.number, "`URL=` is for links, and this is an application")
    elif line.group == MAIN_GROUP and line.key in _DEPRECATED_KEYS:
        yield Fault(line.number, f"`{line.key}=` is deprecated: leave it out", fatal=False)
    elif line.key not in known:
        yield Fault(
            line.number,
            f"`{line.key}` is no key of [{line.group}]{_suggest(line.key, known)}; names of others begin with `X-`",
        )
    elif line.key in _BOOLEANS:
        yield from _of_boolean(line)
    elif line.key in _CHECKS:
        yield from _CHECKS[line.key](line)


def _of_boolean(line: Line) -> Iterator[Fault]:
    if line.value in ("0", "1"):
        yield Fault(line.number, f"`{line.key}={line.value}` is deprecated: write `true` or `false`", fatal=False)
    elif line.value not in ("true", "false"):
        yield Fault(line.number, f"`{line.key}=` must be `true` or `false`, and is `{line.value}`")


def _of_exec(line: Line) -> Iterator[Fault]:
    if (reason := find_exec_fault(line.value)) or (reason := find_starter(line.value)):
        yield Fault(line.number, f"`Exec={line.value}` {reason}")
    elif code := find_deprecated_code(line.value):
        yield Fault(line.number, f"`Exec={line.value}` has `{code}`, which is deprecated: leave it out", fatal=False)


def _of_list(known: frozenset[str], what: str) -> Callable[[Line], Iterator[Fault]]:
    def check(line: Line) -> Iterator[Fault]:
        for item in _items(line.value):
            if item not in known and not item.startswith("X-"):
                yield Fault(
                    line.number,
                    f"`{item}` is no registered {what}{_suggest(item, known)}; names of others begin with `X-`",
                )

    return check


def _of_types(line: Line) -> Iterator[Fault]:
    for item in _items(line.value):
        if not is_media_type(item):
            yield Fault(line.number, f"`{item}` is no media type, such as `text/plain`", fatal=False)


def _of_version(line: Line) -> Iterator[Fault]:
    if line.value not in _VERSIONS:
        yield Fault(
            line.number,
            f"`Version={line.value}` is no version of the specification, such as `1.5`; the application's own is set "
            "by the build",
        )


def _of_icon(line: Line) -> Iterator[Fault]:
    # That of the main group is set by the build.
    has_ending = line.value.endswith((".png", ".svg", ".xpm"))
    if line.group != MAIN_GROUP and has_ending and not line.value.startswith("/"):
        yield Fault(line.number, f"`Icon={line.value}` is a name, which has no ending", fatal=False)


def _of_path(line: Line) -> Iterator[Fault]:
    if not line.value.startswith("/"):
        yield Fault(line.number, f"`Path={line.value}` is no absolute path", fatal=False)


def is_media_type(name: str) -> bool:
    """Whether a text is a media type that an application can be for."""
    kind, _, subtype = name.partition("/")
    return kind in _MEDIA_TYPES and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*", subtype) is not None


def _suggest(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name, as there are too many to show them all."""
    near = get_close_matches(name, sorted(known), 1)
    return f", did you mean `{near[0]}`?" if near else ""


def _items(value: str) -> list[str]:
    return [item for item in value.split(";") if item]


_CHECKS: dict[str, Callable[[Line], Iterator[Fault]]] = {
    "Categories": _of_list(_CATEGORIES, "category"),
    "Exec": _of_exec,
    "Icon": _of_icon,
    "MimeType": _of_types,
    "NotShowIn": _of_list(_DESKTOPS, "desktop"),
    "OnlyShowIn": _of_list(_DESKTOPS, "desktop"),
    "Path": _of_path,
    "Version": _of_version,
}
