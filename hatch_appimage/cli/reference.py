# SPDX-License-Identifier: MIT
"""The reference of all keys of the table, as Markdown; ``docs/options.md`` is what this writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage import TABLE
from hatch_appimage.options import HATCHLING_OPTIONS, AppImageConfig

if TYPE_CHECKING:
    from hatch_appimage.options import Option

_HEAD = f"""# Options

<!-- Written by `hatch-appimage options`: change hatch_appimage/options.py instead. -->

These are the keys of `[{TABLE}]`, in `pyproject.toml` or, as `[build.targets.appimage]`, in `hatch.toml`.
All of them are optional. Paths are relative to the project's folder, and `~` is the home folder. Unknown keys are
refused, and all faults of the table are shown at once.
"""
_HATCHLING = """## Keys of hatchling

These work as for every target of hatchling; [its documentation](https://hatch.pypa.io/latest/config/build/) has more
about them. The table of the [build hook](recipes.md#beside-the-wheel-for-users-of-python--m-build-and-twine) takes only
keys of hatchling for hooks, such as `enable-by-default` and `dependencies`.
"""


def write_options() -> str:
    """Return the reference, one chapter a key."""
    chapters = [_chapter(option) for option in AppImageConfig.options()]
    hatchling = ["| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |"]
    hatchling += [
        f"| `{option.key}` | {option.kind} | {option.default} | {option.meaning} |" for option in HATCHLING_OPTIONS
    ]
    return "\n".join([_HEAD, *chapters, _HATCHLING, *hatchling]) + "\n"


def table_row(option: Option) -> str:
    """Return the row of a table that lists keys with their defaults."""
    return f"| `{option.key}` | {option.default} | {option.meaning} |"


def _chapter(option: Option) -> str:
    paragraphs = [f"## `{option.key}`", f"Type: {option.kind}. Default: {option.default}.", option.meaning]
    if option.details:
        paragraphs.append(option.details)
    return "\n\n".join(paragraphs) + "\n"
