# SPDX-License-Identifier: MIT
"""What builds keep is shown, and removed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hatch_appimage
from hatch_appimage.cache import PARTS
from hatch_appimage.cli import main


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    directory = tmp_path / "hatch-appimage"
    for name, size in {"results/ab/cd": 1500, "results/ab/ef": 500, "roots/debian/etc/passwd": 20}.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(bytes(size))
    return directory


def test_info(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(directory)
    assert [line.split()[:3] for line in lines[1:]] == [
        ["answers", "0", "B"],
        ["built", "0", "B"],
        ["downloads", "0", "B"],
        ["packages", "0", "B"],
        ["python", "0", "B"],
        ["results", "2.0", "kB"],
        ["roots", "20", "B"],
    ]


def test_clear_a_part(directory: Path) -> None:
    assert main(["cache", "clear", "results"]) == 0
    assert [path.name for path in directory.iterdir()] == ["roots"]


def test_clear_all(directory: Path) -> None:
    assert main(["cache", "clear"]) == 0
    assert list(directory.iterdir()) == []


def test_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert main(["cache", "clear"]) == 0
    assert main(["cache", "info", "results"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["results", "0", "B"]


@pytest.mark.parametrize("arguments", [["info", "everything"], ["forget"], []])
def test_unknown_words(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["cache", *arguments])


def test_all_parts_are_known() -> None:
    """Each directory that any module makes in the cache can be shown and cleared."""
    used = set()
    for path in Path(hatch_appimage.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if (
                isinstance(node, ast.BinOp)
                and isinstance(node.left, ast.Call)
                and ast.unparse(node.left) == "cache_directory()"
                and isinstance(node.right, ast.Constant)
            ):
                used.add(node.right.value)
    assert used == set(PARTS)
