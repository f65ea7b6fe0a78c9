# SPDX-License-Identifier: MIT
"""What files that are no sources have in them that may be names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.results import NO_RESULTS, Results
from hatch_appimage.sources import names
from hatch_appimage.sources.names import Names, read_names, read_strings

if TYPE_CHECKING:
    from pathlib import Path

MODULE = b"\x7fELF\x90ab\x00PyInit__fast\x00json.decoder\x00x.y\xffz9\x00\xc3\xa9t\xc3\xa9_1\x00"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"import json.decoder, os\nab c", Names(frozenset({"import", "json.decoder"}), compiled=False)),
        (b"", Names(frozenset(), compiled=False)),
        (MODULE, Names(frozenset({"ELF", "PyInit__fast", "json.decoder", "x.y"}), compiled=True)),
        (b"\x7fELF\x00json.decoder\x00", Names(frozenset(), compiled=False)),  # nothing in it runs Python
        (
            b"\x7fELF\x00PyImport_ImportModule\x00json\x00",
            Names(frozenset({"ELF", "PyImport_ImportModule", "json"}), compiled=True),
        ),
        (b"PyInit_text \x7fELF", Names(frozenset({"PyInit_text", "ELF"}), compiled=False)),
    ],
)
def test_names(data: bytes, expected: Names, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert read_names(path, NO_RESULTS) == expected


def test_large_files_are_kept_for_later_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results(tmp_path / "results", 10**9)
    path = tmp_path / "module.so"
    path.write_bytes(MODULE + bytes(200_000))
    first = read_names(path, results)
    path.rename(path.with_name("another.so"))
    with monkeypatch.context() as patch:
        patch.setattr(names, "_find_runs", None)
        assert read_names(path.with_name("another.so"), results) == first
    path.write_bytes(MODULE + b"one.more" + bytes(200_000))
    assert read_names(path, results).runs == first.runs | {"one.more"}


def test_strings(tmp_path: Path) -> None:
    """They are between null bytes as a whole, be the file small or so large that what is in it is kept."""
    results = Results(tmp_path / "results", 10**9)
    path = tmp_path / "module.so"
    for size in (0, 200_000):
        path.write_bytes(b"\x7fELF\x00json.decoder\x00_x1\x00a-b\x002c\x00\xffd\x00e\xff\x00f" + bytes(size))
        expected = {"json.decoder", "_x1"} | ({"f"} if size else set())
        assert read_strings(path, results) == read_strings(path, results) == expected
