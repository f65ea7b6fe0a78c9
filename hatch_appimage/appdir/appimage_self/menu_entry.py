# SPDX-License-Identifier: MIT
"""The desktop entry of an installed image: the one inside it, with the path of its file in place of the command."""

from __future__ import annotations

import re

from .errors import SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    #: An action's identifier, what people see of it, and the arguments that the image gets.
    Action = tuple[str, str, str]

_MAIN_GROUP = "Desktop Entry"
_GROUP = re.compile(r"\[([^\[\]]+)\]\s*")
_KEY = re.compile(r"([A-Za-z0-9-]+)\s*=\s*(.*)")
_PROGRAM = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|\S+)')
# What a command line has in quotes only (Desktop Entry Specification, "The Exec key").
_RESERVED = re.compile(r"""[ \t"'\\><~|&;$*?#()`]""")
_ESCAPED = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def write_entry(text: str, path: str, actions: Iterable[Action]) -> str:
    """Have an entry start a file.

    Args:
        text: the entry inside the image (https://specifications.freedesktop.org/desktop-entry-spec/latest/).
        path: the image's file, absolute.
        actions: to add to those that it has.

    Raises:
        SelfError: no desktop entry can name such a path.

    """
    if "\n" in path or "\r" in path:
        raise SelfError(f"no desktop entry can name a file whose path has a line break in it: {path!r}")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise SelfError(f"no desktop entry can name a file whose path is not UTF-8: {path!r}") from None
    actions = list(actions)
    names = "".join(f"{name};" for name, _, _ in actions)
    replace: dict[str, Callable[[str], str]] = {
        "Exec": lambda value: _with_program(value, path),
        "TryExec": lambda _: _escape(path),
        "Actions": lambda value: (f"{value.rstrip(';')};" if value else "") + names,
    }
    lines, group, end, has_actions = [], "", 0, False
    for line in text.rstrip("\n").split("\n"):
        heading, pair = _GROUP.fullmatch(line), _KEY.fullmatch(line)
        group = heading.group(1) if heading else group
        key = pair.group(1) if pair else ""
        if pair and key in replace and (key != "Actions" or group == _MAIN_GROUP):
            lines.append(f"{key}={replace[key](pair.group(2).strip())}")
            has_actions |= key == "Actions"
        else:
            lines.append(line)
        if group == _MAIN_GROUP and line.strip():
            end = len(lines)
    if names and not has_actions:
        lines.insert(end, f"Actions={names}")
    for name, label, arguments in actions:
        lines += ["", f"[Desktop Action {name}]", f"Name={label}", f"Exec={_escape(_quote(path))} {arguments}"]
    return "\n".join(lines) + "\n"


def read_key(text: str, key: str) -> str | None:
    """Return the value of a key of an entry's main group, as it is written."""
    group = ""
    for line in text.split("\n"):
        heading, pair = _GROUP.fullmatch(line), _KEY.fullmatch(line)
        group = heading.group(1) if heading else group
        if group == _MAIN_GROUP and pair and pair.group(1) == key:
            return pair.group(2).strip()
    return None


def names_file(text: str, path: str) -> bool:
    """Tell whether an entry starts a file."""
    command = _unescape(read_key(text, "Exec") or "")
    return any(form in command for form in (path.replace("%", "%%"), _quote(path)))


def _with_program(value: str, path: str) -> str:
    return _escape(_quote(path) + _PROGRAM.sub("", _unescape(value), count=1))


def _quote(argument: str) -> str:
    argument = argument.replace("%", "%%")
    return '"' + re.sub(r'(["`$\\])', r"\\\1", argument) + '"' if _RESERVED.search(argument) else argument


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\t", "\\t")


def _unescape(value: str) -> str:
    return re.sub(r"\\([sntr\\])", lambda match: _ESCAPED[match.group(1)], value)
