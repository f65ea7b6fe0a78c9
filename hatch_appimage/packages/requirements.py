# SPDX-License-Identifier: MIT
"""Requirements: which of them apply in an environment, and whether a lock meets them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import Distribution

    from packaging.markers import Environment

    from hatch_appimage.packages.lock import Lock

log = logging.getLogger(__name__)


def requirements_of(
    distribution: Distribution, extras: Iterable[str], environment: Environment
) -> tuple[Requirement, ...]:
    """Return what a distribution requires of others with some of its extras where an environment is given."""
    return expand(map(Requirement, distribution.requires or ()), distribution.metadata["Name"], extras, environment)


def expand(
    requirements: Iterable[Requirement], who: str, extras: Iterable[str], environment: Environment
) -> tuple[Requirement, ...]:
    """Return which requirements count, without their markers and without the ones of whoever has them.

    An extra may consist of further ones, as in ``all = ["app[web,tls]"]``.

    Args:
        requirements: those of all extras.
        who: the name of the project or package that has them.
        extras: those of its extras that are wanted.
        environment: the values of markers.

    """
    listed = list(requirements)
    wanted = expand_extras(listed, who, extras, environment)
    found = [it for it in listed if applies(it, wanted, environment) and not _is_of(it, who)]
    for requirement in found:
        requirement.marker = None
    return tuple(found)


def expand_extras(
    requirements: Iterable[Requirement], who: str, extras: Iterable[str], environment: Environment
) -> frozenset[str]:
    """Return extras with those that they consist of, normalised; the arguments are those of `expand`."""
    own = [requirement for requirement in requirements if _is_of(requirement, who)]
    wanted: frozenset[str] = frozenset(map(canonicalize_name, extras))
    while True:
        named = [
            extra for requirement in own if applies(requirement, wanted, environment) for extra in requirement.extras
        ]
        further = wanted.union(map(canonicalize_name, named))
        if further == wanted:
            return wanted
        wanted = further


def _is_of(requirement: Requirement, who: str) -> bool:
    return canonicalize_name(requirement.name) == canonicalize_name(who)


def applies(requirement: Requirement, extras: Iterable[str], environment: Environment) -> bool:
    """Tell whether a requirement is one where an environment is given, with some extras of who has it."""
    marker = requirement.marker
    if marker is None:
        return True
    values = cast("dict[str, str]", environment)
    return any(marker.evaluate({**values, "extra": extra}) for extra in ("", *map(canonicalize_name, extras)))


def check_fit(
    lock: Lock,
    distributions: Iterable[Distribution],
    wanted: Mapping[str, Iterable[Requirement]],
    environment: Environment,
) -> None:
    """See that everything is there in a version that is asked for.

    What packages ask of each other is only warned of: uv lets a project override it.

    Args:
        lock: what was installed from.
        distributions: all that is installed.
        wanted: what is required, and by whom, as it stands in the error.
        environment: the values of markers.

    Raises:
        AppImageError: with the first thing that the project wants and the lock does not have.

    """
    installed: dict[str, Distribution] = {canonicalize_name(found.metadata["Name"]): found for found in distributions}
    for origin, requirements in wanted.items():
        for requirement in requirements:
            problem = _find_problem(requirement, installed)
            if problem:
                raise AppImageError(
                    f"{lock.path} does not fit the project: {origin} `{requirement}`, and {problem}; lock again"
                )
    pending = [(requirement, origin) for origin, requirements in wanted.items() for requirement in requirements]
    seen: set[str] = set()
    while pending:
        requirement, origin = pending.pop()
        if f"{requirement}" in seen:
            continue
        seen.add(f"{requirement}")
        problem = _find_problem(requirement, installed)
        if problem:
            log.warning("%s: %s `%s`, and %s", lock.path.name, origin, requirement, problem)
            continue
        distribution = installed[canonicalize_name(requirement.name)]
        needed = requirements_of(distribution, requirement.extras, environment)
        pending += [(further, f"{distribution.metadata['Name']} needs") for further in needed]


def _find_problem(requirement: Requirement, installed: Mapping[str, Distribution]) -> str | None:
    distribution = installed.get(canonicalize_name(requirement.name))
    if distribution is None:
        return f"the lock has no {requirement.name} for this Python and platform"
    if not requirement.specifier.contains(distribution.version, prereleases=True):
        return f"the lock has {requirement.name} {distribution.version}"
    return None
