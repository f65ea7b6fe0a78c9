# SPDX-License-Identifier: MIT
"""What packages are chosen for: the markers and wheel tags of the bundled Python on its platform."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from packaging.tags import compatible_tags, cpython_tags, platform_tags

from hatch_appimage.architecture import architecture_for
from hatch_appimage.errors import AppImageError
from hatch_appimage.manylinux import glibc_platforms, musl_platforms
from hatch_appimage.process import run
from hatch_appimage.python.probe import ASK_PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from packaging.markers import Environment
    from packaging.tags import Tag

_PROBE = f"{ASK_PLATFORM}print(json.dumps(platform_answer))"


@dataclass(frozen=True)
class TargetEnvironment:
    """The Python and the platform that packages have to fit.

    Attributes:
        interpreter: a Python of this machine that answers for it.
        environment: the values of its markers.
        tags: the wheel tags that it takes, the best first.

    """

    interpreter: Path
    environment: Environment
    tags: tuple[Tag, ...]

    def __str__(self) -> str:
        python = f"Python {self.environment['python_version']}"
        return f"{python} on {self.environment['sys_platform']} {self.environment['platform_machine']}"

    @classmethod
    def of(
        cls,
        interpreter: Path,
        *,
        answer: Mapping[str, Any] | None = None,
        max_glibc: tuple[int, ...] | None = None,
        musl: tuple[int, ...] | None = None,
    ) -> TargetEnvironment:
        """Ask an interpreter of this machine for its markers and tags.

        Args:
            interpreter: it, or a program that answers for another one.
            answer: to `ASK_PLATFORM`; None if it has not been asked yet.
            max_glibc: the newest glibc that wheels may need; None for the one that the interpreter names.
            musl: the musl that wheels are for, whatever the interpreter says; None for glibc.

        Raises:
            AppImageError: it does not answer.

        """
        if answer is None:
            answer = _probe(interpreter)
        environment = cast("Environment", answer["markers"])
        machine = _machine(environment["platform_machine"], int(answer["bits"]))
        name, _, version = str(answer["libc"]).partition(" ")
        if musl is not None:
            platforms = list(musl_platforms(machine, musl))
        elif name == "glibc":
            glibc = tuple(int(part) for part in version.split(".")[:2])
            platforms = list(glibc_platforms(machine, min(glibc, max_glibc or glibc)))
        else:
            platforms = list(platform_tags())
        return cls(interpreter, environment, tuple(_tags(environment["python_version"], str(answer["abi"]), platforms)))


def _probe(interpreter: Path) -> dict[str, Any]:
    output = run([interpreter, "-I", "-c", _PROBE], doing="ask the bundled Python for its markers")
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise AppImageError(f"`{interpreter}` does not say what it is: {output[:100]!r}") from error
    return answer


def _machine(kernel_name: str, bits: int) -> str:
    """Name a machine as wheel tags do: a Python of 32 bits may run on a kernel of 64."""
    architecture = architecture_for(kernel_name, bits)
    return architecture.machine if architecture else kernel_name


def _tags(python_version: str, abi: str, platforms: list[str]) -> Iterator[Tag]:
    major, minor = (int(part) for part in python_version.split("."))
    yield from cpython_tags((major, minor), abis=[abi], platforms=platforms)
    yield from compatible_tags((major, minor), interpreter=f"cp{major}{minor}", platforms=platforms)
