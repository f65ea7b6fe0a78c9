# SPDX-License-Identifier: MIT
"""Run what packages have for making lists of their files: what would be run where they are installed is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hatch_appimage.architecture import native_architecture
from hatch_appimage.elf import fits, read_elf
from hatch_appimage.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hatch_appimage.system import System


def find_program(places: Iterable[str], system: System) -> Path | None:
    """Return a program of an added package that runs on this machine; None where there is none.

    Args:
        places: full paths that it may have, or those below the directories of libraries.
        system: the machine.

    """
    for place in places:
        path = system.locate(place) if place.startswith("/") else system.find(place)
        if path and path.is_file() and system.package_of(path) and is_runnable(path):
            return path
    return None


def is_runnable(path: Path) -> bool:
    """Whether this machine's processor has the instructions of a program, which may be a script."""
    elf = read_elf(path)
    return elf is None or fits(elf, native_architecture())


def run_program(program: Path, *arguments: str | Path, system: System, doing: str) -> str:
    """Run a program and return what it wrote to stdout.

    Args:
        program: of this machine; or of an added package, with the libraries and the loader of the machine that it was
            added to.
        arguments: of it.
        system: that machine.
        doing: what it does, for messages.

    Raises:
        ProcessError: it ends with another status than 0.

    """
    elf = read_elf(program) if system.package_of(program) else None
    command: list[str | Path] = [program, *arguments]
    if elf and elf.interpreter:
        path = ":".join(map(str, system.directories))
        command = [system.locate(elf.interpreter), "--library-path", path, *command]
    return run(command, doing=doing, env={**os.environ, "LC_ALL": "C"})
