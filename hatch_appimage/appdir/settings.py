# SPDX-License-Identifier: MIT
"""The options that say what starts, in which environment, and how desktops show it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.appdir.desktop_check import find_faults, is_media_type
from hatch_appimage.appdir.desktop_entry import KEY_NAME, MAIN_CATEGORIES, MAIN_GROUP, DesktopEntry
from hatch_appimage.appdir.exec_line import escape
from hatch_appimage.appdir.icon import Icon
from hatch_appimage.option import FLAG, INTEGER, MAPPING, TEXT, TEXT_OR_FLAG, TEXTS, TEXTS_OR_FLAG, option
from hatch_appimage.project.entry_points import choose_entry_point, choose_links
from hatch_appimage.suggest import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.table import Table

# Options that install further packages, which may bring commands.
_COMMANDS_OF_OTHERS = ("dependency-groups", "features", "requirements")

# Groups of files that are left out of an image.
TESTS, STUBS, HEADERS, DOCS, INSTALLERS, STDLIB = TRIM_GROUPS = (
    "tests",
    "stubs",
    "headers",
    "docs",
    "installers",
    "stdlib",
)
# Groups of programs and libraries from which symbols are removed.
PYTHON, LIBRARIES, PACKAGES = STRIP_GROUPS = ("python", "libraries", "packages")

# What modules are in an image as: sources and bytecode, or bytecode alone.
BOTH, ONLY = BYTECODE_KINDS = ("both", "only")
_MAX_LEVEL = 2
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

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that a default does nothing for, or harm, with the reason and the way out.
_FORBIDDEN_VARIABLES = {
    re.compile(r"PYTHON.*"): (
        "the bundled Python is isolated and ignores it: have the program do what it is for "
        "(`sys.stdout.reconfigure(line_buffering=True)` for PYTHONUNBUFFERED)"
    ),
    re.compile(r"LD_.*"): (
        "programs of the user's machine that the application starts would break: "
        "`libraries` bundles what the application opens by its name"
    ),
    re.compile(r"PATH"): (
        "it is set for every user, so a default would do nothing: "
        "`commands-on-path = true` puts the image's commands in front of it"
    ),
    re.compile(r"APPDIR|APPIMAGE|ARGV0|OWD"): "it is the runtime that sets it, at every start",
}


def _entry_point(value: str | None, table: Table) -> EntryPoint:
    return choose_entry_point(value, table.project, complete=_knows_all_commands(table))


def _entry_points(names: tuple[str, ...] | None, table: Table) -> tuple[str, ...]:
    return choose_links(names, table.project, complete=_knows_all_commands(table))


def _knows_all_commands(table: Table) -> bool:
    return table.project.complete and not any(key in table for key in _COMMANDS_OF_OTHERS)


def _environment(variables: dict[str, str], _table: Table) -> dict[str, str]:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"sets `{name}`, which is no name of an environment variable")
        for forbidden, reason in _FORBIDDEN_VARIABLES.items():
            if forbidden.fullmatch(name):
                raise ValueError(f"cannot set `{name}`: {reason}")
        if "\0" in value:
            raise ValueError(f"sets `{name}` to a value with a NUL character")
    return variables


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
    entry = DesktopEntry.read(path)
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


def _trim(groups: tuple[str, ...] | bool, _table: Table) -> tuple[str, ...]:  # noqa: FBT001 - as TOML has it
    if isinstance(groups, bool):
        return TRIM_GROUPS if groups else ()
    for name in groups:
        if name not in TRIM_GROUPS:
            raise ValueError(f"names an unknown group `{name}`{suggest_name(name, TRIM_GROUPS)}")
    return tuple(name for name in TRIM_GROUPS if name in groups)


def _strip(value: str | bool, _table: Table) -> tuple[str, ...]:  # noqa: FBT001 - as TOML has it
    if isinstance(value, bool):
        return (PYTHON, LIBRARIES) if value else ()
    if value != "all":
        raise ValueError(f'must be true, false or "all", not `{value}`')
    return STRIP_GROUPS


def _globs(patterns: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    for pattern in patterns:
        if pattern.startswith(("/", "./", "../")):
            raise ValueError(f"must be an array of globs of paths below `site-packages` or `usr`: `{pattern}`")
    return patterns


def _bytecode(kind: str, _table: Table) -> str:
    if kind not in BYTECODE_KINDS:
        raise ValueError(f"must be one of {', '.join(BYTECODE_KINDS)}, not `{kind}`")
    return kind


def _optimize(level: int, table: Table) -> int:
    if not 0 <= level <= _MAX_LEVEL:
        raise ValueError(f"must be from 0 to {_MAX_LEVEL}, not {level}")
    if level and table["expose-python"]:
        raise ValueError(
            "cannot be set beside `expose-python = true`: whoever starts that interpreter would find asserts ignored"
        )
    return level


def _keep_sources(patterns: tuple[str, ...], table: Table) -> tuple[str, ...]:
    if patterns and table["bytecode"] != ONLY and not table.is_refused("bytecode"):
        raise ValueError('has no effect without `bytecode = "only"`: all sources are kept')
    return _globs(patterns, table)


def _refuse_beside_desktop_file(table: Table) -> None:
    if "desktop-file" in table:
        raise ValueError("has no effect beside `desktop-file`: write it into that file")


@dataclass(frozen=True)
class LauncherSettings:
    """What an image starts, and the environment of it."""

    entry_point: EntryPoint = option(
        TEXT,
        'What starts: a key of `[project.scripts]` or `[project.gui-scripts]`, `"module:function"` or `"-m module"`.',
        details="It can also be the name of any other Python script that is installed, such as the command of a "
        "dependency. This is checked after installation.",
        shown="the only script, or the one named like the project",
        check=_entry_point,
        compute=lambda table: _entry_point(None, table),
    )
    entry_points: tuple[str, ...] = option(
        TEXTS,
        "Scripts that can be started through a link to the image with the script's name, symbolic or hard.",
        details="Scripts of dependencies can be named, too. See [several commands in one image]"
        "(recipes.md#several-commands-in-one-image).",
        default=(),
        shown="all of the project's scripts",
        check=_entry_points,
        compute=lambda table: _entry_points(None, table),
    )
    expose_python: bool = option(
        FLAG,
        "Links named `python`, `python3` or `python3.12` start the interpreter.",
        details="See [the interpreter of an image](recipes.md#the-interpreter-of-an-image).",
        default=False,
    )
    environment: Mapping[str, str] = option(
        MAPPING,
        'Variables to set where the user has not set them, such as `QT_QPA_PLATFORM = "wayland;xcb"`; `$APPDIR` in a '
        "value is the image's directory.",
        details="`PYTHON*` is refused, as the bundled Python is isolated and ignores it, and so is `LD_*`, as programs "
        "that the application starts would break. `PATH` is refused because every user has set it: see "
        "`commands-on-path`.",
        default={},
        check=_environment,
    )
    commands_on_path: bool = option(
        FLAG,
        "Put the image's commands in front of the application's `PATH`, as an activated environment does.",
        details='`subprocess.run(["uvicorn"])` then starts the image\'s `uvicorn`. `python` and `python3` stay the '
        "machine's, as its scripts look for them on `PATH`. By default the application's `PATH` is the "
        "caller's, and with it that of every program that the application starts; "
        '`subprocess.run([sys.executable, "-m", "uvicorn"])` works either way.',
        default=False,
    )


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


@dataclass(frozen=True)
class TrimSettings:
    """What is left out of an image: of the installed packages, the standard library, and the files themselves."""

    trim: tuple[str, ...] = option(
        TEXTS_OR_FLAG,
        "Groups of files to leave out of the installed packages and the standard library, where nothing in the image "
        "uses them.",
        details="`false` or `[]` leaves all of them in. See [what is left out](how-it-works.md#what-is-left-out) for "
        "the content of each group.",
        default=TRIM_GROUPS,
        check=_trim,
    )
    exclude_files: tuple[str, ...] = option(
        TEXTS,
        "Globs of further files of installed packages and of the standard library to leave out, such as "
        '`"numpy/f2py"` or `"lib*/python3*/sqlite3"`.',
        details="A glob is matched against the whole path of a file below `site-packages`, or below `usr` for what is "
        "elsewhere (`share/man/man1/tool.1`, `lib/python3.12/pydoc.py`); `*` matches `/`, too. A glob that matches a "
        "directory stands for all files in it. The standard library's are named only by globs that begin with `lib`. "
        "The metadata of packages (`*.dist-info`) and your own files "
        "(`force-include`) stay. "
        "Nothing checks whether the application needs what you leave out.",
        default=(),
        check=_globs,
    )
    keep_files: tuple[str, ...] = option(
        TEXTS,
        'Globs of files that neither `trim` nor `exclude-files` leaves out, such as `"pandas/tests"` or '
        '`"lib*/python3*/unittest"`.',
        details="What a module of the standard library imports stays with it. Packages that images come without "
        '(`lib*/python3*/idlelib`) come back. `strip = "all"` changes none of these files either.',
        default=(),
        check=_globs,
    )
    strip: tuple[str, ...] = option(
        TEXT_OR_FLAG,
        "Remove what only debuggers and linkers read, such as symbol tables, from Python and the bundled libraries; "
        'with `"all"` from the programs and libraries of installed packages, too.',
        details="Backtraces of crashes in C, C++ or Rust then have no names of functions that are not exported; "
        "tracebacks of Python stay as they are. See [what is stripped](how-it-works.md#what-is-stripped).",
        default=(PYTHON, LIBRARIES),
        shown="`true`",
        check=_strip,
    )


@dataclass(frozen=True)
class BytecodeSettings:
    """As what modules are in an image."""

    bytecode: str = option(
        TEXT,
        '`"both"` has each module as source and bytecode, `"only"` as bytecode alone, which makes the image smaller.',
        details="Without sources, tracebacks still name file and line, but do not show the line, and "
        "`inspect.getsource()` raises `OSError`. Sources that something in the image is seen to need stay; see "
        "[bytecode](how-it-works.md#bytecode). Bytecode is no protection: it can be decompiled.",
        default=BOTH,
        check=_bytecode,
    )
    optimize: int = option(
        INTEGER,
        "How far bytecode is optimized, as by `python -O` (1) or `python -OO` (2); the interpreter is started with "
        "that option, and so are the processes that the application starts as `sys.executable`.",
        details="1 removes `assert` statements and sets `__debug__` to false. 2 also removes docstrings: help texts "
        "that click, Typer, docopt and others take from these are empty then, and a module that needs its `__doc__` "
        "fails. It cannot be set beside `expose-python`.",
        default=0,
        check=_optimize,
    )
    keep_sources: tuple[str, ...] = option(
        TEXTS,
        'Globs of modules that keep their sources although `bytecode = "only"`, such as `"my_app/plugins"`.',
        details="A glob is matched against the whole path of a source below `site-packages`, or below the standard "
        "library (`dataclasses.py`); `*` matches `/`, too. A glob that matches a directory stands for all sources in "
        "it.",
        default=(),
        check=_keep_sources,
    )
