# SPDX-License-Identifier: MIT
"""A Python in a file: an archive or an AppImage, on this machine or on the web."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.download import download
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import file_digest
from hatch_appimage.python.files import find_executable, read_python
from hatch_appimage.python.python_appimage import read_python_appimage
from hatch_appimage.redact import redact
from hatch_appimage.unpack import unpack_archive

if TYPE_CHECKING:
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.python import PythonInstallation

_URL = re.compile(r"https?://", re.IGNORECASE)
_APPIMAGE = ".appimage"
_ARCHIVE = re.compile(r".*(?:\.tar(?:\.(?:gz|bz2|xz|zst))?|\.t(?:gz|bz2|xz|zst)|\.zip)", re.IGNORECASE)


@dataclass(frozen=True)
class FileSource:
    """An archive, or an AppImage of python-appimage's layout.

    Attributes:
        location: a URL, or the path of a file.
        digest: its SHA-256 in hexadecimal; None for a file of this machine that is taken as it is.

    """

    location: str | Path
    digest: str | None

    def provide(self, architecture: Architecture, directory: Path) -> PythonInstallation:
        """Get the file, verify it and unpack it.

        Args:
            architecture: not asked for: what is in the file is checked afterwards.
            directory: an empty directory.

        Raises:
            AppImageError: it cannot be had, is another one than the digest says, or has no Python in it.

        """
        del architecture
        file = self._file()
        source = redact(str(self.location))
        if source.lower().endswith(_APPIMAGE):
            return read_python_appimage(file, directory, source=source)
        unpack_archive(file, directory, source=source)
        try:
            executable = find_executable(directory)
        except AppImageError as error:
            raise AppImageError(f"{source} has no Python interpreter in it: no bin/python3") from error
        return read_python(executable, source=source)

    def _file(self) -> Path:
        if not isinstance(self.location, Path):
            return download(self.location, self.digest or "")
        if self.digest is not None:
            found = file_digest(self.location, sha256()).hex()
            if found != self.digest:
                raise AppImageError(
                    f"{self.location} is not what it should be: its SHA-256 is {found}, "
                    f"and `python-sha256` is {self.digest}"
                )
        return self.location


def is_url(text: str) -> bool:
    """Whether a setting is the address of a file on the web."""
    return bool(_URL.match(text))


def is_packed(text: str) -> bool:
    """Whether a file is an archive or an AppImage, going by its name."""
    return text.lower().endswith(_APPIMAGE) or bool(_ARCHIVE.fullmatch(text))
