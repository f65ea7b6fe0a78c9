# SPDX-License-Identifier: MIT
"""Packages from an archive that is signed, is not, or is tampered with."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.apt import Apt, how_to_allow
from hatch_appimage.libraries.companions import find_companions
from hatch_appimage.libraries.fetch import add_locked, fetch_libraries, release_system
from hatch_appimage.libraries.licences import find_licence
from hatch_appimage.libraries.lock import PinnedPackages, write_library_lock
from hatch_appimage.libraries.package_cache import package_directory
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.roots.apt import AptSource
from hatch_appimage.roots.releases import find_release
from hatch_appimage.system import System
from hatch_appimage.unpack import unpack_package
from support.archive import TRIPLET, Archive, make_library
from support.keys import gpg, make_key
from support.mirror import serve
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.libraries.lock import LibraryLock
    from hatch_appimage.system import AddedPackage
    from support.mirror import Mirror

# Newer than what this machine may have installed.
NEWEST = "9:1"


def locked_files(tmp_path: Path) -> dict[str, bytes | Path]:
    licence = b"Format: x\n\nFiles: *\nLicense: Expat\n"
    content = make_library(tmp_path, "libzz.so.3")
    return {f"./usr/lib/{TRIPLET}/libzz.so.3": content, "./usr/share/doc/libzz3/copyright": licence}


def lock_digest(lock: LibraryLock) -> str:
    (package,) = lock.parts[native_architecture().name].packages
    return package.sha256


def test_fetches_and_unpacks(archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """No script of a package is run, and what the archive has no more is taken from the cache."""
    content = make_library(tmp_path, "libzz.so.3.1")
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
    files = {f"./usr/lib/{TRIPLET}/libzz.so.3": make_library(tmp_path, "libzz.so.3")}
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
    archive.add(
        "libzz3", {f"./usr/lib/{TRIPLET}/libzz.so.3": make_library(tmp_path, "libzz.so.3")}, needs="libyyuc-turbo"
    )
    archive.add("libyyuc-turbo", {f"./usr/lib/{TRIPLET}/libyyuc.so.62": make_library(tmp_path, "libyyuc.so.62")})
    archive.sign()
    system = fetch_libraries(["libzz.so.3"], System(Path("/"), ()), native_architecture(), apt)
    system = fetch_libraries(["libyyuc.so.62"], system, native_architecture(), apt)
    assert [package.name for package in system.added] == ["libzz3", "libyyuc-turbo"]


def test_licences_in_other_packages(archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """A package's documentation may be in one that it depends on, as that of libgcc-s1 is in gcc-12-base."""
    files = {f"./usr/lib/{TRIPLET}/libzz.so.3": make_library(tmp_path, "libzz.so.3")}
    archive.add("libzz3", {**files, "./usr/share/doc/libzz3": Path("zz-base")}, needs="zz-base")
    archive.add("zz-base", {"./usr/share/doc/zz-base/copyright": b"Free."})
    archive.sign()
    system = fetch_libraries(["libzz.so.3"], System(Path("/"), ()), native_architecture(), apt)
    licence = find_licence("libzz3", system)
    assert licence is not None
    assert licence.read_bytes() == b"Free."


def test_what_a_library_opens(archive: Archive, apt: Apt, tmp_path: Path) -> None:
    """Its package is another one, and so is the directory that it was unpacked to."""
    files = {f"./usr/lib/{TRIPLET}/libmagic.so.1": make_library(tmp_path, "libmagic.so.1")}
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
            archive.add(package, {f"./usr/lib/{TRIPLET}/{soname}": make_library(tmp_path, soname)})
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

    @pytest.mark.parametrize(("release", "suites"), [("debian:12", 2), ("ubuntu:24.04", 3)])
    def test_security_updates(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str, suites: int
    ) -> None:
        """Debian's are in an archive of their own, which the machine may not use."""
        distribution = release.partition(":")[0]
        source = AptSource(f"file:{archive.root}", ("trixie", "jammy"), ("main",), None)
        monkeypatch.setattr("hatch_appimage.libraries.apt.read_sources", lambda: [source])
        monkeypatch.setattr("hatch_appimage.roots.apt._KEYRINGS", tmp_path)
        (tmp_path / f"{distribution}-archive-keyring.gpg").touch()
        apt = Apt.of_release(find_release(release), native_architecture())
        assert len(apt.sources) == suites

    def test_cannot_be_read(self, bookworm: Apt) -> None:
        with pytest.raises(AppImageError, match=r"^Libraries of debian:12 cannot be fetched: The repository .*$"):
            release_system(find_release("debian:12"), native_architecture(), bookworm)

    def test_of_another_distribution(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_appimage.libraries.apt.read_sources", list)
        with pytest.raises(AppImageError, match=r"^No archive of ubuntu is among the sources of this machine's apt: "):
            Apt.of_release(find_release("ubuntu:24.04"), native_architecture())

    def test_offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HATCH_APPIMAGE_OFFLINE", "1")
        with pytest.raises(AppImageError, match="HATCH_APPIMAGE_OFFLINE allows no download: build once without it"):
            Apt.of_release(find_release("debian:12"), native_architecture())


class TestLocked:
    """What a lock names is had, whatever the archive has by now."""

    @pytest.fixture
    def mirror(self) -> Iterator[Mirror]:
        with serve() as mirror:
            yield mirror

    @pytest.fixture
    def lock(self, archive: Archive, apt: Apt, tmp_path: Path) -> LibraryLock:
        """Return a lock of a package which the archive has in a newer version now."""
        package = archive.add("libzz3", locked_files(tmp_path))
        archive.sign()
        system = fetch_libraries(["libzz.so.3"], System(Path("/"), ()), native_architecture(), apt)
        shutil.move(package, tmp_path / package.name)
        archive.index.unlink()
        archive.add("libzz3", {"./usr/lib/file": b"newer"}, version="1.1")
        archive.sign()
        path = tmp_path / "appimage.libraries.toml"
        return write_library_lock(path, native_architecture(), PinnedPackages.of(system, ()))

    def add(self, lock: LibraryLock, apt: Apt | None, *snapshots: str) -> tuple[AddedPackage, ...]:
        return add_locked(lock, System(Path("/"), ()), native_architecture(), apt, snapshots).added

    def test_says_what_was_fetched(self, lock: LibraryLock, tmp_path: Path) -> None:
        (package,) = lock.parts[native_architecture().name].packages
        content = next(tmp_path.glob("libzz3_1.0_*.deb")).read_bytes()
        assert (package.name, package.version, package.size) == ("libzz3", "1.0", len(content))
        assert package.sha256 == hashlib.sha256(content).hexdigest()
        assert package.licences == ("Expat",)

    def test_from_the_cache(self, lock: LibraryLock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HATCH_APPIMAGE_OFFLINE", "1")
        (added,) = self.add(lock, None)
        assert (added.name, added.version) == ("libzz3", "1.0")

    def test_from_a_snapshot(self, lock: LibraryLock, apt: Apt, mirror: Mirror, tmp_path: Path) -> None:
        """The first one has another file by that name, and the second one the right one."""
        (before,) = self.add(lock, None)
        content = (before.root / "usr/lib" / TRIPLET / "libzz.so.3").read_bytes()
        shutil.rmtree(tmp_path / "cache" / "hatch-appimage" / "packages")
        file = next(tmp_path.glob("libzz3_1.0_*.deb"))
        mirror.files |= {f"/bad/{file.name}": b"evil", f"/good/{file.name}": file.read_bytes()}
        (added,) = self.add(lock, apt, f"{mirror.url}/none", f"{mirror.url}/bad", f"{mirror.url}/good/")
        assert added == before
        assert (added.root / "usr/lib" / TRIPLET / "libzz.so.3").read_bytes() == content

    def test_from_the_archive(self, archive: Archive, lock: LibraryLock, apt: Apt, tmp_path: Path) -> None:
        """Its lists may be older than the lock, and it may have newer versions beside those of the lock."""
        apt.find(["libzz3"])
        shutil.rmtree(tmp_path / "cache" / "hatch-appimage" / "packages" / lock_digest(lock))
        archive.add("libzz3", locked_files(tmp_path))
        archive.sign()
        (added,) = self.add(lock, apt)
        assert added.version == "1.0"

    def test_another_file_of_that_version(self, archive: Archive, lock: LibraryLock, apt: Apt, tmp_path: Path) -> None:
        shutil.rmtree(tmp_path / "cache" / "hatch-appimage" / "packages" / lock_digest(lock))
        archive.add("libzz3", {"./usr/lib/file": b"evil"})
        archive.sign()
        with pytest.raises(AppImageError, match=r"names libzz3 1\.0, not to be had from the cache, apt's archives: "):
            self.add(lock, apt)

    def test_nowhere(self, lock: LibraryLock, apt: Apt, mirror: Mirror, tmp_path: Path) -> None:
        shutil.rmtree(tmp_path / "cache" / "hatch-appimage" / "packages" / lock_digest(lock))
        with pytest.raises(AppImageError) as caught:
            self.add(lock, apt, mirror.url)
        message = str(caught.value)
        places = "the cache, apt's archives, `library-snapshots`"
        assert message.startswith(f"appimage.libraries.toml names libzz3 1.0, not to be had from {places} (")
        assert message.endswith(
            "name an archive in `library-snapshots` that has it, or remove appimage.libraries.toml to have it made anew"
        )
        with pytest.raises(AppImageError, match=r"names libzz3 1\.0, not to be had from the cache: "):
            self.add(lock, None)


@pytest.mark.parametrize("kind", ["deb822", "deb822 with the key", "options", "mirror", "proxy"])
def test_sources_of_the_machine(archive: Archive, apt: Apt, kind: str, tmp_path: Path) -> None:
    """They are used as they are, whatever apt understands (sources.list(5), apt.conf(5))."""
    etc = tmp_path / "etc"
    archive.add("libzz3", {"./usr/lib/file": b"whole"})
    archive.sign()
    key, uri, suite = f"{etc}/key.gpg", f"file:{archive.root}", "./"
    (etc / "sources.list").unlink()
    with serve() as mirror:
        if kind == "deb822 with the key":
            armored = gpg("--armor", "--export", archive.key).splitlines()
            key = "\n" + "\n".join(f" {line or '.'}" for line in armored)
        if kind == "mirror":
            (tmp_path / "mirrors").write_text(f"file:{tmp_path}/gone\tpriority:1\n{uri}\tpriority:2\n")
            uri = f"mirror+file:{tmp_path}/mirrors"
        if kind == "proxy":
            uri = "http://archive.invalid/debian"
            mirror.files |= {f"{uri}/./{file.name}": file.read_bytes() for file in archive.root.iterdir()} | {
                f"{uri}/{file.name}": file.read_bytes() for file in archive.root.iterdir()
            }
            with (tmp_path / "apt.conf").open("a") as settings:
                settings.write(f'Acquire::http::Proxy "{mirror.url}";\n')
        if kind.startswith("deb822"):
            text = f"# ours\nTypes: deb\nURIs: {uri}\nSuites: {suite}\nSigned-By: {key}\n"
            (etc / "sources.list.d" / "own.sources").write_text(text)
        else:
            options = (
                f"arch={archive.architecture},riscv64 signed-by={key}" if kind == "options" else f"signed-by={key}"
            )
            (etc / "sources.list.d" / "own.list").write_text(f"deb [{options}] {uri} {suite}\n")
        (added,) = apt.get(apt.find(["libzz3"]).values())
    assert (added.root / "usr/lib/file").read_bytes() == b"whole"


# Of what an archive's owner puts into a package, with all signatures right: the entries, and why they are refused.
REFUSED: dict[str, tuple[list[tuple[str, bytes, str, int]], str]] = {
    "another name of a file outside": ([("./x", tarfile.LNKTYPE, "/etc/passwd", 0)], "is another name of etc/passwd"),
    "another name of a file above": ([("./x", tarfile.LNKTYPE, "../../x", 0)], "leads out of the directory"),
    "below a link": (
        [("./usr/lib", tarfile.SYMTYPE, "/tmp", 0), ("./usr/lib/x", tarfile.REGTYPE, "", 0)],
        "usr/lib is in it as a directory and as something else",
    ),
    "in place of a link": (
        [("./x", tarfile.SYMTYPE, "/etc/passwd", 0), ("./x", tarfile.REGTYPE, "", 0)],
        "x is in it twice",
    ),
    "a terabyte": ([("./x", tarfile.REGTYPE, "", 1 << 40)], "more than 100 times as large"),
}


class TestHostile:
    @pytest.mark.parametrize("kind", REFUSED)
    def test_refused(self, tmp_path: Path, kind: str) -> None:
        entries, reason = REFUSED[kind]
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for name, type_, target, size in entries:
                member = tarfile.TarInfo(name)
                member.type, member.linkname, member.size = type_, target, size
                tar.addfile(member)
        package = Archive(tmp_path, "", architecture="amd64").add_raw("libzz3", data.getvalue())
        (tmp_path / "root").mkdir()
        with pytest.raises(AppImageError, match=rf"^libzz3_1\.0_amd64\.deb is refused: .*{reason}"):
            unpack_package(package, tmp_path / "root")
        assert list((tmp_path / "root").iterdir()) == []

    def test_rights(self, tmp_path: Path) -> None:
        """No program in it gets those of its owner."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            member = tarfile.TarInfo("./bin/su")
            member.mode = 0o6755
            tar.addfile(member)
        package = Archive(tmp_path, "", architecture="amd64").add_raw("libzz3", data.getvalue())
        (tmp_path / "root").mkdir()
        unpack_package(package, tmp_path / "root")
        assert (tmp_path / "root/bin/su").stat().st_mode & 0o7777 == 0o755

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


def test_keeps_what_it_makes_of_lists(archive: Archive, apt: Apt) -> None:
    """Images for containers have a setting against that, and a build asks dozens of times."""
    with Path(os.environ["APT_CONFIG"]).open("a") as settings:
        settings.write('Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n')
    archive.add("libzz1", {"./usr/lib/file": b""})
    archive.sign()
    assert list(apt.find(["libzz1"])) == ["libzz1"]
    assert (package_directory() / apt.name / "pkgcache.bin").is_file()


def test_lists_that_could_not_be_read(
    archive: Archive, apt: Apt, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next build tries again, and says so again where that fails again; the same one does not."""
    archive.add("libzz1", {"./usr/lib/file": b""})
    for _ in range(2):
        assert apt.find(["libzz1"]) == {}
        (message,) = caplog.messages
        assert message.startswith("Not all archives of packages can be read: ")
    monkeypatch.setattr("hatch_appimage.libraries.apt._tried", set())
    assert apt.find(["libzz1"]) == {}
    assert caplog.messages == [message, message]
    archive.sign()
    monkeypatch.setattr("hatch_appimage.libraries.apt._tried", set())
    assert list(apt.find(["libzz1"])) == ["libzz1"]


class TestOffline:
    """What an earlier build has got is used, however old, and nothing else."""

    @pytest.fixture(autouse=True)
    def _offline(self, archive: Archive, apt: Apt, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("libzz1", "libzz2"):
            archive.add(name, {"./usr/lib/file": name.encode()})
        archive.sign()
        apt.get(apt.find(["libzz1"]).values())
        for file in archive.root.rglob("*.deb"):
            file.unlink()
        os.utime(package_directory() / apt.name / "stamp", (0, 0))
        monkeypatch.setenv("HATCH_APPIMAGE_OFFLINE", "1")

    def test_from_the_cache(self, apt: Apt) -> None:
        assert apt.has_lists
        (added,) = apt.get(apt.find(["libzz1"]).values())
        assert (added.root / "usr/lib/file").read_text() == "libzz1"
        assert apt.resolve(["libzz1"]) == ["libzz1"]

    def test_not_in_the_cache(self, apt: Apt) -> None:
        for _ in range(2):  # the lists are still there afterwards
            with pytest.raises(
                AppImageError, match=r"^libzz2 not in the cache, and HATCH_APPIMAGE_OFFLINE allows no download: build"
            ):
                apt.get(apt.find(["libzz2"]).values())


def test_no_lists_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("apt-get", "apt")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert how_to_allow(allowed=False) == "remove `fetch-libraries = false`"
    assert how_to_allow(allowed=True) == ""
    monkeypatch.setenv("HATCH_APPIMAGE_OFFLINE", "1")
    assert Apt.of_machine() is None
    assert how_to_allow(allowed=True) == "build once without HATCH_APPIMAGE_OFFLINE"
