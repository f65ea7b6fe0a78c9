# SPDX-License-Identifier: MIT
"""What is read of files of requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.requirements_file import read_requirements_file

if TYPE_CHECKING:
    from pathlib import Path

HASH = "sha256:" + "0" * 64
OTHER = "sha256:" + "A" * 64


def test_all_kinds_of_lines(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text("-r ../other.txt\nthird\n")
    (tmp_path / "other.txt").write_text("fourth ; python_version > '3'")
    path = tmp_path / "requirements.txt"
    path.write_text(
        "# a comment\n"
        f"First[x]==1.0 \\\n    --hash={HASH} \\\n    --hash {OTHER}\n"
        "second>=2  # a comment\n"
        "-r more/base.txt\n--requirement=more/base.txt\n-c constraints.txt\n"
        "-e ./libs/a\n./libs/b\nc-1.0-py3-none-any.whl\ngit+https://example.org/d.git#egg=d\n"
        "e @ https://example.org/e.zip\n"
        "-i https://example.org/simple\n--extra-index-url=https://example.org/more\n--no-index\n--pre\n"
    )
    found = read_requirements_file(path)
    assert [str(each) for each in found.requirements] == [
        *("First[x]==1.0", "second>=2"),
        *('fourth; python_version > "3"', "third") * 2,
        "e @ https://example.org/e.zip",
    ]
    assert found.hashes == {"first": {HASH, OTHER.lower()}}
    assert found.indexes == (
        *("-i https://example.org/simple", "--extra-index-url https://example.org/more", "--no-index"),
    )
    assert found.all_hashes == {HASH, OTHER.lower()}
    assert not found.is_locked
    assert found.allows("first", {"sha256": "a" * 64})
    assert not found.allows("first", {"sha256": "b" * 64})
    assert found.allows("second", {"sha256": "b" * 64})


def test_indexes_for_another_place(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text(
        "-f ./wheels\n--extra-index-url 'https://${TOKEN}@example.org/simple'\n"
    )
    path = tmp_path / "requirements.txt"
    path.write_text("-r more/base.txt\n--find-links file:///wheels\n")
    assert read_requirements_file(path).indexes == (
        f"-f {tmp_path}/more/wheels",
        "--extra-index-url https://${TOKEN}@example.org/simple",
        "--find-links file:///wheels",
    )


def test_locked(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"a==1 --hash={HASH}\nb==1 --hash={HASH}\n")
    assert read_requirements_file(path).is_locked
    path.write_text("")
    assert not read_requirements_file(path).is_locked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-r none.txt", r"none\.txt, which .*requirements\.txt includes, cannot be read as a file of requirements: "),
        ("x\n-r requirements.txt", r"line 2: `-r requirements\.txt` includes a file that includes this one"),
        ("x\n-r 'a", r"line 2: `'a` names no file: No closing quotation"),
        ("a b", r"requirements\.txt, line 1: `a b` is no requirement \(PEP 508\): "),
        ("a\n\nlocal+a", r"line 3: `local\+a` copies a package out of another Python's environment: name its version"),
    ],
)
def test_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    with pytest.raises(AppImageError, match=message):
        read_requirements_file(path)


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes(b"\xff")
    with pytest.raises(AppImageError, match="cannot be read as a file of requirements"):
        read_requirements_file(path)
