# SPDX-License-Identifier: MIT
"""What `try` takes, before anything is run."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.cli import main, try_
from hatch_appimage.roots.namespaces import Ending

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_runtime(path: Path, machine: int, bits: int = 64) -> Path:
    """Write the ELF header of a type-2 AppImage, and a section header (System V ABI, ELF header)."""
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1, 0]) + b"AI\x02" + bytes(5)
    wide = bits == 64
    sizes = (64, 56, 0, 64, 1, 0) if wide else (52, 32, 0, 40, 1, 0)
    start = 64 if wide else 52
    rest = struct.pack("<HHIQQQI6H" if wide else "<HHIIIII6H", 2, machine, 1, 0, 0, start, 0, *sizes)
    path.write_bytes(ident + rest + bytes(64))
    path.chmod(0o755)
    return path


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a 64-bit PC, whatever this machine is."""
    monkeypatch.setattr(try_, "native_architecture", lambda: ARCHITECTURES["x86_64"])


@pytest.fixture
def ran(native: None, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what is run; nothing is."""
    del native
    calls: list[object] = []

    def run_inside(root: Path, command: Sequence[str], **options: object) -> Ending:
        calls[:] = [root, list(command), options]
        return Ending(5, None)

    monkeypatch.setattr(try_, "run_inside", run_inside)
    return calls


def attempt(path: Path, *arguments: str) -> int:
    return main(["try", str(path), "--on", str(path.parent), *arguments])


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), ["{image}", "--help"]),
        (("--",), ["{image}", "--help"]),
        (("--", "--version", "--on"), ["{image}", "--version", "--on"]),
        (("--", "sh", "-c", "{appimage} a"), ["sh", "-c", "{image} a"]),
        (("--", "ls", "--", "-x"), ["ls", "--", "-x"]),
    ],
)
def test_command(tmp_path: Path, ran: list[object], words: tuple[str, ...], command: list[str]) -> None:
    path = write_runtime(tmp_path / "My App.AppImage", 62)
    assert attempt(path, *words) == 5
    assert ran[:2] == [tmp_path, [word.replace("{image}", "/image/My App.AppImage") for word in command]]


def test_extract(tmp_path: Path, ran: list[object]) -> None:
    path = write_runtime(tmp_path / "App", 62)
    attempt(path)
    assert ran[2] == {"image": path, "variables": {}}
    attempt(path, "--extract")
    assert ran[2] == {"image": path, "variables": {"APPIMAGE_EXTRACT_AND_RUN": "1"}}


def test_32_bits_run_on_64(tmp_path: Path, ran: list[object]) -> None:
    assert attempt(write_runtime(tmp_path / "App", 3, 32)) == 5
    assert ran


@pytest.mark.usefixtures("native")
class TestRefused:
    def test_another_architecture(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = write_runtime(tmp_path / "App", 183)
        assert attempt(path) == 2
        assert capsys.readouterr().err == (
            f"hatch-appimage: {path} is for aarch64, and this machine runs programs for x86_64\n"
        )

    def test_not_executable(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = write_runtime(tmp_path / "App", 62)
        path.chmod(0o644)
        assert attempt(path) == 2
        assert capsys.readouterr().err == f"hatch-appimage: {path} is not executable: `chmod +x` makes it so\n"

    def test_no_appimage(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "text"
        path.write_text("text")
        assert attempt(path) == 2
        assert capsys.readouterr().err == f"hatch-appimage: {path} is no type-2 AppImage\n"


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending(0, None), "exit status 0"),
        (Ending(3, None), "`a b` failed with exit status 3"),
        (Ending(139, 11), "signal 11 (Segmentation fault) ended `a b`"),
    ],
)
def test_words(ending: Ending, words: str) -> None:
    assert try_._describe(ending, ["a", "b"]) == words
