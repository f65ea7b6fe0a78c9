# SPDX-License-Identifier: MIT
"""The oldest glibc and libstdc++ that will do."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.dependencies import Tree, read_directory
from hatch_appimage.libraries.symbol_versions import (
    Exceeding,
    Graph,
    Owner,
    RequiredVersion,
    check_limit,
    find_required_version,
    find_required_versions,
    find_requirements,
    find_version_for_start,
    warning,
)
from support.elf_fixtures import Fixture, library, program

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.elf import Elf


def floor_of(tmp_path: Path, family: str = "GLIBC", *, relr: bool = False, **versions: tuple[str, ...]) -> str:
    sonames = {"libc": "libc.so.6", "libm": "libm.so.6", "libstdcpp": "libstdc++.so.6", "libfoo": "libfoo.so.1"}
    needed = {sonames[name]: names for name, names in versions.items()}
    elf = read_elf(Fixture(versions=needed, relr=relr).write(tmp_path / "x"))
    assert elf is not None
    return str(find_required_version({"x": elf}, family))


class TestGlibc:
    def test_the_newest_of_all_its_libraries(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path, libc=("GLIBC_2.2.5", "GLIBC_2.17"), libm=("GLIBC_2.29",)) == "2.29"

    def test_numbers_not_letters(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path, libc=("GLIBC_2.4", "GLIBC_2.34")) == "2.34"

    def test_weak_versions_do_not_count(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path, libc=("GLIBC_2.17", "~GLIBC_2.38")) == "2.17"

    def test_versions_of_other_libraries_do_not_count(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path, libc=("GLIBC_2.17",), libfoo=("GLIBC_2.99", "GLIBC_ABI_X")) == "2.17"

    def test_private_versions_have_no_number(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path, libc=("GLIBC_2.17", "GLIBC_PRIVATE")) == "2.17"

    def test_features(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path, libc=("GLIBC_2.17", "GLIBC_ABI_DT_RELR")) == "2.36"
        assert floor_of(tmp_path, libc=("GLIBC_2.17", "GLIBC_ABI_GNU2_TLS")) == "2.42"

    def test_packed_relocations_without_a_version(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path, relr=True, libc=("GLIBC_2.17",)) == "2.36"

    def test_nothing(self, tmp_path: Path) -> None:
        assert floor_of(tmp_path) == ""

    def test_files(self, tmp_path: Path) -> None:
        files = {}
        for name, version in (("b", "GLIBC_2.30"), ("a", "GLIBC_2.30"), ("c", "GLIBC_2.17")):
            elf = read_elf(Fixture(versions={"libc.so.6": (version,)}).write(tmp_path / name))
            assert elf is not None
            files[name] = elf
        assert find_required_version(files, "GLIBC") == RequiredVersion("GLIBC", (2, 30), ("a", "b"))


class TestOthers:
    def test_libstdcpp(self, tmp_path: Path) -> None:
        versions = ("GLIBCXX_3.4.9", "GLIBCXX_3.4.29", "CXXABI_1.3.13")
        assert floor_of(tmp_path, "GLIBCXX", libstdcpp=versions) == "3.4.29"
        assert floor_of(tmp_path, "CXXABI", libstdcpp=versions) == "1.3.13"

    def test_only_what_stays_the_hosts(self, tmp_path: Path) -> None:
        fixture = Fixture(versions={"libc.so.6": ("GLIBC_2.17",), "libstdc++.so.6": ("GLIBCXX_3.4.29", "CXXABI_1.3")})
        elf = read_elf(fixture.write(tmp_path / "x"))
        assert elf is not None
        both = find_required_versions({"x": elf}, ["libc.so.6", "libstdc++.so.6"])
        assert [(floor.family, str(floor)) for floor in both] == [
            ("GLIBC", "2.17"),
            ("GLIBCXX", "3.4.29"),
            ("CXXABI", "1.3"),
        ]
        assert [floor.family for floor in find_required_versions({"x": elf}, ["libc.so.6"])] == ["GLIBC"]


def test_another_part_of_glibc(tmp_path: Path) -> None:
    elf = read_elf(Fixture(versions={"libm.so.6": ("GLIBC_2.29",)}).write(tmp_path / "x"))
    assert elf is not None
    assert find_required_versions({"x": elf}, ["libm.so.6"]) == (RequiredVersion("GLIBC", (2, 29), ("x",)),)


class TestLimit:
    @staticmethod
    def owner(path: str) -> Owner:
        return (
            Owner("numpy 2.0", "require an older one")
            if path.startswith("numpy")
            else Owner("Python 3", "take another")
        )

    @pytest.fixture
    def files(self, tmp_path: Path) -> dict[str, Elf]:
        files = {}
        for name, version in (("numpy/a", "2.27"), ("numpy/b", "2.28"), ("python", "2.36"), ("old", "2.17")):
            elf = read_elf(Fixture(versions={"libc.so.6": (f"GLIBC_{version}",)}).write(tmp_path / name))
            assert elf is not None
            files[name] = elf
        return files

    def test_everything_above_it_is_named(self, files: dict[str, Elf]) -> None:
        with pytest.raises(AppImageError) as caught:
            check_limit(files, (2, 17), self.owner)
        assert str(caught.value) == (
            "The image needs glibc 2.36, and `max-glibc` allows 2.17. What needs more:\n"
            "  numpy 2.0: numpy/b and 1 more (glibc 2.28): require an older one\n"
            "  Python 3: python (glibc 2.36): take another"
        )

    def test_fits(self, files: dict[str, Elf]) -> None:
        check_limit(files, (2, 36), self.owner)


class TestWarning:
    TODAY = date(2026, 11, 25)

    def test_young(self) -> None:
        text = warning(
            [RequiredVersion("GLIBCXX", (3, 4), ("x",)), RequiredVersion("GLIBC", (2, 39), ("usr/a", "usr/b"))],
            self.TODAY,
        )
        assert text is not None
        assert text.startswith("The image needs glibc 2.39 or newer, which came out in January 2024: ")
        assert "usr/a is among what needs it" in text

    def test_four_years_are_enough(self) -> None:
        floor = [RequiredVersion("GLIBC", (2, 36), ("x",))]  # August 2, 2022
        assert warning(floor, date(2026, 8, 1)) is not None
        assert warning(floor, date(2026, 8, 2)) is None

    def test_newer_than_anything_known(self) -> None:
        assert warning([RequiredVersion("GLIBC", (2, 77), ("x",))], self.TODAY) is not None

    def test_older_than_anything_known(self) -> None:
        assert warning([RequiredVersion("GLIBC", (2, 2, 5), ("x",))], self.TODAY) is None

    def test_leap_day(self) -> None:
        assert warning([RequiredVersion("GLIBC", (2, 17), ("x",))], date(2028, 2, 29)) is None

    def test_nothing_needed(self) -> None:
        assert warning([], self.TODAY) is None


def test_start(tmp_path: Path) -> None:
    """Only what is loaded at every start counts, and of that no feature that older releases may have."""
    versions = {"usr/libexec/python": "2.17", "a.so.1": "2.34", "b.so": "2.30", "usr/lib/c.so": "2.38"}
    loads = {"usr/libexec/python": frozenset({"a.so.1", "b.so"}), "a.so.1": frozenset({"usr/libexec/python"})}
    files = {}
    for number, (name, version) in enumerate(versions.items()):
        names = (f"GLIBC_{version}", "GLIBC_ABI_DT_RELR", "GLIBC_ABI_GNU2_TLS")
        fixture = Fixture((), "", versions={"libc.so.6": names}, relr=True)
        elf = read_elf(fixture.write(tmp_path / str(number)))
        assert elf is not None
        files[name] = elf
    graph = Graph(files, loads, frozenset({"libc.so.6"}))
    assert find_version_for_start(graph, ["usr/libexec/python", "no-elf.py"]) == RequiredVersion(
        "GLIBC", (2, 34), ("a.so.1",)
    )
    assert find_version_for_start(graph, ["b.so"]).version == (2, 30)
    assert find_version_for_start(graph, []).version == ()


def test_library_without_versions(tmp_path: Path) -> None:
    elf = read_elf(library("liba.so").write(tmp_path / "x"))
    assert elf is not None
    assert find_required_versions({"x": elf}, ["libc.so.6"]) == ()


class TestStart:
    """What a start needs is one thing, what a module needs that it never loads another."""

    @pytest.fixture
    def graph(self, tmp_path: Path) -> Graph:
        def versions(version: str) -> dict[str, tuple[str, ...]]:
            return {"libc.so.6": (f"GLIBC_{version}",)}

        program("libpython.so", "libc.so.6", rpath="$ORIGIN", versions=versions("2.17")).write(tmp_path / "python3.12")
        library("libpython.so", "libc.so.6", versions=versions("2.35")).write(tmp_path / "libpython.so")
        library("", "libcrypt.so.1", "libc.so.6", rpath="$ORIGIN", versions=versions("2.2.5")).write(
            tmp_path / "_crypt.cpython-312.so"
        )
        library("libcrypt.so.1", "libc.so.6", versions=versions("2.36")).write(tmp_path / "libcrypt.so.1")
        library("", "libc.so.6", versions=versions("2.34")).write(tmp_path / "_ssl.so")
        tree = Tree(tmp_path, ARCHITECTURES["x86_64"], read_directory(tmp_path))
        return Graph.of(tree, tree.needs(), {"libc.so.6"})

    def test_what_is_not_loaded_is_named_apart(self, graph: Graph) -> None:
        found = find_requirements(graph, ["python3.12", "_ssl.so", "no-elf.py"], limited=False)
        assert found.requires == (RequiredVersion("GLIBC", (2, 35), ("libpython.so",)),)
        assert str(found.glibc) == "2.35"
        assert found.exceeding == (Exceeding("libcrypt.so.1", "GLIBC", (2, 36), ("_crypt",)),)
        assert str(found.exceeding[0]) == "_crypt needs glibc 2.36 (libcrypt.so.1)"

    def test_what_a_loaded_module_loads_counts(self, graph: Graph) -> None:
        found = find_requirements(graph, ["python3.12", "_crypt.cpython-312.so"], limited=False)
        assert (str(found.glibc), found.exceeding) == ("2.36", ())

    @pytest.mark.parametrize("limited", [True, False])
    def test_young_glibc(self, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, limited: bool) -> None:
        library("", "libc.so.6", versions={"libc.so.6": ("GLIBC_2.99",)}).write(tmp_path / "a.so")
        tree = Tree(tmp_path, ARCHITECTURES["x86_64"], read_directory(tmp_path))
        graph = Graph.of(tree, tree.needs(), {"libc.so.6"})
        assert str(find_requirements(graph, ["a.so"], limited=limited).glibc) == "2.99"
        assert [text[:37] for text in caplog.messages] == ([] if limited else ["The image needs glibc 2.99 or newer, "])
        caplog.clear()
        assert find_requirements(graph, [], limited=limited).glibc is None
        assert caplog.messages == []
