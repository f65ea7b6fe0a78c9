# SPDX-License-Identifier: MIT
"""Packages without a wheel: each is built once for a Python, build tools and settings, and its tools are noted.

uv's own cache has wheels that anything may have built with any tools. These have one of their own.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING

from hatch_appimage.cache import cache_directory, locked, open_file
from hatch_appimage.packages.file_names import last_part
from hatch_appimage.packages.lock import source_of
from hatch_appimage.source_build import build_from_source, source_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from packaging.pylock import Package

    from hatch_appimage.libraries.build_packages import BuildPackages

# What decides how a package is built, beside its own files and the flags that are set for it.
_VARIABLES = ("AR", "CC", "CFLAGS", "CPPFLAGS", "CXX", "CXXFLAGS", "LDFLAGS", "LDSHARED", "SOURCE_DATE_EPOCH")


def is_source(package: Package) -> bool:
    """Whether a package that was chosen has to be built."""
    source = source_of(package)
    if package.archive:
        return not last_part(package.archive.url or package.archive.path or "").endswith(".whl")
    return source is package.sdist or source is package.vcs or source is package.directory


@dataclass(frozen=True)
class SourcePackages:
    """Builds packages for one Python.

    Attributes:
        constraints: a file of constraints for build tools; None for none.
        environment: what builds see.
        directory: where uv keeps what it has built, and tools are noted.

    """

    constraints: Path | None
    environment: Mapping[str, str]
    directory: Path

    @classmethod
    def of(
        cls, interpreter: Path, constraints: Path | None, build_packages: BuildPackages | None = None
    ) -> SourcePackages:
        """Build for an interpreter.

        Args:
            interpreter: the Python that packages are built with.
            constraints: a file of constraints for build tools; None for none.
            build_packages: what compilers find beside what the machine has; None for nothing.

        """
        environment = source_environment(None)
        variables = [environment.get(name) for name in _VARIABLES]
        if build_packages:
            environment = build_packages.environment(environment)
        found = interpreter.resolve()
        status = found.stat()
        facts = [
            *(version("uv"), str(found), status.st_size, status.st_mtime_ns),
            *variables,
            *(package.digest for package in (build_packages.packages if build_packages else ())),
            constraints.read_text(encoding="utf-8") if constraints else None,
        ]
        key = sha256(json.dumps(facts).encode()).hexdigest()[:20]
        return cls(constraints, environment, cache_directory() / "built" / key)

    def install(self, package: Package, command: Sequence[str | Path], *, doing: str, cwd: Path) -> tuple[str, ...]:
        """Install a package, and return what built it, as sorted requirements.

        Args:
            package: with one source.
            command: the arguments by which uv installs it.
            doing: what it is for, as it stands in the error.
            cwd: the directory whose uv settings count.

        Raises:
            AppImageError: uv fails, or somebody else could change what is kept.

        """
        with locked(self.directory):
            tools = build_from_source(
                [*command, "--cache-dir", self.directory / "uv"],
                doing=doing,
                cwd=cwd,
                constraints=self.constraints,
                environment=self.environment,
            )
            noted = self.directory / f"{_identify(package)}.json"
            if tools or not noted.exists():
                self.directory.mkdir(exist_ok=True)
                noted.write_text(json.dumps(tools), encoding="utf-8")
                return tools
            with open_file(noted, os.O_RDONLY) as file, suppress(ValueError):  # it may be damaged
                tools = tuple(json.load(file))
            return tools


def _identify(package: Package) -> str:
    source = source_of(package)
    facts = (package.name, str(package.version), repr(source))
    return f"{package.name}-{sha256(repr(facts).encode()).hexdigest()[:20]}"
