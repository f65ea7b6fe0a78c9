# SPDX-License-Identifier: MIT
"""What a run of the application during the build was seen to open, in the image and outside of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_appimage.appdir.loader_log import Load


@dataclass(frozen=True)
class Opened:
    """A file that was opened, or a library by its name.

    Attributes:
        name: the absolute path of the file; of a library, what it was opened by, without a directory.
        module: the Python module that opened it; "" if that is not known.
        line: in that module's source.

    """

    name: str
    module: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}" if self.module else ""


@dataclass(frozen=True)
class Seen:
    """What one run opened.

    Attributes:
        loads: libraries, as glibc's loader tells of them.
        files: files outside of the image that Python opened for reading, or that were in memory.
        libraries: those that Python opened by their names.

    """

    loads: tuple[Load, ...] = ()
    files: tuple[Opened, ...] = ()
    libraries: tuple[Opened, ...] = ()


#: What was seen where nothing was run, or nobody looked.
NOTHING_SEEN = Seen()
