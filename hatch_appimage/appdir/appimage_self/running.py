# SPDX-License-Identifier: MIT
"""The image that this Python runs from, and what its build knows of it."""

from __future__ import annotations

import json
import os
import sys
from typing import NamedTuple

from .errors import NotAnImageError, SelfError

DIRECTORY = "appimage-self"
FACTS = "image.json"


class Image(NamedTuple):
    """An image.

    Attributes:
        path: of its file, behind all links; None where it was unpacked.
        root: where what is in it is.
        name: what people call the application.
        file_name: what its file's name begins with.
        version: its own.
        architecture: that it is for, as in names of files.
        command: what its commands begin with.
        commands: the names by which links to its file start something.
        packages: the directories of installed packages.
        sbom: the bill of materials, relative to the root.

    """

    path: str | None
    root: str
    name: str
    file_name: str
    version: str
    architecture: str
    command: str
    commands: tuple[str, ...]
    packages: tuple[str, ...]
    sbom: str

    @property
    def file(self) -> str:
        """The path of its file.

        Raises:
            NotAnImageError: it was unpacked.

        """
        if self.path is None:
            raise NotAnImageError("this is an unpacked image: there is no file that could be updated or verified")
        return self.path


def running() -> Image:
    """Return the image that this Python runs from.

    Raises:
        NotAnImageError: it runs from none, or from one that does not manage itself.

    """
    facts = os.path.join(sys.base_prefix, "libexec", DIRECTORY, FACTS)
    try:
        with open(facts, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        raise NotAnImageError("this does not run from an AppImage that manages itself") from None
    root = os.path.dirname(os.path.realpath(sys.base_prefix))
    try:
        return Image(
            path=_file(root),
            root=root,
            name=known["name"],
            file_name=known["file_name"],
            version=known["version"],
            architecture=known["architecture"],
            command=known["command"] or f"{os.path.basename(os.environ.get('ARGV0') or 'AppRun')} --appimage-self",
            commands=tuple(known["commands"]),
            packages=tuple(os.path.join(root, each) for each in known["packages"]),
            sbom=known["sbom"],
        )
    except KeyError:
        raise SelfError(f"{facts} is damaged") from None


def _file(root: str) -> str | None:
    """Return the path of the file that a tree is mounted from; another image may have started this one."""
    image, directory = os.environ.get("APPIMAGE"), os.environ.get("APPDIR")
    try:
        if image and directory and os.path.samefile(directory, root) and os.path.isfile(image):
            return os.path.realpath(image)
    except OSError:
        pass
    return None
