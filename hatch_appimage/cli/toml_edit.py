# SPDX-License-Identifier: MIT
"""Changes to a TOML file that leave its text as it is: comments, order and formatting (https://toml.io/en/v1.0.0)."""

from __future__ import annotations

from collections.abc import MutableMapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from hatch_appimage.errors import AppImageError
from hatch_appimage.toml import tomllib

if TYPE_CHECKING:
    from collections.abc import Sequence


def set_value(text: str, keys: Sequence[str], value: Any) -> str:
    """Return the text of a document with one value set, or removed.

    What is new goes to the end of the text; tomlkit changes what is there already, and what belongs into an inline
    table or among dotted keys.

    Args:
        text: of the document.
        keys: where the value is, from the outermost table on.
        value: what TOML can write; None removes the value.

    Raises:
        AppImageError: neither way makes a text that means this, or there is something else in the place of a table.

    """
    expected = _changed(tomllib.loads(text), keys, value)
    for edit in (_append, _rewrite):
        changed = edit(text, keys, value)
        if changed is not None and _read(changed) == expected:
            return changed
    raise AppImageError(
        f"`{'.'.join(keys)}` has no place among the inline tables of the file: set it yourself to {_inline(value)}"
    )


def _inline(value: Any) -> str:
    """Return a value as TOML has it in one line; what is to be removed is nothing."""
    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    return "nothing" if value is None else tomlkit.item(value).as_string()


def _changed(document: dict[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    document = deepcopy(document)
    _set(document, keys, value)
    return document


def _append(text: str, keys: Sequence[str], value: Any) -> str | None:
    """Write a table of its own at the end; None if nothing is to be written."""
    if value is None:
        return None
    nested = value
    for key in reversed(keys):
        nested = {key: nested}
    newline = "\r\n" if "\r\n" in text else "\n"
    blank = 2 if text else 0  # one line between this table and what is before it
    end = newline * max(0, blank - (len(text) - len(text.rstrip("\r\n"))) // len(newline))
    return text + end + tomlkit.dumps(nested).replace("\n", newline)


def _rewrite(text: str, keys: Sequence[str], value: Any) -> str | None:
    """Have tomlkit change the value where it is; None if it cannot."""
    try:
        document = tomlkit.parse(text)
        _set(document, keys, value)
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError):
        return None


def _set(table: Any, keys: Sequence[str], value: Any) -> None:
    for number, key in enumerate(keys[:-1], 1):
        table = table.setdefault(key, {})
        if not isinstance(table, MutableMapping):
            raise AppImageError(f"`{'.'.join(keys[:number])}` is no table")
    last = keys[-1]
    there = table.get(last)
    if value is None:
        del table[last]
    elif isinstance(value, list) and isinstance(there, list) and value[: len(there)] == there:
        there.extend(value[len(there) :])  # comments among the items stay
    else:
        table[last] = value


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
