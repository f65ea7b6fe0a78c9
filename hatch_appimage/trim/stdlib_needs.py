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
    seen: set[str] = set()
    for source in sources:
        if facts := facts_of(source, reader):
            needs.names |= facts.words
            texts = facts.mentions.texts - seen
            seen |= texts - _ORDINARY  # which count in some sources only
            needs.add_affixes(texts)
            runs = set(_named_in_strings(texts, _ordinary_in(facts.mentions, _ORDINARY)))
            imports = facts.mentions.imports | facts.builtins
        else:
            names = reader.names(source.path)
            needs.names |= _words_in(names) if names.compiled else frozenset()
            runs = set(_named_in(source, reader, _PARTS, PART_OF))
            imports = frozenset()
        needs.runs |= runs
        for name in sorted(runs | imports):
            if name.partition(".")[0] in known:
                needs.modules.setdefault(name, f"{source.place} names it")
    return needs


def _words_in(names: Names) -> frozenset[str]:
    """Return all words in a file that is no source, and other runs."""
    # Most runs are words.
    others = " ".join(run for run in names.runs if not run.isidentifier())
    return names.runs.union(_WORD.findall(others))


def modules_named_in(
    source: Source,
    reader: SourceReader,
    *,
    words: re.Pattern[str] = _PARTS,
    known: Collection[str] = PART_OF,
    ordinary: Collection[str] = _ORDINARY,
) -> Iterator[str]:
    """Yield the names of modules that a file has, and others.

    In a source these are imports, and strings that can mean a module.

    Args:
        source: the file.
        reader: knows what sources name.
        words: what names a module in a file that is no source, at the beginning of a run of names.
        known: all that this matches which has no dot.
        ordinary: names that are none if they are all of a string.

    """
    if facts := facts_of(source, reader):
        yield from facts.mentions.imports
        yield from _named_in_strings(facts.mentions.texts, _ordinary_in(facts.mentions, ordinary))
    else:
        yield from _named_in(source, reader, words, known)


def _named_in(source: Source, reader: SourceReader, words: re.Pattern[str], known: Collection[str]) -> Iterator[str]:
    names = reader.names(source.path)
    # What cannot be parsed may be of a newer Python than the one that runs this build.
    if reader.may_read(source.path) or source.path.suffix == _PATH_FILE:
        yield from modules_in_text(source.path.read_bytes().decode("latin-1"))
    runs = (*names.dotted, *names.runs.intersection(known))  # few are left of most files
    yield from {match[0] for match in map(words.match, runs) if match}


def _ordinary_in(mentions: Mentions, ordinary: Collection[str]) -> Collection[str]:
    """Return what names no module in a source's strings; all of them do in one that runs modules."""
    return () if _RUN in mentions.texts else ordinary


def _named_in_strings(texts: Iterable[str], ordinary: Collection[str]) -> Iterator[str]:
    for text in texts:
        yield from modules_in_text(text)
        if text not in ordinary and _NAME.fullmatch(text):
            yield text
