# SPDX-License-Identifier: MIT
"""The command ``appimagetool``, for programs that call AppImage's: its options, its variables, its file names.

https://github.com/AppImage/appimagetool, ``src/appimagetool.c``. What it does with other programs (``mksquashfs``,
``desktop-file-validate``, ``zsyncmake``, ``gpg``) is done here without them, gpg aside.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hatch_appimage import PASSPHRASE
from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.cli.status import INTERRUPTED, explain
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import find_squashfs
from hatch_appimage.image.compression import PRESETS
from hatch_appimage.image.updates import UpdateInformation
from hatch_appimage.interrupt import terminated_like_interrupted
from hatch_appimage.pack.destination import Destination
from hatch_appimage.pack.directory import PackRequest, pack_directory
from hatch_appimage.pack.exclude import Exclusions
from hatch_appimage.pack.finish import Packing
from hatch_appimage.process import find_program
from hatch_appimage.runtime import installed_version
from hatch_appimage.squashfs import SquashFSImage
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.image.compression import Preset

log = logging.getLogger(__name__)

NAME: Final = "appimagetool"
_FAILED: Final = 1
_IGNORE_FILE: Final = ".appimageignore"
_TRANSPORTS: Final = ("zsync|", "gh-releases-zsync|", "pling-v1-zsync|")
# What ARCH may be (extract_arch_from_text).
_ARCHITECTURES: Final = {
    "i386": "i686",
    "i486": "i686",
    "i586": "i686",
    "i686": "i686",
    "x86_64": "x86_64",
    "aarch64": "aarch64",
    "arm_aarch64": "aarch64",
    "arm": "armhf",
    "armhf": "armhf",
}
# Options of mksquashfs: what images are like anyway, or what changes nothing about them; with how many words follow.
_WITHOUT_EFFECT: Final = {
    **dict.fromkeys(("-root-owned", "-all-root", "-noappend", "-no-xattrs", "-no-exports", "-reproducible"), 0),
    **dict.fromkeys(("-no-progress", "-progress", "-quiet", "-info", "-no-recovery", "-exit-on-error"), 0),
    **dict.fromkeys(("-processors", "-mem", "-mkfs-time", "-fstime"), 1),
}
_SUFFIXES: Final = {"K": 1 << 10, "M": 1 << 20}


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: without the program's name.

    Returns:
        the exit status: 1 if anything fails, as appimagetool has it.

    """
    parser = _parser()
    options = parser.parse_args(_join_values(arguments))
    print(f"{NAME}, hatch-appimage {installed_version()}", file=sys.stdout if options.version else sys.stderr)
    if options.version:
        return 0
    if options.verbose:
        logging.basicConfig(format="%(message)s", level=logging.DEBUG)
    try:
        with terminated_like_interrupted():
            return _list(options.source) if options.list and options.source else _pack(options)
    except (AppImageError, OSError) as error:
        print(f"{NAME}: {explain(error)}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print(f"{NAME}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=NAME, description="Generate AppImages from existing AppDirs.", allow_abbrev=False
    )
    add = parser.add_argument
    add("-l", "--list", action="store_true", help="list the files in the AppImage SOURCE")
    add("-u", "--updateinformation", metavar="LINE", help="embed it, and write a .zsync file")
    add("-g", "--guess", action="store_true", help="guess the update information from variables of GitHub or GitLab")
    add("--version", action="store_true", help="show the version")
    add("-v", "--verbose", action="store_true", help="show what is done")
    add("-s", "--sign", action="store_true", help="sign with gpg")
    add("--sign-key", metavar="KEY", help="as gpg takes it")
    add("--comp", metavar="NAME", help="zstd (default) or gzip")
    add("--mksquashfs-opt", action="append", default=[], metavar="OPTION", help="-b, -Xcompression-level or -all-time")
    add("-n", "--no-appstream", action="store_true", help="has no effect: AppStream metadata is not checked")
    add("--exclude-file", type=Path, metavar="FILE", help=f"patterns to leave out, in addition to {_IGNORE_FILE}")
    add("--runtime-file", type=Path, metavar="FILE", help="the runtime to use")
    add("--file-url", metavar="URL", help="of the AppImage, for the .zsync file")
    # What the AppImage of the tool takes; this one is none.
    add("--appimage-extract-and-run", action="store_true", help=argparse.SUPPRESS)
    add("source", nargs="?", type=Path, metavar="SOURCE")
    add("destination", nargs="?", type=Destination.read, metavar="DESTINATION")
    return parser


def _join_values(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments with values that begin with ``-`` joined to their options, as argparse wants them."""
    words = iter(arguments)
    for word in words:
        value = next(words, None) if word == "--mksquashfs-opt" else None
        yield word if value is None else f"{word}={value}"


def _list(image: Path) -> int:
    with image.open("rb") as file:
        for entry in SquashFSImage(file, find_squashfs(image)):
            print(printable(entry.path))
    return 0


def _pack(options: argparse.Namespace) -> int:
    if options.source is None:
        raise AppImageError("SOURCE is missing")
    if not options.source.exists():
        raise AppImageError(f"no such file or directory: {options.source}")
    passphrase = os.environ.get("APPIMAGETOOL_SIGN_PASSPHRASE")
    if passphrase is not None:
        os.environ.setdefault(PASSPHRASE, passphrase)
    squashfs = _SquashFSOptions.read(options.comp, options.mksquashfs_opt)
    packing = Packing(
        squashfs.preset,
        runtime=options.runtime_file,
        sign=options.sign,
        sign_key=options.sign_key if options.sign else None,
        zsync_url=options.file_url,
    )
    request = PackRequest(
        options.source,
        packing,
        output=options.destination,
        name=os.environ.get("APPIMAGETOOL_APP_NAME"),
        version=os.environ.get("VERSION") or (_commit() if options.guess else None),
        architecture=_architecture(os.environ),
        update_information=_update_information(options, os.environ),
        exclusions=_exclusions(options.exclude_file),
        timestamp=squashfs.timestamp,
        as_appimagetool=True,
    )
    image = pack_directory(request)
    image.path.with_name(f"{image.path.name}.sig").unlink(missing_ok=True)  # nobody expects it
    zsync = image.path.with_name(f"{image.path.name}.zsync")
    if zsync.exists():  # zsyncmake writes it into the current directory
        shutil.move(zsync, Path(zsync.name))
    print(image.path)
    return 0


@dataclass(frozen=True)
class _SquashFSOptions:
    """What is asked of mksquashfs.

    Attributes:
        preset: how the image is compressed.
        timestamp: of all files, in seconds since the epoch; None for the reproducible one.

    """

    preset: Preset
    timestamp: int | None = None

    @classmethod
    def read(cls, compressor: str | None, words: Sequence[str]) -> _SquashFSOptions:
        """Read what can be honoured; say what cannot.

        Raises:
            AppImageError: an option has no value, or one that is none.

        """
        found = cls(_preset(compressor or "zstd"))
        waiting = iter(words)
        for word in waiting:
            if word in _WITHOUT_EFFECT:
                for _ in range(_WITHOUT_EFFECT[word]):
                    next(waiting, None)
            elif word == "-comp":
                found = replace(found, preset=_preset(_value(word, waiting)))
            elif word == "-b":
                found = replace(found, preset=replace(found.preset, block_size=_size(_value(word, waiting))))
            elif word == "-Xcompression-level":
                found = replace(found, preset=replace(found.preset, level=_number(word, waiting)))
            elif word in {"-all-time", "-inode-time"}:
                found = replace(found, timestamp=_number(word, waiting))
            else:
                log.warning("mksquashfs takes no part here, and `%s` has no effect", printable(word))
        return found


def _preset(compressor: str) -> Preset:
    if compressor == "zstd":
        return PRESETS["default"]
    if compressor == "gzip":
        return PRESETS["gzip"]
    if compressor in {"xz", "lzma", "lzo", "lz4"}:
        log.warning("Images are not compressed with %s here: this one is with zstd, as small as it gets", compressor)
        return PRESETS["small"]
    raise AppImageError(f"Unknown compression `{compressor}`: there are zstd and gzip")


def _value(option: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise AppImageError(f"The option `{option}` of mksquashfs needs a value, in a `--mksquashfs-opt` of its own")
    return value


def _number(option: str, words: Iterator[str]) -> int:
    value = _value(option, words)
    if not value.isdecimal():
        raise AppImageError(f"The option `{option}` of mksquashfs takes a number, not `{value}`")
    return int(value)


def _size(text: str) -> int:
    number, factor = (text[:-1], _SUFFIXES[text[-1:].upper()]) if text[-1:].upper() in _SUFFIXES else (text, 1)
    if not number.isdecimal():
        raise AppImageError(f"The option `-b` of mksquashfs takes a size such as 128K, not `{text}`")
    return int(number) * factor


def _architecture(environment: Mapping[str, str]) -> Architecture | None:
    """Return the architecture that ARCH names; None if it names none."""
    name = _ARCHITECTURES.get(environment.get("ARCH", "").strip().lower().replace("-", "_").replace(" ", "_"))
    return ARCHITECTURES[name] if name else None


def _update_information(options: argparse.Namespace, environment: Mapping[str, str]) -> UpdateInformation | None:
    line = (_guess(environment) if options.guess else None) or options.updateinformation
    if line is None:
        return None
    if not line.startswith(_TRANSPORTS):
        raise AppImageError(
            f"The update information `{line}` is not in a recognized format: it begins with one of "
            f"{', '.join(f'`{transport}`' for transport in _TRANSPORTS)}"
        )
    return UpdateInformation(line)


def _guess(environment: Mapping[str, str]) -> str | None:
    """Guess update information as appimagetool does; GitHub first, then Travis, then GitLab."""
    owner, _, repository = environment.get("GITHUB_REPOSITORY", "").partition("/")
    if owner and repository:
        return _guess_for_github(owner, repository, "latest", environment)
    owner, _, repository = environment.get("TRAVIS_REPO_SLUG", "").partition("/")
    if owner and repository:
        tag = environment.get("TRAVIS_TAG", "")
        return _guess_for_github(
            owner, repository, "continuous" if tag in {"", "continuous"} else "latest", environment
        )
    if reference := environment.get("CI_COMMIT_REF_NAME"):
        project, job = environment.get("CI_PROJECT_URL", ""), environment.get("CI_JOB_NAME", "")
        place = f"{project}/-/jobs/artifacts/{reference}/raw/{{name}}-{{arch}}.AppImage.zsync?job={job}"
        return f"zsync|{place}"
    return None


def _guess_for_github(owner: str, repository: str, tag: str, environment: Mapping[str, str]) -> str | None:
    if "GITHUB_TOKEN" not in environment:
        log.warning("The update information is not guessed: GITHUB_TOKEN is not set")
        return None
    return f"gh-releases-zsync|{owner}|{repository}|{tag}|{{name}}*-{{arch}}.AppImage.zsync"


def _commit() -> str | None:
    """Return the commit that is checked out, short; None if git does not know."""
    git = find_program("git")
    if git is None:
        return None
    found = subprocess.run([git, "rev-parse", "--short", "HEAD"], capture_output=True, check=False, text=True)
    return found.stdout.strip() or None


def _exclusions(given: Path | None) -> Exclusions | None:
    files = [path for path in (Path(_IGNORE_FILE), given) if path and (path == given or path.is_file())]
    lines = [line for path in files for line in os.fsdecode(path.read_bytes()).splitlines()]
    return Exclusions.parse(lines) if files else None
