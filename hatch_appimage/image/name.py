# SPDX-License-Identifier: MIT
"""What an image's file is called: ``<name>-<version>-<architecture>.AppImage``, in A-Z, a-z, 0-9, ``.``, ``_``, ``-``.

Release pages rename files with other characters, or refuse them, and update tools read their names from a line that
ends at the first character that is not ASCII:
https://docs.github.com/en/rest/releases/assets#upload-a-release-asset ("GitHub renames asset filenames that have
special characters"), and GitLab's ``direct_asset_path`` of a link to a release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from packaging.version import InvalidVersion, Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.text import without_accents

#: What stands for all versions of an image in patterns as fnmatch(3) has them: every version begins with a digit, and
#: what another application's name has behind this one's, as in ``app-extra``, should not.
ANY_VERSION: Final = "[0-9]*"

# NAME_MAX of Linux, in bytes. The longest name that belongs to an image is that of its .zsync file.
_MAX_NAME: Final = 255
_COMPANION: Final = ".zsync"


def first_part(name: str, project: str) -> str:
    """Return what stands before the version.

    Accents are dropped, and whatever is neither a letter nor a digit becomes ``_``. A name with letters or digits that
    are not Latin, or with none at all, is replaced by the project's.

    Args:
        name: what people call the application.
        project: the name of the project (PEP 508).

    """
    plain = without_accents(name)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip("._-")
    return safe if safe and all(letter.isascii() for letter in plain if letter.isalnum()) else project


@dataclass(frozen=True)
class ApplicationName:
    """What an application is called.

    Attributes:
        shown: what people read.
        in_files: what stands before the version in names of files.

    """

    shown: str
    in_files: str

    @classmethod
    def of(cls, name: str, project: str) -> ApplicationName:
        """Return a name in both forms.

        Args:
            name: what people call the application.
            project: the name of the project (PEP 508).

        """
        return cls(name, first_part(name, project))

    def __str__(self) -> str:
        return self.shown


def image_name(first: str, version: str, architecture: str) -> str:
    """Return the name of an image.

    Args:
        first: what stands before the version.
        version: as PEP 440 normalises it; ``!`` and ``+`` in it become ``_``.
        architecture: of the image.

    """
    return f"{first}-{re.sub(r'[!+]', '_', version)}-{architecture}.AppImage"


def appdir_name(image: str) -> str:
    """Return the name of the AppDir of an image where it is left instead of the image."""
    return image.removesuffix(".AppImage") + ".AppDir"


def check_length(image: str) -> None:
    """Check that file systems take the name of an image.

    Raises:
        AppImageError: they do not.

    """
    excess = len(image + _COMPANION) - _MAX_NAME
    if excess > 0:
        raise AppImageError(
            f"The name of the file {image}{_COMPANION} is too long by {excess}: {_MAX_NAME} bytes are possible. "
            "Set `name` to something shorter, or shorten the version"
        )


def is_image_of(file: str, first: str, architecture: str) -> bool:
    """Whether a file is named like an image of any version: ``app-`` also begins the images of ``app-extra``."""
    before, after = f"{first}-", f"-{architecture}.AppImage"
    if not (file.startswith(before) and file.endswith(after)):
        return False
    try:
        # Whether the first ``_`` stands for ``!`` or for ``+``, the whole is a version if this is one.
        Version(file[len(before) : -len(after)].replace("_", "+", 1))
    except InvalidVersion:
        return False
    return True
