# SPDX-License-Identifier: MIT
"""What an option is, and the table of one project while its options are read: its values, and all that is wrong."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_appimage import TABLE
from hatch_appimage.errors import AppImageError, ConfigurationError
from hatch_appimage.suggest import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hatch_appimage.project.metadata import Project


@dataclass(frozen=True)
class Kind:
    """A type of values in TOML.

    Attributes:
        name: what documentation and messages call it.
        read: takes the option's name and a value, and returns that value; raises TypeError if it is of another type.

    """

    name: str
    read: Callable[[str, object], Any]


@dataclass(frozen=True)
class Option:
    """An option, and what users are told of it.

    Attributes:
        kind: the type of its value.
        help: Markdown, short enough for a row of a table.
        details: further paragraphs of Markdown.
        default: a TOML value in backquotes, or in words what is done without the option.
        value: what it is without being set.
        check: makes the typed value of the one in TOML; raises ValueError or AppImageError with a text that completes
            "Option `...` ".
        compute: makes the value if it is not set, where that depends on the project; raises the same errors.
        is_path: the value is a path, or may be one.
        key: as it is written in the table.

    """

    kind: Kind
    help: str
    details: str
    default: str
    value: Any
    check: Callable[[Any, Table], Any]
    compute: Callable[[Table], Any] | None
    is_path: bool
    key: str = ""


class Table:
    """The options of a project, each read when it is first asked for, as another's value may depend on it.

    Attributes:
        raw: the table as TOML has it.
        project: whose it is.

    """

    def __init__(self, raw: Mapping[str, Any], project: Project, options: Mapping[str, Option]) -> None:
        """Make the table of a project.

        Args:
            raw: as TOML has it.
            project: whose it is.
            options: all that there are, by their keys.

        """
        self.raw = raw
        self.project = project
        self._options = options
        self._values: dict[str, Any] = {}
        self._errors: list[str] = []
        self._refused: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        """Return the value of an option; if it is wrong, remember why and return its default."""
        if key not in self._values:
            self._values[key] = self._read(self._options[key])
        return self._values[key]

    def __contains__(self, key: str) -> bool:
        """Whether the project sets an option."""
        return self.raw.get(key) is not None

    def _read(self, option: Option) -> Any:
        name = f"{TABLE}.{option.key}"
        value = self.raw.get(option.key)
        if value is None and option.compute is None:
            return option.value
        try:
            value = None if value is None else option.kind.read(name, value)
        except TypeError as error:
            return self._refuse(option, str(error))
        try:
            return option.compute(self) if value is None and option.compute else option.check(value, self)
        except (ValueError, AppImageError) as error:
            return self._refuse(option, f"Option `{name}` {error}")

    def _refuse(self, option: Option, error: str) -> Any:
        self._errors.append(error)
        self._refused.add(option.key)
        return option.value

    def is_refused(self, key: str) -> bool:
        """Whether what the project sets an option to is wrong, so that nothing can be said of what depends on it."""
        _ = self[key]  # reads it, if nothing has yet
        return key in self._refused

    def finish(self, others: Collection[str]) -> None:
        """Refuse what is no option, and raise all that was found wrong.

        Args:
            others: keys that are hatchling's.

        Raises:
            ConfigurationError: anything was.

        """
        known = {*self._options, *others}
        for key in self.raw:
            if key not in known:
                suggestion = suggest_name(key, known, "; `hatch-appimage options` describes all that there are")
                self._errors.append(f"Unknown option `{TABLE}.{key}`{suggestion}")
        if self._errors:
            raise ConfigurationError(self._errors)

    def file(self, value: str) -> Path:
        """Return the file that a text means.

        Raises:
            ValueError: there is none; the text completes "Option `...` ".

        """
        path = self.path(value)
        if not path.is_file():
            what = "a directory, and has to name a file" if path.is_dir() else "a file that is not there"
            raise ValueError(f"names {what}: `{value}` ({self._where})")
        return path

    def directory(self, value: str) -> Path:
        """Return the directory that a text means, without symbolic links.

        Raises:
            ValueError: there is none; the text completes "Option `...` ".

        """
        path = self.path(value)
        if not path.is_dir():
            what = "a file, and has to name a directory" if path.is_file() else "a directory that is not there"
            raise ValueError(f"names {what}: `{value}` ({self._where})")
        return path.resolve()

    def new_file(self, value: str) -> Path:
        """Return the path of a file that is to be written.

        Raises:
            ValueError: a directory is there; the text completes "Option `...` ".

        """
        path = self.path(value)
        if path.is_dir() or value.endswith("/"):
            raise ValueError(f"names a directory where a file is to be written: `{value}`")
        return path

    def interpreter(self, value: str) -> Path:
        """Return the Python interpreter that a text means: its path, its directory, or its name on PATH.

        Raises:
            ValueError: there is none; the text completes "Option `...` ".

        """
        path = self.path(value)
        if path.is_dir():
            path = path / "bin" / "python3"
        if path.is_file():
            return path
        found = None if "/" in value else shutil.which(value)
        if found is None:
            raise ValueError(
                f"must be a version, a Python interpreter (its path, or its name if it is on PATH), a directory with "
                f"bin/python3 in it, an archive, a URL or `python-appimage:VERSION`: `{value}` is not there "
                f"({self._where})"
            )
        return Path(found)

    @property
    def _where(self) -> str:
        """Say where paths begin, and what to do if that is not the whole project."""
        if self.project.unpacked:
            return (
                "this is a build from the sdist, which lacks it: add it in [tool.hatch.build.targets.sdist] to "
                "`include`, or to `artifacts` if Git ignores it"
            )
        return f"paths are relative to {self.project.root}"

    def path(self, value: str) -> Path:
        """Return the path that a text means; ``is_file()`` and the like work on it.

        Raises:
            ValueError: no path can be meant; the text completes "Option `...` ".

        """
        try:
            path = self.project.root / Path(value).expanduser()
            path.exists()
        except RuntimeError as error:
            raise ValueError(f"names the home of a user that is not there: `{value}`") from error
        except OSError as error:
            raise ValueError(f"names no possible file: {error.strerror}") from error
        return path
