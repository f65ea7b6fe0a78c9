# SPDX-License-Identifier: MIT
"""Where a machine has its typelibs, and which of them an application needs."""

from __future__ import annotations

from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.introspection.places import TYPELIBS
from hatch_appimage.introspection.typelib import read_typelib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hatch_appimage.introspection.typelib import Typelib
    from hatch_appimage.system import System

# Typelibs that are for no architecture lie here on distributions where libraries have several directories.
_SHARED = ("/usr/lib", "/usr/share")
# What PyGObject itself loads whenever it is imported.
_ALWAYS = (("GLib", "2.0"), ("GObject", "2.0"), ("Gio", "2.0"))


class Repository:
    """The typelibs of a machine.

    Args:
        system: the machine.

    """

    def __init__(self, system: System) -> None:
        places = [*system.directories, *map(system.locate, _SHARED)]
        self._directories = tuple(dict.fromkeys(place / TYPELIBS for place in places))

    def find(self, namespace: str, version: str) -> Path | None:
        """Return the file of a namespace's version, or of its newest one for ""; None where there is none."""
        if not version:
            versions = sorted(self._versions(namespace), key=by_number)
            version = versions[-1] if versions else ""
        paths = (directory / f"{namespace}-{version}.typelib" for directory in self._directories)
        return next((path for path in paths if path.is_file()), None)

    def _versions(self, namespace: str) -> Iterator[str]:
        for directory in self._directories:
            for path in directory.glob(f"{namespace}-*.typelib"):
                yield path.stem.removeprefix(f"{namespace}-")


def find_typelibs(
    wanted: Iterable[tuple[str, str]], repository: Repository
) -> tuple[dict[str, Typelib], list[tuple[str, str]]]:
    """Find typelibs, and what these need.

    Args:
        wanted: namespaces with their versions, or with "" for one that another typelib needs, or else the newest.
        repository: the machine's typelibs.

    Returns:
        the typelibs by their names, such as ``Gtk-4.0``, and what is wanted and not there.

    Raises:
        AppImageError: one is damaged.

    """
    found: dict[str, Typelib] = {}
    missing: list[tuple[str, str]] = []
    pairs = sorted({*wanted, *_ALWAYS})
    # Where one file says which version another one means.
    versioned = {name for name, version in pairs if version}
    for pair in pairs:
        if pair[1]:
            _add([pair], repository, found, missing)
    for name, _ in (pair for pair in pairs if not pair[1] and pair[0] not in versioned):
        if name not in {typelib.namespace for typelib in found.values()}:
            _add([(name, "")], repository, found, missing)
    return found, missing


def _add(
    pairs: Sequence[tuple[str, str]],
    repository: Repository,
    found: dict[str, Typelib],
    missing: list[tuple[str, str]],
) -> None:
    """Add typelibs with all that they refer to."""
    waiting = list(pairs)
    while waiting:
        namespace, version = waiting.pop()
        if version and f"{namespace}-{version}" in found:
            continue
        path = repository.find(namespace, version)
        if path is None:
            if (namespace, version) not in missing:
                missing.append((namespace, version))
            continue
        typelib = read_typelib(path)
        found[str(typelib)] = typelib
        waiting += typelib.dependencies


def by_number(version: str) -> tuple[int, ...]:
    """Return what versions of namespaces are ordered by."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def sonames_of(typelibs: Iterable[Typelib]) -> list[str]:
    """Return the names of the libraries that typelibs open; what is opened by a full path by its last part."""
    libraries = chain.from_iterable(typelib.libraries for typelib in typelibs)
    return list(dict.fromkeys(PurePosixPath(library).name for library in libraries))
