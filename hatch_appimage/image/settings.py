# SPDX-License-Identifier: MIT
"""The options that say how an image is called and packed, and what goes out with it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage import TABLE
from hatch_appimage.appdir.startup import StartupCommand
from hatch_appimage.errors import ConfigurationError
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.name import ApplicationName, image_name
from hatch_appimage.image.updates import UpdateInformation
from hatch_appimage.option import FLAG, TEXT, TEXT_OR_FLAG, TEXTS, option

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.image.compression import Preset
    from hatch_appimage.table import Table

# File names have 255 bytes at most, and version and architecture go behind the name.
_MAX_NAME = 150
# The image, in commands.
_APPIMAGE = "{appimage}"


def _name(value: str, table: Table) -> ApplicationName:
    if "/" in value or not value.isprintable():
        raise ValueError(f"cannot have `/` or control characters in it, as the image is named after it: {value!r}")
    if len(os.fsencode(value)) > _MAX_NAME:
        raise ValueError(f"is too long for a file name: {len(os.fsencode(value))} bytes, and {_MAX_NAME} are possible")
    return ApplicationName.of(value.strip(), table.project.name)


def _compression(value: str, _table: Table) -> Preset:
    if value not in PRESETS:
        raise ValueError(f"must be one of {', '.join(PRESETS)}, not `{value}`")
    return PRESETS[value]


def _test_command(value: str, _table: Table) -> str:
    if _APPIMAGE not in value:
        raise ValueError(
            f"must have `{_APPIMAGE}` in it, where the image's path goes, as in `{_APPIMAGE} --version`: `{value}`"
        )
    return value


def _startup_order(value: str | bool, table: Table) -> Path | bool:  # noqa: FBT001 - as TOML has it
    return value if isinstance(value, bool) else table.new_file(value)


def _startup_command(value: str | bool, table: Table) -> StartupCommand | None:  # noqa: FBT001 - as TOML has it
    if value is False:
        return None
    if value is True:
        raise ValueError("cannot be `true`: give the arguments to run the application with, such as `--version`")
    if table["startup-order"] is False:
        raise ValueError("has no effect beside `startup-order = false`: remove one of them")
    if "\0" in value:
        raise ValueError("has a NUL character in it, which no argument of a program can have")
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise ValueError(f"cannot be split into arguments as a shell does it ({error}): `{value}`") from error
    arguments = words[1:] if words[0] == _APPIMAGE else words
    if any(_APPIMAGE in word for word in arguments):
        raise ValueError(f"has the arguments of the application alone, which can follow `{_APPIMAGE}`: `{value}`")
    return StartupCommand(tuple(arguments), asked=True)


def _system_files(patterns: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    for pattern in patterns:
        if not pattern.startswith(("/", "*")):
            raise ValueError(f"must have whole paths, which begin with `/` or `*`: `{pattern}`")
    return patterns


def _trace(value: str | bool, table: Table) -> Path | bool:  # noqa: FBT001 - as TOML has it
    if isinstance(value, bool):
        return value
    path = table.new_file(value)
    if not path.exists() and table["startup-order"] is False and "test-command" not in table:
        raise ValueError(
            "names a file that is not there, and the build would run nothing to write it: set `test-command`, or "
            f"remove `startup-order = false`: `{value}`"
        )
    return path


def _sign_key(value: str, table: Table) -> str:
    if "sign" in table and not table["sign"]:
        raise ValueError("has no effect beside `sign = false`: remove one of them")
    return value.strip()


@dataclass(frozen=True)
class ImageSettings:
    """How an image is called and packed."""

    name: ApplicationName = option(
        TEXT,
        "What people call the application; the file is named `<name>-<version>-<architecture>.AppImage`.",
        details="In names of files it has no accents, and `_` in place of what is neither a letter nor a digit: "
        '`"Größe & Co (beta)"` becomes `Grosse_Co_beta`. A name with non-Latin letters is replaced by the '
        "project's name. In the version, `!` and `+` become `_`.",
        shown="the project's name",
        check=_name,
        compute=lambda table: ApplicationName.of(table.project.name, table.project.name),
    )
    runtime: Path | None = option(
        TEXT,
        "A type-2 AppImage runtime to use in place of the built-in one.",
        shown="the built-in one",
        check=lambda value, table: table.file(value),
        is_path=True,
    )
    compression: Preset = option(
        TEXT,
        '`"default"`, `"fast"` for builds that are tried out, `"small"` for releases, or `"gzip"` for desktop '
        "integrations from before 2024 that read nothing else.",
        details="See [compression](how-it-works.md#compression) for what each costs and brings.",
        default=PRESETS["default"],
        shown='`"default"`',
        check=_compression,
    )
    appdir: bool = option(
        FLAG,
        "Leave the AppDir in the output directory, as `<name>-<version>-<architecture>.AppDir`, and make no image.",
        details="`hatch-appimage build --appdir` sets it. [`hatch-appimage pack`](recipes.md#an-appdir-of-your-own) "
        "makes an image of the AppDir. `report`, `self-test`, `sign`, `test-command` and `update-information` are of "
        "images, and have no effect then.",
        default=False,
    )
    test_command: str | None = option(
        TEXT,
        "A shell command that is run against the finished image in an empty environment, such as "
        '`"{appimage} --version"`. If it fails, the build fails and leaves no image.',
        check=_test_command,
    )
    self_test: bool = option(
        FLAG,
        "Run the finished image with `--appimage-self-test`. If a part of it does not work, the build fails and leaves "
        "no image.",
        details="See [self-test](how-it-works.md#self-test).",
        default=False,
    )
    startup_order: Path | bool = option(
        TEXT_OR_FLAG,
        "Find out during the build which files a start reads, to lay them at the front of the image: the entry point "
        "is imported, and the application may be run (`startup-command`).",
        details='It can also be a file of the project, such as `"appimage.startup"`: if it is not there, the build '
        "writes it; if it is, it says the order, and nothing is imported or run for it. It is never changed: remove it "
        "to have it made anew. See [the start-up order](how-it-works.md#the-start-up-order).",
        default=True,
        check=_startup_order,
        is_path=True,
    )
    startup_command: StartupCommand | None = option(
        TEXT_OR_FLAG,
        "The arguments with which the application is run for the start-up order, as in a shell, such as "
        '`"report --dry-run"`; `"{appimage}"` for none. `false` never runs it.',
        details="It runs in an empty directory and an empty environment, where possible without network, and has to "
        "end by itself within a minute. If it fails, the build warns and uses what the import reads. By default "
        "it is run with `--help` where the import leaves something out, and may take 10 seconds.",
        default=StartupCommand(),
        shown="`--help`, if functions of the application import modules, or it imports a parser of arguments",
        check=_startup_command,
    )
    trace: Path | bool = option(
        TEXT_OR_FLAG,
        "Watch what the application opens outside of the image while the build runs it (for `startup-order` and by "
        "`test-command`), and warn of each file with the line to add.",
        details='It can also be a file of the project, such as `"appimage.trace"`: if it is not there, the build '
        "writes it; if it is, the files that it names come into the image. It is never changed: remove it to have it "
        "made anew. See [what is opened by name](how-it-works.md#what-is-opened-by-name).",
        default=True,
        check=_trace,
        is_path=True,
    )
    system_files: tuple[str, ...] = option(
        TEXTS,
        "Globs of files that the application is meant to open on the user's machine, such as "
        '`"/usr/share/dict/*"`: `trace` passes over them.',
        details="A glob is matched against the whole path; `*` matches `/`, too. `exclude-libraries` does the same for "
        "libraries by their sonames.",
        default=(),
        check=_system_files,
    )
    report: Path | None = option(
        TEXT,
        "A file for the build's report as JSON.",
        check=lambda value, table: table.new_file(value),
        is_path=True,
    )


@dataclass(frozen=True)
class ReleaseSettings:
    """What goes out with an image: where updates are, and who vouches for it."""

    update_information: UpdateInformation | None = option(
        TEXT,
        'Where update tools find newer images: `"github"`, `"github:latest-pre"`, or a line of the AppImage '
        "specification (`{arch}` in it stands for the architecture).",
        details="See [updates](recipes.md#updates).",
        check=lambda value, table: UpdateInformation.read(value, table.project.urls.values(), os.environ),
    )
    sign: bool = option(FLAG, "Sign the image with gpg.", default=False, compute=lambda table: "sign-key" in table)
    sign_key: str | None = option(
        TEXT,
        "The key to sign with, as gpg takes it; it implies `sign`.",
        details="See [signatures](recipes.md#signatures).",
        shown="gpg's default key",
        check=_sign_key,
    )

    def update_line(self, name: ApplicationName, version: str, architecture: str) -> str | None:
        """Return the update information for one image; None if it is to have none.

        Raises:
            ConfigurationError: it does not fit the image's name.

        """
        if self.update_information is None:
            return None
        try:
            file_name = image_name(name.in_files, version, architecture)
            return self.update_information.line(name.in_files, file_name, architecture)
        except ValueError as error:
            raise ConfigurationError([f"Option `{TABLE}.update-information` {error}"]) from error
