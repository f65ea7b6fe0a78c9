# SPDX-License-Identifier: MIT
"""Programs that no build back end knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.program import Program, find_programs

if TYPE_CHECKING:
    from pathlib import Path


def make(directory: Path, *names: str, text: str = "") -> None:
    """Write files."""
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def program(directory: Path, text: str) -> Program:
    """Return a script with a text."""
    make(directory, "tool.py", text=text)
    return Program(directory / "tool.py", "tool-app")


class TestProgram:
    def test_what_it_says_of_itself(self, tmp_path: Path) -> None:
        make(tmp_path, "beside.py", "package/__init__.py", "data/file.py")
        found = program(
            tmp_path,
            '"""  Paint.\n\nMore.\n"""\nfrom os import path\nimport beside.x, json as j\nimport data\nimport tool\n'
            "from . import y\n__version__: str = '1.0.post'\ndef f():\n    import package, late\n",
        )
        assert (found.version, found.summary) == ("1.0.post0", "Paint.")
        assert found.imports == ["os", "json", "data"]
        assert found.imports_from_beside == ["beside", "package"]

    def test_data_beside_it(self, tmp_path: Path) -> None:
        make(tmp_path, "words.txt", "other.txt", "icons/a.svg")
        text = "NAMES = ['words.txt', 'icons', 'tool.py', 'gone.txt']\n"
        assert program(tmp_path, f"{text}PLACE = __file__\n").files_beside == ["icons", "words.txt"]
        assert program(tmp_path, text).files_beside == []

    @pytest.mark.parametrize(("text", "expected"), [("def f():\n    import click.x", True), ("import sys", False)])
    def test_whether_it_knows_help(self, text: str, tmp_path: Path, *, expected: bool) -> None:
        assert program(tmp_path, text).parses_arguments is expected

    def test_nothing(self, tmp_path: Path) -> None:
        found = program(tmp_path, "__version__ = f()\n")
        assert (found.version, found.summary, found.imports) == ("0.0.0", "", [])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("__version__ = 'new'", r"tool\.py sets `__version__` to `new`, which is no version \(PEP 440\)"),
            ("x = 1\nprint 1", r"tool\.py, line 2 is no Python 3: "),
            ("x = '\0'", r"tool\.py.* is no Python 3: "),
        ],
    )
    def test_refused(self, text: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(AppImageError, match=message):
            _ = program(tmp_path, text).version


class TestFind:
    @pytest.mark.parametrize(
        ("files", "main"),
        [
            (["__main__.py", "main.py", "app.py"], "__main__.py"),
            (["main.py", "app.py", "other.py"], "main.py"),
            (["app.py", "other.py", "my_tool.py"], "app.py"),
            (["other.py", "my_tool.py"], "my_tool.py"),
            (["other.py", "pack/__main__.py"], "-m pack"),
            (["other.py", "one/__main__.py", "two/__main__.py"], None),
            (["other.py"], "other.py"),
            (["one.py", "two.py"], None),
            (["venv/__main__.py", "venv/pyvenv.cfg", "my-env/__main__.py", "one.py"], "one.py"),
            (["venv/__main__.py", "one.py"], "-m venv"),
            ([], None),
        ],
    )
    def test_main(self, files: list[str], main: str | None, tmp_path: Path) -> None:
        root = tmp_path / "my-tool"
        make(root, "README.md", *files)
        assert find_programs(root, "my-tool").main == main

    def test_all(self, tmp_path: Path) -> None:
        make(tmp_path, "main.py", "two.py", "pack/__main__.py")
        found = find_programs(tmp_path, "My.Tool").by_name
        assert list(found) == ["main.py", "two.py", "-m pack"]
        assert [(each.module, each.directory) for each in found.values()] == [
            *(("main", "my-tool-app"), ("two", "my-tool-app"), ("pack", "my-tool-app")),
        ]
