# SPDX-License-Identifier: MIT
"""Archives that do harm, and those that do not: the same entries through every kind that we unpack."""

from __future__ import annotations

import importlib.util
import io
import os
import random
import re
import resource
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.unpack import unpack_appimage, unpack_archive, writer
from hatch_appimage.unpack.links import stays_inside
from support.hostile_archives import COMPRESSORS, KINDS, Item, directory, file, hard_link, link, unpack, write_archive

PROGRAM = file(b"python/bin/python3", b"x" * 100_000, 0o755)
TOPS = ("python", "d", "y", "..", "lib64", "a", "b")
TAR = tuple(COMPRESSORS)
# A directory of an image has no name twice, and nothing but directories has something below it.
UNSORTED = (*TAR, "zip")
DEEP = b"d/" * 101


def cve_2025_4517() -> list[Item]:
    """Return entries by which a link leads out whose path is too long to be resolved: realpath() gave up there."""
    items, path = [], b""
    for name in b"abcdefghijklmnop":
        items += [directory(path + b"d" * 247), link(path + bytes([name]), b"d" * 247)]
        path += b"d" * 247 + b"/"
    way = b"/".join(bytes([name]) for name in b"abcdefghijklmnop") + b"/" + b"l" * 254
    items += [link(way, b"../" * 16), link(b"escape", way + b"/.."), hard_link(b"y", b"escape/secret")]
    return [*items, file(b"y", b"overwritten")]


# What is refused: by its name, the entries behind the program's, what the message says, and which kinds can have it.
REFUSED: dict[str, tuple[list[Item], str, tuple[str, ...]]] = {
    "upwards": ([file(b"../outside")], r"\.\.", KINDS),
    "upwards in the middle": ([file(b"python/../../../outside")], r"\.\.", KINDS),
    "upwards and inside": ([file(b"python/../inside")], r"\.\.", KINDS),
    "directory upwards": ([directory(b"python/../..")], r"\.\.", UNSORTED),
    "absolute link": ([link(b"python/link", b"/etc/passwd")], "python/link is a link out of it, to /etc/passwd", KINDS),
    "link to the root": ([link(b"python/link", b"/")], "python/link is a link out of it, to /", KINDS),
    "link upwards": ([link(b"python/link", b"../../x")], r"python/link is a link out of it, to \.\./\.\./x", KINDS),
    "link to what is around it": ([link(b"python/link", b"../..")], "python/link is a link out of it", KINDS),
    "link through what is not there": ([link(b"python/link", b"x/../../../x")], "python/link is a link", KINDS),
    "link through a link": ([link(b"d/up", b"."), link(b"y", b"d/up/../../secret")], "y is a link out of it", KINDS),
    "link through a link that comes later": (
        [link(b"python/first", b"second/../../../x"), link(b"python/second", b"bin")],
        "python/first is a link out of it",
        KINDS,
    ),
    "link to itself": ([link(b"y", b"y")], "y is a link", KINDS),
    "links in a circle": ([link(b"a", b"b"), link(b"b", b"a")], "a is a link", KINDS),
    "link to a NUL": ([link(b"python/link", b"bin\0/../..")], "python/link is a link to a name that no file", KINDS),
    "link to nothing": ([link(b"python/link", b"")], "python/link is a link to a name that no file can have", ("zip",)),
    "below a link": (
        [link(b"lib64", b"python"), file(b"lib64/file")],
        "lib64 is in it as a directory and as something else",
        UNSORTED,
    ),
    "directory in place of a link": (
        [link(b"lib64", b"python"), directory(b"lib64")],
        "lib64 is in it as a directory",
        UNSORTED,
    ),
    "below a file": ([file(b"python/bin/python3/x")], "python/bin/python3 is in it as a directory and as", UNSORTED),
    "twice": ([file(b"python/bin/python3", b"y")], "python/bin/python3 is in it twice", UNSORTED),
    "twice, another way": ([file(b"./python//bin/python3")], "python/bin/python3 is in it twice", UNSORTED),
    "through a link": ([link(b"y", b"python/bin/python3"), file(b"y", b"y")], "y is in it twice", UNSORTED),
    "link in place of a directory": ([link(b"python", b"elsewhere")], "python is in it twice", UNSORTED),
    "file in place of the root": ([file(b"./.")], "its root is in it twice", UNSORTED),
    "file in place of nothing": ([file(b"")], "its root is in it twice", UNSORTED),
    "hard link upwards": ([hard_link(b"y", b"../outside")], r"\.\./outside", TAR),
    "hard link to an absolute name": ([hard_link(b"y", b"/etc/passwd")], "y is another name of etc/passwd", TAR),
    "hard link to a link elsewhere": (
        [link(b"a", b"python"), hard_link(b"python/y", b"a")],
        "python/y is another name of a, which",
        TAR,
    ),
    "hard link to a directory": ([hard_link(b"y", b"python/bin")], "y is another name of python/bin, which", TAR),
    "hard link below a link": ([link(b"a", b"python/bin"), hard_link(b"y", b"a/python3")], "y is another name", TAR),
    "hard link to what comes later": ([hard_link(b"y", b"z"), file(b"z")], "y is another name of z, which", TAR),
    "character device": ([Item(b"python/null", stat.S_IFCHR | 0o666)], "python/null is no file, directory", KINDS),
    "block device": ([Item(b"python/disk", stat.S_IFBLK | 0o666)], "python/disk is no file, directory or", KINDS),
    "pipe": ([Item(b"python/pipe", stat.S_IFIFO | 0o666)], "python/pipe is no file, directory or link", KINDS),
    "socket": ([Item(b"python/sock", stat.S_IFSOCK | 0o666)], "python/sock is no file, directory", ("zip", "AppImage")),
    "name with a NUL": ([file(b"python/a\0b")], "a.*b is a name that no file can have|NUL|damaged", UNSORTED),
    "too deep": ([file(DEEP + b"x")], "lies more than 100 directories deep", KINDS),
    "CVE-2025-4517": (cve_2025_4517(), "a is in it as a directory and as something else", UNSORTED),
}  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where to unpack; beside it is what must stay as it is."""
    target = tmp_path / "in" / "here"
    target.mkdir(parents=True)
    (target.parent / "secret").write_text("secret")
    return target


def refusal(archive: Path, target: Path) -> str:
    """Return what is said of an archive that is refused; see that nothing of it stays, here or elsewhere."""
    with pytest.raises(AppImageError) as caught:
        unpack(archive, target, *TOPS)
    message = str(caught.value)
    assert message.isprintable()
    assert sorted(path.name for path in target.parent.iterdir()) == ["here", "secret"]
    assert (target.parent / "secret").read_text() == "secret"
    assert not list(target.iterdir())
    return message


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, (*_, kinds) in REFUSED.items() for kind in kinds], ids=str
)
def test_refused(tmp_path: Path, target: Path, name: str, kind: str) -> None:
    items, expected, _ = REFUSED[name]
    archive = write_archive(tmp_path / "it", kind, [PROGRAM, *items])
    message = refusal(archive, target)
    # What no directory of an image can have, its reader finds itself.
    assert message.startswith((f"it.{kind} is refused: ", "The image is damaged: "))
    assert re.search(expected, message) or message.startswith("The image is damaged: ")


@pytest.mark.parametrize("kind", KINDS)
class TestTaken:
    """What archives of real Pythons have."""

    def test_all_of_it(self, tmp_path: Path, target: Path, kind: str) -> None:
        items = [
            directory(b"python"),
            directory(b"python/bin"),
            PROGRAM,
            file(b"python/lib/a", b"data", 0o4777),
            file(b"python/lib/b", b"", 0o600),
            link(b"python/bin/python", b"python3"),
            link(b"python/lib64", b"lib"),
            link(b"python/lib/up", b".."),
            link(b"python/lib/again", b"up/lib/../bin/python"),
            link(b"python/lib/dangling", b"../lib/nothing"),
            link(b"python/lib/..not upwards", b"..nothing"),
            directory(b"python/empty"),
            file(b"python/\xff\xfe", b"not UTF-8"),
            file("python/größe".encode(), b"UTF-8"),
            file(b"python/" + b"n" * 255, b"long"),
        ]
        unpack(write_archive(tmp_path / "it", kind, items), target, "python")
        python = target / "python"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (python / "lib/a", python / "lib/b")}
        assert modes == {"a": 0o755, "b": 0o644}
        assert stat.S_IMODE((python / "bin/python3").stat().st_mode) == 0o755
        assert (python / "bin/python").readlink() == Path("python3")
        assert (python / "lib/again").resolve() == python / "bin/python3"
        assert (python / "lib/dangling").is_symlink()
        assert (python / "lib64/a").read_bytes() == b"data"
        assert (python / os.fsdecode(b"\xff\xfe")).read_bytes() == b"not UTF-8"
        assert (python / "größe").read_bytes() == b"UTF-8"
        assert (python / ("n" * 255)).read_bytes() == b"long"
        assert list((python / "empty").iterdir()) == []

    def test_directories_that_are_not_named(self, tmp_path: Path, target: Path, kind: str) -> None:
        unpack(write_archive(tmp_path / "it", kind, [PROGRAM]), target, "python")
        assert (target / "python/bin/python3").read_bytes() == PROGRAM.data

    @pytest.mark.slow
    def test_large_files(self, tmp_path: Path, target: Path, kind: str) -> None:
        data = random.Random(3).randbytes(5_000_000)  # noqa: S311 - the same each time
        unpack(write_archive(tmp_path / "it", kind, [file(b"python/data", data)]), target, "python")
        assert (target / "python/data").read_bytes() == data


@pytest.mark.parametrize("kind", UNSORTED)
def test_absolute_names_are_relative(tmp_path: Path, target: Path, kind: str) -> None:
    archive = write_archive(tmp_path / "it", kind, [directory(b"./"), directory(b"/python/"), file(b"//python/./file")])
    unpack(archive, target)
    assert (target / "python" / "file").is_file()


@pytest.mark.parametrize("kind", TAR)
def test_hard_links(tmp_path: Path, target: Path, kind: str) -> None:
    unpack(write_archive(tmp_path / "it", kind, [PROGRAM, hard_link(b"b", b"./python/bin/python3")]), target)
    assert (target / "b").samefile(target / "python/bin/python3")


def test_times_are_kept(tmp_path: Path, target: Path) -> None:
    """An image that is not reproducible has them."""
    for number, kind in enumerate(KINDS[:-1]):
        place = target / str(number)
        place.mkdir()
        unpack(write_archive(tmp_path / "it", kind, [PROGRAM]), place)
        assert (place / "python/bin/python3").stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize("mtime", ["nan", "inf", "-inf", "1e300", "-5"])
def test_times_that_are_none(tmp_path: Path, target: Path, mtime: str) -> None:
    with tarfile.open(tmp_path / "it.tar", "w") as tar:
        info = tarfile.TarInfo("file")
        info.pax_headers = {"mtime": mtime}
        tar.addfile(info)
    unpack(tmp_path / "it.tar", target)
    assert 0 <= (target / "file").stat().st_mtime < 1 << 32


class TestSizes:
    @pytest.mark.parametrize("kind", KINDS)
    def test_too_much(self, tmp_path: Path, target: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer, "_ALWAYS_ALLOWED", 50_000)
        monkeypatch.setattr(writer, "_MAX_RATIO", 0)
        archive = write_archive(tmp_path / "it", kind, [PROGRAM])
        expected = f"it.{kind} is refused: with python/bin/python3 its files are more than 0 times as large as it is"
        assert refusal(archive, target) == expected

    @pytest.mark.parametrize("kind", KINDS)
    def test_too_many(self, tmp_path: Path, target: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer, "_MAX_ENTRIES", 5)
        for items in ([file(b"python/%d" % number) for number in range(6)], [file(b"python/a/b/c/d/e")]):
            archive = write_archive(tmp_path / "it", kind, items)
            assert refusal(archive, target) == f"it.{kind} is refused: it has more than 5 files and directories"

    def test_sparse(self, tmp_path: Path, target: Path) -> None:
        """A terabyte in a few blocks."""
        with tarfile.open(tmp_path / "it.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("GNUSparseFile.0/python")
            sparse = {"major": "1", "minor": "0", "name": "python/data", "realsize": str(1 << 40)}
            info.pax_headers = {f"GNU.sparse.{key}": value for key, value in sparse.items()}
            info.size = 512
            tar.addfile(info, io.BytesIO(b"0\n".ljust(512, b"\0")))
        assert refusal(tmp_path / "it.tar", target).startswith("it.tar is refused: with python/data its files are more")

    @pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "tar.zst"])
    def test_headers_in_memory(self, tmp_path: Path, target: Path, kind: str) -> None:
        info = tarfile.TarInfo("carrier")
        info.type, info.size = tarfile.XHDTYPE, 1 << 30
        archive = tmp_path / f"it.{kind}"
        archive.write_bytes(COMPRESSORS[kind](info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
        assert "the header of an entry says that 1073741824 bytes" in refusal(archive, target)

    @pytest.mark.parametrize("kind", ["tar.gz", "tar.xz", "tar.zst"])
    def test_much_behind_the_end(self, tmp_path: Path, target: Path, kind: str) -> None:
        archive = tmp_path / f"it.{kind}"
        archive.write_bytes(COMPRESSORS[kind](bytes(65 << 20)))
        assert "follow its end" in refusal(archive, target)

    @pytest.mark.parametrize("size", ["-512", "-1"])
    def test_negative(self, tmp_path: Path, target: Path, size: str) -> None:
        """Python's releases of before August 2025 read the same header again and again."""
        with tarfile.open(tmp_path / "it.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("file")
            info.pax_headers = {"size": size}
            tar.addfile(info)
        assert refusal(tmp_path / "it.tar", target).startswith("it.tar cannot be unpacked: ")

    def test_extended_header_that_is_none(self, tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Python's releases of since August 2025 find such faults themselves, and take them for the archive's end."""

        def refuse(*_: object) -> None:
            raise tarfile.InvalidHeaderError("invalid offset")  # type: ignore[attr-defined] # typeshed lacks it

        monkeypatch.setattr(tarfile.TarInfo, "_proc_pax", refuse)
        with tarfile.open(tmp_path / "it.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(tarfile.TarInfo("before"))
            info = tarfile.TarInfo("file")
            info.pax_headers = {"comment": "x"}
            tar.addfile(info)
        assert refusal(tmp_path / "it.tar", target).startswith("it.tar cannot be unpacked: ")

    @pytest.mark.parametrize("kind", KINDS)
    def test_no_room(self, tmp_path: Path, target: Path, kind: str) -> None:
        archive = write_archive(tmp_path / "it", kind, [file(b"python/small", b"x" * 10), PROGRAM])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            message = refusal(archive, target)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert message.startswith(f"it.{kind} cannot be unpacked: File too large")

    @pytest.mark.usefixtures("needs_root")
    def test_full_disk(self, tmp_path: Path) -> None:
        archive = write_archive(tmp_path / "it", "tar.gz", [file(b"python/small", b"x" * 10), PROGRAM])
        place = tmp_path / "disk"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
        try:
            with pytest.raises(AppImageError) as caught:
                unpack(archive, place)
            assert not list(place.iterdir())
        finally:
            subprocess.run(["umount", place], check=True)
        assert str(caught.value) == f"it.tar.gz cannot be unpacked: No space left on device in {place}"


@pytest.mark.parametrize("kind", KINDS)
class TestDamage:
    def test_cut_off(self, tmp_path: Path, target: Path, kind: str) -> None:
        noise = random.Random(4).randbytes(20_000)  # noqa: S311 - the same each time
        archive = write_archive(tmp_path / "it", kind, [file(b"python/a", noise), file(b"python/b", noise[::-1])])
        data = archive.read_bytes()
        # Behind a tar archive are blocks of zeros, and behind an image what fills the last block of 4096 bytes.
        end = len(data) - {"tar": 9216, "AppImage": 4096}.get(kind, 1)
        for size in {*range(0, end, max(end // 40, 1)), 512, 1024, end - 1}:
            archive.write_bytes(data[:size])
            refusal(archive, target)

    def test_other_bytes(self, tmp_path: Path, target: Path, kind: str) -> None:
        """Where a format has checksums; whatever happens, it is said in one line and nothing stays."""
        noise = random.Random(5).randbytes(20_000)  # noqa: S311 - the same each time
        archive = write_archive(tmp_path / "it", kind, [file(b"python/a", noise), file(b"python/b", noise[::-1])])
        data = archive.read_bytes()
        for place in range(len(data) // 2 - 200, len(data), max(len(data) // 60, 1)):
            damaged = bytearray(data)
            damaged[place] ^= 0x55
            archive.write_bytes(damaged)
            with suppress(AppImageError):
                unpack(archive, target, "python")
                assert kind in {"tar", "AppImage"} or (target / "python/b").read_bytes() == noise[::-1]
                shutil.rmtree(target / "python")
            assert not list(target.iterdir())


def test_cut_off_in_newer_tarfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since CPython's gh-141707 headers are read by another method."""
    with tarfile.open(tmp_path / "whole.tar", "w") as tar:
        for name in ("a", "b"):
            member = tarfile.TarInfo(name)
            member.size = tarfile.BLOCKSIZE
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    (tmp_path / "cut.tar").write_bytes((tmp_path / "whole.tar").read_bytes()[: 2 * tarfile.BLOCKSIZE])
    if sys.version_info < (3, 14):
        monkeypatch.setitem(sys.modules, "tarfile", importlib.import_module("backports.zstd.tarfile"))
    spec = importlib.util.find_spec("hatch_appimage.unpack.tar")
    assert spec is not None
    assert spec.loader is not None
    newer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(newer)
    assert [entry.path for entry in newer.read_tar(tmp_path / "whole.tar")] == [b"a", b"b"]
    with pytest.raises(newer.tarfile.ReadError, match="cut off"):
        list(newer.read_tar(tmp_path / "cut.tar"))


def test_zip_without_dates(tmp_path: Path, target: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("x"), b"x")
    data = (tmp_path / "a.zip").read_bytes()
    date = struct.pack("<HH", 0, (1 << 5) + 1)  # of 1980-01-01, which is what ZipInfo says
    assert data.count(date) == 2
    (tmp_path / "a.zip").write_bytes(data.replace(date, bytes(4)))
    unpack_archive(tmp_path / "a.zip", target, source="a.zip")
    assert (target / "x").read_bytes() == b"x"


def test_hard_link_to_a_link(tmp_path: Path, target: Path) -> None:
    """As GNU tar writes a symbolic link that has two names."""
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
        for name, kind, place in (("link", tarfile.SYMTYPE, "file"), ("again", tarfile.LNKTYPE, "link")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, place
            tar.addfile(member)
    unpack_archive(tmp_path / "a.tar", target, source="a.tar")
    assert str((target / "again").readlink()) == "file"


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst", "zip"])
def test_checksums(tmp_path: Path, target: Path, kind: str) -> None:
    """They are verified to the last one, which lies behind all that is unpacked."""
    archive = write_archive(tmp_path / "it", kind, [file(b"python/a", b"word " * 1000)])
    data = bytearray(archive.read_bytes())
    # That of the whole is at its end, but for a ZIP archive's, which are with the entries: CRC-32 in the last one.
    place = data.rindex(b"PK\x01\x02") + 16 if kind == "zip" else len(data) - {"tar.xz": 40}.get(kind, 6)
    data[place] ^= 1
    archive.write_bytes(data)
    refusal(archive, target)


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"x" * 5000, b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"PK\3\4", bytes(100)],
)
def test_no_archive(tmp_path: Path, target: Path, data: bytes) -> None:
    (tmp_path / "it.tar").write_bytes(data)
    assert refusal(tmp_path / "it.tar", target).startswith("it.tar cannot be unpacked: ")


def test_encrypted(tmp_path: Path, target: Path) -> None:
    archive = write_archive(tmp_path / "it", "zip", [PROGRAM])
    data = bytearray(archive.read_bytes())
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(magic) + offset] |= 1
    archive.write_bytes(data)
    assert "encrypted" in refusal(archive, target)


@pytest.mark.parametrize(
    ("links", "inside"),
    [
        ({b"a": b"b"}, True),
        ({b"a": b"./b//c/."}, True),
        ({b"a": b".."}, False),
        ({b"d/a": b".."}, True),
        ({b"d/a": b"../.."}, False),
        ({b"d/a": b"../d/../d/x"}, True),
        ({b"a": b"d/e/../..", b"d/e": b".."}, False),
        ({b"a": b"d/e/..", b"d/e": b"f/g"}, True),
        ({b"a": b"b", b"b": b"/x"}, False),
        ({b"a": b"b/x", b"b": b"a"}, False),
        ({b"a": b"n0"} | {b"n%d" % number: b"n%d" % (number + 1) for number in range(38)}, True),
        ({b"a": b"n0"} | {b"n%d" % number: b"n%d" % (number + 1) for number in range(50)}, False),
    ],
)
def test_where_links_lead(links: dict[bytes, bytes], *, inside: bool) -> None:
    assert stays_inside(next(iter(links)), links) is inside


class TestAppImage:
    def test_only_what_is_wanted(self, tmp_path: Path, target: Path) -> None:
        names = (b"AppRun", b"opt/python/a", b"opt2/b", b"usr/lib/c", b"usr/library/d", b"usr/bin/e")
        items = [*(file(name, name) for name in names), link(b"opt/link", b"../usr/lib"), link(b"elsewhere", b"/etc")]
        unpack(write_archive(tmp_path / "App", "AppImage", items), target, "opt", "usr/lib", "missing")
        files = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
        assert files == ["opt/python/a", "usr/lib/c"]
        assert (target / "opt/python/a").read_text() == "opt/python/a"
        assert (target / "opt/link").resolve() == target / "usr/lib"

    def test_none(self, tmp_path: Path, target: Path) -> None:
        (tmp_path / "a.AppImage").write_bytes(b"\x7fELF nothing else")
        with pytest.raises(AppImageError, match=r"a\.AppImage is no type-2 AppImage$"):
            unpack_appimage(tmp_path / "a.AppImage", target, ["opt"])


def test_source_is_named(tmp_path: Path, target: Path) -> None:
    archive = write_archive(tmp_path / "it", "tar", [file(b"../x")])
    with pytest.raises(AppImageError, match=r"^https://example\.org/python\.tar is refused: \.\./x leads out of"):
        unpack_archive(archive, target, source="https://example.org/python.tar")
