# SPDX-License-Identifier: MIT
"""How two images differ: each reason, from images that differ in one thing."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.format import SIGNATURE, find_sections, write_section
from hatch_appimage.image.compression import Preset
from hatch_appimage.image.write import load_runtime, write_image
from hatch_appimage.inspect.compare import compare_images, source_of_bytecode
from hatch_appimage.runtime import runtime_path
from support.tiny_image import MACHINE
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SITE = "usr/lib/python3.12/site-packages"
HEADER = b"\xcb\x0d\r\n" + b"\x03\0\0\0" + b"digest__"
UPDATES = "zsync|https://example.org/a.zsync"


def add_package(root: Path, name: str, version: str, code: str = "") -> None:
    info = root / SITE / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '.')}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{info.name}/METADATA,,\n\n{info.name}/RECORD,,\n")
    (root / SITE / f"{name}.py").write_text(code or f"version = {version!r}\n")
    (root / SITE / "__pycache__").mkdir(exist_ok=True)
    (root / SITE / "__pycache__" / f"{name}.cpython-312.pyc").write_bytes(HEADER + b"code of " + version.encode())


@dataclass
class Tree:
    """The content of an image, and how it is written."""

    root: Path
    how: dict[str, Any] = field(default_factory=dict)
    compression: Preset = field(default_factory=lambda: Preset("zstd", 1, 1 << 17))

    def write(self, path: Path) -> Path:
        options: dict[str, Any] = {"order": (), "application": (), "update_information": None, "timestamp": 0}
        runtime = load_runtime(runtime_path(MACHINE), ARCHITECTURES[MACHINE])
        write_image(self.root, runtime, path, self.compression, **options | self.how)
        return path


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Tree, Tree]:
    """Return two trees of the same content."""
    root = tmp_path / "a"
    add_package(root, "my_app", "1.0")
    add_package(root, "leaf", "1.0")
    (root / "usr" / "share" / "app").mkdir(parents=True)
    for name in ("pylock.toml", "sbom.cdx.json"):
        (root / "usr" / "share" / "app" / name).write_text("a\nb\n")
    record = {"version": 1, "tools": {"uv": "0.13.9"}, "build_tools": {"leaf": ["hatchling==1.33.0"]}}
    (root / "usr" / "share" / "app" / "build.json").write_text(json.dumps(record))
    (root / "AppRun").symlink_to("usr/bin/app")
    shutil.copytree(root, tmp_path / "b", symlinks=True)
    return Tree(root), Tree(tmp_path / "b")


def compare(trees: tuple[Tree, Tree], directory: Path) -> dict[str, str]:
    """Return the differences, each with its reason."""
    one, other = (tree.write(directory / f"{tree.root.name}.AppImage") for tree in trees)
    comparison = compare_images(one, other)
    assert json.loads(comparison.to_json())["identical"] == (not comparison.differences)
    for difference in comparison.differences:
        assert f"  {difference.what}: {difference.reason}\n" in comparison.to_text()
    return {difference.what: difference.reason for difference in comparison.differences}


def test_identical(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    assert compare(trees, tmp_path) == {}


def test_signatures_do_not_count(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    one, other = (tree.write(tmp_path / f"{tree.root.name}.AppImage") for tree in trees)
    write_section(other, find_sections(other), SIGNATURE, b"signed")
    comparison = compare_images(one, other)
    assert one.read_bytes() != other.read_bytes()
    assert comparison.differences == ()
    assert comparison.to_text() == f"identical without signatures: sha256 {comparison.sha256[0]}\n"


def test_version_of_a_package(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    """What follows from it is not worth a line: its files, its bytecode, the lock and the SBOM."""
    root = trees[1].root
    shutil.rmtree(root / SITE / "leaf-1.0.dist-info")
    add_package(root, "leaf", "2.0")
    (root / "usr" / "share" / "app" / "pylock.toml").write_text("leaf 2.0\n")
    assert compare(trees, tmp_path) == {"package leaf": "version 1.0, and 2.0 in the other"}


def test_package_in_one_only(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    add_package(trees[1].root, "more", "3")
    assert compare(trees, tmp_path) == {"package more": "only in the other image, in version 3"}


PYC = f"{SITE}/__pycache__/my_app.cpython-312.pyc"


def point_elsewhere(root: Path) -> None:
    (root / "AppRun").unlink()
    (root / "AppRun").symlink_to("usr/bin/b")


def make_directory(root: Path) -> None:
    (root / "AppRun").unlink()
    (root / "AppRun").mkdir()


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, str]]] = {
    "only in one": (
        lambda root: (root / "usr" / "new").write_text(""),
        {"usr/new": "only in the other image"},
    ),
    "link": (
        point_elsewhere,
        {"AppRun": "points to usr/bin/app, and to usr/bin/b in the other"},
    ),
    "type": (
        make_directory,
        {"AppRun": "a link, and a directory in the other"},
    ),
    "mode": (
        lambda root: (root / SITE / "leaf.py").chmod(0o755),
        {f"{SITE}/leaf.py": "mode 644, and 755 in the other"},
    ),
    "content": (
        lambda root: (root / SITE / "leaf.py").write_text("version = '1.1'\n"),
        {f"{SITE}/leaf.py": "its content differs: 16 and 16 bytes, from byte 13 on"},
    ),
    "order of lines": (
        lambda root: (root / "usr" / "share" / "app" / "pylock.toml").write_text("b\na\n"),
        {"usr/share/app/pylock.toml": "the same lines in another order"},
    ),
    "Python": (
        lambda root: (root / PYC).write_bytes(b"\xf3\x0d\r\n" + HEADER[4:] + b"code"),
        {PYC: "bytecode made by another version of Python"},
    ),
    "header of bytecode": (
        lambda root: (root / PYC).write_bytes(HEADER[:8] + b"another_" + b"code of 1.0"),
        {PYC: "the same bytecode with another header: its source has another time, or is checked otherwise"},
    ),
    "bytecode": (
        lambda root: (root / PYC).write_bytes(HEADER + b"other code"),
        {PYC: "other bytecode of the same source, made with other options or by another build of Python"},
    ),
    "tool": (
        lambda root: (root / "usr" / "share" / "app" / "build.json").write_text(
            json.dumps({"version": 1, "tools": {"uv": "0.14"}, "build_tools": {"leaf": []}})
        ),
        {
            "usr/share/app/build.json": "build_tools.leaf was hatchling==1.33.0, and is ; "
            "tools.uv was 0.13.9, and is 0.14"
        },
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_files(name: str, trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    change, expected = CHANGES[name]
    change(trees[1].root)
    assert compare(trees, tmp_path) == expected


def test_bytecode_follows_from_its_source(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    (trees[1].root / SITE / "my_app.py").write_text("changed\n")
    (trees[1].root / PYC).write_bytes(HEADER + b"changed")
    assert list(compare(trees, tmp_path)) == [f"{SITE}/my_app.py"]


def test_time(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    trees[1].how["timestamp"] = 60
    assert compare(trees, tmp_path)[f"{SITE}/leaf.py"] == "time stamp 0, and 60 in the other"


def test_order_only(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    trees[1].how["order"] = ["usr/share/app/pylock.toml"]
    (reason,) = compare(trees, tmp_path).values()
    assert reason.startswith("the same files in another order, from ")
    assert "usr/share/app/pylock.toml" in reason


@pytest.mark.parametrize(
    ("compression", "expected"),
    [
        (Preset("gzip", 1, 1 << 17), "zstd in blocks of 131072 bytes, and gzip in blocks of 131072 bytes in the other"),
        (Preset("zstd", 19, 1 << 17), "the same files compressed by another version, or at another level"),
    ],
)
def test_compression_only(compression: Preset, expected: str, trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    for tree in trees:
        (tree.root / "usr" / "words").write_text(" ".join(str(number**5) for number in range(20_000)))
    trees[1].compression = compression
    assert compare(trees, tmp_path) == {"compression": expected}


def test_update_information(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    trees[1].how["update_information"] = UPDATES
    assert compare(trees, tmp_path) == {"update information": f"none, and {UPDATES} in the other"}


BUILD_ID = "the same code with another build ID: it was linked with other debug information or in another directory"


@pytest.mark.parametrize(
    ("code", "options", "expected"),
    [
        ("int f(void) { return 1; }", ["-Wl,--build-id=0x02"], BUILD_ID),
        ("int f(void) { return 2; }", ["-Wl,--build-id=0x01"], ".text"),
    ],
)
def test_libraries(code: str, options: list[str], expected: str, trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    first = ("int f(void) { return 1; }", ["-Wl,--build-id=0x01"])
    for tree, (source, flags) in zip(trees, (first, (code, options)), strict=True):
        (tmp_path / "f.c").write_text(source)
        command: list[str | Path] = [
            require("gcc", "gcc"),
            "-shared",
            "-nostdlib",
            *flags,
            "-o",
            tree.root / "usr" / "f.so",
            "f.c",
        ]
        subprocess.run(command, cwd=tmp_path, check=True)
    assert expected in compare(trees, tmp_path)["usr/f.so"]


def test_damaged_library(trees: tuple[Tree, Tree], tmp_path: Path) -> None:
    for tree, end in zip(trees, (b"a", b"b"), strict=True):
        (tree.root / "usr" / "f.so").write_bytes(b"\x7fELF" + end)
    assert compare(trees, tmp_path) == {"usr/f.so": "its content differs: 5 and 5 bytes, from byte 4 on"}


def test_source_of_bytecode() -> None:
    assert source_of_bytecode("a/__pycache__/b.cpython-312.opt-1.pyc") == "a/b.py"
    assert source_of_bytecode("a/b.pyc") is None
