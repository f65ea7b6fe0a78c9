# SPDX-License-Identifier: MIT
"""The options that say what is left out of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.option import TEXT_OR_FLAG, TEXTS, TEXTS_OR_FLAG, option
from hatch_appimage.suggest import suggest_name

if TYPE_CHECKING:
    from hatch_appimage.table import Table

# Groups of files that are left out of an image.
TESTS, STUBS, HEADERS, DOCS, QT, INSTALLERS, STDLIB = TRIM_GROUPS = (
    "tests",
    "stubs",
    "headers",
    "docs",
    "qt",
    "installers",
    "stdlib",
)
# Groups of programs and libraries from which symbols are removed.
PYTHON, LIBRARIES, PACKAGES = STRIP_GROUPS = ("python", "libraries", "packages")


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


def check_globs(patterns: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    """Refuse globs that can match no path in an image."""
    for pattern in patterns:
        if pattern.startswith(("/", "./", "../")):
            raise ValueError(f"must be an array of globs of paths below `site-packages` or `usr`: `{pattern}`")
    return patterns


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
        check=check_globs,
    )
    keep_files: tuple[str, ...] = option(
        TEXTS,
        'Globs of files that neither `trim` nor `exclude-files` leaves out, such as `"pandas/tests"` or '
        '`"lib*/python3*/unittest"`.',
        details="What a module of the standard library imports stays with it. Packages that images come without "
        '(`lib*/python3*/idlelib`) come back. `strip = "all"` changes none of these files either.',
        default=(),
        check=check_globs,
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
