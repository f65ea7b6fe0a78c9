# SPDX-License-Identifier: MIT
"""What the installed packages, and all else that is in an image, need of the standard library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_appimage.sources.files import facts_of, is_python
from hatch_appimage.sources.units import modules_in_text
from hatch_appimage.trim.stdlib import Needs
from hatch_appimage.trim.stdlib_parts import PART_OF

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.mentions import Mentions
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
_WORD = re.compile(rb"[A-Za-z_]\w*")
_RUNS = re.compile(rb"[\w.]+")
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_RUN = "-m"
# What `site` runs the lines of that begin with an import.
_PATH_FILE = ".pth"
_ELF = b"\x7fELF"
# What is in every extension module, and in programs that have an interpreter in them.
_OF_PYTHON = re.compile(rb"PyInit_|Py_Initialize|PyImport_")
_PARTS = re.compile(
    rb"(?<![\w.])(?:"
    + b"|".join(
        re.escape(name).encode() + (rb"\.[a-z_]\w*" if name in _ORDINARY else b"")
        for name in sorted(PART_OF, key=len, reverse=True)
    )
    + rb")(?!\w)"
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
            data = source.path.read_bytes()
            needs.names.update(word.decode() for word in (set(_WORD.findall(data)) if is_of_python(data) else ()))
            runs = set(_named_in(source, data, _PARTS))
            imports = frozenset()
        needs.runs |= runs
        for name in sorted(runs | imports):
            if name.partition(".")[0] in known:
                needs.modules.setdefault(name, f"{source.place} names it")
    return needs


def is_of_python(data: bytes) -> bool:
    """Whether a file is an ELF file that runs Python code: an extension module, or a program with an interpreter."""
    return data.startswith(_ELF) and bool(_OF_PYTHON.search(data))


def modules_named_in(
    source: Source,
    reader: SourceReader,
    *,
    words: re.Pattern[bytes] = _PARTS,
    ordinary: Collection[str] = _ORDINARY,
) -> Iterator[str]:
    """Yield the names of modules that a file has, and others.

    In a source these are imports, and strings that can mean a module.

    Args:
        source: the file.
        reader: knows what sources name.
        words: what names a module in a file that is no source.
        ordinary: names that are none if they are all of a string.

    """
    if facts := facts_of(source, reader):
        yield from facts.mentions.imports
        yield from _named_in_strings(facts.mentions, ordinary)
    else:
        yield from _named_in(source, source.path.read_bytes(), words)


def _named_in(source: Source, data: bytes, words: re.Pattern[bytes]) -> Iterator[str]:
    # What cannot be parsed may be of a newer Python than the one that runs this build.
    if is_python(source.path) or source.path.suffix == _PATH_FILE:
        yield from modules_in_text(data.decode("latin-1"))
    if is_of_python(data) or not data.startswith(_ELF):
        # A name begins where such a run does: to look into each run once is far faster than to look at every byte.
        found = map(words.match, set(_RUNS.findall(data)))
        yield from {match[0].decode() for match in found if match}


def _named_in_strings(mentions: Mentions, ordinary: Collection[str]) -> Iterator[str]:
    runs = _RUN in mentions.texts
    for text in mentions.texts:
        yield from modules_in_text(text)
        if _NAME.fullmatch(text) and (runs or text not in ordinary):
            yield text
