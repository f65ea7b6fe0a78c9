# SPDX-License-Identifier: MIT
"""`hatch-appimage libraries`, on directories and on images, also on those that nobody should trust."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hatch_appimage import cli
from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.cli import status
from hatch_appimage.errors import AppImageError
from hatch_appimage.inspect import libraries as listing
from hatch_appimage.inspect.libraries import Origin, list_libraries
from hatch_appimage.squashfs import SquashFSImage, write_squashfs
from support.elf_fixtures import AARCH64, library, make_runtime, program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hatch_appimage.squashfs import Entry


@pytest.fixture
def appdir(tmp_path: Path) -> Path:
    root = tmp_path / "App Dir"
    program("libpython3.12.so.1.0", "libc.so.6", runpath="$ORIGIN/../lib").write(root / "usr" / "bin" / "python3.12")
    library("libpython3.12.so.1.0", "libz.so.1", versions={"libc.so.6": ("GLIBC_2.35",)}).write(
        root / "usr" / "lib" / "libpython3.12.so.1.0"
    )
    site = root / "usr" / "lib" / "python3.12" / "site-packages"
    library("", "libown.so.1", "libhidden.so.1", "libnowhere.so.1", rpath="$ORIGIN/libs").write(site / "a.so")
    library("libown.so.1").write(site / "libs" / "libown.so.1.0")
    (site / "libs" / "libown.so.1").symlink_to("libown.so.1.0")
    library("libhidden.so.1").write(site / "other" / "libhidden.so.1")
    (site / "a.py").write_text("import a\n")
    return root


def pack(appdir: Path, image: Path) -> Path:
    with image.open("xb+") as file:
        file.write(make_runtime())
        write_squashfs(appdir, file, mtime=0)
    return image


TEXT = """\
usr/bin/python3.12
  usr/lib/libpython3.12.so.1.0
    system: libz.so.1
  system: libc.so.6
usr/lib/python3.12/site-packages/a.so
  usr/lib/python3.12/site-packages/libs/libown.so.1.0
  image, by name: libhidden.so.1
  missing: libnowhere.so.1
usr/lib/python3.12/site-packages/other/libhidden.so.1

system: libc.so.6, libz.so.1
image, by name: libhidden.so.1
missing: libnowhere.so.1
needs GLIBC 2.35, for usr/lib/libpython3.12.so.1.0
runs on Debian 12+, Ubuntu 22.04+, RHEL 10+, Fedora 36+, openSUSE Leap 15.6+, openSUSE Tumbleweed, Arch Linux
"""


class TestListing:
    def test_what_can_be_done_without(self, appdir: Path) -> None:
        """It is neither missing nor in the way of a distribution without it."""
        before = list_libraries(appdir)
        plugins = appdir / "usr/lib/python3.12/site-packages/PySide6/Qt/plugins"
        for name, needed in (("a", ("libcups.so.2", "libgbm.so.1")), ("b", ("libmysqlclient.so.21", "libz.so.1"))):
            library("", *needed, "libc.so.6").write(plugins / "x" / f"{name}.so")
        found = list_libraries(appdir)
        assert (found.missing, found.verdict) == (before.missing, before.verdict)
        assert "\nsystem, if there: libcups.so.2, libgbm.so.1, libmysqlclient.so.21\n" in found.to_text()

    def test_directory(self, appdir: Path) -> None:
        found = list_libraries(appdir)
        assert found.architecture == "x86_64"
        assert found.missing == ["libnowhere.so.1"]
        assert found.to_text() == TEXT

    def test_image(self, appdir: Path, tmp_path: Path) -> None:
        assert list_libraries(pack(appdir, tmp_path / "x.AppImage")).to_text() == TEXT

    def test_directory_of_links_only(self, appdir: Path, tmp_path: Path) -> None:
        """As those below `usr/lib/selected`."""
        selected = appdir / "usr" / "lib" / "selected" / "one"
        selected.mkdir(parents=True)
        (selected / "libfound.so.1").symlink_to("../../libfound.so.1")
        library("libfound.so.1").write(appdir / "usr" / "lib" / "libfound.so.1")
        library("", "libfound.so.1", rpath="$ORIGIN/../lib/selected/one").write(appdir / "usr" / "bin" / "tool.so")
        found = list_libraries(pack(appdir, tmp_path / "x.AppImage"))
        assert found == list_libraries(appdir)
        assert [need.source for need in found.files["usr/bin/tool.so"]] == [Origin.IMAGE]

    def test_json(self, appdir: Path) -> None:
        document = json.loads(list_libraries(appdir).to_json())
        assert document["version"] == 1
        needs = document["files"]["usr/lib/python3.12/site-packages/a.so"]
        site = "usr/lib/python3.12/site-packages"
        assert needs == [
            {"soname": "libown.so.1", "source": "image", "path": f"{site}/libs/libown.so.1.0", "group": None},
            {"soname": "libhidden.so.1", "source": "image, by name", "path": None, "group": None},
            {"soname": "libnowhere.so.1", "source": "missing", "path": None, "group": None},
        ]
        assert document["requires"] == [
            {"family": "GLIBC", "version": "2.35", "files": ["usr/lib/libpython3.12.so.1.0"]}
        ]
        assert document["runs_on"]["distributions"][0] == {
            "distribution": "Debian",
            "oldest": "12",
            "rolling": False,
            "excluded": [],
            "limited_by": ["GLIBC 2.35"],
        }

    @pytest.mark.parametrize(
        ("present", "expected"),
        [
            ({"ld-linux-x86-64.so.2", "libc.so.6", "libstdc++.so.6"}, "Debian 9+"),
            ({"ld-linux-x86-64.so.2", "libc.so.6"}, "Debian 13+"),
            ({"libc.so.6", "libstdc++.so.6"}, "Debian 13+"),
            (set(), "Debian 13+"),
        ],
    )
    def test_own_glibc(self, tmp_path: Path, present: set[str], expected: str) -> None:
        """An image that brings the C and C++ libraries with their loader does without the system's."""
        needs = {"libc.so.6": ("GLIBC_2.41",), "libstdc++.so.6": ("GLIBCXX_3.4.33",)}
        program("libc.so.6", "libstdc++.so.6", versions=needs).write(tmp_path / "usr" / "bin" / "app")
        for soname in present:
            newer = {"libc.so.6": ("GLIBC_2.99",)} if soname.startswith("ld-") else {}
            library(soname, versions=newer).write(tmp_path / "own" / soname)
        listing = list_libraries(tmp_path)
        assert [str(each) for each in listing.requires if each.family == "GLIBC"] == ["2.41"]
        found = listing.verdict
        assert str(found.runs_on[0]) == expected
        assert ("Alpine" in str(found)) == (expected == "Debian 9+")

    @pytest.mark.parametrize("soname", ["libc.so", "libc.musl-x86_64.so.1"])
    @pytest.mark.parametrize("own", [True, False])
    def test_own_musl(self, tmp_path: Path, soname: str, *, own: bool) -> None:
        """Its files know it by another name than its loader has."""
        program(soname, interpreter="/lib/ld-musl-x86_64.so.1").write(tmp_path / "usr" / "bin" / "app")
        if own:
            library("").write(tmp_path / "usr" / "lib" / "musl" / "lib" / "ld-musl-x86_64.so.1")
        found = list_libraries(tmp_path)
        assert ("Debian" in str(found.verdict), "Alpine" in str(found.verdict)) == (own, True)
        (need,) = found.files["usr/bin/app"]
        assert need.source is (Origin.IMAGE_BY_NAME if own else Origin.SYSTEM)

    def test_musl_beside_glibc(self, tmp_path: Path) -> None:
        """Some wheels carry programs for musl with their loader; the image still needs glibc."""
        program("libc.so.6", versions={"libc.so.6": ("GLIBC_2.41",)}).write(tmp_path / "usr" / "bin" / "app")
        program("libc.so", interpreter="/lib/ld-musl-x86_64.so.1").write(tmp_path / "other")
        library("").write(tmp_path / "ld-musl-x86_64.so.1")
        assert str(list_libraries(tmp_path).verdict).startswith("Debian 13+")

    def test_what_was_shown_is_not_unfolded_again(self, tmp_path: Path) -> None:
        for name in "ab":
            library("", "libx.so", rpath="$ORIGIN").write(tmp_path / f"{name}.so")
        library("libx.so", "liby.so").write(tmp_path / "libx.so")
        library("liby.so", "libx.so").write(tmp_path / "liby.so")
        assert (
            list_libraries(tmp_path)
            .to_text()
            .startswith("a.so\n  libx.so\n    liby.so\n      libx.so ...\nb.so\n  libx.so ...\n")
        )

    @pytest.mark.parametrize("architecture", ["aarch64", "x86_64"])
    def test_most_files_decide_about_the_architecture(self, tmp_path: Path, architecture: str) -> None:
        machine = {"aarch64": AARCH64, "x86_64": 62}
        for number in range(3):
            library("", machine=machine[architecture]).write(tmp_path / f"{number}.so")
        for other in machine.values():
            library("", machine=other).write(tmp_path / f"{other}.so")
        found = list_libraries(tmp_path)
        assert found.architecture == architecture
        assert len(found.files) == 4

    def test_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"\x7fELF damaged")
        with pytest.raises(AppImageError, match=f"has no ELF files for {', '.join(ARCHITECTURES)}$"):
            list_libraries(tmp_path)


class TestHostileImages:
    def test_links_out_of_the_image(self, tmp_path: Path) -> None:
        """Nothing of this machine is read or written through them."""
        root = tmp_path / "root"
        library("", "libsecret.so", "libup.so", rpath="$ORIGIN/out:$ORIGIN").write(root / "a.so")
        outside = library("libsecret.so").write(tmp_path / "outside" / "libsecret.so")
        (root / "out").symlink_to(outside.parent)
        (root / "libup.so").symlink_to("../outside/libsecret.so")
        found = list_libraries(pack(root, tmp_path / "x.AppImage"))
        assert [need.source for need in found.files["a.so"]] == [Origin.MISSING, Origin.MISSING]

    @pytest.mark.parametrize("depth", [0, 2, 60])
    def test_links_out_of_the_image_through_others(self, depth: int, tmp_path: Path) -> None:
        """Going by its text alone, `d/up/..` is in the image; but `d/up` is the root."""
        image = tmp_path / "x.AppImage"
        outside = library("libsecret.so").write(tmp_path / "outside" / "libsecret.so")
        root = tmp_path / "root"
        library("", "libsecret.so").write(root / "a.so")
        (root / "d").mkdir()
        (root / "d" / "up").symlink_to("..")
        (root / "libsecret.so").symlink_to("d/up/" + "../" * depth + str(outside).lstrip("/"))
        found = list_libraries(pack(root, image))
        assert [need.source for need in found.files["a.so"]] == [Origin.MISSING]

    @pytest.mark.slow
    def test_long_chains(self, tmp_path: Path) -> None:
        """Longer than Python's functions may call each other."""
        for number in range(1010):
            library(f"{number}.so", f"{number + 1}.so", runpath="$ORIGIN").write(tmp_path / f"{number}.so")
        text = list_libraries(tmp_path).to_text()
        assert f"{'  ' * 1009}1009.so\n{'  ' * 1010}missing: 1010.so\n" in text

    def test_names_for_terminals(self, tmp_path: Path) -> None:
        """Nothing that a file is called gets to change the terminal, or to look like another line."""
        name = os.fsdecode(b"\xff\r.so")
        library("", "lib\x1b[31m.so\nmissing: none", "libä.so").write(tmp_path / name)
        assert list_libraries(tmp_path).to_text() == (
            "\\xff\\r.so\n"
            "  missing: lib\\x1b[31m.so\\nmissing: none, libä.so\n"
            "\n"
            "missing: lib\\x1b[31m.so\\nmissing: none, libä.so\n"
            "runs on Debian 9+, Ubuntu 18.04+, RHEL 7+, Fedora 26+, openSUSE Leap 15.0+, openSUSE Tumbleweed, "
            "Amazon Linux 2+, Arch Linux\n"
        )

    def test_links_that_no_file_system_takes(
        self, appdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        image = pack(appdir, tmp_path / "x.AppImage")
        entries = SquashFSImage.__iter__

        def harmful(image: SquashFSImage) -> Iterator[Entry]:
            for entry in entries(image):
                yield replace(entry, target=b"a\0b") if stat.S_ISLNK(entry.mode) else entry

        monkeypatch.setattr(SquashFSImage, "__iter__", harmful)
        assert list_libraries(image).missing == ["libnowhere.so.1"]

    def test_huge_files_of_zeros(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They take as little room on the disk as in the image."""
        root = tmp_path / "root"
        path = library("liba.so", "libc.so.6").write(root / "a.so")
        with path.open("r+b") as file:
            file.seek((256 << 20) - 3)
            file.write(b"end")
        image = pack(root, tmp_path / "x.AppImage")
        used = []
        read = listing._list_directory

        def measure(directory: Path) -> listing.Listing:
            status = (directory / "a.so").stat()
            used.append((status.st_size, status.st_blocks * 512))
            return read(directory)

        monkeypatch.setattr(listing, "_list_directory", measure)
        assert list(list_libraries(image).files) == ["a.so"]
        ((size, on_disk),) = used
        assert size == 256 << 20
        assert on_disk < 2 << 20

    @pytest.mark.parametrize("size", [0, 3, 40, 100, 300, 500])
    def test_cut_off(self, appdir: Path, tmp_path: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
        image = pack(appdir, tmp_path / "x.AppImage")
        image.write_bytes(image.read_bytes()[:size])
        assert cli.main(["libraries", str(image)]) == status.UNREADABLE
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.startswith("hatch-appimage: ")
        assert output.err.count("\n") == 1


class TestCommand:
    def test_text(self, appdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["libraries", str(appdir)]) == status.MISSING
        assert capsys.readouterr().out == TEXT

    def test_json_and_nothing_missing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        library("", "libc.so.6").write(tmp_path / "a.so")
        assert cli.main(["libraries", "--json", str(tmp_path)]) == 0
        assert json.loads(capsys.readouterr().out)["architecture"] == "x86_64"

    @pytest.mark.parametrize(
        ("data", "message"),
        [(b"text", "is no type-2 AppImage"), (b"\x7fELF" + bytes(100), "is no type-2 AppImage"), (b"", "is no type-2")],
    )
    def test_no_image(self, tmp_path: Path, data: bytes, message: str, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "x").write_bytes(data)
        assert cli.main(["libraries", str(tmp_path / "x")]) == status.UNREADABLE
        assert message in capsys.readouterr().err

    def test_no_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["libraries", str(tmp_path / "x")]) == status.UNREADABLE
        assert capsys.readouterr().err == f"hatch-appimage: {tmp_path}/x: No such file or directory\n"

    @pytest.mark.parametrize("files", [1, 5000])
    def test_reader_has_seen_enough(self, tmp_path: Path, files: int) -> None:
        """Whether all is in the buffer at the end of the process or not."""
        for number in range(files // 100 + 1):
            library("", *(f"lib{number}-{missing}.so" for missing in range(100))).write(tmp_path / f"{number}.so")
        code = "import sys; from hatch_appimage.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "libraries", str(tmp_path)]
        env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write) as closed:
            done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False, env=env)
        assert (done.returncode, done.stderr) == (0, "")

    def test_no_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="2"):
            cli.main([])
        assert "usage: hatch-appimage" in capsys.readouterr().err


def test_image_stays_as_it_is(appdir: Path, tmp_path: Path) -> None:
    image = pack(appdir, tmp_path / "x.AppImage")
    image.chmod(0o400)
    before = image.stat()
    list_libraries(image)
    assert image.stat().st_mtime_ns == before.st_mtime_ns
    assert stat.S_IMODE(image.stat().st_mode) == 0o400
