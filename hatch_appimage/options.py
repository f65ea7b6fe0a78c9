# SPDX-License-Identifier: MIT
"""The table ``[tool.hatch.build.targets.appimage]``: all options, in groups by the stage that they are for."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hatch_appimage import TABLE
from hatch_appimage.appdir.settings import BytecodeSettings, LauncherSettings
from hatch_appimage.appdir.trace import read_entries
from hatch_appimage.desktop.settings import DesktopSettings
from hatch_appimage.errors import ConfigurationError
from hatch_appimage.image.settings import ImageSettings, ReleaseSettings
from hatch_appimage.introspection.settings import IntrospectionSettings
from hatch_appimage.libraries.policy import LibraryPolicy
from hatch_appimage.option import options_of
from hatch_appimage.packages.settings import InstallSettings
from hatch_appimage.python.settings import PythonSettings
from hatch_appimage.table import Table
from hatch_appimage.trim.settings import TrimSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.project.metadata import Project
    from hatch_appimage.table import Option

# The build hook's own table, and what hatchling reads from it (hatchling.builders.config).
HOOK_TABLE = "tool.hatch.build.targets.wheel.hooks.appimage"
HOOK_KEYS = frozenset({"dependencies", "enable-by-default", "require-runtime-dependencies", "require-runtime-features"})

# What hatchling itself reads from a target's table (hatchling.builders.config) and works for this target too: the rows
# of a table in Markdown.
HATCHLING_OPTIONS = {
    "dependencies": (
        "array of strings | `[]` | What the build itself needs: `hatch-appimage`, and what a custom build hook of this "
        "target imports."
    ),
    "directory": 'string | `"dist"` | Where images are written.',
    "force-include": (
        "table of strings | `{}` | Extra files and directories of the build machine, each with its path in the image."
    ),
    "hooks": "table | `{}` | Build hooks of this target.",
    "reproducible": "boolean | `true` | Give every file in the image the time of `SOURCE_DATE_EPOCH`.",
    "versions": "array of strings | this machine's architecture | The architectures to build for.",
}
HATCHLING_KEYS = frozenset({
    *HATCHLING_OPTIONS,
    # These change nothing about an image: what it has is what the wheel has, and the wheel has a table of its own.
    "artifacts",
    "dev-mode-dirs",
    "dev-mode-exact",
    "exclude",
    "ignore-vcs",
    "include",
    "only-include",
    "only-packages",
    "packages",
    "require-runtime-dependencies",
    "require-runtime-features",
    "skip-excluded-dirs",
    "sources",
})  # fmt: skip


_GROUPS: dict[str, type] = {
    "image": ImageSettings,
    "launcher": LauncherSettings,
    "python": PythonSettings,
    "install": InstallSettings,
    "trim": TrimSettings,
    "bytecode": BytecodeSettings,
    "desktop": DesktopSettings,
    "libraries": LibraryPolicy,
    "introspection": IntrospectionSettings,
    "release": ReleaseSettings,
}
#: Every option of ours, by its key.
OPTIONS: dict[str, Option] = {option.key: option for group in _GROUPS.values() for _, option in options_of(group)}


@dataclass(frozen=True)
class Settings:
    """The values of all options for one build, and the table as TOML has it."""

    image: ImageSettings
    launcher: LauncherSettings
    python: PythonSettings
    install: InstallSettings
    trim: TrimSettings
    bytecode: BytecodeSettings
    desktop: DesktopSettings
    libraries: LibraryPolicy
    introspection: IntrospectionSettings
    release: ReleaseSettings
    raw: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls, raw: Mapping[str, Any], project: Project) -> Settings:
        """Read the target's table.

        Args:
            raw: as TOML has it.
            project: whose it is.

        Raises:
            ConfigurationError: with all that is wrong in the table at once.

        """
        table = Table(raw, project, OPTIONS)
        values = {
            stage: group(**{name: table[option.key] for name, option in options_of(group)})
            for stage, group in _GROUPS.items()
        }
        table.finish(HATCHLING_KEYS)
        return cls(**values, raw=raw)


#: They change nothing about what is in an image, or name what differs on every machine.
UNRECORDED = frozenset({"appdir", "report", "self-test", "sign", "sign-key", "test-command"})


_FILE_URL = re.compile(r"file://(?:localhost)?(/[^\s;#]*[^\s;#/])/?")


@dataclass(frozen=True)
class RecordedOptions:
    """The options of a build, as others can read them.

    Attributes:
        options: those that were set, as in the table, and change what is in the image; paths begin at the project's
            directory.
        outside: the keys of those that name a file outside of it, of which the name is left.

    """

    options: Mapping[str, Any]
    outside: tuple[str, ...]


def record_options(raw: Mapping[str, Any], root: Path) -> RecordedOptions:
    """Return what was set, without directories of this machine.

    Args:
        raw: the table, as TOML has it.
        root: the project's directory.

    """
    outside = []
    # Addresses of files have it percent-encoded. The directory beside it may have a name that begins like its own.
    own = re.compile(f"(?:{re.escape(str(root))}|{re.escape(quote(str(root)))})(?![^/\\s;#:,'\"])")

    def portable(value: Any, option: Option) -> Any:
        if isinstance(value, dict):
            return {key: portable(item, option) for key, item in value.items()}
        if isinstance(value, list):
            return [portable(item, option) for item in value]
        return portable_text(value, option) if isinstance(value, str) else value

    def portable_text(value: str, option: Option) -> str:
        path = Path(value).expanduser()
        if not option.is_path or not path.is_absolute() or path == Path("/"):  # which every machine has
            text = own.sub(".", value)
            if option.key != "requirements" or not _FILE_URL.search(text):
                return text
            outside.append(option.key)
            return _FILE_URL.sub(lambda match: f"file:///{posixpath.basename(match[1])}", text)
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
        outside.append(option.key)
        return path.name

    known = {key: raw[key] for key in sorted(OPTIONS.keys() & raw.keys()) if key not in UNRECORDED}
    if not _brings_files(known.get("trace"), root):
        known.pop("trace", None)
    options = {key: portable(value, OPTIONS[key]) for key, value in known.items() if value is not None}
    return RecordedOptions(options, tuple(dict.fromkeys(outside)))


def _brings_files(trace: Any, root: Path) -> bool:
    """Whether the option `trace` changes the image: it does by a file that is there before the build.

    Args:
        trace: its value, as TOML has it.
        root: the project's directory.

    """
    try:
        return isinstance(trace, str) and bool(read_entries(root / Path(trace).expanduser()))
    except (OSError, RuntimeError, ValueError):  # no possible path: reading the table says so
        return False


def check_hook_table(table: Mapping[str, Any]) -> None:
    """See that the build hook's own table has nothing that is for the target's.

    Raises:
        ConfigurationError: it has.

    """
    misplaced = sorted(table.keys() - HOOK_KEYS)
    if misplaced:
        raise ConfigurationError(
            [f"Unknown option `{HOOK_TABLE}.{key}`: options of the image belong to [{TABLE}]" for key in misplaced]
        )
