# SPDX-License-Identifier: MIT
"""`inspect`, `verify` and `zsync` with finished images of every kind, beside what runtimes and other tools say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hatch_appimage import cli
from hatch_appimage.cli import status
from hatch_appimage.format import find_sections, read_section, write_section
from hatch_appimage.image.sign import Signer, sign_file
from hatch_appimage.runtime import ARCHITECTURES, runtime_path
from hatch_appimage.squashfs import write_squashfs
from reference import fetch_linuxdeploy
from support.elf_fixtures import library
from support.keys import independent_check, make_key
from support.machine import clean_environment
from support.runtime_image import HOST, make_appdir
from support.tools import require

LINE = "gh-releases-zsync|me|app|latest|app-*-x86_64.AppImage.zsync"


def inspect(image: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["inspect", str(image)]) == 0
    text = capsys.readouterr().out
    assert cli.main(["inspect", "--json", str(image)]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["sha256"] in text
    assert document["size"] == image.stat().st_size
    return document


def ask_runtime(image: Path, option: str) -> str:
    return subprocess.check_output([image, f"--appimage-{option}"], text=True).rstrip("\n")


def compare_with_runtime(image: Path, found: dict[str, Any]) -> None:
    """What an image says of itself when it is run is what is read from its bytes."""
    assert ask_runtime(image, "offset") == str(found["runtime"]["size"])
    assert ask_runtime(image, "updateinformation") == found["update_information"]
    signature = ask_runtime(image, "signature")
    assert signature == read_section(image, ".sha256_sig").decode().rstrip("\n")
    assert (found["signature"]["state"] == "unsigned") == (not signature)


def compare_with_zsyncmake(image: Path, directory: Path) -> None:
    command: list[str | Path] = [require("zsyncmake", "zsync"), "-u", image.name, "-o", directory / "theirs", image]
    subprocess.run(command, check=True, capture_output=True)
    assert cli.main(["zsync", str(image)]) == 0
    ours, theirs = Path(f"{image}.zsync").read_bytes(), (directory / "theirs").read_bytes()
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["flask_image", "hello_image"])
def test_our_images(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Path(shutil.copy2(request.getfixturevalue(name), tmp_path))
    found = inspect(image, capsys)
    compare_with_runtime(image, found)
    compare_with_zsyncmake(image, tmp_path)
    assert found["runtime"]["origin"] == "hatch-appimage"
    command = image.name.split("-1.0-")[0]
    assert found["desktop_entry"]["Name"] == command
    assert found["desktop_entry"]["X-AppImage-Version"] == "1.0"
    assert found["packages"][command] == "1.0"
    code = "import sys; print(sys.version.split()[0])"
    subprocess.run([image, "--appimage-extract"], cwd=tmp_path, check=True, capture_output=True)
    python = tmp_path / "squashfs-root" / "usr" / "bin" / "python3"
    version = subprocess.check_output([python, "-Ic", code], text=True, env=clean_environment(tmp_path)).strip()
    assert found["python"] == version
    commands = {path.name for path in python.parent.iterdir() if path.read_bytes().startswith(b"#!/bin/sh\n''':'")}
    assert set(found["entry_points"]) <= commands
    assert {command, "hello"} & set(found["entry_points"])
    # The newest version of glibc that any file asks for, by binutils; what glibc itself has does not count.
    paths = (path for path in tmp_path.glob("squashfs-root/**/*") if path.parent.name != "glibc")
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    programs = [path for path in files if path.read_bytes()[:4] == b"\x7fELF"]
    output = subprocess.check_output([require("objdump", "binutils"), "-p", *programs], text=True)
    versions = {tuple(map(int, text.split("."))) for text in re.findall(r"\bGLIBC_(\d+(?:\.\d+)+)\n", output)}
    (floor,) = (floor for floor in found["requires"] if floor["family"] == "GLIBC")
    assert floor["version"] == ".".join(map(str, max(versions)))


@pytest.mark.slow
@pytest.mark.network
def test_an_image_of_linuxdeploy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = fetch_linuxdeploy(tmp_path / "linuxdeploy.AppImage")
    capsys.readouterr()
    found = inspect(image, capsys)
    if HOST == "x86_64":
        compare_with_runtime(image, found)
    compare_with_zsyncmake(image, tmp_path)
    assert found["architecture"] == "x86_64"
    assert found["runtime"] == {"origin": "AppImageKit", "size": 193_728}
    assert found["squashfs"]["compression"] == "gzip"
    assert found["update_information"] == (
        "gh-releases-zsync|linuxdeploy|linuxdeploy|continuous|linuxdeploy-x86_64.AppImage.zsync"
    )
    assert found["desktop_entry"]["Name"] == "linuxdeploy"
    assert (found["python"], found["packages"], found["entry_points"]) == (None, {}, [])
    assert next((floor["family"], floor["version"]) for floor in found["requires"]) == ("GLIBC", "2.17")
    assert cli.main(["verify", str(image)]) == status.UNSIGNED


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.usefixtures("gnupg_home")
def test_signing_an_image_of_linuxdeploy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = fetch_linuxdeploy(tmp_path / "linuxdeploy.AppImage")
    key = make_key("ed25519")
    assert cli.main(["sign", str(image), "--key", key]) == 0
    assert cli.main(["verify", str(image), "--key", key]) == 0
    assert independent_check(image, tmp_path)
    capsys.readouterr()
    found = inspect(image, capsys)
    assert (found["signature"]["state"], found["signature"]["primary"]) == ("good", key)
    if HOST == "x86_64":
        compare_with_runtime(image, found)


@pytest.mark.usefixtures("gnupg_home")
def test_a_signed_image_with_update_information(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = make_image(tmp_path, HOST)
    write_section(image, find_sections(image), ".upd_info", LINE.encode())
    make_key("rsa4096")
    sign_file(image, Signer.find(None))
    found = inspect(image, capsys)
    assert found["update_information"] == LINE
    assert found["signature"]["state"] == "good"
    compare_with_runtime(image, found)
    compare_with_zsyncmake(image, tmp_path)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture(architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = make_image(tmp_path, architecture)
    found = inspect(image, capsys)
    assert found["architecture"] == architecture
    assert found["runtime"] == {"origin": "hatch-appimage", "size": runtime_path(architecture).stat().st_size}
    compare_with_zsyncmake(image, tmp_path)


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_images_of_mksquashfs(compression: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pack(tmp_path, compression)
    found = inspect(image, capsys)
    assert found["squashfs"]["compression"] == compression
    assert found["squashfs"]["files"] == sum(path.is_file() for path in (tmp_path / "AppDir").rglob("*"))
    assert cli.main(["verify", str(image)]) == status.UNSIGNED
    compare_with_zsyncmake(image, tmp_path)


@pytest.mark.parametrize("compression", ["lz4", "lzo"])
def test_compression_that_is_not_supported(
    compression: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pack(tmp_path, compression)
    assert cli.main(["inspect", str(image)]) == status.UNREADABLE
    output = capsys.readouterr()
    assert output.err == f"hatch-appimage: Its compression {compression} is not supported\n"
    assert output.out == ""


def make_image(directory: Path, architecture: str) -> Path:
    root = make_appdir(directory / "AppDir")
    library("liba.so", "libc.so.6").write(root / "usr" / "liba.so")
    image = directory / f"app-1.0-{architecture}.AppImage"
    with image.open("wb+") as file:
        file.write(runtime_path(architecture).read_bytes())
        write_squashfs(root, file, mtime=0)
    image.chmod(0o755)
    return image


def pack(directory: Path, compression: str) -> Path:
    """Pack with a tool of the system behind our runtime."""
    command: list[str | Path] = [require("mksquashfs", "squashfs-tools"), make_appdir(directory / "AppDir")]
    command += [directory / "squashfs", "-comp", compression, "-quiet", "-no-progress"]
    subprocess.run(command, check=True, capture_output=True)
    image = directory / "app.AppImage"
    image.write_bytes(runtime_path(HOST).read_bytes() + (directory / "squashfs").read_bytes())
    return image
