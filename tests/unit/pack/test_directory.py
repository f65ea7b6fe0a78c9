# SPDX-License-Identifier: MIT
"""Packing directories: what an AppDir must have, what is added to it, and what stays as it is."""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.cli import main
from hatch_appimage.desktop.icon import generate_icon
from hatch_appimage.desktop.png import PNG_SIGNATURE
from hatch_appimage.format import UPDATE_INFORMATION, find_squashfs, read_section
from hatch_appimage.squashfs import SquashFSImage

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = "[Desktop Entry]\nType=Application\nName=My App\nExec=app\nIcon=app\nCategories=Utility;\n"
MACHINES = {"x86_64": (62, 64), "aarch64": (183, 64), "i686": (3, 32)}


def elf(name: str, end: bytes = b"") -> bytes:
    """Return the header of a program (System V ABI, ELF header), and what is behind it."""
    machine, bits = MACHINES[name]
    return b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9) + struct.pack("<HH", 2, machine) + bytes(44) + end


def make_appdir(path: Path, apprun: bytes = b"#!/bin/sh\n") -> Path:
    """Make a small AppDir whose files only their owner can read."""
    (path / "usr" / "bin").mkdir(parents=True)
    for file, data, mode in (
        ("AppRun", apprun, 0o700),
        ("usr/bin/app", elf("x86_64"), 0o700),
        ("app.desktop", ENTRY.encode(), 0o600),
        ("app.png", generate_icon("app").data, 0o600),
    ):
        (path / file).write_bytes(data)
        (path / file).chmod(mode)
    return path


def read(image: Path) -> dict[str, tuple[int, bytes]]:
    """Return modes of what is in an image, and the data of files and links."""
    with image.open("rb") as file:
        squashfs = SquashFSImage(file, find_squashfs(image))
        return {
            os.fsdecode(entry.path): (
                entry.mode,
                squashfs.read(entry) if stat.S_ISREG(entry.mode) else entry.target,
            )
            for entry in squashfs
        }


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("VERSION", "ARCH", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)


class TestAppDir:
    def test_packed(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        before = {path: path.stat().st_mtime_ns for path in appdir.rglob("*")}
        assert main(["pack", str(appdir)]) == 0
        image = tmp_path / "My_App-x86_64.AppImage"
        assert capsys.readouterr().out.startswith(f"{image}\n")
        assert os.access(image, os.X_OK)
        found = read(image)
        assert found["AppRun"] == (0o100755, b"#!/bin/sh\n")
        assert found["app.desktop"] == (0o100644, ENTRY.encode())
        assert found[".DirIcon"] == (0o100644, generate_icon("app").data)
        assert {path: path.stat().st_mtime_ns for path in appdir.rglob("*")} == before

    def test_names_of_one_file(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        os.link(appdir / "usr" / "bin" / "app", appdir / "usr" / "bin" / "other")
        os.link(appdir / "app.png", tmp_path / "elsewhere.png")
        (appdir / "link").symlink_to("AppRun")
        os.link(appdir / "link", appdir / "usr" / "link", follow_symlinks=False)
        assert main(["pack", str(appdir), "--output", "a.AppImage"]) == 0
        with (tmp_path / "a.AppImage").open("rb") as file:
            squashfs = SquashFSImage(file, find_squashfs(tmp_path / "a.AppImage"))
            found = {entry.path: entry.inode for entry in squashfs}
        assert found[b"usr/bin/app"] == found[b"usr/bin/other"]
        assert found[b"link"] == found[b"usr/link"]
        assert len(set(found.values())) == len(found) - 2
        (appdir / "usr" / "bin" / "other").unlink()
        assert main(["pack", str(appdir), "--output", "b.AppImage"]) == 0
        (tmp_path / "elsewhere.png").unlink()
        assert main(["pack", str(appdir), "--output", "c.AppImage"]) == 0
        assert (tmp_path / "b.AppImage").read_bytes() == (tmp_path / "c.AppImage").read_bytes()

    def test_attributes_are_told_of(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not every file system of a machine has them."""
        names = {b"app.png": ["user.a", "security.selinux"], b"usr": ["security.capability", "user.b"]}
        appdir = make_appdir(tmp_path / "AppDir")
        top = os.fsencode(appdir) + b"/"
        monkeypatch.setattr(os, "listxattr", lambda path, **_: names.get(path.removeprefix(top), ["system.acl"]))
        assert main(["pack", str(appdir)]) == 0
        assert [record.getMessage() for record in caplog.records] == [
            "Images keep no extended attributes: those of 2 files are left out, such as user.a of app.png"
        ]

    def test_same_bytes(self, tmp_path: Path) -> None:
        for name in ("first", "second"):
            os.umask(0o022 if name == "first" else 0o077)
            assert main(["pack", str(make_appdir(tmp_path / name)), "--output", f"{name}.AppImage"]) == 0
        os.umask(0o022)
        assert (tmp_path / "first.AppImage").read_bytes() == (tmp_path / "second.AppImage").read_bytes()

    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("output", ["dist/", "dist/.", "dist"])
    def test_directory_for_the_image(self, tmp_path: Path, output: str, *, there: bool) -> None:
        if there:
            (tmp_path / "dist").mkdir()
        assert main(["pack", str(make_appdir(tmp_path / "AppDir")), "--output", output]) == 0
        expected = "dist/My_App-x86_64.AppImage" if there or output != "dist" else "dist"
        assert (tmp_path / expected).is_file()

    @pytest.mark.parametrize("by_option", [True, False])
    def test_version_and_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_option: bool) -> None:
        if not by_option:
            monkeypatch.setenv("VERSION", "1.2")
        given = ["--app-version", "1.2"] if by_option else []
        assert main(["pack", str(make_appdir(tmp_path / "AppDir")), "--name", "Größe", *given]) == 0
        entry = read(tmp_path / "Grosse-1.2-x86_64.AppImage")["app.desktop"][1].decode()
        assert entry == ENTRY + "X-AppImage-Version=1.2\nX-AppImage-Name=Größe\n"

    @pytest.mark.parametrize("option", ["--name", "--app-version"])
    @pytest.mark.parametrize("value", ["1\nExec=other", "\udcff"])
    def test_what_is_no_text(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str) -> None:
        assert main(["pack", str(make_appdir(tmp_path / "AppDir")), option, value]) == 2
        assert "must be one line of text, and is not: " in capsys.readouterr().err

    @pytest.mark.parametrize("output", ["AppDir", "AppDir/new/", "AppDir/AppRun", "link/new"])
    def test_image_in_the_appdir(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        (tmp_path / "link").symlink_to("AppDir/usr")
        before = sorted(appdir.rglob("*"))
        assert main(["pack", str(appdir), "--output", output]) == 2
        assert "choose another place for it" in capsys.readouterr().err
        assert sorted(appdir.rglob("*")) == before
        assert (appdir / "AppRun").read_bytes() == b"#!/bin/sh\n"

    def test_version_of_the_entry(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "app.desktop").write_text(ENTRY + "X-AppImage-Version=3\n")
        assert main(["pack", str(appdir), "--output", str(tmp_path)]) == 0
        assert (tmp_path / "My_App-3-x86_64.AppImage").exists()

    def test_links(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        for name, target in (("AppRun", "usr/bin/app"), ("app.desktop", "usr/share/app.desktop")):
            (appdir / name).unlink()
            (appdir / name).symlink_to(target)
        (appdir / "usr" / "share").symlink_to("../data")
        (appdir / "data").mkdir()
        (appdir / "data" / "app.desktop").write_text(ENTRY)
        assert main(["pack", str(appdir)]) == 0
        assert read(tmp_path / "My_App-x86_64.AppImage")["app.desktop"] == (0o120777, b"usr/share/app.desktop")

    def test_update_information(self, tmp_path: Path) -> None:
        line = "gh-releases-zsync|me|app|latest|My_App-*{arch}.AppImage.zsync"
        assert main(["pack", str(make_appdir(tmp_path / "AppDir")), "--update-information", line]) == 0
        image = tmp_path / "My_App-x86_64.AppImage"
        assert read_section(image, UPDATE_INFORMATION).decode() == line.replace("{arch}", "x86_64")
        assert image.with_name(f"{image.name}.zsync").exists()

    def test_icon_that_nobody_can_read_is_linked(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "app.png").rename(appdir / "app.xpm")
        (appdir / "app.xpm").write_text("/* XPM */")
        assert main(["pack", str(appdir)]) == 0
        assert read(tmp_path / "My_App-x86_64.AppImage")[".DirIcon"] == (0o120777, b"app.xpm")

    def test_old_companions_go(self, tmp_path: Path) -> None:
        for ending in (".sig", ".zsync", ".blocks"):
            (tmp_path / f"a.AppImage{ending}").touch()
        assert main(["pack", str(make_appdir(tmp_path / "AppDir")), "--output", "a.AppImage"]) == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["AppDir", "a.AppImage"]


class TestFaults:
    """Each is told in a line, and nothing is written."""

    def check(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], message: str, *options: str) -> None:
        assert main(["pack", str(tmp_path / "AppDir"), "--output", str(tmp_path / "a.AppImage"), *options]) != 0
        assert message in capsys.readouterr().err
        assert not list(tmp_path.glob("*AppImage*"))

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("AppRun", None, "has no `AppRun`, the program or script that an image starts"),
            ("AppRun", "text", "`AppRun` in {appdir} is neither a program nor a script"),
            ("app.desktop", None, "has no desktop entry: put a file `NAME.desktop` at its top"),
            ("app.desktop", "words\n", "has a damaged desktop entry"),
            ("app.desktop", ENTRY.replace("Categories=Utility;", ""), "has a desktop entry without `Categories=`"),
            ("app.desktop", ENTRY.replace("Icon=app", "Icon=other"), "has no icon `other.png`, `.svg` or `.xpm`"),
            ("app.desktop", ENTRY.replace("Icon=app", "Icon=app.png"), "write `Icon=app`, without the ending"),
            ("app.desktop", ENTRY.replace("Icon=app\n", ""), "has no `Icon=`: name one"),
            ("app.desktop", ENTRY + "Terminal=maybe\n", "has a desktop entry that is not valid"),
            ("other.desktop", ENTRY, "has 2 desktop entries at its top, and there can be one: app.desktop, other.d"),
            ("app.png", None, "has no icon `app.png`"),
            ("app.png", "text", "The icon {appdir}/app.png is no PNG: put a picture there"),
            (".DirIcon", "text", "The icon {appdir}/.DirIcon is neither a PNG, an SVG nor an XPM"),
        ],
    )
    def test_part(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, message: str
    ) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        if content is None:
            (appdir / name).unlink()
        else:
            (appdir / name).write_text(content)
        self.check(tmp_path, capsys, message.format(appdir=appdir))

    def test_damaged_svg(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "app.png").rename(appdir / "app.svg")
        (appdir / "app.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><g>')
        (appdir / ".DirIcon").symlink_to("app.svg")
        assert main(["pack", str(appdir)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"The icon {appdir}/app.svg is an SVG that is damaged: no element found" in line

    def test_all_at_once(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "AppRun").chmod(0o600)
        (appdir / "app.png").unlink()
        assert main(["pack", str(appdir)]) != 0
        assert len(capsys.readouterr().err.splitlines()) == 2

    @pytest.mark.parametrize("target", ["/bin/sh", "gone", "AppRun", "../AppDir/usr/bin/app"])
    def test_apprun_that_leads_nowhere(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "AppRun").unlink()
        (appdir / "AppRun").symlink_to(target)
        self.check(tmp_path, capsys, f"`AppRun` in {appdir} leads to no file inside it")

    def test_not_executable(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (make_appdir(tmp_path / "AppDir") / "AppRun").chmod(0o644)
        self.check(tmp_path, capsys, "is not executable: `chmod +x` makes it so")

    def test_no_architecture(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (make_appdir(tmp_path / "AppDir") / "usr/bin/app").unlink()
        self.check(tmp_path, capsys, "has no program or library that tells its architecture: give it with `--arch`")

    def test_two_architectures(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        (appdir / "libx.so.1").write_bytes(elf("i686"))
        self.check(tmp_path, capsys, "several architectures: i686 (libx.so.1), x86_64 (usr/bin/app). Choose one with")
        assert main(["pack", str(appdir), "--arch", "x86_64"]) == 0

    def test_apprun_decides(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "AppDir", elf("x86_64"))
        (appdir / "libx.so.1").write_bytes(elf("i686"))
        assert main(["pack", str(appdir)]) == 0

    def test_wrong_runtime(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_appdir(tmp_path / "AppDir")
        (tmp_path / "runtime").write_text("#!/bin/sh\n")
        self.check(tmp_path, capsys, "is no ELF file", "--runtime", str(tmp_path / "runtime"))

    def test_pattern_of_another_image(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_appdir(tmp_path / "AppDir")
        line = "gh-releases-zsync|me|app|latest|Other-*.AppImage.zsync"
        self.check(tmp_path, capsys, "`--update-information` looks for files", "--update-information", line)

    def test_options_of_frozen_applications(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        appdir = make_appdir(tmp_path / "AppDir")
        self.check(tmp_path, capsys, "`--icon` is for what PyInstaller", "--icon", str(appdir / "app.png"))

    def test_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "AppDir").write_text("")
        self.check(tmp_path, capsys, "is no directory: `repack` takes finished AppImages")


class TestFrozen:
    """The programs are those that the tools mark; what a real one does is seen by hand, as the tools are large."""

    def make(self, path: Path, tool: str, *programs: str) -> Path:
        """Make what a tool would make."""
        path.mkdir()
        marks = {"PyInstaller": b"MEI\014\013\012\013\016", "Nuitka": b"__nuitka_version__", "cx_Freeze": b""}
        for name in programs:
            (path / name).write_bytes(elf("x86_64", marks[tool]))
            (path / name).chmod(0o755)
        (path / "lib").mkdir()
        (path / "lib" / "x.so").write_bytes(elf("x86_64"))
        if tool == "cx_Freeze":
            (path / "frozen_application_license.txt").touch()
        return path

    @pytest.mark.parametrize(
        ("tool", "directory", "program"),
        [("PyInstaller", "app", "app"), ("Nuitka", "app.dist", "app.bin"), ("cx_Freeze", "exe.linux", "app")],
    )
    def test_tools(self, tmp_path: Path, tool: str, directory: str, program: str) -> None:
        frozen = self.make(tmp_path / directory, tool, program)
        assert main(["pack", str(frozen), "--app-version", "1"]) == 0
        found = read(tmp_path / "app-1-x86_64.AppImage")
        if tool == "cx_Freeze":
            assert found["AppRun"][0] == 0o100755
            assert b'exec "${here%/*}"/usr/bin/app "$@"' in found["AppRun"][1]
        else:
            assert found["AppRun"] == (0o120777, f"usr/bin/{program}".encode())
        assert found["usr/bin/lib/x.so"][1] == elf("x86_64")
        entry = found["app.desktop"][1].decode()
        assert f"Exec={program}\n" in entry
        assert "Terminal=true\n" in entry
        assert "X-AppImage-Version=1\n" in entry
        assert found[".DirIcon"][1].startswith(PNG_SIGNATURE)

    def test_windows(self, tmp_path: Path) -> None:
        (self.make(tmp_path / "app", "PyInstaller", "app") / "lib" / "PySide6").mkdir()
        assert main(["pack", str(tmp_path / "app"), "--name", "An App"]) == 0
        entry = read(tmp_path / "An_App-x86_64.AppImage")["An_App.desktop"][1].decode()
        assert "Terminal=false\n" in entry
        assert "Name=An App\n" in entry
        assert "X-AppImage-Version" not in entry

    def test_several_programs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        frozen = self.make(tmp_path / "dist", "PyInstaller", "one", "two")
        assert main(["pack", str(frozen)]) != 0
        assert "name the one to start with `--executable`: one, two" in capsys.readouterr().err
        assert main(["pack", str(frozen), "--executable", "three"]) != 0
        assert f"{frozen} has no program `three`, only one, two" in capsys.readouterr().err
        assert main(["pack", str(frozen), "--executable", "two"]) == 0
        assert (tmp_path / "two-x86_64.AppImage").exists()
