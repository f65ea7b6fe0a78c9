# SPDX-License-Identifier: MIT
"""Packages that have no wheel, built by uv with a back end that needs nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageWheel
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_appimage.architecture import native_architecture
from hatch_appimage.libraries.build_packages import BuildPackages
from hatch_appimage.packages.from_source import SourcePackages, is_source
from hatch_appimage.system import AddedPackage
from support.packages import hash_of, make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAF = canonicalize_name("leaf")
HASHES = {"sha256": "ab" * 32}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (Package(name=LEAF, directory=PackageDirectory(path="leaf")), True),
        (Package(name=LEAF, sdist=PackageSdist(name="leaf-1.0.tar.gz", path="leaf-1.0.tar.gz", hashes=HASHES)), True),
        (Package(name=LEAF, archive=PackageArchive(url="https://example.org/leaf.zip?x", hashes=HASHES)), True),
        (Package(name=LEAF, archive=PackageArchive(url="https://example.org/a.whl?x", hashes=HASHES)), False),
        (Package(name=LEAF, wheels=[PackageWheel(name="leaf-1.0-py3-none-any.whl", path="x", hashes=HASHES)]), False),
    ],
)
def test_is_source(package: Package, *, expected: bool) -> None:
    assert is_source(package) == expected


def test_tools_are_noted_with_what_they_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdist = make_sdist(tmp_path / "leaf-1.0.tar.gz", make_wheel(tmp_path / "wheel", "leaf", {"leaf.py": ""}))
    package = Package(
        name=LEAF,
        version=Version("1.0"),
        sdist=PackageSdist(name=sdist.name, path=str(sdist), hashes={"sha256": hash_of(sdist)}),
    )
    built = SourcePackages.of(Path(sys.executable), None)

    def install(number: int) -> tuple[str, ...]:
        target = ("--target", tmp_path / str(number), "--no-deps", sdist)
        return built.install(
            package, ["pip", "install", "--python", sys.executable, *target], doing="install", cwd=tmp_path
        )

    assert install(0) == ()
    assert (tmp_path / "0" / "leaf.py").exists()
    (noted,) = built.directory.glob("leaf-*.json")
    assert json.loads(noted.read_text()) == []
    noted.write_text('["hatchling==1.0"]')
    assert install(1) == ("hatchling==1.0",)
    noted.write_text("damaged")
    assert install(2) == ()

    def log(*_: object, **__: object) -> str:
        return "DEBUG Installing build requirement: hatchling==2.0\n"

    monkeypatch.setattr("hatch_appimage.source_build.run_uv_traced", log)
    assert install(3) == ("hatchling==2.0",)
    assert json.loads(noted.read_text()) == ["hatchling==2.0"]


def test_what_decides_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("setuptools==80\n")
    found = [SourcePackages.of(Path(sys.executable), None), SourcePackages.of(Path(sys.executable), constraints)]
    constraints.write_text("setuptools==81\n")
    found.append(SourcePackages.of(Path(sys.executable), constraints))
    monkeypatch.setenv("CFLAGS", "-O3")
    found.append(SourcePackages.of(Path(sys.executable), None))
    package = AddedPackage("a-dev", "1", "digest", tmp_path, "a.deb", 1)
    headers = BuildPackages(tmp_path / "headers", (package,), native_architecture())
    found.append(SourcePackages.of(Path(sys.executable), None, headers))
    assert len({each.directory for each in found}) == len(found)


def test_build_constraints_reach_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str | Path]] = []

    def log(arguments: Sequence[str | Path], **_: object) -> str:
        asked.append(arguments)
        return ""

    monkeypatch.setattr("hatch_appimage.source_build.run_uv_traced", log)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("setuptools==80\n")
    package = Package(name=LEAF, directory=PackageDirectory(path="leaf"))
    SourcePackages.of(Path(sys.executable), constraints).install(package, ["pip"], doing="install", cwd=tmp_path)
    assert list(asked[0][-2:]) == ["--build-constraints", constraints]
