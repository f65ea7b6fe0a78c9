# SPDX-License-Identifier: MIT
"""The lock of what libraries are fetched from."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.lock import (
    LibraryLock,
    PinnedPackage,
    PinnedPackages,
    format_lock,
    name_system,
    write_library_lock,
)
from hatch_appimage.system import System

PACKAGE = PinnedPackage("libyaml-0-2", "0.2.5-1", "pool/main/liby/libyaml-0-2_0.2.5-1_amd64.deb", 53_668, "ab" * 32)
PINNED = PinnedPackages("debian:12", (PACKAGE,), ("libodbc.so.2",))
X86_64, AARCH64 = ARCHITECTURES["x86_64"], ARCHITECTURES["aarch64"]
RELEASE = System(Path("/nothing"), (), release="debian:12")


def test_not_there(tmp_path: Path) -> None:
    lock = LibraryLock.read(tmp_path / "a.toml")
    assert lock.of(X86_64) is None


def test_each_architecture_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.toml"
    write_library_lock(path, X86_64, PINNED)
    foreign = replace(PACKAGE, file="pool/main/liby/libyaml-0-2_0.2.5-1_arm64.deb")
    write_library_lock(path, AARCH64, replace(PINNED, packages=(foreign,)))
    lock = LibraryLock.read(path)
    assert lock.of(X86_64) == PINNED
    assert lock.of(AARCH64) == replace(PINNED, packages=(foreign,))
    assert [package.architecture for package in lock.parts["aarch64"].packages] == ["arm64"]
    assert [file.name for file in path.parent.iterdir()] == ["a.toml"]


def test_licences_are_for_readers(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    write_library_lock(path, X86_64, replace(PINNED, packages=(replace(PACKAGE, licences=("Expat",)),)))
    assert 'licences = [\n    "Expat",\n]' in path.read_text()
    assert LibraryLock.read(path).of(X86_64) == PINNED


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("version = 1\n", "version = 2\n", "a.toml, `version` is 2"),
        ("[x86_64]", "[x86_64", "is no valid TOML"),
        ('system = "debian:12"', "", "an architecture is no table with `system`, `missing` and `packages`"),
        ("libyaml-0-2", "--config-file=x", "`name` of a package is '--config-file=x'"),
        ('"0.2.5-1"', '"-1"', "`version` of a package is '-1'"),
        ('"0.2.5-1"', "0.2", "`version` of a package is 0.2"),
        ("pool/main/", "pool/../../", "`file` of a package is 'pool/../../liby"),
        ("pool/main/", "/main/", "`file` of a package is '/main/"),
        ("ab" * 32, "AB", "`sha256` of a package is 'AB'"),
        ("53668", "-1", "`size` of a package is -1"),
    ],
)
def test_cannot_be_read(tmp_path: Path, old: str, new: str, error: str) -> None:
    path = tmp_path / "a.toml"
    text = format_lock({"x86_64": PINNED})
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(AppImageError) as caught:
        LibraryLock.read(path)
    assert str(path) in str(caught.value)
    assert error in str(caught.value)


def test_another_system(tmp_path: Path) -> None:
    lock = LibraryLock(tmp_path / "a.toml", {"x86_64": PINNED})
    lock.check_system(PINNED, RELEASE)
    error = r"^a\.toml has packages of debian:12, and libraries are taken from debian:13: "
    other = replace(RELEASE, release="debian:13")
    with pytest.raises(AppImageError, match=f"{error}remove a"):
        lock.check_system(PINNED, other)
    # Only one that was made with such a release has all that is needed.
    whole = replace(PINNED, packages=(replace(PINNED.packages[0], name="libc6"), *PINNED.packages))
    with pytest.raises(AppImageError, match=f'{error}set `sysroot = "debian:12"`, or remove '):
        lock.check_system(whole, other)


def test_out_of_date(tmp_path: Path) -> None:
    """What the archives did not have is not asked of the lock."""
    lock = LibraryLock(tmp_path / "a.toml", {"x86_64": PINNED})
    lock.check_complete(X86_64, ["libodbc.so.2"])
    with pytest.raises(AppImageError, match=r"^a\.toml is out of date, as no package in it has libnew\.so\.1: remove "):
        lock.check_complete(X86_64, ["libodbc.so.2", "libnew.so.1"])


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, "debian:12"),
        ({"ID": "debian", "VERSION_CODENAME": "forky"}, "debian:forky"),
        ({"ID": "arch"}, "arch:rolling"),
    ],
)
def test_name_of_this_machine(monkeypatch: pytest.MonkeyPatch, known: dict[str, str], name: str) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: known)
    assert name_system(System(Path("/"), ())) == name
    assert name_system(RELEASE) == "debian:12"
