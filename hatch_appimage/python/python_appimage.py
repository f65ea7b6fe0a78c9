# SPDX-License-Identifier: MIT
"""Pythons of niess/python-appimage: AppImages with a Python of the manylinux containers, one for each of their tags.

There is a release for each minor version, with files such as
`python3.12.8-cp312-cp312-manylinux2014_x86_64.AppImage` that newer ones replace (its scripts/update-appimages.py).
Python lies in `opt/python3.12` there and its libraries in `usr/lib`. Of the shell script in `usr/bin` and the
environment that it sets up nothing is needed here (its python_appimage/appimage/appify.py).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from hatch_appimage.download import download, fetch_json
from hatch_appimage.errors import AppImageError
from hatch_appimage.manylinux import glibc_of
from hatch_appimage.python.files import find_executable, read_python
from hatch_appimage.suggest import suggest_versions
from hatch_appimage.unpack import unpack_appimage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.python import PythonInstallation

PREFIX = "python-appimage:"

# The API of GitHub (https://docs.github.com/en/rest/releases/releases), or of a mirror that answers like it.
_API = "https://api.github.com"
_API_VARIABLE = "HATCH_APPIMAGE_GITHUB_API"
_RELEASES = "/repos/niess/python-appimage/releases?per_page=100"

_REQUEST = re.compile(r"(?P<version>3(?:\.\d+){1,2})(?P<free>t?)(?:-(?P<tag>manylinux\w+))?")
_ASSET = re.compile(
    r"python(?P<version>3\.\d+\.[\w.]+)-cp\d+-cp\d+(?P<free>t?)-(?P<tag>manylinux(?:_\d+_\d+|\d+))_(?P<machine>\w+)\.AppImage"
)
_DIGEST = re.compile(r"sha256:(?P<digest>[0-9a-f]{64})")

# What is needed of such an image.
_FOLDERS = ("opt", "usr/lib", "usr/share/tcltk")
# What it adds to a module of the standard library: sys.executable becomes the AppImage (data/_initappimage.py).
_PATCH = re.compile(
    r"(?:# This is a patch to getpath[^\n]*\n)?def _initappimage\(\):.*?\ndel _initappimage\n", re.DOTALL
)


@dataclass(frozen=True)
class _Asset:
    """A file of a release.

    Attributes:
        name: of the file.
        version: of its Python.
        free_threaded: it has no GIL.
        tag: its manylinux tag.
        machine: as ``uname -m`` has it.
        url: where it is.
        digest: its SHA-256; None where GitHub has none, as for files of before June 2025.

    """

    name: str
    version: Version
    free_threaded: bool
    tag: str
    machine: str
    url: str
    digest: str | None


@dataclass(frozen=True)
class PythonAppImageSource:
    """A version of python-appimage.

    Attributes:
        request: what follows ``python-appimage:``.

    """

    request: str

    def __post_init__(self) -> None:
        """Refuse what is no version.

        Raises:
            ValueError: it is not; the message completes "Option `...` ".

        """
        if not _REQUEST.fullmatch(self.request):
            raise ValueError(
                f"must have a version behind `{PREFIX}`, such as `{PREFIX}3.12` or `{PREFIX}3.12-manylinux2014`, "
                f"not `{self.request}`"
            )

    def provide(self, architecture: Architecture, directory: Path) -> PythonInstallation:
        """Download the AppImage, or take it from the cache, and unpack it.

        Args:
            architecture: that the Python is for.
            directory: an empty directory.

        Raises:
            AppImageError: there is no such Python, or it cannot be had.

        """
        asset = self._choose(architecture)
        if asset.digest is None:
            raise AppImageError(
                f"GitHub has no digest of {asset.name}, so it cannot be verified: "
                f'set `python = "{asset.url}"` and `python-sha256`'
            )
        return read_python_appimage(download(asset.url, asset.digest), directory, source=asset.name)

    def _choose(self, architecture: Architecture) -> _Asset:
        match = _REQUEST.fullmatch(self.request)
        version, free, tag = match.group("version", "free", "tag") if match else ("", "", None)
        answer = fetch_json(os.environ.get(_API_VARIABLE, _API).rstrip("/") + _RELEASES)
        assets = [
            asset
            for asset in _read_assets(answer)
            if asset.machine == architecture.machine and asset.free_threaded == bool(free)
        ]
        same_version = [asset for asset in assets if f"{asset.version}.".startswith(f"{version}.")]
        fitting = [asset for asset in same_version if tag in {None, asset.tag}]
        if fitting:
            return max(fitting, key=lambda asset: (glibc_of(asset.tag), asset.version))
        if same_version:
            there = f"; there is {', '.join(sorted({asset.tag for asset in same_version}))}"
        else:
            there = suggest_versions(Version(version), {asset.version for asset in assets})
        raise AppImageError(f"python-appimage has no Python {self.request} for {architecture.name}{there}")


def _read_assets(releases: Any) -> Iterator[_Asset]:
    if not isinstance(releases, list):
        raise AppImageError("The answer of GitHub's API is no list of releases")
    for release in releases:
        for asset in release.get("assets", ()):
            match = _ASSET.fullmatch(asset.get("name", ""))
            if match is None:
                continue
            digest = _DIGEST.fullmatch(asset.get("digest") or "")
            try:
                version = Version(match["version"])
            except InvalidVersion:
                continue
            yield _Asset(
                name=asset["name"],
                version=version,
                free_threaded=bool(match["free"]),
                tag=match["tag"],
                machine=match["machine"],
                url=asset["browser_download_url"],
                digest=digest["digest"] if digest else None,
            )


def read_python_appimage(image: Path, directory: Path, *, source: str) -> PythonInstallation:
    """Unpack an AppImage of python-appimage's layout, without what it adds to Python.

    Args:
        image: the file.
        directory: an empty directory.
        source: where the image is from, as messages say it.

    Raises:
        AppImageError: it is no AppImage, or has no Python where python-appimage puts it.

    """
    unpack_appimage(image, directory, _FOLDERS)
    if not (directory / "opt").is_dir():
        raise AppImageError(f"{source} has no Python in `opt`: it is no AppImage of python-appimage")
    python = read_python(
        find_executable(directory / "opt"), source=source, root=directory, tcl=directory / "usr" / "share" / "tcltk"
    )
    for module in (python.stdlib / "encodings" / "__init__.py", python.stdlib / "site.py"):
        text = module.read_text(encoding="utf-8")
        module.write_text(_PATCH.sub("", text), encoding="utf-8")
    # It changes what pip installs (data/sitecustomize.py); the wheel is built with this Python.
    (python.stdlib / "site-packages" / "sitecustomize.py").unlink(missing_ok=True)
    return python
