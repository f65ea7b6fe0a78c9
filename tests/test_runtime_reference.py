# SPDX-License-Identifier: MIT
"""The runtime beside the reference runtime, and on the other architectures."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from reference import fetch_reference
from test_runtime import HOST, Image, make_appdir, pack
from tools import require

from hatch_appimage.runtime import ARCHITECTURES, runtime_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

QEMU = {"x86_64": "x86_64", "aarch64": "aarch64", "armhf": "arm", "i686": "i386"}
ZIG = {
    "x86_64": "x86_64-linux-musl",
    "aarch64": "aarch64-linux-musl",
    "armhf": "arm-linux-musleabihf",
    "i686": "x86-linux-musl",
}

#: Arguments, and what differs on purpose, each with its reason in the README: streams as "out", "err", or "status".
DIFFERENTIAL: list[tuple[list[str], set[str]]] = [
    (["--appimage-offset"], {"out"}),  # the runtimes differ in size
    (["--appimage-help"], {"err"}),  # our own words
    (["--appimage-version"], {"err"}),  # our own name, and the licences
    (["--appimage-signature"], set()),
    (["--appimage-extract"], set()),
    (["--appimage-extract", "*.desktop"], set()),
    (["--appimage-extract", "usr/share"], set()),
    (["--appimage-extract", "nothing"], set()),
    (["--appimage-extract", "one", "two"], set()),
    (["--appimage-portable-home"], set()),
    (["--appimage-portable-config"], set()),
    (["--appimage-frobnicate"], {"err"}),  # our own version in the same sentence
    (["--appimagefrobnicate"], {"err"}),
    (["run", "exit", "3"], set()),
    (["run", "echo", "a  b", "", "--appimage"], {"out", "err", "status"}),  # only the first argument is looked at
    (["run", "eval", 'echo "$OWD $ARGV0 $APPIMAGE"; pwd'], set()),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same image with our runtime and with the reference's, under the same name."""
    if HOST != "x86_64":
        pytest.skip("the reference is for x86_64")
    folder = tmp_path_factory.mktemp("pair")
    reference = fetch_reference(folder / "reference").read_bytes()
    appdir = make_appdir(folder / "AppDir")
    for name in ("ours", "theirs"):
        (folder / name).mkdir()
    ours = pack(appdir, folder / "ours/App.AppImage", compression="gzip")
    theirs = folder / "theirs/App.AppImage"
    theirs.write_bytes(reference + (folder / "ours/App.squashfs").read_bytes())
    theirs.chmod(0o755)
    return ours, theirs


def observe(path: Path, arguments: list[str]) -> dict[str, object]:
    temporary = path.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    result = Image(path, temporary).run(*arguments, cwd=path.parent)
    here = str(path.parent)
    return {
        "out": result.stdout.replace(here, "HERE"),
        "err": result.stderr.replace(here, "HERE"),
        "status": result.returncode,
    }


@pytest.mark.parametrize(("arguments", "differ"), DIFFERENTIAL, ids=lambda value: " ".join(map(str, value)) or "same")
def test_like_the_reference(pair: tuple[Path, Path], arguments: list[str], differ: set[str]) -> None:
    ours, theirs = (observe(path, arguments) for path in pair)
    for folder in (path.parent for path in pair):
        for suffix in (".home", ".config"):
            portable = folder / f"App.AppImage{suffix}"
            if portable.exists():
                portable.rmdir()
    assert {key for key in ours if ours[key] != theirs[key]} == differ


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != HOST])
class TestForeign:
    @pytest.fixture
    def emulator(self, architecture: str) -> str:
        return require(f"qemu-{QEMU[architecture]}-static", "qemu-user-static")

    @pytest.fixture
    def image(self, architecture: str, emulator: str, tmp_path: Path) -> Image:
        appdir = tmp_path / "AppDir"
        appdir.mkdir()
        (tmp_path / "program.c").write_text(
            '#include <stdio.h>\nint main(int c, char **v) { printf("%d %s\\n", c, v[1]); return 5; }\n'
        )
        command = [sys.executable, "-m", "ziglang", "cc", "-target", ZIG[architecture], "-static", "-s"]
        subprocess.run([*command, tmp_path / "program.c", "-o", appdir / "program"], check=True)
        # Without a registered emulator the kernel cannot start the program itself.
        (appdir / "AppRun").write_text(f'#!/bin/sh\nexec {emulator} "$APPDIR/program" "$@"\n')
        (appdir / "AppRun").chmod(0o755)
        path = pack(appdir, tmp_path / "App.AppImage")
        squashfs = (tmp_path / "App.squashfs").read_bytes()
        path.write_bytes(runtime_path(architecture).read_bytes() + squashfs)
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        return Image(path, temporary, prefix=(emulator,), settings=(("TARGET_APPIMAGE", str(path)),))

    def test_extracted_run(self, image: Image, tmp_path: Path) -> None:
        result = image.run("--appimage-extract-and-run", "hello", cwd=tmp_path)
        assert (result.stdout, result.returncode) == ("2 hello\n", 5)
        image.wait_until_clean()

    @pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root, to mount")
    def test_mounted_run(self, image: Image, tmp_path: Path) -> None:
        result = image.run("hello", cwd=tmp_path)
        assert (result.stdout, result.returncode) == ("2 hello\n", 5)
        image.wait_until_clean()

    def test_flags(self, architecture: str, image: Image, tmp_path: Path) -> None:
        size = runtime_path(architecture).stat().st_size
        assert image.run("--appimage-offset").stdout == f"{size}\n"
        assert "--appimage-extract" in image.run("--appimage-help").stderr
        assert "Zstandard" in image.run("--appimage-version").stderr
        assert image.run("--appimage-signature").stdout == "\n"
        assert image.run("--appimage-updateinfo").stdout == "\n"
        assert image.run("--appimage-updateinformation").stdout == "\n"
        assert image.run("--appimage-frobnicate").returncode == 1
        assert image.run("--appimage-portable-home").returncode == 0
        assert image.run("--appimage-portable-config").returncode == 0
        assert image.run("--appimage-extract", "program", cwd=tmp_path).returncode == 0
        assert (tmp_path / "squashfs-root/program").read_bytes() == (tmp_path / "AppDir/program").read_bytes()
