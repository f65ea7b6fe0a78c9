# SPDX-License-Identifier: MIT
"""The table of distributions is in order, has a source for each line, and says which glibc is still in use."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.libraries import distributions
from hatch_appimage.libraries.distributions import oldest_supported_glibc, read_distributions
from hatch_appimage.libraries.symbol_versions import LIBRARIES, RequiredVersion

if TYPE_CHECKING:
    from hatch_appimage.libraries.distributions import Distribution, Release

TABLE = read_distributions()
RELEASES = [
    pytest.param(distribution, release, id=f"{distribution.name} {release.name}".strip())
    for distribution in TABLE.distributions
    for release in distribution.releases
]
NEWEST_GLIBC = (2, 44)


def find(name: str, release: str) -> Release:
    distribution = next(distribution for distribution in TABLE.distributions if distribution.name == name)
    return next(found for found in distribution.releases if found.name == release)


class TestTable:
    @pytest.mark.parametrize(("distribution", "release"), RELEASES)
    def test_release(self, distribution: Distribution, release: Release) -> None:
        assert re.fullmatch(r"https://\S+/\S+", release.source)
        if distribution.libc == "glibc":
            assert release.versions.keys() == LIBRARIES.keys()
            assert (2, 17) <= release.versions["GLIBC"] <= NEWEST_GLIBC
            assert release.versions["GLIBCXX"][:2] == (3, 4)
            assert release.versions["CXXABI"][:2] == (1, 3)
        else:
            assert release.versions == {}
        assert release.rolling == (release.end is None)
        assert distribution.support.startswith("https://") or release.rolling

    @pytest.mark.parametrize("distribution", TABLE.distributions, ids=lambda distribution: distribution.name)
    def test_releases_are_in_order(self, distribution: Distribution) -> None:
        assert set(distribution.architectures) <= ARCHITECTURES.keys()
        numbered = [release for release in distribution.releases if not release.rolling]
        for older, younger in pairwise(numbered):
            assert number(older) < number(younger)
        for older, younger in pairwise(distribution.releases):
            for family, version in older.versions.items():
                assert version <= younger.versions[family], (younger.name, family)
        assert all(release.rolling for release in distribution.releases[len(numbered) :])

    def test_names_are_unique(self) -> None:
        names = [(entry.name, release.name) for entry in TABLE.distributions for release in entry.releases]
        assert len(set(names)) == len(names)

    def test_newest_glibc_is_known(self) -> None:
        """The table must not end before the day it names."""
        found = max(release.versions.get("GLIBC", ()) for entry in TABLE.distributions for release in entry.releases)
        assert found == NEWEST_GLIBC

    @pytest.mark.parametrize(
        ("distribution", "release", "glibc", "glibcxx"),
        [
            # What readelf shows of libc6 and libstdc++6 in Debian's archive.
            ("Debian", "11", (2, 31), (3, 4, 28)),
            ("Debian", "12", (2, 36), (3, 4, 30)),
            ("Debian", "13", (2, 41), (3, 4, 33)),
            # The wheels that these are the models for: manylinux2014, manylinux_2_28, manylinux_2_34.
            ("RHEL", "7", (2, 17), (3, 4, 19)),
            ("RHEL", "8", (2, 28), (3, 4, 25)),
            ("RHEL", "9", (2, 34), (3, 4, 29)),
        ],
    )
    def test_known_releases(
        self, distribution: str, release: str, glibc: tuple[int, ...], glibcxx: tuple[int, ...]
    ) -> None:
        versions = find(distribution, release).versions
        assert (versions["GLIBC"], versions["GLIBCXX"]) == (glibc, glibcxx)


def number(release: Release) -> tuple[int, ...]:
    return tuple(map(int, release.name.split(".")))


def test_has() -> None:
    debian = find("Debian", "12")
    assert debian.has(RequiredVersion("GLIBC", (2, 36), ("a",)))
    assert debian.has(RequiredVersion("GLIBC", (2, 3, 4), ("a",)))
    assert not debian.has(RequiredVersion("GLIBC", (2, 37), ("a",)))
    assert not find("Alpine", "").has(RequiredVersion("GLIBC", (2, 2, 5), ("a",)))


def test_support_lasts_until_the_end_of_its_last_day() -> None:
    release = find("Debian", "12")
    assert release.supported(date(2026, 7, 11))
    assert not release.supported(date(2026, 7, 12))
    assert find("Debian", "testing").supported(date(2099, 1, 1))


class TestOldestSupportedGlibc:
    def test_today(self) -> None:
        """RHEL 8 has maintenance support until May 2029."""
        assert oldest_supported_glibc() == (2, 28)

    @pytest.mark.parametrize(
        ("day", "glibc"),
        [
            (date(2024, 6, 30), (2, 17)),  # the last day of RHEL 7
            (date(2024, 7, 1), (2, 28)),
            (date(2029, 5, 31), (2, 28)),  # the last day of RHEL 8
            (date(2029, 6, 1), (2, 34)),
        ],
    )
    def test_the_day_of_the_table_decides(
        self, day: date, glibc: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(distributions, "read_distributions", lambda: replace(TABLE, date=day))
        assert oldest_supported_glibc() == glibc

    def test_only_the_mainstream_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Amazon Linux 2 was supported longer than RHEL 7, and has an older glibc than RHEL 8."""
        day = date(2026, 6, 30)
        assert find("Amazon Linux", "2").supported(day)
        monkeypatch.setattr(distributions, "read_distributions", lambda: replace(TABLE, date=day))
        assert oldest_supported_glibc() == (2, 28)
