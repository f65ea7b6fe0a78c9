# SPDX-License-Identifier: MIT
"""Where an image goes that somebody has named a place for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

# What can only be a directory, whether or not it is there.
_DIRECTORY = re.compile(r"(?:.*/)?\.{0,2}", re.DOTALL)


@dataclass(frozen=True)
class Destination:
    """A place for an image.

    Attributes:
        path: absolute.
        is_directory: the image goes into it by the name that it would have without a destination.

    """

    path: Path
    is_directory: bool

    @classmethod
    def read(cls, text: str) -> Destination:
        """Read an argument: a file, or a directory if one is there or the text ends with a ``/``."""
        path = Path(text).absolute()
        return cls(path, bool(_DIRECTORY.fullmatch(text)) or path.is_dir())

    @classmethod
    def of_file(cls, path: Path) -> Destination:
        """Return the place of a file."""
        return cls(path.absolute(), is_directory=False)

    def file(self, name: str) -> Path:
        """Return the place of an image.

        Args:
            name: what its file is called in a directory.

        """
        return self.path / name if self.is_directory else self.path
