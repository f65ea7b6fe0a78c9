# SPDX-License-Identifier: MIT
"""The project's wheel, built in the environment that a front end has made for its back end, and that we run in.

`hatch build` installs what ``[build-system]`` asks for before it runs a build target, and builds wheels there, too. An
environment of its own for our wheel would have the same in it, and takes longer to make than most wheels to build.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller

from hatch_appimage.errors import AppImageError
from hatch_appimage.process import run
from hatch_appimage.source_build import naming_build_packages
from hatch_appimage.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: What it is for, as it stands in errors.
DOING: Final = "build the project's wheel"


def build_here(root: Path, output: Path, environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Build a wheel with what is installed here, if that is all that the back end asks for (PEP 517).

    Args:
        root: the project's directory.
        output: the directory for the wheel.
        environment: what the back end sees.

    Returns:
        What is installed of that which built it, as sorted requirements (``name==version``); None if something is
        missing or of another version, or if ``[build-system]`` names no back end, and nothing was built.

    Raises:
        AppImageError: the back end fails, or is not there.

    """
    table = read_toml(root / "pyproject.toml").get("build-system", {})
    requires, backend = table.get("requires"), table.get("build-backend")
    if not isinstance(requires, list) or not isinstance(backend, str) or find_installed(requires) is None:
        return None
    path = os.pathsep.join((sysconfig.get_path("scripts"), environment.get("PATH", os.defpath)))

    def run_hook(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        run(cmd, doing=DOING, cwd=Path(cwd or root), env={**environment, "PATH": path, **(extra_environ or {})})

    try:
        hooks = BuildBackendHookCaller(str(root), backend, table.get("backend-path"), run_hook, sys.executable)
        tools = find_installed([*requires, *hooks.get_requires_for_build_wheel()])
        if tools is not None:
            output.mkdir(parents=True, exist_ok=True)
            with naming_build_packages():
                hooks.build_wheel(str(output))
    except (BackendUnavailable, ValueError) as error:  # the latter for a `backend-path` that leads out of the project
        reason = str(error).rstrip().splitlines()[-1]
        raise AppImageError(f"Cannot {DOING}: its back end {backend} cannot be imported: {reason}") from error
    return tools


def find_installed(requirements: Iterable[object]) -> tuple[str, ...] | None:
    """Return what is installed here of some requirements and of all that these require.

    Args:
        requirements: as PEP 508 writes them; those by an address count as missing.

    Returns:
        sorted requirements (``name==version``); None if one is missing, or of a version that does not fit.

    """
    found = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(str(each), "") for each in requirements]
    while waiting:
        text, extra = waiting.pop()
        try:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            distribution = Distribution.from_name(requirement.name)
        except (InvalidRequirement, PackageNotFoundError):
            return None
        if requirement.url or not requirement.specifier.contains(distribution.version, prereleases=True):
            return None
        name = canonicalize_name(requirement.name)
        found.add(f"{name}=={distribution.version}")
        new = {(name, each) for each in ("", *requirement.extras)} - seen
        seen |= new
        waiting += [(text, extra) for _, extra in new for text in distribution.requires or ()]
    return tuple(sorted(found))
