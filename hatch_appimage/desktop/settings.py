# SPDX-License-Identifier: MIT
"""The options that say how desktops show an application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.desktop.changelog import read_changelog
from hatch_appimage.desktop.check import find_faults, is_media_type
from hatch_appimage.desktop.component import find_obstacle
from hatch_appimage.desktop.entry import KEY_NAME, MAIN_CATEGORIES, MAIN_GROUP, DesktopEntry
from hatch_appimage.desktop.exec_line import escape
from hatch_appimage.desktop.icon import Icon
from hatch_appimage.desktop.markup import parse_markdown, to_markup
from hatch_appimage.desktop.metainfo import read_metainfo
from hatch_appimage.option import FLAG, MAPPING, TEXT, TEXT_OR_FLAG, TEXTS, option
from hatch_appimage.suggest import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from hatch_appimage.desktop.changelog import Release
    from hatch_appimage.desktop.metainfo import Metainfo
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.table import Table

# Desktop Entry Specification, "File naming", without the limits of D-Bus.
_APP_ID = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_MAX_APP_ID = 240  # a file's name has 255 bytes, and some are for its ending
# Keys that no entry of the option `desktop-keys` sets, and what does.
_KEYS_OF_OPTIONS = {
    "Actions": "write a file with the groups of actions, and name it in `desktop-file`",
    "Categories": "set `categories`",
    "DBusActivatable": "D-Bus finds no service in an image",
    "Exec": "set `entry-point`",
    "Icon": "set `icon`",
    "MimeType": "set `mime-types`",
    "Name": "set `name`",
    "Path": "no directory of yours is on a user's machine",
    "Terminal": "set `terminal`",
    "TryExec": "what it names is not on a user's machine",
    "Type": "an image is an application",
}

# Where a project has its changelog if it does not say otherwise.
_CHANGELOG = "CHANGELOG.md"
# Open Age Ratings Service, version 1.1 (https://hughsie.github.io/oars/).
_RATINGS = frozenset({
    "drugs-alcohol", "drugs-narcotics", "drugs-tobacco", "language-discrimination", "language-humor",
    "language-profanity", "money-advertising", "money-gambling", "money-purchasing", "sex-adultery", "sex-appearance",
    "sex-homosexuality", "sex-nudity", "sex-prostitution", "sex-themes", "social-audio", "social-chat",
    "social-contacts", "social-info", "social-location", "violence-bloodshed", "violence-cartoon",
    "violence-desecration", "violence-fantasy", "violence-realistic", "violence-sexual", "violence-slavery",
    "violence-worship",
})  # fmt: skip
_RATING_VALUES = ("none", "mild", "moderate", "intense")


def _app_id(value: str, _table: Table) -> str:
    if not _APP_ID.fullmatch(value) or len(value) > _MAX_APP_ID:
        raise ValueError(
            "must have letters, digits, `-` and `_`, and single dots between them, such as `org.example.App`: "
            f"`{value}`"
        )
    return value


def _default_app_id(table: Table) -> str:
    """Return the name of the project's desktop entry, by which others know the application; else the project's."""
    path = PurePosixPath(str(table.raw.get("desktop-file") or ""))
    if path.suffix != ".desktop":
        return canonicalize_name(table.project.name)
    if not _APP_ID.fullmatch(path.stem) or len(path.stem) > _MAX_APP_ID:
        raise ValueError(f"is needed, as no desktop entry should be named `{path.name}`: set it to `org.example.App`")
    return path.stem


def _desktop_file(value: str, table: Table) -> DesktopEntry:
    path = table.file(value)
    try:
        entry = DesktopEntry.read(path)
    except ValueError as error:
        raise ValueError(f"names {error}") from error
    if faults := [str(fault) for fault in find_faults(entry) if fault.fatal]:
        raise ValueError(f"names a desktop entry that is not valid: {path}, {'; '.join(faults)}")
    return entry


def _desktop_keys(keys: dict[str, str], table: Table) -> dict[str, str]:
    _refuse_beside_desktop_file(table)
    for key in keys:
        if not KEY_NAME.fullmatch(key):
            raise ValueError(f"sets `{key}`, which is no key of desktop entries")
        if option := _KEYS_OF_OPTIONS.get(key):
            raise ValueError(f"sets `{key}`: {option}")
        if key.startswith("X-AppImage-") and key != "X-AppImage-Integrate":
            raise ValueError(f"sets `{key}`: the build sets it")
    generated = {"Type": "Application", "Name": "x", "Comment": "y", "Keywords": "z;", "Exec": "x"}
    given = {key: escape(value) for key, value in keys.items()}
    entry = DesktopEntry((f"[{MAIN_GROUP}]", *(f"{key}={value}" for key, value in {**generated, **given}.items())))
    if faults := [fault.reason for fault in find_faults(entry)]:
        raise ValueError(f"makes a desktop entry that is not valid: {'; '.join(faults)}")
    return keys


def _mime_types(names: tuple[str, ...], table: Table) -> tuple[str, ...]:
    _refuse_beside_desktop_file(table)
    for name in names:
        if not is_media_type(name):
            raise ValueError(f"must be an array of media types, such as `text/plain`: `{name}`")
    return names


def _categories(names: tuple[str, ...], table: Table) -> tuple[str, ...]:
    _refuse_beside_desktop_file(table)
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9-]+", name):
            raise ValueError(f"must be an array of desktop categories, one an item: `{name}`")
    if not MAIN_CATEGORIES.intersection(names):
        raise ValueError(
            f"must have at least one of the main categories of desktop menus: {', '.join(sorted(MAIN_CATEGORIES))}"
        )
    return names


def _terminal(value: bool, table: Table) -> bool:  # noqa: FBT001 - as TOML has it
    _refuse_beside_desktop_file(table)
    return value


def _refuse_beside_desktop_file(table: Table) -> None:
    if "desktop-file" in table:
        raise ValueError("has no effect beside `desktop-file`: write it into that file")


def _metainfo(value: str | bool, table: Table) -> Metainfo | bool:  # noqa: FBT001 - as TOML has it
    if isinstance(value, str):
        return read_metainfo(table.file(value), table["app-id"])
    if value and (obstacle := _find_obstacle(table)):
        raise ValueError(f"cannot be `true`: the generated file needs {obstacle}")
    return value


def _find_obstacle(table: Table) -> str | None:
    return None if table.is_refused("app-id") else find_obstacle(table.project, table["app-id"])


def _refuse_beside_metainfo(table: Table) -> None:
    if table.raw.get("metainfo") is False:
        raise ValueError("has no effect beside `metainfo = false`: remove one of them")
    if "metainfo" in table and table.raw["metainfo"] is not True:
        raise ValueError("has no effect beside `metainfo`: write it into that file")
    if "metainfo" not in table and (obstacle := _find_obstacle(table)):
        raise ValueError(f"has no effect, as there is no metainfo file: the generated one needs {obstacle}")


def _description(value: str, table: Table) -> tuple[Element, ...]:
    _refuse_beside_metainfo(table)
    if found := tuple(to_markup(parse_markdown(value).children)):
        return found
    raise ValueError("has neither paragraphs nor lists")


def _changelog(value: str, table: Table) -> tuple[Release, ...]:
    _refuse_beside_metainfo(table)
    path = table.file(value)
    if found := read_changelog(path):
        return found
    raise ValueError(f"names a file without a release that has a date, such as `## [1.2.0] - 2026-11-29`: {path}")


def _default_changelog(table: Table) -> tuple[Release, ...]:
    path = table.project.root / _CHANGELOG
    try:
        return read_changelog(path) if path.is_file() else ()
    except (OSError, ValueError):  # nobody has asked for it
        return ()


def _screenshots(urls: tuple[str, ...], table: Table) -> tuple[str, ...]:
    if urls:
        _refuse_beside_metainfo(table)
    for url in urls:
        if not re.fullmatch(r"https://[^/\s]+/\S+", url):
            raise ValueError(f"must be an array of addresses of pictures, which begin with `https://`: `{url}`")
    return urls


def _content_rating(attributes: dict[str, str], table: Table) -> dict[str, str]:
    _refuse_beside_metainfo(table)
    for name, value in attributes.items():
        if name not in _RATINGS:
            raise ValueError(f"has `{name}`, which is nothing that OARS 1.1 rates{suggest_name(name, _RATINGS)}")
        if value not in _RATING_VALUES:
            raise ValueError(f"must rate `{name}` as one of {', '.join(_RATING_VALUES)}: `{value}`")
    return attributes


@dataclass(frozen=True)
class DesktopSettings:
    """How desktops show an application."""

    icon: Icon | None = option(
        TEXT,
        "A PNG, ideally of 256 by 256 or 512 by 512 pixels, or an SVG.",
        details="A PNG of a size that desktops do not look for is scaled to the next smaller one, and an oblong one is "
        "padded. `.DirIcon` is a PNG of 256 by 256 pixels in any case; an SVG is drawn for it without fonts and other "
        "files, so make paths of text.",
        shown="a generated one",
        check=lambda value, table: Icon.read(table.file(value)),
        is_path=True,
    )
    app_id: str = option(
        TEXT,
        "What desktops know the application by, such as `org.example.App`: the name of the desktop entry, of the icon "
        "and of the directory of the lock file in the image.",
        details="It should stay the same for ever, and be what the application itself tells Wayland (its `app_id`), "
        "D-Bus and AppStream.",
        shown="the name of `desktop-file` without `.desktop`, or else the project's name",
        check=_app_id,
        compute=_default_app_id,
    )
    desktop_file: DesktopEntry | None = option(
        TEXT,
        "The desktop entry. `Icon`, `TryExec`, the programs in `Exec` and the `X-AppImage-` keys are set for you.",
        details="It must be valid, as `desktop-file-validate` sees it. What cannot work in an image is left out with a "
        "warning: `DBusActivatable`, `Path`, further icons. An `Exec` that sets variables or starts the application "
        "through another program is refused. `categories`, `desktop-keys`, `mime-types` and `terminal` have no effect "
        "beside it and are refused.",
        shown="a generated one",
        check=_desktop_file,
        is_path=True,
    )
    desktop_keys: Mapping[str, str] = option(
        MAPPING,
        'Further keys of the generated desktop entry, and translations, such as `"Comment[de]" = "Malt"`.',
        details="`Comment`, `Keywords` and `StartupWMClass` are generated, and can be set here to other values. "
        "Values of lists end with `;`.",
        default={},
        check=_desktop_keys,
    )
    mime_types: tuple[str, ...] = option(
        TEXTS,
        'Media types of the files that the application opens, such as `"image/png"`, and schemes of addresses, such '
        'as `"x-scheme-handler/mailto"`.',
        details="They go into the generated desktop entry. The files, or addresses if there are schemes, are arguments "
        "of the application.",
        default=(),
        check=_mime_types,
    )
    categories: tuple[str, ...] = option(
        TEXTS,
        "Categories of the generated desktop entry.",
        details="At least one has to be a main category of the [Desktop Menu Specification]"
        "(https://specifications.freedesktop.org/menu-spec/latest/category-registry.html), such as "
        '`"Development"`, `"Graphics"`, `"Network"`, `"Office"` or `"Science"`.',
        default=("Utility",),
        check=_categories,
    )
    terminal: bool | None = option(
        FLAG,
        "Whether the application wants a terminal.",
        shown="`true`, for a GUI script `false`",
        check=_terminal,
    )

    metainfo: Metainfo | bool | None = option(
        TEXT_OR_FLAG,
        "The AppStream metainfo file, which software centres show. `true` generates one or ends the build if that "
        "cannot be; `false` is for none.",
        details="A file must be of the type `desktop-application` or `console-application` and have an `id` that is "
        "`app-id`, or a `launchable` that names the desktop entry; without a `launchable`, it gets one. See [software "
        "centres](recipes.md#in-software-centres) for what is generated.",
        shown="generated if the project has a summary, an address on the web, and an id that begins with a domain",
        check=_metainfo,
        is_path=True,
    )
    description: tuple[Element, ...] = option(
        TEXT,
        "What the application does, in some paragraphs and lists of Markdown, for the generated metainfo file.",
        default=(),
        shown="the project's summary",
        check=_description,
    )
    changelog: tuple[Release, ...] = option(
        TEXT,
        "The file that the generated metainfo file has the releases from, in the form of [Keep a Changelog]"
        "(https://keepachangelog.com/).",
        details="Its headings have a version and a date, such as `## [1.2.0] - 2026-11-29`. Unreleased changes, "
        "withdrawn releases, and those that are later than what is built are left out.",
        default=(),
        shown=f"`{_CHANGELOG}`, if it is there",
        check=_changelog,
        compute=_default_changelog,
        is_path=True,
    )
    screenshots: tuple[str, ...] = option(
        TEXTS,
        "Addresses of pictures of the application for the generated metainfo file, the most important one first.",
        default=(),
        check=_screenshots,
    )
    content_rating: Mapping[str, str] | None = option(
        MAPPING,
        'What parents may want to know of, such as `"violence-cartoon" = "mild"`, for the generated metainfo file; '
        "`{}` states that there is nothing.",
        details="The names are those of the [Open Age Ratings Service](https://hughsie.github.io/oars/generate.html) "
        '1.1; values are `"none"`, `"mild"`, `"moderate"` and `"intense"`.',
        shown="nothing is stated",
        check=_content_rating,
    )

    @property
    def given_window_name(self) -> str | None:
        """What the project says that its windows are called; None where that is not said."""
        if self.desktop_file:
            return self.desktop_file.get("StartupWMClass")
        return self.desktop_keys.get("StartupWMClass")

    @property
    def field_code(self) -> str:
        """What stands for files or addresses in the command line of the generated entry."""
        schemes = any(name.startswith("x-scheme-handler/") for name in self.mime_types)
        return (" %U" if schemes else " %F") if self.mime_types else ""

    def wants_terminal(self, entry_point: EntryPoint) -> bool:
        """Whether what starts wants a terminal."""
        if self.desktop_file:
            return self.desktop_file.get("Terminal") == "true"
        return not entry_point.gui if self.terminal is None else self.terminal
