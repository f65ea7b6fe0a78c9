# SPDX-License-Identifier: MIT
"""On which distributions, and on which of their releases, an image starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hatch_appimage.libraries.distributions import read_distributions
from hatch_appimage.libraries.policy import group_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from hatch_appimage.libraries.distributions import Distribution, Release
    from hatch_appimage.libraries.symbol_versions import RequiredVersion, Requirements

# The families of libraries whose versions the launcher compares before it takes the system's.
_COMPARED = {"GLIBC", "GLIBCXX"}
# From this one on, glibc loads no library that wants an executable stack (its NEWS for 2.41).
_WITHOUT_EXECUTABLE_STACKS = (2, 41)
# Groups of libraries that the versions of symbols, or an own C library, say enough about.
_VERSIONED = {"glibc", "musl", "compiler"}


@dataclass(frozen=True)
class DistributionVerdict:
    """On which releases of one distribution an image starts.

    Attributes:
        distribution: its name.
        oldest: the oldest release on which it starts; None if it starts on none.
        excluded: younger releases on which it does not start.
        limited_by: which requirements the release before the oldest does not meet, or, if it starts on none, the
            newest release; empty if there is no such release, or if another C library is the reason.

    """

    distribution: str
    oldest: Release | None
    excluded: tuple[Release, ...] = ()
    limited_by: tuple[RequiredVersion, ...] = ()

    def __str__(self) -> str:
        if self.oldest is None:
            return f"no {self.distribution}"
        name = f"{self.distribution} {self.oldest.name}".strip()
        but = f" (not {', '.join(release.name for release in self.excluded)})" if self.excluded else ""
        return f"{name}{'' if self.oldest.rolling else '+'}{but}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON; the files behind ``limited_by`` are those of the same requirement of the image."""
        return {
            "distribution": self.distribution,
            "oldest": None if self.oldest is None else self.oldest.name,
            "rolling": self.oldest is not None and self.oldest.rolling,
            "excluded": [release.name for release in self.excluded],
            "limited_by": [f"{required.family} {required}" for required in self.limited_by],
        }


@dataclass(frozen=True)
class Verdict:
    """On which of the distributions that we know an image starts.

    Attributes:
        date: the day on which the table of distributions was true.
        distributions: what holds for each that is made for the image's architecture.

    """

    date: date
    distributions: tuple[DistributionVerdict, ...]

    @property
    def runs_on(self) -> tuple[DistributionVerdict, ...]:
        """The distributions that have a release on which the image starts."""
        return tuple(verdict for verdict in self.distributions if verdict.oldest is not None)

    @property
    def limited_by(self) -> tuple[RequiredVersion, ...]:
        """The requirements without which the image would start on older releases."""
        return tuple(dict.fromkeys(required for verdict in self.distributions for required in verdict.limited_by))

    def __str__(self) -> str:
        return ", ".join(map(str, self.runs_on)) or f"no release that was known on {self.date}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"date": str(self.date), "distributions": [verdict.to_dict() for verdict in self.runs_on]}


def find_verdict(
    requirements: Requirements, architecture: str, from_system: Iterable[str], *, bundled_libc: bool = False
) -> Verdict:
    """Find the releases that have by default what an image needs for a start.

    Markers such as ``GLIBC_ABI_DT_RELR`` are versions of glibc in the requirements, as are the symbols for 64-bit time
    on 32-bit machines.

    Args:
        requirements: of the image; what exceeds a start does not count.
        architecture: that the image is for.
        from_system: the sonames that the target system must have. Libraries other than the C and C++ libraries are
            built for the C library of their system: an image that needs some of them needs a system with glibc.
        bundled_libc: the image has its own C and C++ libraries for systems where there are none, or older ones.

    """
    table = read_distributions()
    libc = _needed_libc({group_of(soname) for soname in from_system}, bundled_libc=bundled_libc)
    return Verdict(
        table.date,
        tuple(
            _judge(distribution, requirements, libc, bundled_libc=bundled_libc)
            for distribution in table.distributions
            if architecture in distribution.architectures
        ),
    )


def _needed_libc(groups: set[str | None], *, bundled_libc: bool) -> str | None:
    """Return the C library that a system must have; None if any will do."""
    # An image for glibc may have some program for musl, which no start runs.
    libc = "musl" if "musl" in groups and "glibc" not in groups and not bundled_libc else "glibc"
    needed = libc in groups and not bundled_libc
    return libc if needed or groups - _VERSIONED else None


def _judge(
    distribution: Distribution, requirements: Requirements, libc: str | None, *, bundled_libc: bool
) -> DistributionVerdict:
    if libc not in {None, distribution.libc}:
        return DistributionVerdict(distribution.name, None)
    starts = [_starts_on(release, requirements, bundled_libc=bundled_libc) for release in distribution.releases]
    first = next((index for index, does in enumerate(starts) if does), len(starts))
    return DistributionVerdict(
        distribution.name,
        distribution.releases[first] if first < len(starts) else None,
        tuple(release for release, does in zip(distribution.releases[first:], starts[first:], strict=True) if not does),
        _lacking(distribution.releases[first - 1], requirements) if first else (),
    )


def _starts_on(release: Release, requirements: Requirements, *, bundled_libc: bool) -> bool:
    """Whether an image starts there, by the release's C and C++ libraries or, where these are too old, by its own."""
    lacking = _lacking(release, requirements)
    if bundled_libc and any(required.family in _COMPARED for required in lacking):
        return True
    refused = requirements.executable_stack and release.versions.get("GLIBC", ()) >= _WITHOUT_EXECUTABLE_STACKS
    return not lacking and not refused


def _lacking(release: Release, requirements: Requirements) -> tuple[RequiredVersion, ...]:
    return tuple(required for required in requirements.requires if not release.has(required))
