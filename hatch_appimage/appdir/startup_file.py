# SPDX-License-Identifier: MIT
"""The file of a project that keeps its start-up order.

It is UTF-8 text with one path a line, below the AppDir and with ``/`` between its parts, in the order in which a start
reads the files. Empty lines and those that begin with ``#`` count for nothing. Bytes of a path that are not UTF-8 are
kept as they are.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.appdir.startup import StartupOrder
from hatch_appimage.errors import AppImageError
from hatch_appimage.whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.layout import AppDir

log = logging.getLogger(__name__)

_HEADER = """\
# The files that a start of the application reads, in this order, as paths in the AppImage.
# hatch-appimage wrote this once and does not change it: remove it to have it made anew.
"""


def read_startup_file(path: Path, appdir: AppDir) -> StartupOrder:
    """Read the file; paths of what is no file in the AppDir are passed over, and a warning says how many.

    Args:
        path: the file.
        appdir: complete.

    Raises:
        AppImageError: it is no text.
        OSError: it cannot be read.

    """
    data = path.read_bytes()
    if b"\0" in data:
        raise AppImageError(f"{path} is no list of files, one path a line: name another file in `startup-order`")
    lines = (line.strip() for line in data.decode("utf-8", "surrogateescape").split("\n"))
    wanted = list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    there = appdir.names(appdir.files())
    files = tuple(name for name in wanted if name in there)
    if len(files) < len(wanted):
        log.warning(
            "%d of %d files in %s are not in the image: remove it to have it made anew",
            len(wanted) - len(files),
            len(wanted),
            path.name,
        )
    return StartupOrder(files, stored=path)


@dataclass(frozen=True)
class StartupFile:
    """A file that was written.

    Attributes:
        path: its place.

    """

    path: Path


def write_startup_file(path: Path, order: StartupOrder) -> StartupFile:
    """Write the file, whole or not at all.

    Raises:
        OSError: it cannot be written.

    """
    lines = "".join(f"{name}\n" for name in order.files if name == name.strip() and "\n" not in name)
    write_whole(path, _HEADER + lines)
    return StartupFile(path)
