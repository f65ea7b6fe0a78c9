# SPDX-License-Identifier: MIT
"""The licences of Debian's packages: where they are (Debian Policy, section 12.5), and what they are called."""

from __future__ import annotations

import re
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.system import AddedPackage, System

_DIRECTORY: Final = "/usr/share/doc"
# Such a directory may be a link to that of another package of the same source, and this one to a third.
_MAX_LINKS: Final = 4
# Debian Policy, section 5.6.1.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def find_licence(package: str, system: System) -> Path | None:
    """Return the file with the licences of a package, by its path on this machine; None if it is not there."""
    for _ in range(_MAX_LINKS):
        file = system.locate(f"{_DIRECTORY}/{package}/copyright")
        if file.is_file():
            return file
        added = next((each for each in system.added if each.name == package), None)
        other = documented_by(added) if added else None
        if other is None:
            return None
        package = other
    return None


def documented_by(package: AddedPackage) -> str | None:
    """Return the name of the package that has the documentation of another one; None if its own has it."""
    directory = package.root / _DIRECTORY.lstrip("/") / package.name
    other = directory.readlink().name if directory.is_symlink() else ""
    return other if _NAME.fullmatch(other) else None


def read_licences(file: Path) -> tuple[str, ...]:
    """Return the names of licences as Debian's maintainers have them, in the order of the file.

    The format is https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. Other files say it in prose, which
    gives no names.
    """
    text = file.read_text(encoding="utf-8", errors="replace")
    header, *stanzas = (HeaderParser().parsestr(f"{stanza}\n") for stanza in text.split("\n\n"))
    if "Format" not in header:
        return ()
    # What Debian adds is in no library.
    of_source = [stanza for stanza in stanzas if not stanza.get("Files", "debian/").strip().startswith("debian/")]
    names = (stanza.get("License", "").partition("\n")[0].strip() for stanza in (header, *of_source))
    return tuple(dict.fromkeys(name for name in names if name))
