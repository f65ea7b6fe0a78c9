# SPDX-License-Identifier: MIT
"""The file beside a launcher that tells it what to start; ``runtime/launcher/settings.c`` reads it.

It is text. The first line is ``hatch-appimage launcher 1``; each further one has a key, one blank and a value, which
goes on to the end of the line. A backslash in a value is written as two, a newline as a backslash and ``n``; all other
bytes but NUL stand for themselves. Paths are relative to the file's directory.

============  ======================================================================================================
program       the real interpreter
name          what the interpreter takes for its own path: the launcher in ``usr/bin``
loader        the interpreter's program loader (PT_INTERP), an absolute path on the user's machine
glibc         the oldest version of glibc that it starts with, such as ``2.36``
stand-in      the launcher to start instead of ``program`` where the target system has no such glibc, or lacks what
              the next two keys say; without the key ``glibc`` it is always started
libstdc++     the oldest version of libstdc++ that it works with, by its symbols, such as ``3.4.30``
brings        the soname of a library that is the target system's, and the image's where there is none; once for each
option        an option that the interpreter is given; once for each of them
optimize      the option with which it reads optimized bytecode, ``-O`` or ``-OO``, unless it is given one
script        the command that the launcher starts; without it, it is the interpreter itself that is started
link          the name of a link that starts the command of that name beside ``script``; once for each
expose        the name of a link that starts the interpreter, not isolated; once for each
exposed-name  what the interpreter takes for its own path then, in place of ``name``: a launcher with other options
default       a variable's name, a blank, and its value where it is not set; ``$APPDIR`` and ``${APPDIR}`` in the value
              are the file's directory; once for each
commands      a directory that comes first on PATH
self-test     what the interpreter runs instead of the script when the first argument is ``--appimage-self-test``
manage        what the interpreter runs instead of the script when the first argument is ``--appimage-self``
manage-word   another first argument that means the same, unless a link starts something else than the script
dialogue      the name of an application with windows: what keeps it from starting is shown in a dialogue, too
============  ======================================================================================================

The launcher that stands in for the real interpreter has these keys besides, and neither ``option`` nor ``script``:

==============  ====================================================================================================
bundled-loader  the loader that it starts ``program`` by; glibc is in the file's directory, and musl is its own loader
compiler        a directory with the compiler's libraries, for systems whose libstdc++ is older or missing
base            a directory with libraries for systems that lack one of those that ``brings`` names
needs           the soname of a library that has to be the target system's; once for each
==============  ====================================================================================================

``program`` and ``name`` have to be there.

A process is named after the path that the kernel executes. So for a command, ``program`` and what ``stand-in`` names
are executed by a link with the command's name, if there is one in the directory ``process-names`` beside them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: Of a launcher, in bytes.
MAX_LAUNCHER_SIZE = 40_000
SETTINGS_NAME = "launcher.conf"

Setting = tuple[str, str]

_HEADER = "hatch-appimage launcher 1"
_CHARACTERS = {r"\\": "\\", r"\n": "\n"}
_ESCAPES = str.maketrans({character: escape for escape, character in _CHARACTERS.items()})
_ESCAPE = re.compile(r"\\[\\n]")


def write_settings(directory: Path, settings: Iterable[Setting]) -> None:
    """Write the file for the launcher in a directory, with the settings in their order."""
    (directory / SETTINGS_NAME).write_text(f"{_HEADER}\n{_lines(settings)}", encoding="utf-8", errors="surrogateescape")


def add_settings(directory: Path, settings: Iterable[Setting]) -> None:
    """Add to a file that was written before."""
    with (directory / SETTINGS_NAME).open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(_lines(settings))


def _lines(settings: Iterable[Setting]) -> str:
    return "".join(f"{key} {value.translate(_ESCAPES)}\n" for key, value in settings)


def read_settings(text: str) -> list[Setting]:
    """Return the settings in a file's text; none if it is not of this format."""
    header, *lines = text.split("\n")
    if header != _HEADER:
        return []
    pairs = (line.partition(" ") for line in lines)
    return [(key, _ESCAPE.sub(lambda match: _CHARACTERS[match[0]], value)) for key, blank, value in pairs if blank]


def find_program(launcher: Path) -> Path:
    """Return the interpreter that a launcher starts; the path itself if it is no launcher's."""
    settings = launcher.with_name(SETTINGS_NAME)
    if not settings.is_file():
        return launcher
    found = dict(read_settings(settings.read_text(encoding="utf-8", errors="surrogateescape")))
    return launcher.parent / found["program"] if found.get("name") == launcher.name else launcher


def is_launcher(program: bytes) -> bool:
    """Whether a program is one that reads such a file."""
    return _HEADER.encode() in program


def read_links(apprun: bytes, text: str) -> tuple[str, ...]:
    """Return the names of links that an image heeds.

    Args:
        apprun: the program AppRun; another one than the launcher heeds none of ours.
        text: the file beside it.

    """
    if not is_launcher(apprun):
        return ()
    return tuple(value for key, value in read_settings(text) if key in {"link", "expose"})
