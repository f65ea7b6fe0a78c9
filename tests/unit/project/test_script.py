# SPDX-License-Identifier: MIT
"""The metadata in a script's comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.script import is_script, read_block

if TYPE_CHECKING:
    from pathlib import Path


def write(directory: Path, *lines: str, end: str = "\n") -> Path:
    """Write a script whose block has these lines."""
    path = directory / "tool.py"
    path.write_bytes(end.join(["# /// script", *(f"# {line}".rstrip() for line in lines), "# ///", ""]).encode())
    return path


class TestBlock:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_all_that_it_may_have(self, end: str, tmp_path: Path) -> None:
        path = write(
            tmp_path, 'requires-python = ">=3.10"', "", 'dependencies = ["a>=1"]', "[tool.x]", "y = 1", end=end
        )
        assert read_block(path) == {"requires-python": ">=3.10", "dependencies": ["a>=1"], "tool": {"x": {"y": 1}}}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "print(1)\n",
            "# /// other\n# x\n# ///\n",
            "# /// other\n# x\n",
            "#/// script\n#x\n# ///\n",
            " # /// script\n",
        ],
    )
    def test_none(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "tool.py"
        path.write_text(text)
        assert read_block(path) == {}

    def test_the_last_line_that_ends_it_counts(self, tmp_path: Path) -> None:
        """The specification has this example."""
        path = tmp_path / "tool.py"
        path.write_text('# /// script\n# dependencies = [\n#   "a",\n# ///\n# ]\n# ///\n')
        with pytest.raises(AppImageError, match="is no valid TOML"):
            read_block(path)
        path.write_text('# /// script\n# [tool.x]\n# text = """\n# ///\n# """\n# ///\n# A comment.\n')
        assert read_block(path) == {"tool": {"x": {"text": "///\n"}}}

    def test_encoding_of_the_source(self, tmp_path: Path) -> None:
        path = tmp_path / "tool.py"
        path.write_bytes('# coding: latin-1\n# /// script\n# [tool.x]\n# y = "é"\n# ///\n'.encode("latin-1"))
        assert read_block(path) == {"tool": {"x": {"y": "é"}}}

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (["dependencies = ["], r"tool\.py: the `# /// script` block in line 1 is no valid TOML: "),
            (["dependencies = 'a'"], "`dependencies` in its metadata must be an array of strings"),
            (["dependencies = [1]"], "`dependencies` in its metadata must be an array of strings"),
            (["dependencies = ['a b']"], r"has an item that is no requirement \(PEP 508\): `a b`"),
            (["dependencies = ['./a.whl']"], r"has an item that is no requirement \(PEP 508\): `\./a\.whl`"),
            (["requires-python = 3"], "`requires-python` in its metadata must be a string"),
            (["requires-python = 'three'"], "`requires-python` in its metadata is no version specifier: "),
            (
                ["dependancies = []"],
                "its metadata have `dependancies`, and can have dependencies, requires-python, tool",
            ),
            (["tool = 1"], "`tool` in its metadata must be a table"),
            (["tool.hatch = []"], "`tool.hatch` in its metadata must be a table"),
            (["tool.hatch-appimage.icon = 'x'"], r"options are in \[tool\.hatch\.build\.targets\.appimage\]"),
            (["tool.uv.sources = 1"], r"`tool\.uv\.sources` in its metadata must be tables"),
            (["tool.uv.pip = 1"], r"`tool\.uv\.pip` and `tool\.uv\.sources` in its metadata must be tables"),
            (["tool.uv.pip.no-deps = true"], r"^`no-deps` in \[tool\.uv\.pip\] of .*/tool\.py would decide what goes"),
            (
                ["tool.uv.sources.a.workspace = true"],
                "takes a from a workspace, and a script is in none: name its `path`",
            ),
            (["tool.uv.sources.a = [{ path = 'libs/a' }]"], "takes a from `libs/a`, which is not there"),
            (["///", "x", "/// script", "dependencies = []"], "more than one `# /// script` block, in lines 1 and 4"),
        ],
    )
    def test_refused(self, lines: list[str], message: str, tmp_path: Path) -> None:
        with pytest.raises(AppImageError, match=message):
            read_block(write(tmp_path, *lines))

    @pytest.mark.parametrize("text", ["# /// script\n# x = 1\n\n# ///\n", "# /// script\n#x\n# ///\n"])
    def test_not_closed(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "tool.py"
        path.write_text(f"import os\n{text}")
        with pytest.raises(AppImageError, match="block in line 2 is not closed: `# ///` must follow it"):
            read_block(path)

    def test_two_apart(self, tmp_path: Path) -> None:
        path = tmp_path / "tool.py"
        path.write_text("# /// script\n# ///\nx = 1\n# /// script\n# ///\n")
        with pytest.raises(AppImageError, match="in lines 1 and 4: make one of them"):
            read_block(path)

    def test_no_text(self, tmp_path: Path) -> None:
        path = tmp_path / "tool.py"
        path.write_bytes(b"# \xff\n")
        with pytest.raises(AppImageError, match="is no text of Python: "):
            read_block(path)

    def test_paths_are_made_absolute(self, tmp_path: Path) -> None:
        (tmp_path / "libs").mkdir()
        path = write(
            tmp_path,
            'dependencies = ["a @ file://${PROJECT_ROOT}/libs/a"]',
            "[tool.uv]",
            'find-links = ["wheels", "https://example.org/wheels"]',
            'index = [{ name = "x", url = "./index" }, { url = "https://example.org/simple" }]',
            'pip.index-url = "index"',
            "[tool.uv.sources]",
            'b = { path = "libs", marker = "python_version > \'3\'" }',
            'c = [{ git = "https://example.org/c" }]',
        )
        block = read_block(path)
        assert block["dependencies"] == [f"a @ file://{tmp_path}/libs/a"]
        assert block["tool"]["uv"] == {
            "find-links": [f"{tmp_path}/wheels", "https://example.org/wheels"],
            "index": [{"name": "x", "url": f"{tmp_path}/index"}, {"url": "https://example.org/simple"}],
            "pip": {"index-url": f"{tmp_path}/index"},
            "sources": {
                "b": [{"path": f"{tmp_path}/libs", "marker": "python_version > '3'"}],
                "c": [{"git": "https://example.org/c"}],
            },
        }


@pytest.mark.parametrize(
    ("name", "first", "expected"),
    [
        ("tool.py", "", True),
        ("tool.pyw", "", True),
        ("tool", "#!/usr/bin/env python3", True),
        ("tool", "#!/usr/bin/python3.12 -u", True),
        ("tool", "#!/usr/bin/env -S uv run --script", True),
        ("tool", "#!/bin/sh", False),
        ("tool.whl", "PK", False),
    ],
)
def test_what_is_a_script(name: str, first: str, tmp_path: Path, *, expected: bool) -> None:
    path = tmp_path / name
    path.write_text(f"{first}\n")
    assert is_script(path) is expected
