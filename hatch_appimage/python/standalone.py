# SPDX-License-Identifier: MIT
"""python-build-standalone: Pythons that run on any Linux since 2014, chosen, fetched and verified by uv."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from platformdirs import user_data_path

from hatch_appimage.architecture import native_architecture
from hatch_appimage.cache import cache_directory, is_unchanged, locked, seal
from hatch_appimage.download import is_offline, waiting_for
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import ProcessError
from hatch_appimage.python.files import find_executable, read_python
from hatch_appimage.suggest import suggest_versions
from hatch_appimage.uv import run_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.python import PythonInstallation

log = logging.getLogger(__name__)

# Architecture and C library in uv's names of Pythons. There is none for 32-bit x86.
_PLATFORMS = {"x86_64": ("x86_64", "gnu"), "aarch64": ("aarch64", "gnu"), "armhf": ("armv7", "gnueabihf")}
_FREE_THREADED = "freethreaded"

# 3.12, 3.12.8, 3.13t, 3.15.0rc1; anything else that begins like one is a version specifier (PEP 440).
_VERSION = re.compile(r"(?P<version>3(?:\.\d+){0,2}(?:(?:a|b|rc)\d+)?)(?P<free>t?)")
_SPECIFIER = re.compile(r"\s*(?:[<>]=?|[=!~]=)")

# What uv calls an installed Python: cpython-3.13.2+freethreaded-linux-x86_64-gnu.
_KEY = re.compile(r"cpython-(?P<version>[^+-]+)(?P<free>\+freethreaded)?-linux-(?P<arch>[^-]+)-(?P<libc>[^-]+)")


@dataclass(frozen=True)
class _Release:
    """A Python that uv knows.

    Attributes:
        key: its name.
        version: of Python.

    """

    key: str
    version: Version

    @classmethod
    def read(cls, key: str, platform: tuple[str, str], *, free_threaded: bool) -> _Release | None:
        """Read the name of one; None if it is for another platform, or of the other kind."""
        match = _KEY.fullmatch(key)
        if match is None or (match["arch"], match["libc"]) != platform or bool(match["free"]) != free_threaded:
            return None
        try:
            return cls(key, Version(match["version"]))
        except InvalidVersion:
            return None


@dataclass(frozen=True)
class StandaloneSource:
    """A version of python-build-standalone.

    Attributes:
        request: as the project writes it.
        project: its directory, whose uv settings count.

    """

    request: str
    project: Path | None = None

    @classmethod
    def recognizes(cls, text: str) -> bool:
        """Whether a setting is meant as a version."""
        return bool(_VERSION.fullmatch(text) or _SPECIFIER.match(text))

    def __post_init__(self) -> None:
        """Refuse what is no version.

        Raises:
            ValueError: it is not; the message completes "Option `...` ".

        """
        try:
            _ = self._specifier
        except InvalidSpecifier as error:
            raise ValueError(f"is no version of Python, nor a version specifier (PEP 440): `{self.request}`") from error

    def provide(self, architecture: Architecture, directory: Path) -> PythonInstallation:
        """Return an installed Python that fits, or have uv install one into our cache.

        Raises:
            AppImageError: there is no such version for the architecture, or it cannot be downloaded.

        """
        del directory  # what uv unpacks is kept
        platform = _PLATFORMS.get(architecture.name)
        if platform is None:
            raise AppImageError(
                f"python-build-standalone has no Python for {architecture.name}: set `python` to the path of one"
            )
        place = self._find(platform, native=architecture == native_architecture())
        if place is None:
            place = self._install(self._choose(architecture, platform), architecture)
        source = f"python-build-standalone {place.name}" if _KEY.fullmatch(place.name) else str(place)
        return read_python(find_executable(place), source=source)

    def _find(self, platform: tuple[str, str], *, native: bool) -> Path | None:
        """Return the newest installed one; those in our cache must be what was installed there."""
        for _, place in sorted(self._installed(platform, native=native), reverse=True):
            if place.parent != _install_directory():
                return place
            with locked(place):
                if place.is_dir() and is_unchanged(place):
                    return place
                log.warning("%s in the cache has changed since it was installed, and is removed", place)
                shutil.rmtree(place, ignore_errors=True)  # another build may have removed it
        return None

    @property
    def _free_threaded(self) -> bool:
        match = _VERSION.fullmatch(self.request)
        return bool(match and match["free"])

    @property
    def _specifier(self) -> SpecifierSet:
        match = _VERSION.fullmatch(self.request)
        if match is None:
            return SpecifierSet(self.request)
        exact = match["version"].count(".") == 2 or Version(match["version"]).is_prerelease  # noqa: PLR2004 - x.y.z
        return SpecifierSet(f"=={match['version']}{'' if exact else '.*'}")

    def _installed(self, platform: tuple[str, str], *, native: bool) -> Iterator[tuple[Version, Path]]:
        """Find what uv or hatch has installed: it is read, and stays as it is."""
        for place in (_uv_directory(self.project), _install_directory()):
            for path in sorted(place.glob("cpython-3.*")) if place else ():
                release = _Release.read(path.name, platform, free_threaded=self._free_threaded)
                if release and not path.is_symlink() and self._specifier.contains(release.version):
                    yield release.version, path
        if native and not self._free_threaded:
            for path in sorted(_hatch_directory().glob("3.*/python")):
                with suppress(AppImageError):  # what hatch has left half-way
                    version = Version(read_python(find_executable(path), source=str(path)).version)
                    if self._specifier.contains(version):
                        yield version, path

    def _choose(self, architecture: Architecture, platform: tuple[str, str]) -> _Release:
        releases = [release for key in self._known() if (release := self._release(key, platform))]
        fitting = {*self._specifier.filter(release.version for release in releases)}
        if not fitting:
            kind = "free-threaded Python" if self._free_threaded else "Python"
            versions = [release.version for release in releases]
            match = _VERSION.fullmatch(self.request)
            wanted = Version(match["version"]) if match else max(versions, default=Version("3"))
            raise AppImageError(
                f"python-build-standalone has no {kind} {self.request} for {architecture.name}"
                f"{suggest_versions(wanted, versions)}"
            )
        newest = max(fitting)
        return next(release for release in releases if release.version == newest)

    def _release(self, key: str, platform: tuple[str, str]) -> _Release | None:
        return _Release.read(key, platform, free_threaded=self._free_threaded)

    def _known(self) -> list[str]:
        """Ask uv which Pythons it can download."""
        options = ("--all-platforms", "--all-arches", "--all-versions", "--only-downloads", "--output-format", "json")
        output = run_uv(["python", "list", *options], doing="list the versions of Python", cwd=self.project or Path())
        return [entry["key"] for entry in json.loads(output)]

    def _install(self, release: _Release, architecture: Architecture) -> Path:
        place = _install_directory()
        with locked(place / release.key):
            try:
                with waiting_for(release.key):
                    run_uv(
                        ["python", "install", "--no-bin", "--install-dir", place, release.key],
                        doing=f"get Python {release.version}",
                        cwd=self.project or Path(),
                        downloads=True,
                    )
            except ProcessError as error:
                raise AppImageError(_explain(error, release, architecture)) from error
            seal(place / release.key)
        return place / release.key


def _uv_directory(project: Path | None) -> Path | None:
    try:
        return Path(run_uv(["python", "dir"], doing="find uv's Pythons", cwd=project or Path()).strip())
    except ProcessError:
        return None


def _install_directory() -> Path:
    return cache_directory() / "python"


def _hatch_directory() -> Path:
    """Return where hatch installs Pythons (hatch.config.model, ``dirs.python`` is ``isolated`` by default)."""
    return Path(os.environ.get("HATCH_DATA_DIR") or user_data_path("hatch", appauthor=False)) / "pythons"


def _explain(error: ProcessError, release: _Release, architecture: Architecture) -> str:
    """Say in one line why uv could not get a Python."""
    if is_offline():
        return (
            f"Python {release.version} for {architecture.name} is not on this machine, "
            "and HATCH_APPIMAGE_OFFLINE allows no download: build once without it"
        )
    # Before its error uv says what it does.
    lines = error.output[max(error.output.find("error: "), 0) :].splitlines()
    reasons = [re.sub(r"^(?:error|cause|Caused by):\s*", "", line.strip()) for line in lines]
    return f"Cannot get Python {release.version} for {architecture.name}: {' '.join(filter(None, reasons))}"
