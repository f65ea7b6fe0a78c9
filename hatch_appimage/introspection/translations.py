# SPDX-License-Identifier: MIT
"""The translations of texts that GTK and the libraries around it show: files of gettext, by domain and language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hatch_appimage.introspection.places import LOCALES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from hatch_appimage.system import System

# Ubuntu has those of its packages of languages in the second directory.
_DIRECTORIES: Final = (f"/usr/share/{LOCALES}", f"/usr/share/{LOCALES}-langpack")
_CATEGORY: Final = "LC_MESSAGES"
# A library binds its domain to a directory by this function.
_BINDS: Final = b"\0bindtextdomain\0"
_TEXT: Final = re.compile(rb"(?<=\0)[A-Za-z][\w.+-]{2,63}(?=\0)")
# The names of libraries' domains have a version, or say that they are of one. Those of programs are plain words, as
# many texts in a library are.
_DOMAIN: Final = re.compile(r"lib.+|.*\d.*|.+-.+")
# Only designers of user interfaces see descriptions of properties.
_FOR_DESIGNERS: Final = "-properties"


def domains_in(data: bytes) -> set[str]:
    """Return what may be domains of gettext that a library binds; nothing for a file that binds none."""
    texts = (text.decode() for text in _TEXT.findall(data)) if _BINDS in data else ()
    return {text for text in texts if _DOMAIN.fullmatch(text) and not text.endswith(_FOR_DESIGNERS)}


def find_translations(named: Collection[str], system: System) -> dict[str, dict[str, Path]]:
    """Return the translations that a machine has, by domains: files by their places below `share`.

    Args:
        named: names, those of domains among them.
        system: the machine.

    """
    found: dict[str, dict[str, Path]] = {}
    for directory in _directories(system):
        for path in sorted(directory.glob(f"*/{_CATEGORY}/*.mo")):
            if path.stem in named:
                place = f"{LOCALES}/{path.relative_to(directory)}"
                found.setdefault(path.stem, {}).setdefault(place, path)
    return dict(sorted(found.items()))


def _directories(system: System) -> Iterator[Path]:
    for name in _DIRECTORIES:
        yield system.root / name[1:]
        yield from (package.root / name[1:] for package in system.added)
