# SPDX-License-Identifier: MIT
"""The table ``[tool.hatch.build.targets.appimage]``: read, checked and typed. Nothing else reads TOML."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_appimage import TABLE
from hatch_appimage.appdir.desktop import MAIN_CATEGORIES, DesktopEntry
from hatch_appimage.appdir.icon import Icon
from hatch_appimage.architecture import ARCHITECTURES, ByArchitecture
from hatch_appimage.errors import AppImageError, ConfigurationError
from hatch_appimage.image.name import first_part, image_name
from hatch_appimage.image.updates import UpdateInformation
from hatch_appimage.libraries.policy import GROUPS, NEVER_BUNDLED, Policy, group_of
from hatch_appimage.packages.lock import Lock
from hatch_appimage.project.entry_points import EntryPoint, choose_entry_point, choose_links
from hatch_appimage.python.local import LocalSource
from hatch_appimage.python.source import read_source
from hatch_appimage.suggest import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_appimage.project.metadata import Project
    from hatch_appimage.python.source import PythonSource

T = TypeVar("T")

# The build hook's own table, and what hatchling reads from it (hatchling.builders.config).
HOOK_TABLE = "tool.hatch.build.targets.wheel.hooks.appimage"
HOOK_KEYS = frozenset({"dependencies", "enable-by-default", "require-runtime-dependencies", "require-runtime-features"})

# Values that are paths, or may be: they begin at the project's folder, on a command line at the current one.
PATH_KEYS = frozenset({"constraints", "desktop-file", "icon", "lock", "python", "report", "runtime", "sysroot"})

# The compressors and the range of their levels.
COMPRESSION_LEVELS = {"zstd": (1, 22), "gzip": (1, 9)}

# Options that install further packages, which may bring commands.
_COMMANDS_OF_OTHERS = frozenset({"dependency-groups", "features", "requirements"})

# File names have 255 bytes at most, and version and architecture go behind the name.
_MAX_NAME = 150
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that a default does nothing for, or harm, with the reason and the way out.
_FORBIDDEN_VARIABLES = {
    re.compile(r"PYTHON.*"): (
        "the bundled Python is isolated and ignores it: have the program do what it is for "
        "(`sys.stdout.reconfigure(line_buffering=True)` for PYTHONUNBUFFERED)"
    ),
    re.compile(r"LD_.*"): (
        "programs of the user's machine that the application starts would break: "
        "`libraries` bundles what the application opens by its name"
    ),
    re.compile(r"PATH"): (
        "it is set for every user, so a default would do nothing: "
        "`commands-on-path = true` puts the image's commands in front of it"
    ),
    re.compile(r"APPDIR|APPIMAGE|ARGV0|OWD"): "it is the runtime that sets it, at every start",
}


@dataclass(frozen=True)
class Option:
    """What users are told of a key; the documentation is made of it.

    Attributes:
        key: as it is written in the table.
        kind: the type of its value in TOML.
        default: a TOML value in backquotes, or in words what is done without the key.
        meaning: Markdown, short enough for a row of a table.
        details: further paragraphs of Markdown.

    """

    key: str
    kind: str
    default: str
    meaning: str
    details: str = ""


# What hatchling itself reads from a target's table (hatchling.builders.config) and works for this target too.
HATCHLING_OPTIONS = (
    Option(
        "dependencies",
        "array of strings",
        "`[]`",
        "What the build itself needs: `hatch-appimage`, and what a custom build hook of this target imports.",
    ),
    Option("directory", "string", '`"dist"`', "Where images are written."),
    Option(
        "force-include",
        "table of strings",
        "`{}`",
        "Extra files and folders of the build machine, each with its path in the image.",
    ),
    Option("hooks", "table", "`{}`", "Build hooks of this target."),
    Option("reproducible", "boolean", "`true`", "Give every file in the image the time of `SOURCE_DATE_EPOCH`."),
    Option("versions", "array of strings", "this machine's architecture", "The architectures to build for."),
)
HATCHLING_KEYS = frozenset({
    *(option.key for option in HATCHLING_OPTIONS),
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


def _keys(*options: Option) -> dict[str, tuple[Option, ...]]:
    """Document the keys that a field is read from, as the field's metadata."""
    return {"options": options}


@dataclass(frozen=True)
class AppImageConfig:
    """The settings of one build, each with what users are told of its key."""

    name: str = field(
        metadata=_keys(
            Option(
                "name",
                "string",
                "the project's name",
                "What people call the application; the file is named `<name>-<version>-<architecture>.AppImage`.",
                "In names of files it has no accents, and `_` in place of what is neither a letter nor a digit: "
                '`"Größe & Co (beta)"` becomes `Grosse_Co_beta`. The project\'s name stands there for one with letters '
                "that are not Latin. In the version, `!` and `+` become `_`.",
            )
        )
    )
    # The first part of the names of files, which has no key of its own.
    file_name: str = field(metadata=_keys())
    entry_point: EntryPoint = field(
        metadata=_keys(
            Option(
                "entry-point",
                "string",
                "the only script, or the one named like the project",
                'What starts: a key of `[project.scripts]` or `[project.gui-scripts]`, `"module:function"` or '
                '`"-m module"`.',
                "It can also be the name of any other Python script that is installed, such as the command of a "
                "dependency. Whether that is there is known once everything is installed.",
            )
        )
    )
    entry_points: tuple[str, ...] = field(
        metadata=_keys(
            Option(
                "entry-points",
                "array of strings",
                "all of the project's scripts",
                "Which of them start by a link: a symbolic or hard link to the image that is named like a script "
                "starts that one.",
                "Scripts of dependencies can be named, too. See [several commands in one image]"
                "(recipes.md#several-commands-in-one-image).",
            )
        )
    )
    expose_python: bool = field(
        metadata=_keys(
            Option(
                "expose-python",
                "boolean",
                "`false`",
                "Links named `python`, `python3` or `python3.12` start the interpreter.",
                "See [the interpreter of an image](recipes.md#the-interpreter-of-an-image).",
            )
        )
    )
    python: ByArchitecture[PythonSource] = field(
        metadata=_keys(
            Option(
                "python",
                "string or table of strings",
                "the Python that runs the build",
                'The Python to bundle: a version (`"3.12"`), the path of an interpreter or its name if it is on '
                "`PATH`, a folder with `bin/python3` in it, an archive, an AppImage, a URL, or "
                '`"python-appimage:3.12"`.',
                "CPython 3.8 or newer can be bundled. The image needs at least the glibc that this Python needs: one "
                "that was built for old systems, as those are which a version names, runs in more places than a "
                "distribution's own. A table has one for each architecture. See [Pythons](../README.md#pythons).",
            ),
            Option(
                "python-sha256",
                "string or table of strings",
                "none",
                "The SHA-256 of the archive or AppImage that `python` names; a URL is refused without it.",
            ),
        )
    )
    features: tuple[str, ...] = field(
        metadata=_keys(
            Option("features", "array of strings", "`[]`", "Optional dependencies of the project to install.")
        )
    )
    requirements: tuple[str, ...] = field(
        metadata=_keys(Option("requirements", "array of strings", "`[]`", "Further requirements to install (PEP 508)."))
    )
    lock: Lock | None = field(
        metadata=_keys(
            Option(
                "lock",
                "string or boolean",
                "`pylock.toml` or `uv.lock` beside `pyproject.toml`, the first that is there",
                "The lock file that says what is installed: `pylock.toml`, `pylock.<name>.toml`, `uv.lock`, "
                "`poetry.lock`, or a `.txt` of requirements with hashes; `false` for none.",
                "Hashes are verified, and markers count for the Python in the image. The build ends if the lock is out "
                "of date, lacks what the wheel's metadata or `requirements` ask for, or lacks a file for the target. "
                "The image's own `usr/share/<name>/pylock.toml` can be given here to install the same packages again.",
            )
        )
    )
    constraints: Path | None = field(
        metadata=_keys(
            Option(
                "constraints",
                "string",
                "none",
                "A file of constraints, as pip takes them, for what is resolved without a lock.",
                "Beside a lock it is refused.",
            )
        )
    )
    dependency_groups: tuple[str, ...] = field(
        metadata=_keys(
            Option(
                "dependency-groups",
                "array of strings",
                "`[]`",
                "Dependency groups (PEP 735) to install; a lock must have them.",
            )
        )
    )
    icon: Icon | None = field(
        metadata=_keys(Option("icon", "string", "a generated one", "A PNG (best of 256 by 256 pixels) or SVG."))
    )
    desktop_file: DesktopEntry | None = field(
        metadata=_keys(
            Option(
                "desktop-file",
                "string",
                "a generated one",
                "The desktop entry. `Icon`, the program in `Exec` and the `X-AppImage-` keys are set for you.",
                "`categories` and `terminal` have no effect beside it and are refused.",
            )
        )
    )
    categories: tuple[str, ...] = field(
        metadata=_keys(
            Option(
                "categories",
                "array of strings",
                '`["Utility"]`',
                "Of the generated desktop entry.",
                "At least one has to be a main category of the [Desktop Menu Specification]"
                "(https://specifications.freedesktop.org/menu-spec/latest/category-registry.html), such as "
                '`"Development"`, `"Graphics"`, `"Network"`, `"Office"` or `"Science"`.',
            )
        )
    )
    terminal: bool = field(
        metadata=_keys(
            Option(
                "terminal",
                "boolean",
                "`true`, for a GUI script `false`",
                "Whether the application wants a terminal.",
            )
        )
    )
    environment: Mapping[str, str] = field(
        metadata=_keys(
            Option(
                "environment",
                "table of strings",
                "`{}`",
                'Variables to set where the user has not set them, such as `QT_QPA_PLATFORM = "wayland;xcb"`; '
                "`$APPDIR` in a value is the image's folder.",
                "`PYTHON*` is refused, as the bundled Python is isolated and ignores it, and so is `LD_*`, as programs "
                "that the application starts would break. `PATH` is refused because every user has set it: see "
                "`commands-on-path`.",
            )
        )
    )
    commands_on_path: bool = field(
        metadata=_keys(
            Option(
                "commands-on-path",
                "boolean",
                "`false`",
                "Put the image's commands in front of the application's `PATH`, as an activated environment does.",
                '`subprocess.run(["uvicorn"])` then starts the image\'s `uvicorn`. `python` and `python3` stay the '
                "machine's, as its scripts look for them on `PATH`. By default the application's `PATH` is the "
                "caller's, and with it that of every program that the application starts; "
                '`subprocess.run([sys.executable, "-m", "uvicorn"])` works either way.',
            )
        )
    )
    runtime: Path | None = field(
        metadata=_keys(Option("runtime", "string", "ours", "A type-2 AppImage runtime to use instead."))
    )
    compression: str = field(
        metadata=_keys(
            Option(
                "compression",
                "string",
                '`"zstd"`',
                '`"zstd"`, or `"gzip"` for desktop integrations from before 2024 that read nothing else.',
            )
        )
    )
    compression_level: int | None = field(
        metadata=_keys(
            Option(
                "compression-level",
                "integer",
                "15 for zstd, 9 for gzip",
                "From 1 to 22 for zstd, from 1 to 9 for gzip.",
            )
        )
    )
    test_command: str | None = field(
        metadata=_keys(
            Option(
                "test-command",
                "string",
                "none",
                "A shell command that is run against the finished image in an empty environment, such as "
                '`"{appimage} --version"`. If it fails, the build fails and leaves no image.',
            )
        )
    )
    startup_order: bool = field(
        metadata=_keys(
            Option(
                "startup-order",
                "boolean",
                "`true`",
                "Import the entry point once during the build, to lay the files that a start reads at the front of "
                "the image.",
            )
        )
    )
    report: Path | None = field(
        metadata=_keys(Option("report", "string", "none", "A file for the build's report as JSON."))
    )
    libraries: Policy = field(
        metadata=_keys(
            Option(
                "libraries",
                "array of strings",
                "`[]`",
                'Shared libraries that the application opens at run time only, by soname (`"libsodium.so.23"`) or '
                "path.",
            ),
            Option(
                "include-libraries",
                "array of strings",
                "`[]`",
                'Libraries to bundle although every desktop has them: sonames, patterns (`"libz.so.*"`) or groups '
                '(`"@fonts"`).',
                f"The groups are {', '.join(f'`@{name}`' for name in GROUPS)}; [shared libraries]"
                "(how-it-works.md#shared-libraries) has what is in them.",
            ),
            Option(
                "exclude-libraries",
                "array of strings",
                "`[]`",
                "Libraries not to bundle, likewise. It wins over `include-libraries`.",
            ),
            Option(
                "ignore-missing",
                "array of strings",
                "`[]`",
                "Libraries that may be missing on the build machine, likewise. Others end the build if a start needs "
                "them, and are warned of if not.",
            ),
        )
    )
    sysroot: ByArchitecture[Path] = field(
        metadata=_keys(
            Option(
                "sysroot",
                "string or table of strings",
                '`"/"`',
                "A copy of an older distribution, or of one for another architecture, whose libraries are bundled "
                "instead of this machine's.",
            )
        )
    )
    max_glibc: tuple[int, ...] | None = field(
        metadata=_keys(
            Option(
                "max-glibc",
                "string",
                "none",
                'The newest glibc that the image may need, such as `"2.28"`: wheels are chosen by it, and if a file '
                "needs a newer one, the build fails and says what to do about each.",
            )
        )
    )
    tkinter: bool | None = field(
        metadata=_keys(
            Option("tkinter", "boolean", "whether the application imports it", "Keep tkinter with Tcl and Tk.")
        )
    )
    update_information: UpdateInformation | None = field(
        metadata=_keys(
            Option(
                "update-information",
                "string",
                "none",
                'Where update tools find newer images: `"github"`, `"github:latest-pre"`, or a line of the '
                "AppImage specification (`{arch}` in it stands for the architecture).",
                "See [updates](recipes.md#updates).",
            )
        )
    )
    sign: bool = field(metadata=_keys(Option("sign", "boolean", "`false`", "Sign the image with gpg.")))
    sign_key: str | None = field(
        metadata=_keys(
            Option(
                "sign-key",
                "string",
                "gpg's default key",
                "The key to sign with, as gpg takes it; it implies `sign`.",
                "See [signatures](recipes.md#signatures).",
            )
        )
    )

    def update_line(self, version: str, architecture: str) -> str | None:
        """Return the update information for one image.

        Raises:
            ConfigurationError: it does not fit the image's name.

        """
        if self.update_information is None:
            return None
        try:
            return self.update_information.line(
                self.file_name, image_name(self.file_name, version, architecture), architecture
            )
        except ValueError as error:
            raise ConfigurationError([f"Field `{TABLE}.update-information` {error}"]) from error

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """Return what users are told of every key."""
        return tuple(option for each in fields(cls) for option in each.metadata["options"])

    @classmethod
    def read(cls, table: Mapping[str, Any], project: Project) -> AppImageConfig:
        """Read the target's table.

        Raises:
            ConfigurationError: with every fault of the table at once.

        """
        reader = _TableReader(table, project)
        complete = project.complete and not _COMMANDS_OF_OTHERS & table.keys()
        entry_point = reader.take(
            "entry-point", reader.text, lambda value: choose_entry_point(value, project, complete=complete)
        )
        gui = entry_point is not None and entry_point.gui
        compression = reader.take("compression", reader.text, _compression)
        if "compression" not in table:
            compression = "zstd"
        name = reader.take("name", reader.text, _display_name) or project.name
        config = cls(
            name=name,
            file_name=first_part(name, project.name),
            entry_point=entry_point or EntryPoint("", "", None),  # never used: its fault is among the errors
            entry_points=reader.take(
                "entry-points", reader.texts, lambda names: choose_links(names, project, complete=complete)
            )
            or (),
            expose_python=reader.take("expose-python", reader.boolean, bool) is True,
            python=reader.python(),
            features=reader.take("features", reader.texts, lambda names: _features(names, project)) or (),
            requirements=reader.take("requirements", reader.texts, _requirements) or (),
            lock=reader.take("lock", reader.text_or_boolean, lambda value: _lock(value, reader)),
            constraints=reader.take("constraints", reader.text, reader.file),
            dependency_groups=reader.take("dependency-groups", reader.texts, tuple) or (),
            icon=reader.take("icon", reader.text, lambda path: Icon.read(reader.file(path))),
            desktop_file=reader.take("desktop-file", reader.text, lambda path: DesktopEntry.read(reader.file(path))),
            categories=reader.take("categories", reader.texts, _categories) or ("Utility",),
            terminal=reader.take("terminal", reader.boolean, lambda value: not gui if value is None else value) is True,
            environment=reader.take("environment", reader.mapping, _environment) or {},
            commands_on_path=reader.take("commands-on-path", reader.boolean, bool) is True,
            runtime=reader.take("runtime", reader.text, reader.file),
            compression=compression or "",  # never used: its fault is among the errors
            compression_level=reader.take(
                "compression-level", reader.integer, lambda level: _level(level, compression)
            ),
            test_command=reader.take("test-command", reader.text, _test_command),
            startup_order=reader.take("startup-order", reader.boolean, bool) is not False,
            report=reader.take("report", reader.text, reader.new_file),
            libraries=Policy(
                include=reader.take("include-libraries", reader.texts, _included) or (),
                exclude=reader.take("exclude-libraries", reader.texts, _library_rules) or (),
                ignore=reader.take("ignore-missing", reader.texts, _library_rules) or (),
                libraries=reader.take("libraries", reader.texts, tuple) or (),
            ),
            sysroot=reader.take(
                "sysroot", reader.by_architecture, lambda values: _by_architecture(values, reader.folder, Path("/"))
            )
            or ByArchitecture(Path("/"), {}),
            max_glibc=reader.take("max-glibc", reader.text, _glibc_version),
            tkinter=reader.take("tkinter", reader.boolean, bool),
            update_information=reader.take(
                "update-information",
                reader.text,
                lambda value: UpdateInformation.read(value, project.urls, os.environ),
            ),
            sign=reader.take("sign", reader.boolean, bool) or "sign-key" in table,
            sign_key=reader.take("sign-key", reader.text, str.strip),
        )
        reader.finish()
        return config


def check_hook_table(table: Mapping[str, Any]) -> None:
    """See that the build hook's own table has nothing that is for the target's.

    Raises:
        ConfigurationError: it has.

    """
    misplaced = sorted(table.keys() - HOOK_KEYS)
    if misplaced:
        raise ConfigurationError(
            [f"Unknown field `{HOOK_TABLE}.{key}`: settings of the image belong to [{TABLE}]" for key in misplaced]
        )


class _TableReader:
    """Takes keys out of a table, one after the other, and remembers all that is wrong with them."""

    # These are called although the key is absent: their default depends on the project.
    COMPUTED = frozenset({"entry-point", "entry-points", "lock", "terminal"})

    def __init__(self, table: Mapping[str, Any], project: Project) -> None:
        self.table = table
        self.root = project.root
        self.unpacked = project.unpacked
        self.errors: list[str] = []
        self.known = set(HATCHLING_KEYS)

    def take(self, key: str, kind: Callable[[str, Any], Any], check: Callable[[Any], T]) -> T | None:
        """Read one key.

        Args:
            key: its name.
            kind: one of the readers below: refuses values of another type.
            check: makes the typed value; raises ValueError with a text that completes "Field `...` ".

        """
        self.known.add(key)
        value = self.table.get(key)
        if value is None and key not in self.COMPUTED:
            return None
        try:
            return check(value if value is None else kind(key, value))
        except TypeError as error:
            self.errors.append(str(error))
        except (ValueError, AppImageError) as error:
            self.errors.append(f"Field `{TABLE}.{key}` {error}")
        return None

    def finish(self) -> None:
        """Refuse what no one has read or will heed, and raise what was found wrong."""
        if "desktop-file" in self.table:
            self.errors += [
                f"Field `{TABLE}.{key}` has no effect beside `desktop-file`: write it into that file"
                for key in ("categories", "terminal")
                if key in self.table
            ]
        if self.table.get("sign") is False and "sign-key" in self.table:
            self.errors.append(f"Field `{TABLE}.sign-key` has no effect beside `sign = false`: remove one of them")
        for key in self.table:
            if key not in self.known:
                self.errors.append(f"Unknown field `{TABLE}.{key}`{suggest_name(key, self.known)}")
        if self.errors:
            raise ConfigurationError(self.errors)

    @staticmethod
    def text(key: str, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"Field `{TABLE}.{key}` must be a string")
        if not value.strip():
            raise TypeError(f"Field `{TABLE}.{key}` cannot be an empty string")
        return value

    @staticmethod
    def text_or_boolean(key: str, value: object) -> str | bool:
        if isinstance(value, bool):
            return value
        if not isinstance(value, str):
            raise TypeError(f"Field `{TABLE}.{key}` must be a string or boolean")
        return _TableReader.text(key, value)

    @staticmethod
    def boolean(key: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"Field `{TABLE}.{key}` must be a boolean")
        return value

    @staticmethod
    def integer(key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"Field `{TABLE}.{key}` must be an integer")
        return value

    @staticmethod
    def texts(key: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise TypeError(f"Field `{TABLE}.{key}` must be an array of strings")
        for number, item in enumerate(value, 1):
            if not isinstance(item, str):
                raise TypeError(f"Item #{number} in field `{TABLE}.{key}` must be a string")
            if not item.strip():
                raise TypeError(f"Item #{number} in field `{TABLE}.{key}` cannot be an empty string")
        return tuple(value)

    @staticmethod
    def mapping(key: str, value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise TypeError(f"Field `{TABLE}.{key}` must be a table of strings")
        for name, item in value.items():
            if not isinstance(item, str):
                raise TypeError(f"Field `{TABLE}.{key}.{name}` must be a string")
        return value

    @staticmethod
    def by_architecture(key: str, value: object) -> dict[str, str]:
        """Return a text for each architecture; one for all of them by the key ``""``."""
        if isinstance(value, str):
            return {"": _TableReader.text(key, value)}
        if not isinstance(value, dict):
            raise TypeError(f"Field `{TABLE}.{key}` must be a string or table of strings")
        for name, item in value.items():
            if name not in ARCHITECTURES:
                raise TypeError(
                    f"Field `{TABLE}.{key}` has the key `{name}`, which is no architecture: "
                    f"there are {', '.join(ARCHITECTURES)}"
                )
            _TableReader.text(f"{key}.{name}", item)
        return value

    def python(self) -> ByArchitecture[PythonSource]:
        """Read where the Python comes from, and the digests of files."""
        digests = self.take("python-sha256", self.by_architecture, _digests) or {}

        def check(texts: dict[str, str]) -> ByArchitecture[PythonSource]:
            unused = digests.keys() - texts.keys()
            if unused:
                raise ValueError(
                    "and `python-sha256` must have the same shape: a value each, or a table each of the same "
                    "architectures"
                )
            sources = {
                name: read_source(
                    text,
                    digests.get(name),
                    project=self.root,
                    find_file=self.file,
                    find_interpreter=self.interpreter,
                )
                for name, text in texts.items()
            }
            return ByArchitecture(sources.pop("", LocalSource()), sources)

        if digests and "python" not in self.table:
            self.errors.append(f"Field `{TABLE}.python-sha256` has no effect without `python`")
        return self.take("python", self.by_architecture, check) or ByArchitecture(LocalSource(), {})

    def file(self, value: str) -> Path:
        path = self.path(value)
        if not path.is_file():
            raise ValueError(f"names a file that is not there: `{value}` ({self.where})")
        return path

    def folder(self, value: str) -> Path:
        path = self.path(value)
        if not path.is_dir():
            raise ValueError(f"names a folder that is not there: `{value}` ({self.where})")
        return path.resolve()

    def new_file(self, value: str) -> Path:
        path = self.path(value)
        if path.is_dir():
            raise ValueError(f"names a folder where a file is to be written: `{value}`")
        return path

    @property
    def where(self) -> str:
        """Say where paths begin, and what to do if that is not the whole project."""
        if self.unpacked:
            return (
                "this is a build from the sdist, which lacks it: add it in [tool.hatch.build.targets.sdist] to "
                "`include`, or to `artifacts` if Git ignores it"
            )
        return f"paths are relative to {self.root}"

    def path(self, value: str) -> Path:
        """Return the path that a value means; is_file() and the like work on it."""
        try:
            path = self.root / Path(value).expanduser()
            path.exists()
        except RuntimeError as error:
            raise ValueError(f"names the home of a user that is not there: `{value}`") from error
        except OSError as error:
            raise ValueError(f"names no possible file: {error.strerror}") from error
        return path

    def interpreter(self, value: str) -> Path:
        path = self.path(value)
        if path.is_dir():
            path = path / "bin" / "python3"
        if path.is_file():
            return path
        found = None if "/" in value else shutil.which(value)
        if found is None:
            raise ValueError(
                f"must be a version, a Python interpreter (its path, or its name if it is on PATH), a folder with "
                f"bin/python3 in it, an archive, a URL or `python-appimage:VERSION`: `{value}` is not there "
                f"({self.where})"
            )
        return Path(found)


def _digests(values: dict[str, str]) -> dict[str, str]:
    for value in values.values():
        if not _SHA256.fullmatch(value):
            raise ValueError(f"must be a SHA-256 in hexadecimal, which has 64 digits: `{value}`")
    return {name: value.lower() for name, value in values.items()}


def _by_architecture(values: dict[str, str], check: Callable[[str], T], default: T) -> ByArchitecture[T]:
    checked = {name: check(value) for name, value in values.items()}
    return ByArchitecture(checked.pop("", default), checked)


def _display_name(value: str) -> str:
    if "/" in value or not value.isprintable():
        raise ValueError(f"cannot have `/` or control characters in it, as the image is named after it: {value!r}")
    if len(os.fsencode(value)) > _MAX_NAME:
        raise ValueError(f"is too long for a file name: {len(os.fsencode(value))} bytes, and {_MAX_NAME} are possible")
    return value.strip()


def _features(names: tuple[str, ...], project: Project) -> tuple[str, ...]:
    known = {canonicalize_name(name) for name in project.features}
    for name in names:
        if canonicalize_name(name) not in known:
            available = f"available: {', '.join(project.features)}" if project.features else "the project has none"
            raise ValueError(f"asks for `{name}`, which is not in [project.optional-dependencies]; {available}")
    return names


def _requirements(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        _requirement(text)
    return texts


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"has an item that is no requirement (PEP 508): `{text}`") from error


def _lock(value: str | bool | None, reader: _TableReader) -> Lock | None:  # noqa: FBT001 - as TOML has it
    if value is False:
        return None
    if value is True:
        raise ValueError("cannot be `true`: name the file")
    lock = Lock.named(reader.file(value)) if isinstance(value, str) else Lock.find(reader.root)
    if lock and "constraints" in reader.table:
        raise ValueError(
            f"cannot be `{lock.path.name}` beside `constraints`, as a lock leaves no choice: remove `constraints`, or "
            f"set `lock = false`"
        )
    return lock


def _categories(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9-]+", name):
            raise ValueError(f"must be an array of desktop categories, one an item: `{name}`")
    if not MAIN_CATEGORIES.intersection(names):
        raise ValueError(
            f"must have at least one of the main categories of desktop menus: {', '.join(sorted(MAIN_CATEGORIES))}"
        )
    return names


def _environment(variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"sets `{name}`, which is no name of an environment variable")
        for forbidden, reason in _FORBIDDEN_VARIABLES.items():
            if forbidden.fullmatch(name):
                raise ValueError(f"cannot set `{name}`: {reason}")
        if "\0" in value:
            raise ValueError(f"sets `{name}` to a value with a NUL character")
    return variables


def _compression(value: str) -> str:
    if value not in COMPRESSION_LEVELS:
        raise ValueError(f"must be one of {', '.join(COMPRESSION_LEVELS)}, not `{value}`")
    return value


def _level(level: int, compression: str | None) -> int:
    if compression is None:
        return level  # nothing can be said of it
    lowest, highest = COMPRESSION_LEVELS[compression]
    if not lowest <= level <= highest:
        raise ValueError(f"must be from {lowest} to {highest} for {compression}, not {level}")
    return level


def _test_command(value: str) -> str:
    if "{appimage}" not in value:
        raise ValueError(
            f"must have `{{appimage}}` in it, where the image's path goes, as in `{{appimage}} --version`: `{value}`"
        )
    return value


def _library_rules(rules: tuple[str, ...]) -> tuple[str, ...]:
    for rule in rules:
        if rule.startswith("@") and rule[1:] not in GROUPS:
            raise ValueError(f"names the group `{rule}`; known are {', '.join(f'@{name}' for name in GROUPS)}")
        if "/" in rule:
            raise ValueError(f"must be an array of sonames, patterns such as `libfoo.so.*`, and groups: `{rule}`")
    return rules


def _included(rules: tuple[str, ...]) -> tuple[str, ...]:
    for rule in _library_rules(rules):
        if rule.removeprefix("@") in NEVER_BUNDLED or group_of(rule) in NEVER_BUNDLED:
            raise ValueError(f"asks for `{rule}`: a C library works only with its own loader, which is the host's")
    return rules


def _glibc_version(value: str) -> tuple[int, ...]:
    if not re.fullmatch(r"2\.\d{1,3}", value):
        raise ValueError(f"must be a version of glibc, such as `2.28`, not `{value}`")
    return tuple(map(int, value.split(".")))
