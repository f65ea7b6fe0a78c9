# SPDX-License-Identifier: MIT
"""The command ``hatch-appimage``: builds images of any project, looks into finished ones, signs and verifies them."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_appimage import PASSPHRASE, TABLE
from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.cache import PARTS
from hatch_appimage.cli.status import (
    BAD_SIGNATURE,
    DAMAGED,
    INTERRUPTED,
    MISSING,
    OTHER_KEY,
    UNREADABLE,
    UNSIGNED,
    WRONG,
    explain,
)
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.interrupt import terminated_like_interrupted
from hatch_appimage.pack.destination import Destination

if TYPE_CHECKING:
    from collections.abc import Sequence

# A command with a grammar of its own.
_APPIMAGETOOL = "appimagetool"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; those of the process when None.

    Returns:
        the exit status: 2 if what was named cannot be read; what others mean is in the help of each command.

    """
    given = sys.argv[1:] if arguments is None else arguments
    if (call := _appimagetool_arguments(sys.argv[0] if arguments is None else "", given)) is not None:
        return _run_appimagetool(call)
    parser = argparse.ArgumentParser(
        prog="hatch-appimage", description="Build AppImages of Python projects, look into them, sign and verify them."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_commands(commands)
    own, inner = _split(given)
    options = parser.parse_args(own, argparse.Namespace(inner=inner))
    if isinstance(sys.stdout, io.TextIOWrapper):  # what is in an image need not be of this terminal's alphabet
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        # Only what the command needs: --help is no reason to import all steps of a build.
        with terminated_like_interrupted():
            module = importlib.import_module(f"hatch_appimage.cli.{options.module}")
            name = f"{options.command}_" if iskeyword(options.command) else options.command
            status = int(getattr(module, name)(options))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        # Python would write at its end what is left, and complain.
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
        return 0
    except (AppImageError, OSError) as error:
        print(f"hatch-appimage: {explain(error)}", file=sys.stderr)
        return UNREADABLE
    except KeyboardInterrupt:
        print("hatch-appimage: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def _appimagetool_arguments(program: str, arguments: Sequence[str]) -> Sequence[str] | None:
    """Return the arguments of `appimagetool`, which has a grammar of its own: the command, or what a link is named."""
    if Path(program).name.startswith(_APPIMAGETOOL):
        return arguments
    return arguments[1:] if arguments[:1] == [_APPIMAGETOOL] else None


def _run_appimagetool(arguments: Sequence[str]) -> int:
    from hatch_appimage.cli.appimagetool import main as appimagetool  # noqa: PLC0415 - only where it is wanted

    return appimagetool(arguments)


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the arguments of `try` before and after ``--``, which argparse would take for further ones of its own."""
    if arguments[:1] != ["try"] or "--" not in arguments:
        return arguments, ()
    end = arguments.index("--")
    return arguments[:end], arguments[end + 1 :]


def _add_commands(commands: Any) -> None:
    what = (
        "a directory with a project, with modules and requirements.txt, or with a recipe of python-appimage; a script; "
        "a wheel; or a requirement such as 'httpie==3.*'"
    )
    for name, summary in (
        ("build", "Build the AppImage of a project of any build back end, of a script, or of what is published."),
        ("check", "Check the options of a project, and show what would be built. All errors are reported at once."),
    ):
        command = _add(commands, name, summary, f"The options are those of [{TABLE}].", what=what)
        _add_settings(command)
    commands.choices["check"].add_argument(
        "--libraries",
        action="store_true",
        help="show which packages with libraries would be fetched; packages are installed in a temporary directory for "
        "that, and those with libraries are downloaded",
    )
    command = commands.choices["build"]
    command.add_argument("--output", metavar="DIR", type=Path, help="where the AppImage goes (default: dist)")
    command.add_argument(
        "--appdir", action="store_true", help="leave the AppDir in the output directory, and make no image"
    )
    command.add_argument("-v", "--verbose", action="count", default=0, help="show the programs that are run")
    command.add_argument("-q", "--quiet", action="count", default=0, help="show warnings and errors only")
    command = _add(commands, "inspect", "Show what is in an AppImage made by any tool, without running it.")
    command.add_argument("--json", action="store_true", help="print JSON")
    command = _add(
        commands,
        "libraries",
        "Show which shared libraries an AppImage or AppDir needs, where they come from, and which glibc it requires.",
        f"The exit status is {MISSING} if a library is neither in the image nor one that every system has.",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    _add_reproduce(commands)
    command = _add(
        commands,
        "sign",
        "Sign a finished AppImage: embed a signature in it, and write a detached one beside it.",
        f"The passphrase is read from ${PASSPHRASE} if that is set. An older .zsync file no longer matches.",
    )
    command.add_argument("--key", metavar="KEY", help="as gpg takes it; without it, gpg's default key signs")
    command = _add(
        commands,
        "verify",
        "Verify the signature of an AppImage, and that every block of it can be decompressed.",
        f"The exit status is 0 for a good signature, {UNSIGNED} for none, {BAD_SIGNATURE} for a bad one, {OTHER_KEY} "
        f"for a good one by another key, {DAMAGED} if the image is damaged, {UNREADABLE} if it cannot be read.",
    )
    command.add_argument("--key", metavar="FINGERPRINT", help="the key that it must be signed by")
    command = _add(
        commands, "zsync", "Write the .zsync file of a finished AppImage, so that updates download only what changed."
    )
    command.add_argument("--url", help="of the AppImage, if it will not be in the same place as its .zsync file")
    _add_packing(commands)
    _add_try(commands)
    _add_cache(commands)
    command = commands.add_parser(
        "options",
        help="describe every option of the table",
        description=f"Describe every option of [{TABLE}], as Markdown.",
    )
    command.set_defaults(module="projects")
    command = commands.add_parser(
        "ci",
        help="print a workflow that builds, runs, signs and releases the images of a project",
        description="Print a workflow that builds the AppImages of a project when a version is tagged, runs them, "
        "signs them where the project wants that, and releases them.",
    )
    command.add_argument("forge", choices=("github", "gitlab"), help="whose CI it is for")
    command.add_argument(
        "path", nargs="?", type=Path, default=Path(), help="the project (default: the current directory)"
    )
    command.add_argument(
        "--action",
        metavar="OWNER/NAME@COMMIT",
        help="have this action of hatch-appimage build and run the images, in place of steps of the workflow's own "
        "(GitHub)",
    )
    command.set_defaults(module="projects")
    _add_init(commands)


def _add_init(commands: Any) -> None:
    command = commands.add_parser(
        "init",
        help=f"write [{TABLE}] into a project's pyproject.toml",
        description=f"Write [{TABLE}] into the pyproject.toml of a project that has no such table yet, with what "
        "cannot stay at its default, and show what was chosen and why. Nothing is asked, and all else in the file "
        "stays as it is.",
    )
    command.add_argument(
        "path", nargs="?", type=Path, default=Path(), help="the project (default: the current directory)"
    )
    command.add_argument(
        "--backend",
        action="store_true",
        help="let `python -m build` and the like build the image beside the wheel when they are asked to: wrap the "
        "project's build back end, or add the build hook if that is hatchling",
    )
    command.set_defaults(module="init")


def _add_reproduce(commands: Any) -> None:
    command = _add(
        commands,
        "reproduce",
        "Build an AppImage again as it says that it was built, and compare both without their signatures.",
        f"The exit status is 0 if they are identical, {WRONG} if they differ, and {UNREADABLE} if the AppImage does "
        "not say how it was built, or that cannot be done here.",
    )
    command.add_argument(
        "source",
        nargs="?",
        help="a project's directory, a wheel, or a requirement (default: the current directory, or the release that "
        "was packed)",
    )
    command.set_defaults(module="reproduce")
    _add_values(command)
    command.add_argument("--output", metavar="DIR", type=Path, help="keep the new AppImage there")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("-v", "--verbose", action="count", default=0, help="show what the build says")


def _add_packing(commands: Any) -> None:
    command = commands.add_parser(
        "pack",
        help="pack an AppDir, or what PyInstaller, cx_Freeze or Nuitka has made, into an AppImage",
        description="Pack an AppDir into an AppImage, or the directory that PyInstaller (one-dir), cx_Freeze "
        "(build_exe) or Nuitka (standalone) has made. The directory stays as it is.",
    )
    command.add_argument("directory", type=Path, help="the directory")
    command.add_argument("--name", help="of the application (default: that of its desktop entry)")
    command.add_argument(
        "--app-version", metavar="VERSION", help="of the application (default: $VERSION, or that of its desktop entry)"
    )
    command.add_argument("--arch", choices=list(ARCHITECTURES), help="(default: that of its programs)")
    command.add_argument("--icon", metavar="FILE", type=Path, help="a PNG or SVG; an AppDir has its own")
    command.add_argument("--executable", metavar="NAME", help="the program to start, if there are several")
    _add_finish(command, "the AppImage, or a directory for it, such as `dist/` (default: the current directory)")
    command = _add(
        commands,
        "repack",
        "Give an AppImage of any tool another runtime, compression, update information or signature.",
        "What is in it keeps its bytes, modes, owners, times and links; a signature that it has goes. Update "
        "information stays if none is given, and goes if it is empty.",
    )
    _add_finish(
        command, "the new AppImage, or a directory for it, such as `dist/` (default: it takes the old one's place)"
    )
    for name in ("pack", "repack"):
        commands.choices[name].set_defaults(module="pack")
    commands.add_parser(
        _APPIMAGETOOL,
        help="do what AppImage's appimagetool does, with its options; also through a link of this name",
        add_help=False,
    )


def _add_finish(command: Any, output: str) -> None:
    command.add_argument("--output", metavar="PATH", type=Destination.read, help=output)
    command.add_argument("--compression", choices=list(PRESETS), default="default", help="(default: default)")
    command.add_argument(
        "--update-information", metavar="LINE", help=f"as the option `update-information` of [{TABLE}]"
    )
    command.add_argument("--sign", action="store_true", help="sign with gpg")
    command.add_argument("--sign-key", metavar="KEY", help="as gpg takes it; it implies --sign")
    command.add_argument("--runtime", metavar="FILE", type=Path, help="a type-2 runtime in place of the built-in one")


def _add_try(commands: Any) -> None:
    command = _add(
        commands,
        "try",
        "Start an AppImage in the root file system of another distribution, without root or a container engine.",
        "COMMAND is run there, with {appimage} for the AppImage; if it begins with `-`, it is arguments of the "
        "AppImage. Without it, that is --help. "
        "The root of a release is made with the machine's debootstrap once, and kept in the cache. "
        "The exit status is that of what ran, 128 + n if the signal n ended it, and "
        f"{UNREADABLE} if nothing could be run.",
    )
    command.usage = "%(prog)s [-h] --on ROOT [--mirror URL] [--extract] path [-- COMMAND ...]"
    command.set_defaults(module="try_")
    command.add_argument(
        "--on",
        required=True,
        metavar="ROOT",
        help="a release such as debian:11 or ubuntu:jammy, a directory with a root file system, or a tar archive of "
        "one or of a container image (as of `docker save`, or an OCI image layout)",
    )
    command.add_argument("--mirror", metavar="URL", help="of the release's archive (default: as in apt's sources)")
    command.add_argument("--extract", action="store_true", help="have the AppImage unpack itself instead of mounting")


def _add_cache(commands: Any) -> None:
    command = commands.add_parser(
        "cache",
        help="show or clear what builds keep on this machine",
        description="Show how much builds keep on this machine for later ones, or remove it. Without it, builds make "
        "the same images and take longer.",
    )
    command.set_defaults(module="cache")
    command.add_argument("action", choices=("info", "clear"), help="what to do")
    command.add_argument("part", nargs="?", choices=list(PARTS), help="of which part (default: of all)")


def _add(commands: Any, name: str, summary: str, epilog: str = "", *, what: str = "") -> Any:
    """Add a command, which the function of its name executes; all of them take an AppImage, or else `what`."""
    help_text = summary[0].lower() + summary[1:].rstrip(".")
    command = commands.add_parser(name, help=help_text, description=summary, epilog=epilog)
    if what:
        command.add_argument("source", nargs="?", default=".", help=f"{what} (default: the current directory)")
    else:
        command.add_argument("path", type=Path, help="the AppImage")
    command.set_defaults(module="projects" if what else "images")
    return command


def _add_settings(command: Any) -> None:
    command.add_argument("--arch", action="append", choices=list(ARCHITECTURES), help="may be given several times")
    command.add_argument(
        "--with",
        action="append",
        default=[],
        metavar="PACKAGE",
        dest="with_packages",
        help="a requirement, wheel or project to install as well; may be given several times",
    )
    command.add_argument(
        "--with-requirements",
        action="append",
        default=[],
        metavar="FILE",
        help="a file of requirements to install as well; may be given several times",
    )
    _add_values(command)


def _add_values(command: Any) -> None:
    command.add_argument("--python", help=f"as the option `python` of [{TABLE}]")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any option: text, or a value as in TOML"
    )
