# SPDX-License-Identifier: MIT
"""The project's wheel."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, replace
from importlib.metadata import PathDistribution
from typing import TYPE_CHECKING, cast

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.build_environment import DOING, build_here
from hatch_appimage.source_build import build_from_source, source_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hatch_appimage.project.metadata import Project

# Our build hook is quiet where this is set: it would make the next image while the wheel of this one is built.
WHEEL_ONLY = "HATCH_APPIMAGE_WHEEL_ONLY"
# What `hatch build` means for its own process only. The hook is named, too: it would be installed to do nothing.
_NOT_FOR_THE_WHEEL = frozenset({
    "HATCH_BUILD_CLEAN",
    "HATCH_BUILD_CLEAN_HOOKS_AFTER",
    "HATCH_BUILD_HOOKS_ONLY",
    "HATCH_BUILD_HOOK_ENABLE_APPIMAGE",
    "HATCH_BUILD_LOCATION",
})  # fmt: skip


@dataclass(frozen=True)
class Wheel:
    """A wheel that is there.

    Attributes:
        path: the file.
        name: normalised.
        version: as packaging writes it.
        pure: it runs with any Python on any machine.
        build_tools: what built it, as sorted requirements; None if somebody else did.

    """

    path: Path
    name: str
    version: Version
    pure: bool
    build_tools: tuple[str, ...] | None = None

    @classmethod
    def read(cls, path: Path) -> Wheel:
        """Take what a wheel's name says.

        Raises:
            AppImageError: it is no name of a wheel.

        """
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except (InvalidWheelFilename, InvalidVersion) as error:
            raise AppImageError(f"{path} is not named as wheels are: {error}") from error
        return cls(path, name, version, all((tag.abi, tag.platform) == ("none", "any") for tag in tags))

    def __str__(self) -> str:
        return self.path.name

    def requirement(self, features: Iterable[str]) -> str:
        """Return what to ask an installer for, with some of its optional dependencies (PEP 508)."""
        return f"{_with_extras(self.name, features)} @ {self.path.absolute().as_uri()}"


@dataclass(frozen=True)
class Release:
    """A distribution that the installer gets, from the index or from an address.

    Attributes:
        name: as the user wrote it.
        version: that was chosen.
        url: where it is, if not on the index.

    """

    name: str
    version: Version
    url: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}{f' from {self.url}' if self.url else ''}"

    def requirement(self, features: Iterable[str]) -> str:
        """Return what to ask an installer for, with some of its optional dependencies (PEP 508)."""
        return _with_extras(self.name, features) + (f" @ {self.url}" if self.url else f"=={self.version}")


def build_wheel(
    project: Project,
    output: Path,
    interpreter: Path,
    constraints: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    isolated: bool = True,
) -> Wheel:
    """Build the project's wheel with its own back end (PEP 517).

    Args:
        project: whose wheel it is.
        output: an empty directory for the wheel.
        interpreter: the Python it is built with; for extension modules it must be the one that is bundled.
        constraints: a file of constraints for what builds it; None for none.
        environment: what the back end sees; this process's when None.
        isolated: in an environment that has nothing but what the back end asks for. Otherwise in this process's, if
            nothing is missing there.

    Raises:
        AppImageError: the build fails, makes no wheel, or one of another version than the project's.

    """
    wheel = build_any_wheel(project.root, output, interpreter, constraints, environment, isolated=isolated)
    if wheel.version != Version(project.version):
        raise AppImageError(
            f"The project's version is {project.version}, but its wheel says {wheel.version}: build again"
        )
    return wheel


def build_any_wheel(
    root: Path,
    output: Path,
    interpreter: Path,
    constraints: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    isolated: bool = True,
) -> Wheel:
    """Build the wheel of a project of which nothing is known yet, as `build_wheel` does.

    Args:
        root: its directory.
        output: an empty directory for the wheel.
        interpreter: the Python it is built with.
        constraints: a file of constraints for what builds it; None for none.
        environment: what the back end sees; this process's when None.
        isolated: as for `build_wheel`.

    Raises:
        AppImageError: the build fails, or makes no wheel.

    """
    base = os.environ if environment is None else environment
    seen = {name: value for name, value in base.items() if name not in _NOT_FOR_THE_WHEEL}
    seen = source_environment(root, seen | {WHEEL_ONLY: "1"})
    tools = None if isolated else build_here(root, output, seen)
    if tools is None:
        tools = build_from_source(
            ["build", "--wheel", "--out-dir", output, "--python", interpreter, root],
            doing=DOING,
            cwd=root,
            constraints=constraints,
            environment=seen,
        )
    wheels = list(output.glob("*.whl"))
    if len(wheels) != 1:
        raise AppImageError(f"The build back end of {root} made {len(wheels)} wheels where one was expected")
    return replace(Wheel.read(wheels[0]), build_tools=tools)


def why_thrown_away(wheel: Path) -> str | None:
    """Say why a wheel that a front end has built will not be kept where it is; None if it will be."""
    if "PIP_BUILD_TRACKER" in os.environ:
        return "this is a build by pip, which installs or moves the wheel only"
    # uv builds in its cache what it installs, and marks it as one (https://bford.info/cachedir/).
    if any((directory / "CACHEDIR.TAG").is_file() for directory in wheel.parents):
        return f"{wheel.parent} is in a cache, so this build is part of an installation"
    return None


def _with_extras(name: str, extras: Iterable[str]) -> str:
    listed = ",".join(extras)
    return f"{canonicalize_name(name)}{f'[{listed}]' if listed else ''}"


def read_metadata(wheel: Wheel) -> PathDistribution:
    """Open the metadata of a wheel that is not installed.

    Raises:
        AppImageError: it has none.

    """
    root = zipfile.Path(wheel.path)
    for directory in root.iterdir():
        if directory.name.endswith(".dist-info") and (directory / "METADATA").is_file():
            return PathDistribution(cast("Path", directory))  # what it does with a path, both can
    raise AppImageError(f"{wheel.path} has no metadata: it is no wheel")
