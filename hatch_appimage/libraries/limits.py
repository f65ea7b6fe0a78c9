# SPDX-License-Identifier: MIT
"""Which files do not load on some machines, by their stack, processor or loader, or at all, by their C library."""

from __future__ import annotations

import logging
from pathlib import PurePath
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.policy import group_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf import Elf
    from hatch_appimage.libraries.symbol_versions import Graph

log = logging.getLogger(__name__)

# The year of the first processors of each micro-architecture level above the first: Nehalem, Haswell, Skylake-X.
_FIRST_PROCESSORS = {2: 2008, 3: 2013, 4: 2017}
# What lies below such a directory has a level in its path, and is loaded only where the processor has it (ld.so(8)).
_CHOSEN_BY_LOADER = "glibc-hwcaps"


def find_executable_stacks(graph: Graph) -> tuple[str, ...]:
    """Return the libraries that want an executable stack, by their paths below the AppDir, and warn of them.

    glibc 2.41 and newer do not open them; for a program's own stack it is the kernel that decides.
    """
    stacks = tuple(path for path, elf in graph.files.items() if elf.executable_stack and not elf.interpreter)
    for path in stacks:
        log.warning(
            "%s wants an executable stack, with which glibc 2.41 and newer do not load it: link it with "
            "`-Wl,-z,noexecstack`, or take that from it with `patchelf --clear-execstack`",
            path,
        )
    return stacks


def find_isa_levels(graph: Graph) -> dict[str, int]:
    """Return the files that need more than the first x86-64 processors have, and warn once of each level.

    glibc 2.33 and newer refuse them on lesser processors; by older ones they are loaded, and crash.

    Returns:
        the level of each, such as 3 for ``x86-64-v3``, by paths below the AppDir.

    """
    levels = {
        path: elf.isa_level
        for path, elf in graph.files.items()
        if elf.isa_level in _FIRST_PROCESSORS and _CHOSEN_BY_LOADER not in PurePath(path).parts
    }
    for level in sorted(set(levels.values())):
        log.warning(
            "%s a processor with x86-64-v%d, which those before %d lack: to run there, too, it takes files that were "
            "compiled for every x86-64 (`-march=x86-64`)",
            *(_need([path for path in levels if levels[path] == level]), level, _FIRST_PROCESSORS[level]),
        )
    return levels


def _need(paths: list[str]) -> str:
    more = len(paths) - 1
    return f"{paths[0]} and {more} more need" if more else f"{paths[0]} needs"


def find_own_loaders(graph: Graph, architecture: Architecture) -> Mapping[str, str]:
    """Return the programs that start by a loader at a path that few machines have, and warn of them.

    Homebrew, Nix and Guix link programs so that they use a loader below their own prefix.

    Returns:
        each program's loader, by paths below the AppDir.

    """
    loaders = {
        path: elf.interpreter
        for path, elf in graph.files.items()
        if elf.interpreter and elf.interpreter not in architecture.loaders
    }
    for path, loader in loaders.items():
        log.warning(
            "%s starts by the loader %s, which only machines with that path have: link it with "
            "`-Wl,--dynamic-linker=%s`, or change that with `patchelf --set-interpreter`",
            *(path, loader, architecture.loader),
        )
    return loaders


def check_for_musl(files: Mapping[str, Elf]) -> None:
    """See that nothing in an image for musl was compiled for glibc but programs, which run in processes of their own.

    Args:
        files: the ELF files by their paths below the AppDir.

    Raises:
        AppImageError: a library or an extension module was.

    """
    for path, elf in files.items():
        if not elf.interpreter and any(group_of(soname) == "glibc" for soname in elf.needed):
            raise AppImageError(
                f"{path} is for glibc and does not load in the image's Python, which is for musl: require a release "
                "with wheels for musllinux, or build on a system with musl"
            )
