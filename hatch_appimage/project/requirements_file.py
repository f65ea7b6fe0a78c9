# SPDX-License-Identifier: MIT
"""Files of requirements (https://pip.pypa.io/en/stable/reference/requirements-file-format/).

uv installs what they ask for. What is read here is what has to be known before: which packages they name, and which
hashes are allowed.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)(?:\s*=\s*|\s*)(?P<file>.+)")
_HASH = re.compile(r"\s--hash[=\s]\s*(?P<hash>[a-z0-9]+:[0-9A-Fa-f]+)")
# Options that say where packages are looked for.
_INDEX = re.compile(
    r"(?P<option>-i|--index-url|--extra-index-url|-f|--find-links|--no-index)(?:[=\s]\s*(?P<value>.+))?"
)
# A path or address without a name in front of it.
_PLACE = re.compile(r"\.|[^@;\s]*(?:/|\.whl\b|\.zip\b|\.tar\.\w+)")
# What python-appimage copies out of the environment that it runs in.
_LOCAL = "local+"


@dataclass(frozen=True)
class RequirementsFile:
    """What a file asks for, with those that it includes by ``-r``.

    Attributes:
        path: of the file.
        requirements: those that have a name.
        hashes: of the files that a package may come from, in lower case, by its normalised name; a package without any
            may come from each.
        indexes: the lines that say where packages are looked for, for another file of requirements: variables with
            credentials stay in them, and paths are absolute.
        all_hashes: also those of what has no name.

    """

    path: Path
    requirements: tuple[Requirement, ...] = ()
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    indexes: tuple[str, ...] = ()
    all_hashes: frozenset[str] = frozenset()

    @property
    def is_locked(self) -> bool:
        """Whether all that it names has hashes, as installers want it of a file in which anything has."""
        return bool(self.hashes) and all(canonicalize_name(each.name) in self.hashes for each in self.requirements)

    def allows(self, name: str, hashes: Mapping[str, str]) -> bool:
        """Whether a package may come from a file.

        Args:
            name: of the package, normalised.
            hashes: of the file, by their algorithms.

        """
        allowed = self.hashes.get(name)
        return allowed is None or not allowed.isdisjoint(f"{kind}:{value}".lower() for kind, value in hashes.items())


def read_requirements_file(path: Path) -> RequirementsFile:
    """Read a file of requirements.

    Raises:
        AppImageError: it, or one that it includes, is not there, is not UTF-8, or has a line that nobody understands.

    """
    requirements: list[Requirement] = []
    indexes: list[str] = []
    hashes: defaultdict[str, set[str]] = defaultdict(set)
    everything: set[str] = set()
    for file, number, line in _lines(path, (path,)):
        found = {each.lower() for each in _HASH.findall(line)}
        everything |= found
        if match := _INDEX.fullmatch(line):
            indexes.append(_index_line(file, match["option"], match["value"]))
        elif requirement := _requirement(f"{file}, line {number}", line):
            requirements.append(requirement)
            if found:
                hashes[canonicalize_name(requirement.name)] |= found
    allowed = {name: frozenset(each) for name, each in hashes.items()}
    return RequirementsFile(path, tuple(requirements), allowed, tuple(indexes), frozenset(everything))


def _index_line(file: Path, option: str, value: str | None) -> str:
    """Return an option of an index as it stands in a file that lies elsewhere."""
    if value is None:
        return option
    place = value.strip().strip("\"'")
    is_path = "://" not in place and not place.startswith(("file:", "$"))
    return f"{option} {file.parent.absolute() / place if is_path else place}"


def _lines(path: Path, including: tuple[Path, ...]) -> Iterator[tuple[Path, int, str]]:
    """Yield the logical lines of a file and of those that it includes, each with its file and number."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        by = f", which {including[-2]} includes," if len(including) > 1 else ""
        raise AppImageError(f"{path}{by} cannot be read as a file of requirements: {error}") from error
    number, pending = 0, ""
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        line = _COMMENT.sub("", raw)
        if line.endswith("\\") and number <= len(text.splitlines()):
            pending += line[:-1]
            continue
        line, pending = f"{pending}{line}".strip(), ""
        if match := _INCLUDE.fullmatch(line):
            included = path.parent / _unquoted(f"{path}, line {number}", match["file"])
            if included.resolve() in {each.resolve() for each in including}:
                raise AppImageError(f"{path}, line {number}: `{line}` includes a file that includes this one")
            if "://" not in match["file"]:
                yield from _lines(included, (*including, included))
        elif line:
            yield path, number, line


def _unquoted(where: str, text: str) -> str:
    try:
        return shlex.split(text)[0]
    except ValueError as error:
        raise AppImageError(f"{where}: `{text}` names no file: {error}") from error


def _requirement(where: str, line: str) -> Requirement | None:
    """Return what a line asks for by its name; None for options, addresses and paths, which uv understands."""
    if line.startswith(_LOCAL):
        raise AppImageError(
            f"{where}: `{line}` copies a package out of another Python's environment: name its version, or the path of "
            "its project or wheel"
        )
    if line.startswith("-"):
        return None
    text = re.sub(r"\s--?[a-z].*$", "", line)
    if _PLACE.match(text):
        return None
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise AppImageError(f"{where}: `{text}` is no requirement (PEP 508): {str(error).splitlines()[0]}") from error
