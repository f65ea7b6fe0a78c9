# SPDX-License-Identifier: MIT
"""The command ``hatch-appimage``: builds images of any project, looks into finished ones, signs and verifies them."""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.exceptions import UnknownPluginError
from hatchling.plugin.manager import PluginManager

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.builder import AppImageBuilder
from hatch_appimage.check import describe
from hatch_appimage.ci import Plan, write_github_workflow, write_gitlab_pipeline
from hatch_appimage.config import PATH_KEYS, TABLE
from hatch_appimage.errors import AppImageError, ConfigurationError, Faults, printable
from hatch_appimage.image import find_squashfs
from hatch_appimage.inspection import check_blocks, inspect_image
from hatch_appimage.libraries.listing import list_libraries
from hatch_appimage.options import write_options
from hatch_appimage.signing import PASSPHRASE, Signer, State, sign_file, verify_signature
from hatch_appimage.source import open_source
from hatch_appimage.squashfs import SquashFSError
from hatch_appimage.zsync import write_zsync

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hatch_appimage.source import Source

# Exit statuses, beside 0.
WRONG = 1
MISSING = 1
UNREADABLE = 2
UNSIGNED = 3
BAD_SIGNATURE = 4
OTHER_KEY = 5
DAMAGED = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; those of the process when None.

    Returns:
        the exit status: 2 if what was named cannot be read; what others mean is in the help of each command.

    """
    parser = argparse.ArgumentParser(
        prog="hatch-appimage", description="Build AppImages of Python projects, look into them, sign and verify them."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_commands(commands)
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what is in an image need not be of this terminal's alphabet
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = int(options.execute(options))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        # Python would write at its end what is left, and complain.
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
        return 0
    except (AppImageError, OSError) as error:
        print(f"hatch-appimage: {_explain(error)}", file=sys.stderr)
        return UNREADABLE
    return status


def _add_commands(commands: Any) -> None:
    what = "a project's folder, a wheel, or a requirement such as 'httpie==3.*'"
    for execute, summary in (
        (_build, "Build the AppImage of a project of any build back end, or of one that is published."),
        (_check, "Check the settings of a project, and show what would be built. All that is wrong is named at once."),
    ):
        command = _add(commands, execute, summary, f"The settings are those of [{TABLE}].", what=what)
        _add_settings(command)
    command = commands.choices["build"]
    command.add_argument("--output", metavar="FOLDER", type=Path, help="where the AppImage goes; `dist` if not said")
    command.add_argument("-v", "--verbose", action="count", default=0, help="show the programs that are run")
    command.add_argument("-q", "--quiet", action="count", default=0, help="show warnings and errors only")
    command = _add(commands, _inspect, "Show what is in an AppImage, of whichever tool, without running it.")
    command.add_argument("--json", action="store_true", help="for programs")
    command = _add(
        commands,
        _libraries,
        "Show which shared libraries an AppImage or AppDir needs, where they come from, and which glibc it takes.",
        f"The exit status is {MISSING} if a library is neither in the image nor one that every system has.",
    )
    command.add_argument("--json", action="store_true", help="for programs")
    command = _add(
        commands,
        _sign,
        "Sign a finished AppImage: embed a signature in it, and write a detached one beside it.",
        f"{PASSPHRASE} in the environment may have the passphrase. An older .zsync file fits no more.",
    )
    command.add_argument("--key", metavar="KEY", help="as gpg takes it; without it, gpg's default key signs")
    command = _add(
        commands,
        _verify,
        "Verify the signature of an AppImage, and that every block of it can be decompressed.",
        f"The exit status is 0 for a good signature, {UNSIGNED} for none, {BAD_SIGNATURE} for a bad one, {OTHER_KEY} "
        f"for a good one by another key, {DAMAGED} if the image is damaged, {UNREADABLE} if it cannot be read.",
    )
    command.add_argument("--key", metavar="FINGERPRINT", help="the key that it must be signed by")
    command = _add(commands, _zsync, "Write the .zsync file of a finished AppImage, by which updates are small.")
    command.add_argument("--url", help="of the AppImage, if it will not be in the same place as its .zsync file")
    command = commands.add_parser(
        "options",
        help="describe every key of the table",
        description=f"Describe every key of [{TABLE}], as Markdown.",
    )
    command.set_defaults(execute=_options)
    command = commands.add_parser(
        "ci",
        help="print a workflow that builds, runs, signs and releases the images of a project",
        description="Print a workflow that builds the AppImages of a project when a version is tagged, runs them, "
        "signs them where the project wants that, and releases them.",
    )
    command.add_argument("forge", choices=("github", "gitlab"), help="whose CI it is for")
    command.add_argument("path", nargs="?", type=Path, default=Path(), help="the project; the current folder if absent")
    command.set_defaults(execute=_ci)


def _add(
    commands: Any, execute: Callable[[argparse.Namespace], int], summary: str, epilog: str = "", *, what: str = ""
) -> Any:
    """Add the command that a function executes and is named after; all of them take an AppImage, or else `what`."""
    help_text = summary[0].lower() + summary[1:].rstrip(".")
    command = commands.add_parser(execute.__name__.lstrip("_"), help=help_text, description=summary, epilog=epilog)
    if what:
        command.add_argument("source", nargs="?", default=".", help=f"{what}; the current folder if not said")
    else:
        command.add_argument("path", type=Path, help="the AppImage")
    command.set_defaults(execute=execute)
    return command


def _add_settings(command: Any) -> None:
    command.add_argument("--arch", action="append", choices=list(ARCHITECTURES), help="may be given several times")
    command.add_argument("--python", help=f"as the setting `python` of [{TABLE}]")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any setting: text, or a value as in TOML"
    )


def _build(options: argparse.Namespace) -> int:
    # hatchling's Application takes its verbosity from there.
    os.environ["HATCH_VERBOSE"] = str(options.verbose)
    os.environ["HATCH_QUIET"] = str(options.quiet)
    with open_source(options.source) as source:
        output = options.output or (None if source.is_project else Path("dist"))
        builder = _builder(source, _settings(source, options))
        directory = str(output.absolute() if output else builder.config.directory)
        with _hatchling_errors():
            builder.metadata.validate_fields()
            builder.get_build_hooks(directory)
        for image in builder.build(directory=directory, versions=options.arch):
            print(image)
    return 0


def _check(options: argparse.Namespace) -> int:
    faults = Faults()
    with open_source(options.source) as source:
        builder = _builder(source, _settings(source, options))
        with _hatchling_errors():
            builder.metadata.validate_fields()
            names = options.arch or builder.config.versions
        for name in names:
            with TemporaryDirectory(prefix="hatch-appimage-") as folder:
                if prepared := faults.catch(builder.prepare, ARCHITECTURES[name], Path(folder)):
                    print(describe(prepared, builder.project, name))
    try:
        faults.raise_all()
    except ConfigurationError as error:
        print(*dict.fromkeys(str(error).splitlines()), sep="\n", file=sys.stderr)
        return WRONG
    return 0


def _settings(source: Source, options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the command line."""
    settings: dict[str, Any] = {"features": list(source.features)} if source.features else {}
    settings |= dict(map(_setting, options.set))
    if options.python:
        settings["python"] = options.python
    for key in PATH_KEYS.intersection(settings):
        # Where a file is meant and not, for one, a version.
        if isinstance(settings[key], str) and (key == "report" or Path(settings[key]).exists()):
            settings[key] = str(Path(settings[key]).absolute())
    return settings


def _builder(source: Source, settings: Mapping[str, Any]) -> AppImageBuilder:
    """Return what builds it, with the given settings over those of the project."""
    plugins = PluginManager()
    metadata = ProjectMetadata(str(source.root), plugins, dict(source.config))
    builder = AppImageBuilder(str(source.root), plugins, metadata=metadata)
    builder.source = source.package
    with _hatchling_errors():
        builder.target_config.update(settings)
    return builder


def _setting(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise AppImageError(f"--set takes KEY=VALUE, not `{text}`")
    try:
        typed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        typed = value
    # Of versions, such as 3.13, there are more than of numbers with a point: no setting is one.
    return key.strip(), value if isinstance(typed, float) else typed


@contextmanager
def _hatchling_errors() -> Iterator[None]:
    """Tell what hatchling finds wrong with its own tables as one line."""
    try:
        yield
    except UnknownPluginError as error:
        raise AppImageError(f"{error}; `hatch build -t appimage` installs what a project's hooks need") from error
    except (TypeError, ValueError) as error:
        raise AppImageError(str(error)) from error


def _libraries(options: argparse.Namespace) -> int:
    listing = list_libraries(options.path)
    sys.stdout.write(listing.to_json() if options.json else listing.to_text())
    return MISSING if listing.missing else 0


def _inspect(options: argparse.Namespace) -> int:
    inspection = inspect_image(options.path)
    sys.stdout.write(inspection.to_json() if options.json else inspection.to_text())
    return 0


def _verify(options: argparse.Namespace) -> int:
    wanted = None if options.key is None else _fingerprint(options.key)
    found = verify_signature(options.path)
    if found.state is State.UNKNOWN:
        raise AppImageError(f"The signature of {options.path} cannot be verified: {found.detail}")
    try:
        check_blocks(options.path)
    except SquashFSError as error:
        print(f"{options.path}: damaged: {_explain(error)}")
        return DAMAGED
    if found.state is not State.GOOD:
        print(f"{options.path}: {found.state.value}: {found.detail}")
        return UNSIGNED if found.state is State.UNSIGNED else BAD_SIGNATURE
    if wanted not in {None, found.fingerprint, found.primary}:
        print(f"{options.path}: good signature, but by another key: {found.primary} of {printable(found.owner)}")
        return OTHER_KEY
    print(f"{options.path}: good signature by {printable(found.owner)}, key {found.primary}")
    return 0


def _fingerprint(text: str) -> str:
    """Return a key's whole fingerprint: shorter ids can be forged."""
    fingerprint = "".join(text.split()).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", fingerprint):
        raise AppImageError(f"--key takes a whole fingerprint of 40 or 64 hexadecimal digits, not `{text}`")
    return fingerprint


def _sign(options: argparse.Namespace) -> int:
    find_squashfs(options.path)
    signer = Signer.find(options.key)
    with _replacing(options.path) as copy:
        detached = sign_file(copy, signer)
    print(f"{options.path}: signed with {signer.fingerprint}, and {detached.name} is beside it")
    return 0


def _zsync(options: argparse.Namespace) -> int:
    find_squashfs(options.path)
    mtime = int(options.path.stat().st_mtime)
    print(write_zsync(options.path, url=options.url or quote(options.path.name), mtime=mtime).path)
    return 0


def _ci(options: argparse.Namespace) -> int:
    if not options.path.is_dir():
        raise AppImageError(f"{options.path} is no folder of a project")
    with open_source(str(options.path)) as source:
        builder = _builder(source, {})
        with _hatchling_errors():
            builder.metadata.validate_fields()
            plan = Plan.make(builder)
    sys.stdout.write(write_github_workflow(plan) if options.forge == "github" else write_gitlab_pipeline(plan))
    return 0


def _options(_options: argparse.Namespace) -> int:
    sys.stdout.write(write_options())
    return 0


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Provide a copy of a file; where nothing fails, it and what is made beside it replace what is there."""
    with TemporaryDirectory(prefix=".hatch-appimage-", dir=path.absolute().parent) as folder:
        copy = Path(shutil.copy2(path, folder))
        yield copy
        for file in Path(folder).iterdir():
            file.replace(path.with_name(file.name))


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{printable(str(error.filename))}: {error.strerror}"
    return "\n".join(map(printable, str(error).split("\n")))
