# SPDX-License-Identifier: MIT
"""The releases of Linux distributions: which C and C++ libraries each has by default, and how long it is supported.

The table with its sources is ``distributions.toml`` beside this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_appimage.libraries.symbol_versions import LIBRARIES
from hatch_appimage.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from hatch_appimage.libraries.symbol_versions import RequiredVersion, Version

_TABLE = Path(__file__).with_name("distributions.toml")


@dataclass(frozen=True)
class Release:
    """One release of a distribution.

    Attributes:
        name: its number; empty where the distribution has no releases to tell apart.
        versions: the newest version of each library family (``GLIBC``, ``GLIBCXX``, ``CXXABI``) that it has where
            programs look for it.
        rolling: it is updated to newer versions for as long as it exists.
        end: the last day of standard support, which costs nothing extra; None if no such day is known.
        source: the address of the page or file that says which versions it has.

    """

    name: str
    versions: Mapping[str, Version]
    rolling: bool
    end: date | None
    source: str

    def has(self, required: RequiredVersion) -> bool:
        """Whether its library will do."""
        return required.version <= self.versions.get(required.family, ())

    def supported(self, day: date) -> bool:
        """Whether standard support has not ended before a day."""
        return self.end is None or day <= self.end


@dataclass(frozen=True)
class Distribution:
    """A Linux distribution.

    Attributes:
        name: as people write it.
        mainstream: its releases decide which glibc is the oldest one still in use.
        libc: the C library whose loader is where programs look for it: ``glibc`` or ``musl``; empty for none.
        architectures: that it is made for, by the names in `hatch_appimage.architecture`.
        support: the address of the page or file that says how long releases are supported; empty for none.
        releases: the oldest first.

    """

    name: str
    mainstream: bool
    libc: str
    architectures: tuple[str, ...]
    support: str
    releases: tuple[Release, ...]


@dataclass(frozen=True)
class DistributionTable:
    """What is known of distributions.

    Attributes:
        date: the day on which it was true. All that depends on a date counts from it, not from the clock: the same
            input gives the same image.
        distributions: in the order in which they are named to people.

    """

    date: date
    distributions: tuple[Distribution, ...]


@cache
def read_distributions() -> DistributionTable:
    """Read the table that comes with hatch-appimage."""
    document = read_toml(_TABLE)
    return DistributionTable(document["date"], tuple(map(_distribution, document["distribution"])))


def oldest_supported_glibc() -> Version:
    """Return the oldest glibc that a supported release of a mainstream distribution has.

    Mainstream are Debian, Ubuntu, RHEL (with those built from its sources), Fedora and openSUSE Leap. Support is what
    all users get: neither Debian's LTS nor Ubuntu Pro, and for RHEL until the end of its maintenance. A release counts
    if that had not ended on the day of the table.

    """
    table = read_distributions()
    releases = [
        release
        for distribution in table.distributions
        if distribution.mainstream
        for release in distribution.releases
        if release.supported(table.date)
    ]
    return min(release.versions["GLIBC"] for release in releases)


def _distribution(values: Mapping[str, Any]) -> Distribution:
    return Distribution(
        name=values["name"],
        mainstream=values.get("mainstream", False),
        libc=values.get("libc", ""),
        architectures=tuple(values["architectures"]),
        support=values.get("support", ""),
        releases=tuple(map(_release, values["releases"])),
    )


def _release(values: Mapping[str, Any]) -> Release:
    return Release(
        name=values.get("name", ""),
        versions={family: _version(values[family]) for family in LIBRARIES if family in values},
        rolling=values.get("rolling", False),
        end=values.get("end"),
        source=values["source"],
    )


def _version(text: str) -> Version:
    return tuple(map(int, text.split(".")))
