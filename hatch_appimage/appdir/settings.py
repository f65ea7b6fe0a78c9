# SPDX-License-Identifier: MIT
"""The options that say what starts, in which environment, and as what modules are there."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.appdir.manage import COMMAND
from hatch_appimage.option import FLAG, INTEGER, MAPPING, TEXT, TEXT_OR_FLAG, TEXTS, option
from hatch_appimage.project.entry_points import choose_entry_point, choose_links
from hatch_appimage.trim.settings import check_globs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.table import Table

# Options that install further packages, which may bring commands.
_COMMANDS_OF_OTHERS = ("dependency-groups", "features", "requirements", "requirements-file")

# What modules are in an image as: sources and bytecode, or bytecode alone.
BOTH, ONLY = BYTECODE_KINDS = ("both", "only")
_MAX_LEVEL = 2
# The options of the interpreter that an application can be started with; all others are for whoever starts Python.
_PYTHON_OPTIONS = ("-b", "-bb", "-B", "-d", "-q", "-u", "-v", "-W VALUE", "-X VALUE")
# The same as words with a NUL between them. Values also go into scripts that are Python and shell at once.
_PYTHON_OPTION = re.compile(r"-(?:bb?|[Bdquv]|[WX]\0?[^\0'\"\\\n]+)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that a default does nothing for, or harm, with the reason and the way out.
_FORBIDDEN_VARIABLES = {
    re.compile(r"PYTHON.*"): (
        "the bundled Python is isolated and ignores it: `python-options` has what stands for it on a command line "
        '(`"-u"` for PYTHONUNBUFFERED)'
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


def _manage(value: str | bool, _table: Table) -> str | bool:  # noqa: FBT001 - as TOML has it
    if isinstance(value, str) and value != COMMAND:
        raise ValueError(f"must be true, false or `{COMMAND}`, not `{value}`")
    return value


def _python_options(texts: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    """Return the words of the interpreter's options (https://docs.python.org/3/using/cmdline.html)."""
    words: list[str] = []
    for text in texts:
        try:
            option = shlex.split(text)
        except ValueError:
            option = []
        if re.fullmatch("-O+", text):
            raise ValueError(f"has `{text}`, which is what `optimize` is for: the bytecode has to be of that level")
        if not _PYTHON_OPTION.fullmatch("\0".join(option)):
            raise ValueError(
                f"has `{text}`, which is none of {', '.join(_PYTHON_OPTIONS)}, each an item of its own; a value with "
                "blanks stands between quotes and cannot have quotes or backslashes in it"
            )
        words += option
    return tuple(words)


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
    return check_globs(patterns, table)


@dataclass(frozen=True)
class LauncherSettings:
    """What an image starts, and the environment of it."""

    entry_point: EntryPoint = option(
        TEXT,
        'What starts: a key of `[project.scripts]` or `[project.gui-scripts]`, `"module:function"` or `"-m module"`.',
        details="It can also be the name of any other Python script that is installed, such as the command of a "
        "dependency. This is checked after installation. In [a directory with requirements]"
        '(recipes.md#a-directory-with-requirements) it can be a file, such as `"main.py"`.',
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
        'Variables to set where the user has not set them, such as `MPLBACKEND = "agg"`; `$APPDIR` in a '
        "value is the image's directory.",
        details="`PYTHON*` is refused, as the bundled Python is isolated and ignores it, and so is `LD_*`, as programs "
        "that the application starts would break. `PATH` is refused because every user has set it: see "
        "`commands-on-path`.",
        default={},
        check=_environment,
    )
    python_options: tuple[str, ...] = option(
        TEXTS,
        'Options that Python is started with, such as `"-u"` or `"-X utf8"`; `PYTHON*` variables do not reach it.',
        details="They are for the application and for the image's other commands. What these start as "
        "`sys.executable` gets none of them, other than from `multiprocessing`, which hands them on. `-O` and `-OO` "
        "are [`optimize`](options.md#optimize).",
        default=(),
        check=_python_options,
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
    manage: bool | str = option(
        TEXT_OR_FLAG,
        "The image can update and verify itself: `App.AppImage --appimage-self update`, and `import appimage_self` in "
        "the application.",
        details='`"command"` also gives the application\'s command a sub-command for it, `app self update`. What is '
        "fetched, and when, is only what the user or the application asks for. See [an application that updates itself]"
        "(recipes.md#an-application-that-updates-itself).",
        default=False,
        check=_manage,
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
