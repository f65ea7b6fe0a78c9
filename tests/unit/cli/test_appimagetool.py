# SPDX-License-Identifier: MIT
"""What callers of AppImage's appimagetool rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hatch_appimage import cli
from hatch_appimage.cli import appimagetool
from hatch_appimage.cli.appimagetool import _SquashFSOptions, main
from hatch_appimage.desktop.icon import generate_icon
from hatch_appimage.format import UPDATE_INFORMATION, find_squashfs, read_section
from hatch_appimage.image.compression import PRESETS, Preset
from hatch_appimage.runtime import runtime_path
from hatch_appimage.squashfs import SquashFSImage

ENTRY = "[Desktop Entry]\nType=Application\nName=My App\nExec=app\nIcon=/share/app\nCategories=Utility;\n"
VARIABLES = (
    *("ARCH", "VERSION", "APPIMAGETOOL_APP_NAME", "APPIMAGETOOL_SIGN_PASSPHRASE", "SOURCE_DATE_EPOCH"),
    *("GITHUB_REPOSITORY", "GITHUB_TOKEN", "TRAVIS_REPO_SLUG", "TRAVIS_TAG"),
    *("CI_COMMIT_REF_NAME", "CI_PROJECT_URL", "CI_JOB_NAME"),
)


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARCH", "x86_64")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def appdir(tmp_path: Path) -> Path:
    """Make an AppDir as cx_Freeze does: the icon is named by its path, and files are their owner's alone."""
    appdir = tmp_path / "AppDir"
    (appdir / "share").mkdir(parents=True)
    (appdir / "AppRun").write_text("#!/bin/sh\n")
    (appdir / "AppRun").chmod(0o500)
    (appdir / "app.desktop").write_text(ENTRY)
    (appdir / "app.desktop").chmod(0o400)
    (appdir / "share" / "app.png").write_bytes(generate_icon("app").data)
    (appdir / ".DirIcon").symlink_to("share/app.png")
    return appdir


def names(image: Path) -> set[str]:
    with image.open("rb") as file:
        return {os.fsdecode(entry.path) for entry in SquashFSImage(file, find_squashfs(image))}


def test_as_cx_freeze_calls_it(appdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERSION", "1.0")
    image = tmp_path / "dist" / "app-1.0-x86_64.AppImage"
    line = "zsync|https://example.org/app.AppImage.zsync"
    options = ["--appimage-extract-and-run", "--runtime-file", str(runtime_path("x86_64")), "--updateinformation", line]
    assert main([*options, "--verbose", "--no-appstream", str(appdir), str(image)]) == 0
    assert read_section(image, UPDATE_INFORMATION).decode() == line
    assert names(image) == {".DirIcon", "AppRun", "app.desktop", "share", "share/app.png"}
    # zsyncmake writes into the current directory.
    assert [path.name for path in Path().iterdir()] == [f"{image.name}.zsync"]
    assert (appdir / "app.desktop").read_text() == ENTRY


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "My_App-x86_64.AppImage"),
        ({"VERSION": "1 2"}, "My_App-1_2-x86_64.AppImage"),
        ({"ARCH": "arm-aarch64", "APPIMAGETOOL_APP_NAME": "x"}, "x-aarch64.AppImage"),
        ({"ARCH": "i386"}, "My_App-i686.AppImage"),
    ],
)
def test_name(appdir: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert main([str(appdir)]) == 0
    assert [path.name for path in Path().iterdir()] == [name]
    with Path(name).open("rb") as file:
        image = SquashFSImage(file, find_squashfs(Path(name)))
        entry = image.find("app.desktop")
        version = variables.get("VERSION")
        assert entry
        assert image.read(entry).decode() == ENTRY + (f"X-AppImage-Version={version}\n" if version else "")


def test_icon_that_is_no_picture(appdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """AppImage's takes it: callers that have always passed such a file get their image."""
    (appdir / "share" / "app.png").write_text("text")
    assert main([str(appdir), "a.AppImage"]) == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"The icon {appdir}/share/app.png is no PNG: put a picture there"
    ]


def test_directory_for_the_image(appdir: Path) -> None:
    assert main([str(appdir), "new/"]) == 0
    assert [path.name for path in Path("new").iterdir()] == ["My_App-x86_64.AppImage"]


def test_excluded(appdir: Path) -> None:
    for name in ("lib/a.pyc", "lib/b/c.pyc", "lib/b/c.py", "doc/x/y"):
        (appdir / name).parent.mkdir(parents=True, exist_ok=True)
        (appdir / name).touch()
    Path(".appimageignore").write_text("# nothing of these\nlib/*.pyc\n")
    Path("more").write_text("... c.p?\n/doc\n")
    assert main(["--exclude-file", "more", str(appdir), "a.AppImage"]) == 0
    assert names(Path("a.AppImage")) - {".DirIcon", "AppRun", "app.desktop", "share", "share/app.png"} == {
        "lib",
        "lib/b",
        "lib/b/c.pyc",
    }


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, None),
        ({"GITHUB_REPOSITORY": "me/app"}, None),
        (
            {"GITHUB_REPOSITORY": "me/app", "GITHUB_TOKEN": "x"},
            "gh-releases-zsync|me|app|latest|{name}*-{arch}.AppImage.zsync",
        ),
        (
            {"TRAVIS_REPO_SLUG": "me/app", "GITHUB_TOKEN": "x"},
            "gh-releases-zsync|me|app|continuous|{name}*-{arch}.AppImage.zsync",
        ),
        (
            {"TRAVIS_REPO_SLUG": "me/app", "GITHUB_TOKEN": "x", "TRAVIS_TAG": "v1"},
            "gh-releases-zsync|me|app|latest|{name}*-{arch}.AppImage.zsync",
        ),
        (
            {"CI_COMMIT_REF_NAME": "main", "CI_PROJECT_URL": "https://x/y", "CI_JOB_NAME": "build"},
            "zsync|https://x/y/-/jobs/artifacts/main/raw/{name}-{arch}.AppImage.zsync?job=build",
        ),
    ],
)
def test_guess(variables: dict[str, str], line: str | None) -> None:
    assert appimagetool._guess(variables) == line


@pytest.mark.parametrize(
    ("compressor", "words", "preset"),
    [
        (None, [], PRESETS["default"]),
        ("gzip", [], PRESETS["gzip"]),
        ("zstd", ["-b", "128K", "-Xcompression-level", "22"], Preset("zstd", 22, 1 << 17)),
        (None, ["-comp", "gzip", "-processors", "1", "-root-owned", "-b", "1M"], Preset("gzip", 9, 1 << 20)),
    ],
)
def test_squashfs_options(
    compressor: str | None, words: list[str], preset: Preset, caplog: pytest.LogCaptureFixture
) -> None:
    assert _SquashFSOptions.read(compressor, words) == _SquashFSOptions(preset)
    assert not caplog.messages


def test_what_is_not_honoured_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert _SquashFSOptions.read("xz", ["-no-fragments", "-all-time", "7"]) == _SquashFSOptions(PRESETS["small"], 7)
    assert caplog.messages == [
        "Images are not compressed with xz here: this one is with zstd, as small as it gets",
        "mksquashfs takes no part here, and `-no-fragments` has no effect",
    ]


def test_values_that_look_like_options(appdir: Path) -> None:
    opts = ["--mksquashfs-opt", "-Xcompression-level", "--mksquashfs-opt", "3", "--mksquashfs-opt=-all-time"]
    assert main([*opts, "--mksquashfs-opt", "7", str(appdir), "a.AppImage"]) == 0
    with Path("a.AppImage").open("rb") as file:
        assert {entry.mtime for entry in SquashFSImage(file, find_squashfs(Path("a.AppImage")))} == {7}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "SOURCE is missing"),
        (["gone"], "no such file or directory: gone"),
        (["-u", "ftp|x", "{appdir}"], "is not in a recognized format"),
        (["--comp", "brotli", "{appdir}"], "Unknown compression `brotli`"),
        (["--mksquashfs-opt", "-b", "{appdir}"], "The option `-b` of mksquashfs needs a value"),
        (["--mksquashfs-opt=-b", "--mksquashfs-opt=much", "{appdir}"], "takes a size such as 128K, not `much`"),
        (["--mksquashfs-opt=-all-time", "--mksquashfs-opt=x", "{appdir}"], "takes a number, not `x`"),
        (["--exclude-file", "gone", "{appdir}"], "gone: No such file or directory"),
    ],
)
def test_faults(appdir: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main([word.format(appdir=appdir) for word in arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(Path().iterdir())


def test_excluded_names_need_not_be_text(appdir: Path) -> None:
    name = os.fsdecode(b"\xff.log")
    (appdir / name).touch()
    Path(".appimageignore").write_bytes(b"\xff*\n")
    assert main([str(appdir), "a.AppImage"]) == 0
    with Path("a.AppImage").open("rb") as file:
        assert b"\xff.log" not in {entry.path for entry in SquashFSImage(file, find_squashfs(Path("a.AppImage")))}


def test_list(appdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(appdir), "a.AppImage"]) == 0
    capsys.readouterr()
    assert main(["-l", "a.AppImage"]) == 0
    assert capsys.readouterr().out.splitlines() == [".DirIcon", "AppRun", "app.desktop", "share", "share/app.png"]


def test_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "hatch-appimage").write_text(
        f"#!{sys.executable}\nimport sys\nfrom hatch_appimage.cli import main\nsys.exit(main())\n"
    )
    (tmp_path / "hatch-appimage").chmod(0o755)
    (tmp_path / "appimagetool-x86_64.AppImage").symlink_to("hatch-appimage")
    env = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    for command in ([tmp_path / "appimagetool-x86_64.AppImage"], [tmp_path / "hatch-appimage", "appimagetool"]):
        said = subprocess.run([*command, "--version"], env=env, capture_output=True, text=True, check=True).stdout
        assert said.startswith("appimagetool, hatch-appimage ")
