# SPDX-License-Identifier: MIT
"""Archives that do harm, and those that do not."""

from __future__ import annotations

import io
import os
import stat
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir import AppDir
from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.image import load_runtime, write_image
from hatch_appimage.runtime import runtime_path
from hatch_appimage.unpack import unpack_appimage, unpack_archive

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, 0
    return info


def make_archive(path: Path, *members: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload] # the modes are those of its other overloads
        data = b"x" * 100_000
        file = member("python/bin/python3", mode=0o755)
        file.size = len(data)
        tar.addfile(file, io.BytesIO(data))
        for info in members:
            tar.addfile(info)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zst"])
def test_compressors(tmp_path: Path, folder: Path, mode: str) -> None:
    archive = make_archive(tmp_path / "a", mode="w" if mode == "zst" else mode)
    if mode == "zst":
        archive.write_bytes(zstd.compress(archive.read_bytes()))
    unpack_archive(archive, folder, source="it")
    program = folder / "python" / "bin" / "python3"
    assert (program.stat().st_size, stat.S_IMODE(program.stat().st_mode)) == (100_000, 0o755)


@pytest.mark.parametrize(
    "harm",
    [
        member("../outside"),
        member("python/../../../outside"),
        member("python/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("python/link", tarfile.SYMTYPE, "../../../etc/passwd"),
        member("python/link", tarfile.LNKTYPE, "../outside"),
        member("python/device", tarfile.CHRTYPE),
        member("python/device", tarfile.BLKTYPE),
        member("python/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name} {info.linkname}".strip(),
)
@pytest.mark.parametrize("compressed", [False, True], ids=["gz", "zst"])
def test_harm(tmp_path: Path, folder: Path, harm: tarfile.TarInfo, *, compressed: bool) -> None:
    archive = make_archive(tmp_path / "a", harm, mode="w" if compressed else "w:gz")
    if compressed:
        archive.write_bytes(zstd.compress(archive.read_bytes()))
    with pytest.raises(AppImageError, match=r"^it is refused: .*"):
        unpack_archive(archive, folder, source="it")
    assert [path.name for path in folder.parent.iterdir()] == ["here"]


def test_through_a_link(tmp_path: Path, folder: Path) -> None:
    """A file below a link that stays inside lands where the link leads."""
    archive = make_archive(tmp_path / "a", member("lib64", tarfile.SYMTYPE, "python"), member("lib64/file"))
    unpack_archive(archive, folder, source="it")
    assert (folder / "python" / "file").is_file()


def test_absolute_names_are_relative(tmp_path: Path, folder: Path) -> None:
    unpack_archive(make_archive(tmp_path / "a", member("/python/file")), folder, source="it")
    assert (folder / "python" / "file").is_file()


def test_no_set_uid(tmp_path: Path, folder: Path) -> None:
    unpack_archive(make_archive(tmp_path / "a", member("sudo", mode=0o7777)), folder, source="it")
    assert stat.S_IMODE((folder / "sudo").stat().st_mode) == 0o755


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "zst"])
def test_cut_off(tmp_path: Path, folder: Path, mode: str) -> None:
    archive = make_archive(tmp_path / "a", mode="w" if mode == "zst" else mode)
    data = zstd.compress(archive.read_bytes()) if mode == "zst" else archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    with pytest.raises(AppImageError, match=r"^it cannot be unpacked: .+$") as caught:
        unpack_archive(archive, folder, source="it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"])
def test_no_archive(tmp_path: Path, folder: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(AppImageError, match=r"^it cannot be unpacked: .+$") as caught:
        unpack_archive(tmp_path / "a", folder, source="it")
    assert "\n" not in str(caught.value)


def make_image(folder: Path) -> Path:
    """Make an AppImage of what is in a folder."""
    architecture = native_architecture()
    appdir = AppDir(folder / "AppDir", "app")
    runtime = load_runtime(runtime_path(architecture.name), architecture)
    image = write_image(
        appdir,
        runtime,
        folder / "App.AppImage",
        order=(),
        application=(),
        update_information=None,
        compression="zstd",
        compression_level=1,
        timestamp=0,
    )
    return image.path


class TestAppImage:
    def test_only_what_is_wanted(self, tmp_path: Path, folder: Path) -> None:
        for name in ("AppRun", "opt/python/a", "opt2/b", "usr/lib/c", "usr/library/d", "usr/bin/e"):
            (tmp_path / "AppDir" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "AppDir" / name).write_text(name)
        (tmp_path / "AppDir/opt/python/a").chmod(0o4777)
        (tmp_path / "AppDir/opt/link").symlink_to("../usr/lib")
        unpack_appimage(make_image(tmp_path), folder, ["opt", "usr/lib", "missing"])
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        assert files == ["opt/python/a", "usr/lib/c"]
        assert (folder / "opt/python/a").read_text() == "opt/python/a"
        assert stat.S_IMODE((folder / "opt/python/a").stat().st_mode) == 0o755
        assert (folder / "opt/link").resolve() == folder / "usr/lib"

    @pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "../opt/../../x", ".."])
    def test_link_out_of_it(self, tmp_path: Path, folder: Path, target: str) -> None:
        (tmp_path / "AppDir/opt").mkdir(parents=True)
        (tmp_path / "AppDir/opt/link").symlink_to(target)
        if target == "..":
            unpack_appimage(make_image(tmp_path), folder, ["opt"])
            return
        with pytest.raises(AppImageError) as caught:
            unpack_appimage(make_image(tmp_path), folder, ["opt"])
        assert str(caught.value) == f"App.AppImage is refused: opt/link is a link out of it, to {target}"

    def test_none(self, tmp_path: Path, folder: Path) -> None:
        (tmp_path / "a.AppImage").write_bytes(b"\x7fELF nothing else")
        with pytest.raises(AppImageError, match=r"a\.AppImage is no type-2 AppImage$"):
            unpack_appimage(tmp_path / "a.AppImage", folder, ["opt"])

    def test_damaged(self, tmp_path: Path, folder: Path) -> None:
        (tmp_path / "AppDir/opt").mkdir(parents=True)
        (tmp_path / "AppDir/opt/file").write_bytes(os.urandom(100_000))
        image = make_image(tmp_path)
        image.write_bytes(image.read_bytes()[:-50_000])
        with pytest.raises(AppImageError):
            unpack_appimage(image, folder, ["opt"])
