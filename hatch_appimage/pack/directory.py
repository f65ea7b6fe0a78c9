# SPDX-License-Identifier: MIT
"""Pack an AppDir, or what another tool has frozen, into an image; the directory stays as it is."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.desktop.exec_line import escape
from hatch_appimage.desktop.icon import Icon
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.name import check_length, first_part
from hatch_appimage.pack.appdir_check import APPRUN, DIRECTORY_ICON, check_appdir
from hatch_appimage.pack.architecture import find_architecture
from hatch_appimage.pack.attributes import warn_of_attributes
from hatch_appimage.pack.contents import Contents, read_all, with_plain_modes
from hatch_appimage.pack.destination import Destination
from hatch_appimage.pack.finish import Finish
from hatch_appimage.pack.frozen import PLACE, Appearance, find_frozen, write_surroundings
from hatch_appimage.squashfs.tree import lay_over, move_below, scan
from hatch_appimage.text import printable
from hatch_appimage.timestamp import reproducible_timestamp

if TYPE_CHECKING:
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.image.updates import UpdateInformation
    from hatch_appimage.image.write import Image
    from hatch_appimage.pack.appdir_check import AppDirParts
    from hatch_appimage.pack.exclude import Exclusions
    from hatch_appimage.pack.finish import Packing

log = logging.getLogger(__name__)

_ENDING = ".AppImage"
# What desktop entries cannot have in a value: ends of lines and other controls, and bytes that are not UTF-8 (PEP 383).
_NO_TEXT = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")


@dataclass(frozen=True)
class PackRequest:
    """What is to be packed, and what is said of it.

    Attributes:
        directory: the AppDir, or a frozen application.
        packing: how the image is made.
        output: where the image goes; None for the current directory.
        name: what people call the application; None for what its desktop entry says.
        version: None for what its desktop entry says.
        architecture: None for that of its programs.
        update_information: where update tools find newer images; None for none.
        icon: of a frozen application; None for a generated one.
        executable: the program of a frozen application; None for the only one.
        exclusions: what is left out.
        timestamp: of every file, in seconds since the epoch; None for the reproducible one.
        as_appimagetool: take what appimagetool takes, and name images as it does.

    """

    directory: Path
    packing: Packing
    output: Destination | None = None
    name: str | None = None
    version: str | None = None
    architecture: Architecture | None = None
    update_information: UpdateInformation | None = None
    icon: Icon | None = None
    executable: str | None = None
    exclusions: Exclusions | None = None
    timestamp: int | None = None
    as_appimagetool: bool = False


def pack_directory(request: PackRequest) -> Image:
    """Pack a directory.

    Raises:
        AppImageError: it is neither an AppDir nor what a known tool has frozen, or lacks something, or an option does
            not fit it.
        OSError: something cannot be read or written.

    """
    directory = request.directory
    if not directory.is_dir():
        raise AppImageError(f"{directory} is no directory: `repack` takes finished AppImages")
    for what, value in (("name", request.name), ("version", request.version)):
        if value and _NO_TEXT.search(value):
            raise AppImageError(f"The {what} must be one line of text, and is not: {printable(value)}")
    with TemporaryDirectory(prefix="hatch-appimage-") as name:
        contents = _read_contents(request, Path(name))
        where = str(directory)
        parts = check_appdir(contents, where, strict=not request.as_appimagetool)
        architecture = request.architecture or find_architecture(contents, parts.apprun, where)
        version = request.version or parts.version
        target, first = _find_target(request, parts, version, architecture)
        if target.resolve().is_relative_to(directory.resolve()):
            raise AppImageError(
                f"The image would lie in {directory}, which it is made of, and be packed into the next one: choose "
                "another place for it"
            )
        line = _find_update_line(request, first, target.name, architecture)
        finish = Finish.prepare(target, request.packing, architecture, line)
        contents = _add_what_lacks(request, contents, parts, Path(name))
        mtime = reproducible_timestamp() if request.timestamp is None else request.timestamp
        return finish.write(contents, mtime=mtime, version=version or "")


def _read_contents(request: PackRequest, work: Path) -> Contents:
    """Return the tree of an AppDir; it is made of a frozen application if that is what the directory is."""
    root = request.directory.resolve()
    tree = scan(root, keep_links=True)
    if request.exclusions:
        tree = request.exclusions.leave_out(tree)
    warn_of_attributes(root, tree)
    contents = Contents(tree)
    frozen = None if contents.get(APPRUN) else find_frozen(root, request.executable)
    if frozen is None:
        for option, value in (("--icon", request.icon), ("--executable", request.executable)):
            if value:
                raise AppImageError(
                    f"`{option}` is for what PyInstaller, cx_Freeze or Nuitka has frozen, and "
                    f"{request.directory} is not: an AppDir has its own"
                )
        return contents
    program = contents.file(frozen.program)
    if program is None:
        raise AppImageError(f"`{frozen.program}` of {request.directory} is left out, and is what the image starts")
    architecture = request.architecture or find_architecture(contents, program, str(request.directory))
    surroundings = work / "surroundings"
    surroundings.mkdir()
    appearance = Appearance(request.name, request.version, request.icon)
    write_surroundings(frozen, contents, appearance, architecture, surroundings)
    log.info("%s was made by %s", request.directory, frozen.tool)
    return Contents(lay_over(move_below(tree, PLACE), scan(surroundings)))


def _find_target(
    request: PackRequest, parts: AppDirParts, version: str | None, architecture: Architecture
) -> tuple[Path, str]:
    """Return the path of the image, and what its name is to begin with."""
    name = request.name or parts.name
    stem = parts.entry_name.removesuffix(".desktop")
    first = name.replace(" ", "_") if request.as_appimagetool else first_part(name, first_part(stem, "AppImage"))
    output = request.output or Destination(Path.cwd(), is_directory=True)
    if not output.is_directory:
        check_length(output.path.name)
        return output.path, first
    if request.as_appimagetool:
        words = [first, *([version.replace(" ", "_")] if request.version and version else []), architecture.name]
    else:
        words = [first, *([re.sub(r"[^A-Za-z0-9._~-]+", "_", version)] if version else []), architecture.name]
    file_name = "-".join(words) + _ENDING
    if "/" in file_name:
        raise AppImageError(f"The name and the version cannot have a `/` in them: {file_name}")
    check_length(file_name)
    return output.file(file_name), first


def _find_update_line(request: PackRequest, first: str, file_name: str, architecture: Architecture) -> str | None:
    information = request.update_information
    if information is None:
        return None
    if request.as_appimagetool:  # takes what does not fit the name, too
        return information.template.replace("{arch}", architecture.name).replace("{name}", first)
    try:
        return information.line(first, file_name, architecture.name)
    except ValueError as error:
        raise AppImageError(f"`--update-information` {error}") from error


def _add_what_lacks(request: PackRequest, contents: Contents, parts: AppDirParts, work: Path) -> Contents:
    """Lay over the AppDir what the directory lacks, as it is not to be changed: version, name and ``.DirIcon``."""
    additions = work / "additions"
    additions.mkdir()
    keys = {}
    if request.version:
        keys["X-AppImage-Version"] = request.version
    if request.name and not request.as_appimagetool:  # which names the file alone by it
        keys["X-AppImage-Name"] = escape(request.name)
    if keys:
        (additions / parts.entry_name).write_text(str(parts.entry.with_keys(keys)), encoding="utf-8")
    if contents.file(DIRECTORY_ICON) is None:
        _write_directory_icon(contents, parts.icon, additions / DIRECTORY_ICON)
    return Contents(with_plain_modes(lay_over(contents.directories, scan(additions))))


def _write_directory_icon(contents: Contents, icon: str, path: Path) -> None:
    """Write the picture that file managers show: a PNG of the right size, or else a link to the icon."""
    file = contents.file(icon)
    copy = path.with_name(Path(icon).name)
    try:
        copy.write_bytes(read_all(file) if file else b"")
        path.write_bytes(Icon.read(copy).for_directory())
    except ValueError:
        path.symlink_to(icon)
    finally:
        copy.unlink()
