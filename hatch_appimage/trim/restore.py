# SPDX-License-Identifier: MIT
"""Bring back what images come without of the standard library, where something in the image names it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hatch_appimage.python.left_out import ENSUREPIP, LEFT_OUT, bring_back, find_left_out
from hatch_appimage.sources.files import find_sources
from hatch_appimage.trim.packages import globs_for_stdlib, matches
from hatch_appimage.trim.stdlib_needs import modules_named_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.reader import SourceReader

# The argument by which the module venv is told to run ensurepip.
_WITH_PIP = "with_pip"
# What has to be in a file for it to be read any further: one of these words in a source, and this text in others.
_WORDS = frozenset({_WITH_PIP, *(name.partition(".")[0] for name in LEFT_OUT)})
_TEXT = re.compile(rb"\bwith_pip\b|ensurepip|idlelib|lib2to3|turtledemo|test\.support|from\s+test\s+import")


@dataclass(frozen=True)
class Restored:
    """What came back.

    Attributes:
        packages: the names of packages of the standard library, each with the reason.
        missing: names of those that the image lacks, each with "", as no option left them out.

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
    return Restored(back, {name: "" for name in places if name not in back})


def _find_reasons(sources: list[Source], reader: SourceReader) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for source in sources:
        words = _words_of(source, reader)
        if not words:
            continue
        for name in modules_named_in(source, reader):
            part = next((each for each in LEFT_OUT if f"{name}.".startswith(f"{each}.")), None)
            if part:
                reasons.setdefault(part, f"{source.place} names it")
        if _WITH_PIP in words:
            reasons.setdefault(ENSUREPIP, f"{source.place} makes environments with pip")
    return reasons


def _words_of(source: Source, reader: SourceReader) -> frozenset[str]:
    """Return those words of a file that may name what is looked for."""
    # Most tests need not be parsed at all.
    if reader.has_read(source.file) and (facts := reader.facts(source.file)):
        return facts.words & _WORDS
    return frozenset(found.decode() for found in _TEXT.findall(source.path.read_bytes()))
