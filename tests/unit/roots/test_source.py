# SPDX-License-Identifier: MIT
"""What --on takes, and what is said of what it does not."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.download import OFFLINE
from hatch_appimage.errors import AppImageError
from hatch_appimage.roots import apt, debootstrap
from hatch_appimage.roots.source import prepared_root

X86_64 = ARCHITECTURES["x86_64"]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary files and the cache in a directory of the test."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return directory


def fails(text: str, message: str, mirror: str | None = None) -> None:
    with pytest.raises(AppImageError, match=message) as raised, prepared_root(text, X86_64, mirror):
        pass
    assert "\n" not in str(raised.value)


def program(directory: Path, name: str, script: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)


def test_directory(tmp_path: Path) -> None:
    with prepared_root(str(tmp_path), X86_64) as root:
        assert root == tmp_path


@pytest.mark.parametrize("compression", ["", "gz", "xz"])
def test_archive(tmp_path: Path, temporary: Path, compression: str) -> None:
    (tmp_path / "file").write_text("content")
    archive = tmp_path / "root"
    with tarfile.open(str(archive), f"w:{compression}") as tar:  # type: ignore[call-overload] # typeshed wants a literal mode
        tar.add(tmp_path / "file", "etc/file")
    with prepared_root(str(archive), X86_64) as root:
        assert (root / "etc/file").read_text() == "content"
    assert list(temporary.iterdir()) == []


def test_directory_named_like_a_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "debian:12").mkdir()
    with prepared_root("debian:12", X86_64) as root:
        assert root == Path("debian:12")


@pytest.mark.parametrize("text", ["nowhere", "./debian:12", "debian", "debian:"])
def test_nothing_there(text: str) -> None:
    fails(text, "is neither a release such as `debian:12` nor a directory or an archive here")


def test_no_archive(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "text").write_text("text")
    fails(str(tmp_path / "text"), "cannot be unpacked")
    assert list(temporary.iterdir()) == []


def test_mirror_of_a_directory(tmp_path: Path) -> None:
    fails(str(tmp_path), "--mirror is for releases", "http://127.0.0.1/debian")


class TestReleases:
    @pytest.fixture(autouse=True)
    def programs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Have no programs but those that a test makes, and no keys."""
        monkeypatch.setenv("PATH", f"{tmp_path}/bin")
        monkeypatch.setattr(debootstrap, "_SYSTEM_PATH", "")
        monkeypatch.setattr(apt, "_KEYRINGS", tmp_path)
        (tmp_path / "ubuntu-archive-keyring.gpg").touch()
        program(tmp_path / "bin", "dpkg-deb", "exit 0")
        return tmp_path / "bin"

    def test_no_debootstrap(self) -> None:
        fails("ubuntu:22.04", "`debootstrap` is missing.*install the package `debootstrap`")

    def test_offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(OFFLINE, "1")
        fails("ubuntu:22.04", "ubuntu:22.04 is not in the cache, and HATCH_APPIMAGE_OFFLINE allows no download")

    def test_cached_root_needs_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(OFFLINE, "1")
        cached = tmp_path / "cache/hatch-appimage/roots/ubuntu-jammy-x86_64"
        cached.mkdir(parents=True)
        with prepared_root("ubuntu:22.04", X86_64) as root:
            assert root == cached

    def test_no_mirror(self, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program(programs, "debootstrap", "exit 1")
        monkeypatch.setattr(debootstrap, "read_sources", list)
        fails("ubuntu:22.04", "No archive of ubuntu .* --mirror")

    def test_no_keyring(self, tmp_path: Path, programs: Path) -> None:
        program(programs, "debootstrap", "exit 1")
        (tmp_path / "ubuntu-archive-keyring.gpg").unlink()
        fails("ubuntu:22.04", "install the package `ubuntu-archive-keyring`", "http://127.0.0.1:1/ubuntu")

    def test_what_debootstrap_says(self, tmp_path: Path, programs: Path) -> None:
        complaint = "E: Release signed by unknown key (key id 0123456789ABCDEF)"
        program(programs, "debootstrap", f"echo I: Retrieving; echo '{complaint}'; echo More; exit 1")
        fails(
            "ubuntu:22.04",
            r"ubuntu:22.04 cannot be fetched: debootstrap says: Release signed by unknown key \(key id 0123456789ABCDEF"
            r"\): update the package `ubuntu-archive-keyring`",
            "http://127.0.0.1:1/ubuntu",
        )
        left = [path.name for path in (tmp_path / "cache/hatch-appimage/roots").iterdir()]
        assert left == ["ubuntu-jammy-x86_64.lock"]

    def test_what_a_killed_one_left_goes(self, tmp_path: Path, programs: Path) -> None:
        program(programs, "debootstrap", "exit 1")
        left = tmp_path / "cache/hatch-appimage/roots/.ubuntu-jammy-x86_64-killed"
        left.mkdir(parents=True)
        fails("ubuntu:22.04", "it ended with status 1", "http://127.0.0.1:1/ubuntu")
        assert not left.exists()

    def test_signatures_are_verified(self, tmp_path: Path, programs: Path) -> None:
        program(programs, "debootstrap", f'echo "$@" > {tmp_path}/called; exit 1')
        fails("ubuntu:22.04", "it ended with status 1", "http://127.0.0.1:1/ubuntu")
        called = (tmp_path / "called").read_text().split()
        assert {"--force-check-gpg", f"--keyring={tmp_path}/ubuntu-archive-keyring.gpg", "--arch=amd64"} < set(called)
        assert called[-1] == "http://127.0.0.1:1/ubuntu" or "scripts" in called[-1]
