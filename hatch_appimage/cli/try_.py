# SPDX-License-Identifier: MIT
"""The command that starts an AppImage on another distribution."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from hatch_appimage.architecture import ARCHITECTURES, architecture_of, native_architecture
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import find_squashfs
from hatch_appimage.roots.new_root import path_inside
from hatch_appimage.roots.sandbox import run_inside
from hatch_appimage.roots.source import prepared_root
from hatch_appimage.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.roots.namespaces import Ending

_INTERRUPTED = 128 + signal.SIGINT


def try_(options: argparse.Namespace) -> int:
    """Run an AppImage, or a command that uses it, in another root file system."""
    architecture = _runnable_architecture(options.path)
    command = _command(options.inner, path_inside(options.path))
    variables = {"APPIMAGE_EXTRACT_AND_RUN": "1"} if options.extract else {}
    for number in (signal.SIGTERM, signal.SIGHUP):  # what has been made for this is removed then, too
        signal.signal(number, signal.default_int_handler)
    attempt = printable(f"{options.path.name} on {options.on}")
    try:
        with prepared_root(options.on, architecture, options.mirror) as root:
            ending = run_inside(root, command, image=options.path, variables=variables)
    except KeyboardInterrupt:
        print(f"{attempt}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    print(f"{attempt}: {_describe(ending, command)}", file=sys.stderr)
    return ending.status


def _runnable_architecture(path: Path) -> Architecture:
    """Return the architecture of an AppImage that this machine can run."""
    find_squashfs(path)
    elf = read_elf(path)
    name = architecture_of(elf.machine, elf.bits) if elf else "an unknown machine"
    native = native_architecture().name
    if name != native and (native, name) != ("x86_64", "i686"):  # which every x86_64 processor runs
        raise AppImageError(f"{path} is for {name}, and this machine runs programs for {native}")
    if not os.access(path, os.X_OK):
        raise AppImageError(f"{path} is not executable: `chmod +x` makes it so")
    return ARCHITECTURES[name]


def _command(words: Sequence[str], image: str) -> list[str]:
    """Return what is run: a command in which the image has its place, or the image with arguments."""
    if not words or words[0].startswith("-"):
        return [image, *(words or ["--help"])]
    return [word.replace("{appimage}", image) for word in words]


def _describe(ending: Ending, command: Sequence[str]) -> str:
    """Say how a command ended, and which one if it failed."""
    if ending.signal is not None:
        return f"signal {ending.signal} ({signal.strsignal(ending.signal)}) ended `{printable(' '.join(command))}`"
    if ending.status:
        return f"`{printable(' '.join(command))}` failed with exit status {ending.status}"
    return "exit status 0"
