# SPDX-License-Identifier: MIT
"""Desktop entry files (Desktop Entry Specification), read and changed line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

# Desktop Menu Specification, "Main Categories".
MAIN_CATEGORIES = frozenset({
    "Audio",
    "AudioVideo",
    "Development",
    "Education",
    "Game",
    "Graphics",
    "Network",
    "Office",
    "Science",
    "Settings",
    "System",
    "Utility",
    "Video",
})  # fmt: skip

MAIN_GROUP = "Desktop Entry"
#: What the names of groups begin with that are further ways to start.
ACTION = "Desktop Action "

_GROUP = re.compile(r"\[(?P<name>[^\[\]]+)\]")

_KEY = re.compile(r"(?P<key>[A-Za-z0-9-]+(?:\[[^\]]+\])?)\s*=\s*(?P<value>.*)")
KEY_NAME = re.compile(r"[A-Za-z0-9-]+(?:\[[^\]\s]+\])?")

_REQUIRED = ("Type", "Name", "Exec", "Categories")


@dataclass(frozen=True)
class Line:
    """A line with a key and its value.

    Attributes:
        number: from one.
        group: the name of the one that it is in.
        key: without the locale.
        locale: the value is for it; empty for all others.
        value: as it is written.

    """

    number: int
    group: str
    key: str
    locale: str
    value: str

    @property
    def full_key(self) -> str:
        """The key as it is written."""
        return f"{self.key}[{self.locale}]" if self.locale else self.key


@dataclass(frozen=True)
class DesktopEntry:
    """A desktop entry file (Desktop Entry Specification), kept line by line so that comments and order stay.

    Attributes:
        lines: without their line ends.

    """

    lines: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> DesktopEntry:
        """Read and check a desktop entry; see `parse`."""
        return cls.parse(path.read_bytes(), str(path))

    @classmethod
    def parse(cls, content: bytes, path: str) -> DesktopEntry:
        """Check the content of a desktop entry.

        Args:
            content: of the file.
            path: of the file, for messages.

        Raises:
            ValueError: it is damaged or lacks what AppImage tools require; the message completes "There is ".

        """
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"a desktop entry that is not UTF-8: {path}") from error
        # Only newlines end a line there; str.splitlines() knows many more.
        entry = cls(tuple(line.rstrip("\r") for line in text.removesuffix("\n").split("\n")))
        group = None
        for number, line in enumerate(entry.lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            if match := _GROUP.fullmatch(line.strip()):
                group = match["name"]
            elif group is None or not _KEY.fullmatch(line):
                raise ValueError(f"a damaged desktop entry: {path}, line {number}: `{line}`")
        for key in _REQUIRED:
            if not entry.get(key):
                raise ValueError(f"a desktop entry without `{key}=` in [{MAIN_GROUP}]: {path}")
        if entry.get("Type") != "Application":
            raise ValueError(f"a desktop entry that is not `Type=Application`: {path}")
        return entry

    def headings(self) -> Iterator[tuple[int, str]]:
        """Yield the numbers of the lines that begin groups, from one, and the names of these."""
        for number, line in enumerate(self.lines, 1):
            if match := _GROUP.fullmatch(line.strip()):
                yield number, match["name"]

    def pairs(self) -> Iterator[Line]:
        """Yield the lines that have a key."""
        groups = dict(self.headings())
        group = ""
        for number, line in enumerate(self.lines, 1):
            group = groups.get(number, group)
            if match := _KEY.fullmatch(line):
                key, _, locale = match["key"].partition("[")
                yield Line(number, group, key, locale.rstrip("]"), match["value"].strip())

    def get(self, key: str, group: str = MAIN_GROUP) -> str | None:
        """Return the value of a key of a group."""
        return next((line.value for line in self.pairs() if line.group == group and line.full_key == key), None)

    def with_keys(self, values: Mapping[str, str], group: str = MAIN_GROUP) -> DesktopEntry:
        """Return the entry with these keys of a group set: in place where they are, else at the group's end."""
        lines = list(self.lines)
        missing = dict(values)
        end = 0
        for number in self._numbers(group):
            match = _KEY.fullmatch(lines[number])
            if match and match["key"] in values:
                lines[number] = f"{match['key']}={values[match['key']]}"
                missing.pop(match["key"], None)
            if lines[number].strip():
                end = number + 1
        lines[end:end] = [f"{key}={value}" for key, value in missing.items()]
        return DesktopEntry(tuple(lines))

    def without_lines(self, numbers: Collection[int]) -> DesktopEntry:
        """Return the entry without some lines, numbered from one."""
        return DesktopEntry(tuple(line for number, line in enumerate(self.lines, 1) if number not in numbers))

    def without_group(self, group: str) -> DesktopEntry:
        """Return the entry without a group and its comments."""
        return self.without_lines([number + 1 for number in self._numbers(group)])

    def _numbers(self, group: str) -> list[int]:
        """Return the indices of the lines of a group, its heading included."""
        numbers: list[int] = []
        inside = False
        for number, line in enumerate(self.lines):
            if match := _GROUP.fullmatch(line.strip()):
                inside = match["name"] == group
            if inside:
                numbers.append(number)
        return numbers

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"
