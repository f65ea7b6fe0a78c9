# SPDX-License-Identifier: MIT
"""The reference of all options, as Markdown; ``docs/options.md`` is what this writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage import TABLE
from hatch_appimage.options import HATCHLING_OPTIONS, OPTIONS

if TYPE_CHECKING:
    from hatch_appimage.table import Option

_HEAD = f"""# Options

<!-- Written by `hatch-appimage options`: change the settings.py of a stage instead. -->

These are the options in `[{TABLE}]`, in `pyproject.toml` or, as `[build.targets.appimage]`, in `hatch.toml`.
All of them are optional. Paths are relative to the project's directory, and `~` is the home directory. Unknown
options are refused, and all that is wrong in the table is shown at once.
"""
_HATCHLING = """## Options of hatchling

These work as for every target of hatchling; [its documentation](https://hatch.pypa.io/latest/config/build/) has more
about them. The table of the [build hook](recipes.md#beside-the-wheel-for-users-of-python--m-build-and-twine) takes only
options of hatchling for hooks, such as `enable-by-default` and `dependencies`.
"""


def write_options() -> str:
    """Return the reference, one chapter an option."""
    hatchling = ["| Option | Type | Default | Meaning |\n| --- | --- | --- | --- |"]
    hatchling += [f"| `{key}` | {row} |" for key, row in HATCHLING_OPTIONS.items()]
    return "\n".join([_HEAD, *map(_chapter, OPTIONS.values()), _HATCHLING, *hatchling]) + "\n"


def table_row(option: Option) -> str:
    """Return the row of a table that lists options with their defaults."""
    return f"| `{option.key}` | {option.default} | {option.help} |"


def _chapter(option: Option) -> str:
    paragraphs = [f"## `{option.key}`", f"Type: {option.kind.name}. Default: {option.default}.", option.help]
    if option.details:
        paragraphs.append(option.details)
    return "\n\n".join(paragraphs) + "\n"
