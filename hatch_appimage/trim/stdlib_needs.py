# SPDX-License-Identifier: MIT
"""What the installed packages, and all else that is in an image, need of the standard library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_appimage.sources.files import facts_of
from hatch_appimage.sources.units import modules_in_text
from hatch_appimage.trim.stdlib import Needs
from hatch_appimage.trim.stdlib_parts import PART_OF

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.mentions import Mentions
    from hatch_appimage.sources.names import Names
    from hatch_appimage.sources.reader import SourceReader

# Parts that are called like things which most programs have in their strings. Such a word alone names no module; code,
# a command, or a name with a dot does.
_ORDINARY = frozenset({
    "chunk",
    "cmd",
    "code",
    "crypt",
    "formatter",
    "hmac",
    "html",
    "http",
    "netrc",
    "parser",
    "pipes",
    "profile",
    "profiling",
    "readline",
    "secrets",
    "ssl",
    "symbol",
    "this",
    "trace",
    "uu",
    "wave",
    "xml",
})  # fmt: skip
_WORD = re.compile(r"[A-Za-z_]\w*")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_RUN = "-m"
# What `site` runs the lines of that begin with an import.
_PATH_FILE = ".pth"
_PARTS = re.compile(
    "(?:"
    + "|".join(
        re.escape(name) + (r"\.[a-z_]\w*" if name in _ORDINARY else "")
        for name in sorted(PART_OF, key=len, reverse=True)
    )
    + r")(?!\w)"
)


def find_needs(sources: Iterable[Source], known: Collection[str], reader: SourceReader) -> Needs:
    """Find what is needed of the standard library by what is not in it.

    Imports count wherever they are in a source, and so do names in strings of sources, and in other files. What a
    source calls may be any function of the standard library that has this name.

    Args:
        sources: the files that can name something.
        known: the names of all modules of the standard library.
        reader: knows what sources name.

    """
    needs = Needs()
    for source in sources:
        if facts := facts_of(source, reader):
            needs.names |= facts.words
            needs.add_affixes(facts.mentions.texts)
            runs = set(_named_in_strings(facts.mentions, _ORDINARY))
            imports = facts.mentions.imports | facts.builtins
        else:
            names = reader.names(source.path)
            needs.names.update(_WORD.findall(" ".join(names.runs)) if names.compiled else ())
            runs = set(_named_in(source, names, _PARTS))
            imports = frozenset()
        needs.runs |= runs
        for name in sorted(runs | imports):
            if name.partition(".")[0] in known:
                needs.modules.setdefault(name, f"{source.place} names it")
    return needs


def modules_named_in(
    source: Source,
    reader: SourceReader,
    *,
    words: re.Pattern[str] = _PARTS,
    ordinary: Collection[str] = _ORDINARY,
) -> Iterator[str]:
    """Yield the names of modules that a file has, and others.

    In a source these are imports, and strings that can mean a module.

    Args:
        source: the file.
        reader: knows what sources name.
        words: what names a module in a file that is no source, at the beginning of a run of names.
        ordinary: names that are none if they are all of a string.

    """
    if facts := facts_of(source, reader):
        yield from facts.mentions.imports
        yield from _named_in_strings(facts.mentions, ordinary)
    else:
        yield from _named_in(source, reader.names(source.path), words)


def _named_in(source: Source, names: Names, words: re.Pattern[str]) -> Iterator[str]:
    # What cannot be parsed may be of a newer Python than the one that runs this build.
    if source.is_python or source.path.suffix == _PATH_FILE:
        yield from modules_in_text(source.path.read_bytes().decode("latin-1"))
    yield from {match[0] for match in map(words.match, names.runs) if match}


def _named_in_strings(mentions: Mentions, ordinary: Collection[str]) -> Iterator[str]:
    runs = _RUN in mentions.texts
    for text in mentions.texts:
        yield from modules_in_text(text)
        if _NAME.fullmatch(text) and (runs or text not in ordinary):
            yield text
