# SPDX-License-Identifier: MIT
"""The runtime beside the reference runtime, and on the other architectures."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from elftools.elf.elffile import ELFFile

from hatch_appimage.runtime import ARCHITECTURES, runtime_path
from hatch_appimage.runtime.compile import compiler_command
from reference import fetch_reference
from support.runtime_image import HOST, Image, make_appdir, pack
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path


QEMU = {"x86_64": "x86_64", "aarch64": "aarch64", "armhf": "arm", "i686": "i386"}

#: The oldest processors, as qemu calls them: what x86-64 began with; any ARMv8; ARMv7 without NEON, which Tegra 2 and
#: Marvell's have; i686 without SSE.
OLDEST = {
    "x86_64": "qemu64,-sse3,-cx16",
    "aarch64": "cortex-a53",
    "armhf": "cortex-a9,neon=off",
    "i686": "pentium2",
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
    directory = tmp_path_factory.mktemp("pair")
    reference = fetch_reference(directory / "reference").read_bytes()
    appdir = make_appdir(directory / "AppDir")
    for name in ("ours", "theirs"):
        (directory / name).mkdir()
    ours = pack(appdir, directory / "ours/App.AppImage", compression="gzip")
    theirs = directory / "theirs/App.AppImage"
    theirs.write_bytes(reference + (directory / "ours/App.squashfs").read_bytes())
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


@pytest.mark.parametrize(
    ("arguments", "differ"),
    DIFFERENTIAL,
    ids=lambda value: " ".join(sorted(value) if isinstance(value, set) else map(str, value)) or "same",
)
def test_like_the_reference(pair: tuple[Path, Path], arguments: list[str], differ: set[str]) -> None:
    ours, theirs = (observe(path, arguments) for path in pair)
    for directory in (path.parent for path in pair):
        for suffix in (".home", ".config"):
            portable = directory / f"App.AppImage{suffix}"
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
            '#include <stdio.h>\nint main(int c, char *v[]) { printf("%d %s\\n", c, v[1]); return 5; }\n'
        )
        # With the options of the runtime, as the compiler has its C library for these at hand.
        subprocess.run(compiler_command(architecture, appdir / "program", [tmp_path / "program.c"]), check=True)
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

    @pytest.mark.usefixtures("needs_root")
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


def oldest_processor(architecture: str, emulator: str) -> str:
    """Return the emulator's name of it; younger ones do not have one with registers of NEON only."""
    processor = OLDEST[architecture]
    if architecture == "armhf":
        narrow = f"{processor},vfp-d32=off"
        command: list[str | Path] = [emulator, "-cpu", narrow, runtime_path(architecture), "--appimage-version"]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return narrow
    return processor


class TestOldestProcessors:
    """What the compiler may use is more than what every machine of an architecture has."""

    @pytest.mark.parametrize("compression", ["zstd", "gzip"])
    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    def test_unpacking(self, architecture: str, compression: str, tmp_path: Path) -> None:
        emulator = require(f"qemu-{QEMU[architecture]}-static", "qemu-user-static")
        appdir = make_appdir(tmp_path / "AppDir")
        path = pack(appdir, tmp_path / "App.AppImage", compression=compression)
        path.write_bytes(runtime_path(architecture).read_bytes() + path.with_suffix(".squashfs").read_bytes())
        image = Image(path, tmp_path, prefix=(emulator, "-cpu", oldest_processor(architecture, emulator)))
        result = image.run("--appimage-extract", cwd=tmp_path, env={"TARGET_APPIMAGE": str(path)})
        assert (result.returncode, result.stderr) == (0, "")
        for file in ("AppRun", "usr/busybox", "usr/share/data.txt"):
            assert (tmp_path / "squashfs-root" / file).read_bytes() == (appdir / file).read_bytes()

    def test_floating_point_of_armhf(self) -> None:
        """Also where nothing of it is run: Addenda to the ABI for the ARM Architecture, 3.3.5.2."""
        with runtime_path("armhf").open("rb") as file:
            attributes: Any = ELFFile(file).get_section_by_name(".ARM.attributes")
            tags = {tag.tag: tag.value for part in attributes.subsections for tag in part.subsubsections[0].attributes}
        assert (tags["TAG_CPU_ARCH"], tags["TAG_FP_ARCH"]) == (10, 4)  # v7, VFPv3-D16
        assert "TAG_ADVANCED_SIMD_ARCH" not in tags

    def test_registers_of_i686(self) -> None:
        command: list[str | Path] = [require("objdump", "binutils"), "--disassemble", runtime_path("i686")]
        code = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "%eax" in code
        assert not re.search(r"%[xyz]?mm[0-7]", code)

    @pytest.mark.parametrize("cpu", ["arm1136", "arm1176"])
    def test_older_than_armv7(self, cpu: str) -> None:
        """A Raspberry Pi 1 or Zero is told so, before there is an instruction that it does not know."""
        emulator = require("qemu-arm-static", "qemu-user-static")
        command: list[str | Path] = [emulator, "-cpu", cpu, runtime_path("armhf"), "--appimage-version"]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        message = "AppImage: this machine is older than ARMv7, for which this image is\n"
        assert (result.returncode, result.stderr) == (127, message)
