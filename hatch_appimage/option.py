# SPDX-License-Identifier: MIT
"""An option of the table ``[tool.hatch.build.targets.appimage]``: key, kind, default, help and check in one place.

A stage declares its options as the fields of a frozen dataclass::

    @dataclass(frozen=True)
    class LauncherSettings:
        expose_python: bool = option(FLAG, "Links named `python` start the interpreter.", default=False)

The key is the field's name with ``-`` in place of ``_``. `hatch_appimage.options` reads all groups of them and writes
their documentation.
"""

from __future__ import annotations

from dataclasses import field, fields, replace
from typing import TYPE_CHECKING, Any

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.table import Kind, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hatch_appimage.table import Table


def _no_check(value: Any, _table: Table) -> Any:
    return value


def option(
    kind: Kind,
    help: str,  # noqa: A002 - what argparse calls it, too
    *,
    details: str = "",
    default: Any = None,
    shown: str = "",
    check: Callable[[Any, Table], Any] = _no_check,
    compute: Callable[[Table], Any] | None = None,
    is_path: bool = False,
) -> Any:
    """Declare an option as a field of a dataclass.

    Args:
        kind: the type of its value.
        help: Markdown, short enough for a row of a table.
        details: further paragraphs of Markdown.
        default: the value of the field if the option is not set.
        shown: the default in words, where its value does not say it.
        check: see `Option`, like the following.
        compute: makes the default.
        is_path: the value is a path, or may be one.

    """
    found = Option(kind, help, details, shown or _in_toml(default), default, check, compute, is_path)
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata={"option": found})
    return field(default=default, metadata={"option": found})


def _in_toml(value: object) -> str:
    """Write a default as users would, in backquotes."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_in_toml(item).strip('`') for item in value)}]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def options_of(group: type) -> Iterator[tuple[str, Option]]:
    """Yield the options of a group of settings, each with the name of its field."""
    for each in fields(group):
        yield each.name, replace(each.metadata["option"], key=each.name.replace("_", "-"))


def _must_be(kind: str, value: object) -> str:
    """Return the end of an error about a value of another type; some versions look like numbers."""
    return f"must be a {kind}" + (": write it in quotes" if isinstance(value, float) else "")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"Option `{name}` {_must_be('string', value)}")
    if not value.strip():
        raise TypeError(f"Option `{name}` cannot be an empty string")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"Option `{name}` must be a boolean")
    return value


def _text_or_flag(name: str, value: object) -> str | bool:
    if not isinstance(value, str | bool):
        raise TypeError(f"Option `{name}` {_must_be('string or boolean', value)}")
    return value if isinstance(value, bool) else _text(name, value)


def _texts_or_flag(name: str, value: object) -> tuple[str, ...] | bool:
    if not isinstance(value, list | bool):
        raise TypeError(f"Option `{name}` must be an array of strings or boolean")
    return value if isinstance(value, bool) else _texts(name, value)


def _integer(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"Option `{name}` must be an integer")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"Option `{name}` must be an array of strings")
    for number, item in enumerate(value, 1):
        if not isinstance(item, str):
            raise TypeError(f"Item #{number} in option `{name}` {_must_be('string', item)}")
        if not item.strip():
            raise TypeError(f"Item #{number} in option `{name}` cannot be an empty string")
    return tuple(value)


def _text_or_texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, str | list):
        raise TypeError(f"Option `{name}` {_must_be('string or array of strings', value)}")
    return _texts(name, value) if isinstance(value, list) else (_text(name, value),)


def _mapping(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError(f"Option `{name}` must be a table of strings")
    for key, item in value.items():
        if not isinstance(item, str):
            raise TypeError(f"Option `{name}.{key}` {_must_be('string', item)}")
    return value


def _by_architecture(name: str, value: object) -> dict[str, str]:
    """Return a text for each architecture; one for all of them by the key ``""``."""
    if isinstance(value, str):
        return {"": _text(name, value)}
    if not isinstance(value, dict):
        raise TypeError(f"Option `{name}` {_must_be('string or table of strings', value)}")
    for key, item in value.items():
        if key not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise TypeError(f"Option `{name}` has the key `{key}`, which is no architecture: there are {known}")
        _text(f"{name}.{key}", item)
    return value


TEXT = Kind("string", _text)
FLAG = Kind("boolean", _flag)
TEXT_OR_FLAG = Kind("string or boolean", _text_or_flag)
INTEGER = Kind("integer", _integer)
TEXTS = Kind("array of strings", _texts)
TEXT_OR_TEXTS = Kind("string or array of strings", _text_or_texts)
TEXTS_OR_FLAG = Kind("array of strings or boolean", _texts_or_flag)
MAPPING = Kind("table of strings", _mapping)
BY_ARCHITECTURE = Kind("string or table of strings", _by_architecture)
