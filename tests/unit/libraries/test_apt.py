# SPDX-License-Identifier: MIT
"""Packages from an archive that is signed, is not, or is tampered with."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.apt import Apt
from hatch_appimage.libraries.companions import find_companions
from hatch_appimage.libraries.fetch import fetch_libraries, release_system
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.roots.apt import AptSource
from hatch_appimage.roots.releases import find_release
from hatch_appimage.system import System
from support.keys import gpg, make_key
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Newer than what this machine may have installed.
NEWEST = "9:1"
TRIPLET = f"{os.uname().machine}-linux-gnu"


@dataclass
class Archive:
    """An archive of packages in a directory, and what apt is set up with to use it and nothing else."""

    root: Path
    key: str
    suite: str = ""

    @property
    def index(self) -> Path:
        """The list of packages."""
        directory = self.root / self.suite / f"main/binary-{self.architecture}" if self.suite else self.root
        directory.mkdir(parents=True, exist_ok=True)
        return directory / "Packages"

    def add(
        self,
        name: str,
        files: Mapping[str, bytes | Path],
        version: str = "1.0",
        script: str = "",
        needs: str = "libc6",
    ) -> Path:
        """Put a package into the archive; a file with a path as content is a link to it."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w:xz") as archive:
            for path, content in files.items():
                member = tarfile.TarInfo(path)
                if isinstance(content, Path):
                    member.type, member.linkname = tarfile.SYMTYPE, str(content)
                    archive.addfile(member)
                else:
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
        return self.add_raw(name, tar.getvalue(), version, script, needs)

    def add_raw(self, name: str, data: bytes, version: str = "1.0", script: str = "", needs: str = "libc6") -> Path:
        """Put a package with any data into the archive."""
        fields = f"Package: {name}\nVersion: {version}\nArchitecture: {self.architecture}\nMaintainer: x\n"
        fields += f"Depends: libc6 (>= 2.3) | libc, {needs}\n"
        control = io.BytesIO()
        with tarfile.open(fileobj=control, mode="w:xz") as archive:
            for file, text in {"control": f"{fields}Description: x\n", "preinst": script, "postinst": script}.items():
                member = tarfile.TarInfo(file)
                member.size, member.mode = len(text), 0o755
                archive.addfile(member, io.BytesIO(text.encode()))
        path = self.root / f"{name}_{version.rpartition(':')[2]}_{self.architecture}.deb"
        parts = {"debian-binary": b"2.0\n", "control.tar.xz": control.getvalue(), "data.tar.xz": data}
        content = b"!<arch>\n"
        for member_name, part in parts.items():
            content += f"{member_name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(part):<10}`\n".encode()
            content += part + b"\n" * (len(part) % 2)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        with self.index.open("a") as index:
            index.write(f"{fields}Filename: ./{path.name}\nSize: {len(content)}\nSHA256: {digest}\n\n")
        return path

    def sign(self) -> None:
        """Sign the index."""
        index, release = self.index.read_bytes(), self.root / self.suite / "Release"
        name = self.index.relative_to(release.parent)
        lines = [f"Codename: {Path(self.suite).name}"] if self.suite else []
        lines += ["Date: Sun, 29 Nov 2026 00:00:00 UTC", f"Architectures: {self.architecture}", "Components: main"]
        lines += ["SHA256:", f" {hashlib.sha256(index).hexdigest()} {len(index)} {name}"]
        release.write_text("\n".join(lines) + "\n")
        signed = release.with_name("InRelease")
        signed.unlink(missing_ok=True)
        gpg("--local-user", self.key, "--clearsign", "--output", signed, release)

    @property
    def architecture(self) -> str:
        return subprocess.check_output([require("dpkg", "dpkg"), "--print-architecture"], text=True).strip()


@pytest.fixture(scope="module")
def key() -> Iterator[str]:
    """Return the fingerprint of a key that exists while these tests run."""
    home = Path(tempfile.mkdtemp(prefix="gpg-", dir="/tmp"))  # a short path: it is one of a socket
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", str(home))
        yield make_key("ed25519")
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def archive(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> Archive:
    require("apt-get", "apt")
    root = tmp_path / "archive"
    etc = tmp_path / "etc"
    for directory in (root, etc / "sources.list.d"):
        directory.mkdir(parents=True)
    gpg("--export", "--output", etc / "key.gpg", key)
    (etc / "sources.list").write_text(f"deb [signed-by={etc}/key.gpg] file:{root} ./\n")
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir::Etc "{etc}";\nDir::Etc::parts "{etc}/none";\nDir::Etc::trustedparts "{etc}/none";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    (root / "Packages").touch()
    return Archive(root, key)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache" / "hatch-appimage").mkdir(mode=0o700, parents=True)
    found = Apt.of_machine()
    assert found is not None
    return found


def library(tmp_path: Path, name: str) -> bytes:
    """Return the content of a library that needs nothing."""
    source = tmp_path / "empty.c"
    source.touch()
    options = ["-shared", "-nostdlib", f"-Wl,-soname,{name}", "-o", str(tmp_path / name)]
    subprocess.run([require("cc", "gcc"), *options, source], check=True)
    return (tmp_path / name).read_bytes()


def test_fetches_and_unpacks(archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """No script of a package is run, and what the archive has no more is taken from the cache."""
    content = library(tmp_path, "libzz.so.3.1")
    directory = f"./usr/lib/{TRIPLET}"
    files: dict[str, bytes | Path] = {
        f"{directory}/libzz.so.3.1": content,
        f"{directory}/libzz.so.3": Path("libzz.so.3.1"),
    }
    package = archive.add("libzz3", files, script=f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    archive.sign()
    found = apt.find(["libzz3", "libyy1"])
    assert list(found) == ["libzz3"]
    assert found["libzz3"].version == "1.0"
    (added,) = apt.get(found.values())
    assert (added.root / "usr" / "lib" / TRIPLET / "libzz.so.3").read_bytes() == content
    assert not (tmp_path / "ran").exists()
    package.unlink()
    assert apt.get(found.values()) == [added]


def test_machine_has_the_library_then(archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """Of the packages that may have it, the one that has it counts."""
    archive.add("libzz3", {"./usr/share/doc/libzz3/copyright": b"Free."})
    files = {f"./usr/lib/{TRIPLET}/libzz.so.3": library(tmp_path, "libzz.so.3")}
    archive.add("libzz3t64", {**files, "./usr/share/doc/libzz3t64/copyright": b"Free."})
    archive.sign()
    system = fetch_libraries(["libzz.so.3", "libyy.so.1"], System(Path("/"), ()), native_architecture(), apt)
    assert [package.name for package in system.added] == ["libzz3t64"]
    found = find_on_system("libzz.so.3", system, native_architecture())
    assert found is not None
    assert system.name_of(found) == f"/usr/lib/{TRIPLET}/libzz.so.3"
    assert system.locate("/usr/share/doc/libzz3t64/copyright").read_bytes() == b"Free."
    assert fetch_libraries(["libyy.so.1"], system, native_architecture(), apt) == system


def test_packages_that_are_not_named_after_libraries(archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """What a package that was fetched before depends on is looked at as well."""
    archive.add("libzz3", {f"./usr/lib/{TRIPLET}/libzz.so.3": library(tmp_path, "libzz.so.3")}, needs="libyyuc-turbo")
    archive.add("libyyuc-turbo", {f"./usr/lib/{TRIPLET}/libyyuc.so.62": library(tmp_path, "libyyuc.so.62")})
    archive.sign()
    system = fetch_libraries(["libzz.so.3"], System(Path("/"), ()), native_architecture(), apt)
    system = fetch_libraries(["libyyuc.so.62"], system, native_architecture(), apt)
    assert [package.name for package in system.added] == ["libzz3", "libyyuc-turbo"]


def test_what_a_library_opens(archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """Its package is another one, and so is the directory that it was unpacked to."""
    files = {f"./usr/lib/{TRIPLET}/libmagic.so.1": library(tmp_path, "libmagic.so.1")}
    archive.add("libmagic1", files, version=NEWEST)
    archive.add("libmagic-mgc", {"./usr/lib/file/magic.mgc": b"types"}, version=NEWEST)
    archive.sign()
    there = System(Path(tmp_path / "nothing"), ())
    system = fetch_libraries(["libmagic.so.1"], there, native_architecture(), apt)
    found = find_on_system("libmagic.so.1", system, native_architecture())
    assert found is not None
    ((place, file),) = find_companions(found, "libmagic.so.1", system)
    assert (place, file.read_bytes()) == ("file/magic.mgc", b"types")


def test_newer_than_the_lists(archive: Archive, apt: Apt) -> None:
    package = archive.add("libzz3", {"./usr/lib/file": b"old"})
    archive.sign()
    found = apt.find(["libzz3"])
    package.unlink()
    archive.index.unlink()
    archive.add("libzz3", {"./usr/lib/file": b"new"}, version="1.1")
    archive.sign()
    (added,) = apt.get(found.values())
    assert added.version == "1.1"
    assert (added.root / "usr" / "lib" / "file").read_bytes() == b"new"


def test_changed_in_the_cache(archive: Archive, apt: Apt) -> None:
    archive.add("libzz3", {"./usr/lib/file": b"whole"})
    archive.sign()
    found = apt.find(["libzz3"])
    (added,) = apt.get(found.values())
    (added.root / "usr" / "lib" / "file").write_bytes(b"damaged")
    (again,) = apt.get(found.values())
    assert (again.root / "usr" / "lib" / "file").read_bytes() == b"whole"


class TestRelease:
    @pytest.fixture
    def bookworm(self, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
        """Return an apt for a release that this machine's sources do not have, but the archive of its distribution."""
        archive.suite = "dists/bookworm"
        source = AptSource(f"file:{archive.root}", ("trixie",), ("main",), None)
        monkeypatch.setattr("hatch_appimage.libraries.apt.read_sources", lambda: [source])
        monkeypatch.setattr("hatch_appimage.roots.apt._KEYRINGS", tmp_path / "etc")
        (tmp_path / "etc" / "key.gpg").rename(tmp_path / "etc" / "debian-archive-keyring.gpg")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        (tmp_path / "cache" / "hatch-appimage").mkdir(mode=0o700, parents=True)
        return Apt.of_release(find_release("debian:12"), native_architecture())

    def test_has_nothing_but_packages(self, archive: Archive, bookworm: Apt, tmp_path: Path) -> None:
        for package, soname in {"libc6": "libc.so.6", "libzz3": "libzz.so.3"}.items():
            archive.add(package, {f"./usr/lib/{TRIPLET}/{soname}": library(tmp_path, soname)})
        archive.sign()
        architecture = native_architecture()
        system = release_system(find_release("debian:12"), architecture, bookworm)
        assert str(system) == "debian:12"
        assert [package.name for package in system.added] == ["libc6"]
        assert find_on_system("libz.so.1", system, architecture) is None
        system = fetch_libraries(["libzz.so.3"], system, architecture, bookworm)
        found = find_on_system("libzz.so.3", system, architecture)
        assert found is not None
        assert system.name_of(found) == f"/usr/lib/{TRIPLET}/libzz.so.3"

    def test_cannot_be_read(self, bookworm: Apt) -> None:
        with pytest.raises(AppImageError, match=r"^Libraries of debian:12 cannot be fetched: The repository .*$"):
            release_system(find_release("debian:12"), native_architecture(), bookworm)

    def test_of_another_distribution(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_appimage.libraries.apt.read_sources", list)
        with pytest.raises(AppImageError, match=r"^No archive of ubuntu is among the sources of this machine's apt: "):
            Apt.of_release(find_release("ubuntu:24.04"), native_architecture())

    def test_offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HATCH_APPIMAGE_OFFLINE", "1")
        with pytest.raises(AppImageError, match="HATCH_APPIMAGE_OFFLINE allows no download: name a copy of a system"):
            Apt.of_release(find_release("debian:12"), native_architecture())


class TestHostile:
    def test_another_file_than_the_index_says(
        self, archive: Archive, apt: Apt, caplog: pytest.LogCaptureFixture
    ) -> None:
        package = archive.add("libzz3", {"./usr/lib/file": b"whole"})
        archive.sign()
        found = apt.find(["libzz3"])
        package.write_bytes(package.read_bytes().replace(b"data.tar.xz", b"data.tar.xy"))
        with pytest.raises(
            AppImageError, match=r"another file than its archive says|Hash Sum mismatch|unexpected size"
        ):
            apt.get(found.values())
        system = System(Path("/"), ())
        assert fetch_libraries(["libzz.so.3"], system, native_architecture(), apt) == system
        (message,) = caplog.messages
        assert message.startswith("Libraries that this machine lacks cannot be fetched: ")
        assert "\n" not in message

    def test_another_index_than_was_signed(self, archive: Archive, apt: Apt, caplog: pytest.LogCaptureFixture) -> None:
        archive.add("libyy1", {"./usr/lib/file": b"whole"})
        archive.sign()
        archive.add("libzz3", {"./usr/lib/file": b"evil"})
        assert apt.find(["libzz3"]) == {}
        (message,) = caplog.messages
        assert message.startswith("Not all archives of packages can be read: ")
        assert "unexpected size" in message or "Hash Sum mismatch" in message

    @pytest.mark.parametrize("signature", ["none", "another's"])
    def test_nobody_vouches_for_the_index(
        self, archive: Archive, apt: Apt, signature: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        archive.add("libzz3", {"./usr/lib/file": b"whole"})
        if signature == "another's":
            archive.key = make_key("ed25519", name="Eve")
            archive.sign()
        assert apt.find(["libzz3"]) == {}
        (message,) = caplog.messages
        assert "sign" in message.lower() or "Release" in message

    def test_leads_outside(self, archive: Archive, apt: Apt, tmp_path: Path) -> None:
        archive.add("libzz3", {"../../../outside": b"evil"})
        archive.sign()
        with pytest.raises(AppImageError, match="leads out of the directory"):
            apt.get(apt.find(["libzz3"]).values())
        assert not list(tmp_path.rglob("outside"))

    def test_link_to_the_machine(self, archive: Archive, apt: Apt) -> None:
        """It leads where it would in a machine that has the package, and not to a file of this one."""
        archive.add("libzz3", {f"./usr/lib/{TRIPLET}/libzz.so.3": Path("/etc/passwd")})
        archive.sign()
        system = System(Path("/"), ())
        assert fetch_libraries(["libzz.so.3"], system, native_architecture(), apt) == system
        (added,) = apt.get(apt.find(["libzz3"]).values())
        extended = system.add(added, native_architecture())
        assert extended.follow(added.root / "usr/lib" / TRIPLET / "libzz.so.3") == added.root / "etc/passwd"

    def test_device(self, archive: Archive, apt: Apt) -> None:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:xz") as tar:
            member = tarfile.TarInfo("./dev/null")
            member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3
            tar.addfile(member)
        archive.add_raw("libzz3", data.getvalue())
        archive.sign()
        (added,) = apt.get(apt.find(["libzz3"]).values())
        assert list(added.root.rglob("*")) == []

    @pytest.mark.parametrize("size", [4, 100, 400])
    def test_cut_off(self, archive: Archive, apt: Apt, size: int) -> None:
        """Its archive vouches for it all the same."""
        package = archive.add("libzz3", {"./usr/lib/file": bytes(5000)})
        content = package.read_bytes()
        cut = content[:size]
        package.write_bytes(cut)
        index = archive.index
        text = index.read_text().replace(hashlib.sha256(content).hexdigest(), hashlib.sha256(cut).hexdigest())
        index.write_text(text.replace(f"Size: {len(content)}", f"Size: {size}"))
        archive.sign()
        with pytest.raises(AppImageError, match=r"^libzz3_1\.0_\w+\.deb cannot be unpacked: it "):
            apt.get(apt.find(["libzz3"]).values())


def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HATCH_APPIMAGE_OFFLINE", "1")
    assert Apt.of_machine() is None
