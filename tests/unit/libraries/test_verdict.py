# SPDX-License-Identifier: MIT
"""On which distributions an image starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.elf import read_elf
from hatch_appimage.libraries import verdict
from hatch_appimage.libraries.distributions import read_distributions
from hatch_appimage.libraries.symbol_versions import RequiredVersion, Requirements, find_required_versions
from hatch_appimage.libraries.verdict import find_verdict
from support.elf_fixtures import Fixture

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.libraries.verdict import Verdict

C_LIBRARIES = ("libc.so.6", "libstdc++.so.6")
EVERYWHERE = (
    "Debian 9+, Ubuntu 18.04+, RHEL 7+, Fedora 26+, openSUSE Leap 15.0+, openSUSE Tumbleweed, Amazon Linux 2+, "
    "Arch Linux"
)


def needing(**families: tuple[int, ...]) -> Requirements:
    return Requirements(
        tuple(RequiredVersion(family, version, (f"usr/lib/{family}",)) for family, version in families.items())
    )


def judge(*from_system: str, architecture: str = "x86_64", **families: tuple[int, ...]) -> Verdict:
    return find_verdict(needing(**families), architecture, from_system or C_LIBRARIES)


@pytest.mark.parametrize(
    ("glibc", "expected"),
    [
        ((2, 17), EVERYWHERE),
        (
            (2, 28),
            (
                "Debian 10+, Ubuntu 18.10+, RHEL 8+, Fedora 29+, openSUSE Leap 15.3+, openSUSE Tumbleweed, "
                "Amazon Linux 2023+, Arch Linux"
            ),
        ),
        (
            (2, 31),
            (
                "Debian 11+, Ubuntu 20.04+, RHEL 9+, Fedora 32+, openSUSE Leap 15.3+, openSUSE Tumbleweed, "
                "Amazon Linux 2023+, Arch Linux"
            ),
        ),
        (
            (2, 36),
            "Debian 12+, Ubuntu 22.10+, RHEL 10+, Fedora 37+, openSUSE Leap 15.6+, openSUSE Tumbleweed, Arch Linux",
        ),
        (
            (2, 38),
            "Debian 13+, Ubuntu 23.10+, RHEL 10+, Fedora 39+, openSUSE Leap 15.6+, openSUSE Tumbleweed, Arch Linux",
        ),
        ((2, 41), "Debian 13+, Ubuntu 25.04+, Fedora 42+, openSUSE Tumbleweed, Arch Linux"),
        ((2, 43), "Debian testing, Ubuntu 26.04+, Fedora 44+, openSUSE Tumbleweed, Arch Linux"),
        ((2, 44), "Ubuntu 26.10+, Fedora 45+, Arch Linux"),
        ((2, 45), f"no release that was known on {read_distributions().date}"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_levels_of_glibc(glibc: tuple[int, ...], expected: str) -> None:
    assert str(judge(GLIBC=glibc)) == expected


class TestLibstdcpp:
    def test_it_limits(self) -> None:
        """GCC 13 has 3.4.32; the glibc alone would do on Debian 11."""
        found = judge(GLIBC=(2, 31), GLIBCXX=(3, 4, 32))
        assert str(found) == (
            "Debian 13+, Ubuntu 23.04+, RHEL 10+, Fedora 38+, openSUSE Leap 15.4+, openSUSE Tumbleweed, "
            "Amazon Linux 2023+, Arch Linux"
        )
        assert [limit.family for limit in found.distributions[0].limited_by] == ["GLIBCXX"]

    def test_it_does_not(self) -> None:
        assert str(judge(GLIBC=(2, 31), GLIBCXX=(3, 4, 22))) == str(judge(GLIBC=(2, 31)))

    def test_its_abi(self) -> None:
        assert str(judge(GLIBC=(2, 17), CXXABI=(1, 3, 15))).startswith(
            "Debian 13+, Ubuntu 24.04+, RHEL 10+, Fedora 40+"
        )


class TestNoGlibc:
    def test_nothing_is_needed(self) -> None:
        assert str(find_verdict(Requirements(()), "x86_64", ())) == f"{EVERYWHERE}, Alpine, NixOS"

    def test_glibc_without_a_version(self) -> None:
        """A file that loads it needs its loader, whatever it calls."""
        assert str(find_verdict(Requirements(()), "x86_64", ["libc.so.6"])) == EVERYWHERE

    def test_musl(self) -> None:
        assert str(find_verdict(Requirements(()), "x86_64", ["libc.musl-x86_64.so.1"])) == "Alpine"

    def test_musl_beside_glibc(self) -> None:
        """Some wheels have programs for both."""
        assert str(judge("libc.so.6", "libc.musl-x86_64.so.1", GLIBC=(2, 17))) == EVERYWHERE


class TestBundled:
    @pytest.mark.parametrize("from_system", [(), C_LIBRARIES, ("libc.musl-x86_64.so.1",)])
    def test_everything_counts(self, from_system: tuple[str, ...]) -> None:
        needs = needing(GLIBC=(2, 43), GLIBCXX=(3, 4, 34))
        found = find_verdict(needs, "x86_64", from_system, bundled_libc=True)
        assert str(found) == f"{EVERYWHERE}, Alpine, NixOS"
        assert found.limited_by == ()

    def test_versions_that_the_launcher_does_not_compare(self) -> None:
        """glibc and libstdc++ of Debian 12 and RHEL 9 would do, and are used, but for an older interface of it."""
        needs = needing(GLIBC=(2, 34), GLIBCXX=(3, 4, 29), CXXABI=(1, 3, 15))
        found = find_verdict(needs, "x86_64", C_LIBRARIES, bundled_libc=True)
        debian = next(each for each in found.distributions if each.distribution == "Debian")
        assert [release.name for release in debian.excluded] == ["12"]

    def test_executable_stack(self) -> None:
        """The system's glibc is used where it is new enough, and the newest load no such library."""
        needs = replace(needing(GLIBC=(2, 34)), executable_stack=True)
        found = find_verdict(needs, "x86_64", C_LIBRARIES, bundled_libc=True)
        debian = next(each for each in found.distributions if each.distribution == "Debian")
        assert str(debian) == "Debian 9+ (not 13, testing)"
        assert [str(each) for each in found.distributions if each.distribution == "Alpine"] == ["Alpine"]

    def test_other_libraries_are_for_the_glibc_of_their_system(self) -> None:
        needs = needing(GLIBC=(2, 43))
        assert str(find_verdict(needs, "x86_64", [*C_LIBRARIES, "libGL.so.1"], bundled_libc=True)) == EVERYWHERE


class TestMarkers:
    def requirements(self, tmp_path: Path, *, relr: bool = False, versions: tuple[str, ...]) -> Requirements:
        elf = read_elf(Fixture(versions={"libc.so.6": versions}, relr=relr).write(tmp_path / "x"))
        assert elf is not None
        return Requirements(find_required_versions({"x": elf}, C_LIBRARIES))

    @pytest.mark.parametrize("relr", [True, False])
    def test_packed_relocations(self, tmp_path: Path, *, relr: bool) -> None:
        """Their marker came with glibc 2.36; lld packs without it."""
        versions = ("GLIBC_2.17",) if relr else ("GLIBC_2.17", "GLIBC_ABI_DT_RELR")
        found = find_verdict(self.requirements(tmp_path, relr=relr, versions=versions), "x86_64", C_LIBRARIES)
        assert str(found) == str(judge(GLIBC=(2, 36)))

    def test_descriptors_of_thread_local_storage(self, tmp_path: Path) -> None:
        found = find_verdict(
            self.requirements(tmp_path, versions=("GLIBC_2.17", "GLIBC_ABI_GNU2_TLS")), "x86_64", C_LIBRARIES
        )
        assert str(found) == str(judge(GLIBC=(2, 42)))

    def test_time_with_64_bits(self, tmp_path: Path) -> None:
        """On 32-bit machines its symbols came with glibc 2.34."""
        found = find_verdict(self.requirements(tmp_path, versions=("GLIBC_2.4", "GLIBC_2.34")), "armhf", C_LIBRARIES)
        assert str(found) == "Debian 12+, Ubuntu 21.10+, openSUSE Tumbleweed"


class TestArchitectures:
    def test_only_distributions_that_are_made_for_it(self) -> None:
        assert str(judge(architecture="i686", GLIBC=(2, 17))) == "Debian 9+, openSUSE Tumbleweed"
        assert "Arch Linux" not in str(judge(architecture="aarch64", GLIBC=(2, 17)))


class TestBlame:
    def test_the_file_and_its_version(self) -> None:
        found = judge(GLIBC=(2, 36), GLIBCXX=(3, 4, 20))
        assert found.limited_by == (RequiredVersion("GLIBC", (2, 36), ("usr/lib/GLIBC",)),)

    def test_of_a_distribution_without_a_release(self) -> None:
        found = judge(GLIBC=(2, 40))
        rhel = next(one for one in found.distributions if one.distribution == "RHEL")
        assert (rhel.oldest, str(rhel), [str(limit) for limit in rhel.limited_by]) == (None, "no RHEL", ["2.40"])
        assert rhel not in found.runs_on

    def test_nobody(self) -> None:
        assert judge(GLIBC=(2, 17)).limited_by == ()

    def test_both(self) -> None:
        found = judge(GLIBC=(2, 31), GLIBCXX=(3, 4, 29))
        assert {limit.family for limit in found.limited_by} == {"GLIBC", "GLIBCXX"}


def test_a_younger_release_can_be_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    table = read_distributions()
    debian = table.distributions[0]
    older = replace(debian.releases[-2], versions={**debian.releases[-2].versions, "GLIBC": (2, 30)})
    odd = replace(debian, releases=(*debian.releases[:-2], older, debian.releases[-1]))
    monkeypatch.setattr(verdict, "read_distributions", lambda: replace(table, distributions=(odd,)))
    found = judge(GLIBC=(2, 36))
    assert str(found) == "Debian 12+ (not 13)"
    assert found.to_dict()["distributions"][0]["excluded"] == ["13"]


def test_json() -> None:
    document = judge(GLIBC=(2, 43)).to_dict()
    assert document["date"] == "2026-11-28"
    assert document["distributions"][:2] == [
        {
            "distribution": "Debian",
            "oldest": "testing",
            "rolling": True,
            "excluded": [],
            "limited_by": ["GLIBC 2.43"],
        },
        {
            "distribution": "Ubuntu",
            "oldest": "26.04",
            "rolling": False,
            "excluded": [],
            "limited_by": ["GLIBC 2.43"],
        },
    ]
    assert "RHEL" not in [entry["distribution"] for entry in document["distributions"]]
