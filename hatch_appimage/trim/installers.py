# SPDX-License-Identifier: MIT
"""Find the packages that install others, where nothing in the image uses them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_appimage.sources.files import ENTRY_POINTS, facts_of
from hatch_appimage.trim.stdlib_needs import modules_named_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.reader import SourceReader

#: The packages, each with the modules that it installs. setuptools stands in for distutils, which is gone with 3.12.
MODULES: Mapping[str, Sequence[str]] = {
    "pip": ("pip",),
    "setuptools": ("setuptools", "pkg_resources", "distutils", "_distutils_hack"),
    "wheel": ("wheel",),
}
_OWNER = {module: package for package, modules in MODULES.items() for module in modules}
# By its name alone this is no module more often than not.
_ORDINARY = frozenset({"wheel"})
_NAMES = re.compile(rf"(?<![\w.])(?:{'|'.join(sorted(_OWNER))})(?!\w)".replace("wheel", r"wheel\.\w+"))
# Entry points stand below the name of what looks for them: without that, nothing does.
_GROUP = re.compile(r"^\[.*$", re.MULTILINE)


def find_users_of_installers(sources: Iterable[Source], reader: SourceReader) -> dict[str, str | None]:
    """Return which of them are installed, each with what uses it; None where nothing does.

    A package that requires one of them, but names none of its modules, does not use it.

    Args:
        sources: all files that can name something.
        reader: knows what sources name.

    """
    sources = list(sources)
    owners = {source.owner for source in sources}
    users: dict[str, str | None] = {package: None for package in MODULES if package in owners}
    if not users:
        return {}
    waiting = [source for source in sources if source.owner not in users]
    inside = {package: [source for source in sources if source.owner == package] for package in users}
    while waiting:
        source = waiting.pop()
        for package in _named_in(source, reader):
            if users.get(package, source) is None:
                users[package] = f"{source.place} names it"
                waiting += inside[package]
    return users


def _named_in(source: Source, reader: SourceReader) -> set[str]:
    facts = facts_of(source, reader)
    if facts and facts.words.isdisjoint(_OWNER):
        return set()
    if source.place.name == ENTRY_POINTS:
        named = set(_NAMES.findall(_GROUP.sub("", source.path.read_text("utf-8", "replace"))))
    else:
        named = set(modules_named_in(source, reader, words=_NAMES, known=_OWNER, ordinary=_ORDINARY))
    modules = {name.partition(".")[0] for name in named}
    return {_OWNER[module] for module in modules.intersection(_OWNER)}
