# SPDX-License-Identifier: MIT
"""The key ``Exec`` of desktop entries: its command line, and how values are written (Desktop Entry Specification)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_ESCAPED = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
# What an argument may have in quotes only.
_RESERVED = re.compile(r"""[ \t\n"'\\><~|&;$*?#()`]""")
_PROGRAM = re.compile(r'^\s*("(?:[^"\\]|\\.)*"|\S+)')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_FIELD_CODES = frozenset("fFuUick%")
_DEPRECATED_CODES = frozenset("dDnNvm")
_FILES = re.compile(r"%[fFuU]")

# Programs that start what follows them.
_STARTERS = frozenset({
    *("sh", "bash", "dash", "ksh", "zsh", "fish", "exec", "nice", "ionice", "nohup", "setsid", "stdbuf", "timeout"),
    *("sudo", "pkexec", "gksu", "kdesu", "doas", "dbus-launch", "dbus-run-session", "systemd-run", "systemd-inhibit"),
    *("flatpak", "snap", "uv", "uvx", "pipx", "poetry", "pdm", "hatch", "pipenv", "conda", "mamba", "micromamba"),
    *("xterm", "x-terminal-emulator", "gnome-terminal", "konsole", "xdg-open", "gtk-launch", "gamemoderun", "wine"),
})  # fmt: skip
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*w?")


def replace_program(value: str, command: str) -> str:
    """Put a command before the arguments and field codes (``%U`` …) that the value of an ``Exec`` line has.

    The program that it has may be quoted, and it is one that `find_starter` does not refuse.
    """
    arguments = _PROGRAM.sub("", unescape(value))
    return escape(_quote(command) + arguments)


def program_of(value: str) -> str:
    """Return the name of the program that the value of an ``Exec`` line starts, without its directory."""
    match = _PROGRAM.match(unescape(value))
    word = match[1] if match else ""
    return PurePosixPath(re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word).name


def find_starter(value: str) -> str | None:
    """Say why the program of an ``Exec`` line cannot be replaced: its arguments are another program; None if it can.

    Desktop integrations put the image in its place and keep the arguments, as the build does.
    """
    program = program_of(value)
    if program == "env" or "=" in program:
        return "sets variables, which would become arguments of the application: write them into `environment`"
    if program in _STARTERS or _PYTHON.fullmatch(program):
        return (
            f"starts the application through `{program}`, whose arguments would become those of the application: "
            "write the application's own command there"
        )
    return None


def find_exec_fault(value: str) -> str | None:
    """Say what the specification forbids in the value of an ``Exec`` line; None if that is nothing."""
    line = unescape(value)
    bare = _QUOTED.sub("", line)
    if '"' in bare:
        return "has a quote that is not closed"
    if found := _RESERVED.search(re.sub(r"[ \t\n\\]", "", bare)):
        return f"has `{found[0]}` outside of quotes"
    for quoted in _QUOTED.findall(line):
        if found := re.search(r"[$`]", re.sub(r"\\.", "", quoted)):
            return f"has `{found[0]}` in quotes without a backslash before it"
    for code in re.findall(r"%(.?)", line):
        if code not in _FIELD_CODES | _DEPRECATED_CODES or not code:
            return f"has `%{code}`, which is no field code: a per cent sign is `%%`"
    if len(_FILES.findall(line.replace("%%", ""))) > 1:
        return "has more than one of `%f`, `%F`, `%u` and `%U`"
    return None


def find_deprecated_code(value: str) -> str | None:
    """Return a field code that desktops no longer know."""
    return next((f"%{code}" for code in re.findall(r"%(.)", value) if code in _DEPRECATED_CODES), None)


def _quote(argument: str) -> str:
    """Write an argument of a command line, in quotes if it has to be (Desktop Entry Specification, "The Exec key").

    That is done before what is a command line is escaped as any other value.
    """
    argument = argument.replace("%", "%%")
    return '"' + re.sub(r'(["`$\\])', r"\\\1", argument) + '"' if _RESERVED.search(argument) else argument


def escape(value: str) -> str:
    """Write a text as a value of type string (Desktop Entry Specification, "Possible value types")."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def unescape_items(value: str) -> list[str]:
    """Read the values of a list, without empty ones."""
    return [unescape(item.replace("\\;", ";")) for item in re.findall(r"(?:\\.|[^\\;])+", value)]


def unescape(value: str) -> str:
    """Read a value of type string; a backslash before any other character stands for itself."""
    return re.sub(r"\\([sntr\\])", lambda match: _ESCAPED[match[1]], value)
