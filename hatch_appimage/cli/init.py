# SPDX-License-Identifier: MIT
"""The command that writes a project's first table, and may wrap its build back end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_appimage import TABLE
from hatch_appimage import backend as wrapper
from hatch_appimage.builder import AppImageBuilder, hatchling_errors
from hatch_appimage.cli.proposal import propose
from hatch_appimage.cli.toml_edit import set_value
from hatch_appimage.errors import AppImageError
from hatch_appimage.options import HOOK_TABLE, Settings
from hatch_appimage.project.build_input import open_source
from hatch_appimage.text import printable
from hatch_appimage.toml import tomllib
from hatch_appimage.whole_file import write_whole
from hatch_appimage.workspace import read_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.cli.proposal import Choice

_US = "hatch-appimage"
_HATCHLING = "hatchling.build"
# What front ends require for a project that has no [build-system].
_DEFAULT_REQUIRES = ["setuptools"]


@dataclass(frozen=True)
class _File:
    """A file of settings, as it is before it is changed.

    Attributes:
        path: where it is, or will be.
        text: what is in it.
        above: the tables around hatch's own in it.

    """

    path: Path
    text: str
    above: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, *above: str) -> _File:
        """Read a file; one that is not there is empty."""
        try:
            # The ends of its lines stay what they are.
            return cls(path, path.read_bytes().decode() if path.exists() else "", above)
        except UnicodeDecodeError as error:
            raise AppImageError(f"{path} is no valid TOML: {error}") from error

    @property
    def document(self) -> dict[str, Any]:
        """What the text means."""
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise AppImageError(f"{self.path} is no valid TOML: {error}") from error

    def keys_of(self, table: str) -> tuple[str, ...]:
        """Return where a table of hatch's is in this file, of its name in ``pyproject.toml``."""
        return (*self.above, *table.split(".")[2:])

    def has(self, keys: tuple[str, ...]) -> bool:
        """Whether a table is there."""
        found: Any = self.document
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found is not None

    def changed(self, changes: Mapping[tuple[str, ...], Any]) -> str:
        """Return the text with values set; None removes one.

        Raises:
            AppImageError: it has no place for one of them.

        """
        text = self.text
        try:
            for keys, value in changes.items():
                text = set_value(text, keys, value)
        except AppImageError as error:
            raise AppImageError(f"{self.path}: {error}") from error
        return text


def init(options: argparse.Namespace) -> int:
    """Write the table of a project, which has none yet, and say what was chosen and why."""
    root = options.path.resolve()
    if not root.is_dir():
        raise AppImageError(f"{options.path} is no directory of a project")
    project = _File.read(root / "pyproject.toml", "tool", "hatch")
    settings = _settings_file(root, project)
    keys = settings.keys_of(TABLE)
    there = settings.has(keys)
    if there and not options.backend:
        raise AppImageError(
            f"{settings.path} has a table [{'.'.join(keys)}] already: `hatch-appimage check` shows what it means"
        )
    choices = [] if there else _choose(root)
    table = {key: value for choice in choices for key, value in choice.options.items()}
    system = read_table(project.path, "build-system") or {}
    is_hatchling = system.get("build-backend") == _HATCHLING
    changes = {} if there else {keys: {"dependencies": [_US], **table} if is_hatchling else table}
    wrapping = _wrapping(system) if options.backend and not is_hatchling else {}
    if options.backend and is_hatchling:
        changes |= _hook(settings)
    if settings is project:
        _write({project: changes | wrapping})
    else:
        _write({settings: changes, project: wrapping})
    for choice in choices:
        print(printable(f"  {choice.label:<10}  {choice.text} ({choice.reason})"))
    _show_commands(is_hatchling=is_hatchling, is_beside=options.backend)
    return 0


def _settings_file(root: Path, project: _File) -> _File:
    """Return the file whose tables count: a ``hatch.toml`` that has ``build`` hides that of ``pyproject.toml``."""
    own = _File.read(root / "hatch.toml")
    return own if "build" in own.document else project


def _choose(root: Path) -> list[Choice]:
    with open_source(str(root)) as source:
        builder = AppImageBuilder.of_source(source)
        with hatchling_errors():
            builder.metadata.validate_fields()
        choices = propose(builder.project)
        Settings.read({key: value for choice in choices for key, value in choice.options.items()}, builder.project)
    return choices


def _hook(settings: _File) -> dict[tuple[str, ...], Any]:
    """Return what has hatchling build the image beside the wheel when it is asked to."""
    keys = settings.keys_of(HOOK_TABLE)
    if settings.has(keys):
        raise AppImageError(f"{settings.path} has a table [{'.'.join(keys)}] already: it builds the image when asked")
    return {keys: {"enable-by-default": False, "dependencies": [_US]}}


def _wrapping(system: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """Return what puts our back end around that of a project, whose table ``[build-system]`` is given."""
    inner = system.get("build-backend")
    if inner == wrapper.__name__:
        raise AppImageError(f"The build back end is {inner} already: it builds the image when asked")
    changes: dict[tuple[str, ...], Any] = {
        ("build-system", "requires"): [*system.get("requires", _DEFAULT_REQUIRES), _US],
        ("build-system", "build-backend"): wrapper.__name__,
    }
    if inner is None:
        return changes
    table = {key: system[key] for key in ("build-backend", "backend-path") if key in system}
    if "backend-path" in system:  # ours does not lie there
        changes["build-system", "backend-path"] = None
    return {**changes, ("tool", _US): table}


def _write(changes: Mapping[_File, Mapping[tuple[str, ...], Any]]) -> None:
    """Change files, once it is certain that all of them can be."""
    texts = {file: file.changed(values) for file, values in changes.items() if values}
    for file, text in texts.items():
        write_whole(file.path, text)
        print(printable(f"{file.path.name}: {', '.join('.'.join(keys) for keys in changes[file])}"))


def _show_commands(*, is_hatchling: bool, is_beside: bool) -> None:
    print("\nShow what it means:  hatch-appimage check")
    print(f"Build the image:     {'hatch build -t appimage' if is_hatchling else 'hatch-appimage build'}")
    if is_beside:
        way = (
            "HATCH_BUILD_HOOK_ENABLE_APPIMAGE=1 python -m build" if is_hatchling else "python -m build -C appimage=true"
        )
        print(f"Beside the wheel:    {way}")
