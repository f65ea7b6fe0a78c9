# SPDX-License-Identifier: MIT
"""Bring back what images come without of the standard library, where something in the image names it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.python.left_out import ENSUREPIP, LEFT_OUT, bring_back, find_left_out
from hatch_appimage.sources.files import facts_of, find_sources
from hatch_appimage.trim.packages import globs_for_stdlib, matches
from hatch_appimage.trim.stdlib_needs import modules_named_in
from hatch_appimage.trim.test_directories import is_of_tests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.facts import Facts
    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.reader import SourceReader

# The argument by which the module venv is told to run ensurepip.
_WITH_PIP = "with_pip"
# What has to be in a source for it to be looked at any further: all words of one of these, or, before it is parsed, one
# of these texts.
_WORDS = tuple(frozenset(name.split(".")) for name in (_WITH_PIP, *LEFT_OUT))
_TEXTS = tuple(name.encode() for name in (_WITH_PIP, *LEFT_OUT))
_FROM_TEST = re.compile(rb"from\s+test\s+import")


@dataclass(frozen=True)
class Restored:
    """What came back.

    Attributes:
        packages: the names of packages of the standard library, each with the reason.
        missing: names of those that the image lacks, each with "", as no option left them out; where the package around
            one is not there either, it is that package's name.

    """

    packages: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)


def restore_stdlib(
    appdir: AppDir, python: BundledPython, *, keep: tuple[str, ...] = (), reader: SourceReader
) -> Restored:
    """Bring back the packages of the standard library that something in the image names.

    Args:
        appdir: with everything installed.
        python: its Python.
        keep: globs of files to keep.
        reader: knows what sources name.

    """
    places = find_left_out(appdir, python)
    reasons = _find_reasons(find_sources(appdir, python, {}), reader) if places else {}
    for name in places:
        if matches(PurePosixPath(python.stdlib.relative_to(appdir.usr), *name.split(".")), globs_for_stdlib(keep)):
            reasons[name] = "`keep-files` names it"
    back = {name: reasons[name] for name in places if name in reasons}
    for name in back:
        bring_back(name, places[name], appdir, python)
    return Restored(back, {_outermost_missing(name, python.stdlib): "" for name in places if name not in back})


def _outermost_missing(name: str, stdlib: Path) -> str:
    """Return the outermost of a missing package and those around it that is not there: the import of that one fails."""
    parts = name.split(".")
    depths = range(1, len(parts))
    return next((".".join(parts[:depth]) for depth in depths if not stdlib.joinpath(*parts[:depth]).exists()), name)


def _find_reasons(sources: list[Source], reader: SourceReader) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for source in sources:
        if not _may_name(source, reader):
            continue
        for name in modules_named_in(source, reader):
            part = next((each for each in LEFT_OUT if f"{name}.".startswith(f"{each}.")), None)
            if part:
                reasons.setdefault(part, f"{source.place} names it")
        if _has_with_pip(source, reader):
            reasons.setdefault(ENSUREPIP, f"{source.place} makes environments with pip")
    return reasons


def _may_name(source: Source, reader: SourceReader) -> bool:
    """Whether a file has a word that may name what is looked for."""
    if reader.has_read(source.file) and (facts := reader.facts(source.file)):
        return any(words <= facts.words for words in _WORDS) and _may_mention(facts)
    # Most tests and their data need not be looked at any further.
    if not is_of_tests(source.file.package) and not reader.may_read(source.path):
        return True
    data = source.path.read_bytes()
    return any(text in data for text in _TEXTS) or bool(_FROM_TEST.search(data))


def _may_mention(facts: Facts) -> bool:
    mentions = "\n".join((*facts.mentions.imports, *facts.mentions.texts))
    return _WITH_PIP in facts.words or any(name in mentions for name in LEFT_OUT)


def _has_with_pip(source: Source, reader: SourceReader) -> bool:
    if facts := facts_of(source, reader):
        return _WITH_PIP in facts.words
    names = reader.names(source.path)
    return _WITH_PIP in names.runs or any(_WITH_PIP in run.split(".") for run in names.dotted)
