# SPDX-License-Identifier: MIT
"""The projects that docs/desktop-recipes.md consists of."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.projects import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PAGE = REPOSITORY / "docs" / "desktop-recipes.md"
# A file's name in a line of its own, and the file.
_FILE = re.compile(r"^`(?P<name>[^`\n]+)`\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# How a project's image is started, where that needs arguments.
_START = re.compile(r"^`dist/\S+\.AppImage (?P<arguments>[^`]+)`", re.MULTILINE)
_PICTURE = re.compile(r"^!\[[^\]]+\]\((?P<path>[^)]+)\)$", re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """A section of the page.

    Attributes:
        title: its heading.
        files: of the project, by their names.
        arguments: with which its image is started.
        picture: of its window, if it has one.

    """

    title: str
    files: dict[str, str]
    arguments: tuple[str, ...]
    picture: Path | None

    @property
    def name(self) -> str:
        """The project's name."""
        match = re.search(r'^name = "(.+)"$', self.files["pyproject.toml"], re.MULTILINE)
        assert match, self.title
        return match[1]

    def write(self, directory: Path) -> None:
        """Write the project into a directory."""
        for name, text in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def read_recipes() -> list[Recipe]:
    """Return all recipes of the page."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [recipe for section in sections if (recipe := _read(section)).files]


def _read(section: str) -> Recipe:
    picture = _PICTURE.search(section)
    start = _START.search(section)
    arguments = tuple(shlex.split(start["arguments"])) if start else ()
    files = {match["name"]: match["text"] for match in _FILE.finditer(section)}
    return Recipe(section.partition("\n")[0], files, arguments, PAGE.parent / picture["path"] if picture else None)
