# SPDX-License-Identifier: MIT
"""What an image says of its build: it comes back as it was written, and names nothing of the machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from hatch_appimage.errors import AppImageError
from hatch_appimage.packages.build_record import BuildRecord, Declaration, PythonRecord, Source, tool_versions
from hatch_appimage.project.commit import Commit
from hatch_appimage.project.wheel import Release, Wheel
from hatch_appimage.python.local import ask_python
from support.packages import make_wheel

RECORD = BuildRecord(
    architecture="x86_64",
    declaration=Declaration(
        source=Source("project", "my-app", "1.0", commit=Commit("ab" * 20, dirty=True)),
        options={"compression": "fast", "lock": "uv.lock"},
        outside=("lock",),
        seconds=1,
        chosen=True,
    ),
    python=PythonRecord("3.12.1", "python3.12", "cd" * 32),
    tools=tool_versions(),
    build_tools={"my-app": ("hatchling==1.33.0",), "leaf": ()},
)


def test_comes_back() -> None:
    assert BuildRecord.from_json(RECORD.to_json(), "x") == RECORD
    assert RECORD.to_json() == BuildRecord.from_json(RECORD.to_json(), "x").to_json()
    assert {"hatch-appimage", "uv", "zstd"} <= RECORD.tools.keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "x is no record of a build: 'version'"),
        ("[]", "x is no record of a build"),
        ('{"version": 1}', "x is no record of a build: 'declaration'"),
        ('{"version": 2}', "of a format that this version of hatch-appimage does not know"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(AppImageError, match=message):
        BuildRecord.from_json(text, "x")


def test_sources(tmp_path: Path) -> None:
    wheel = Wheel.read(make_wheel(tmp_path, "my_app", {}))
    assert Source.of("my-app", "1.0", None, None) == Source("project", "my-app", "1.0")
    assert Source.of("my-app", "1.0", wheel, None).sha256
    release = Release("my-app", Version("1.0"), "https://me:secret@example.org/a.tar.gz?token=x")
    assert Source.of("my-app", "1.0", release, None).url == "https://example.org/a.tar.gz"


def test_python_is_named_without_its_directory() -> None:
    python = ask_python(Path(sys.executable))
    record = PythonRecord.of(python)
    assert "/" not in record.source
    assert record.source.startswith("python3")
    assert len(record.sha256) == 64


def test_passwords_in_options_are_left_out() -> None:
    declaration = Declaration(RECORD.declaration.source, {"python": "https://me:secret@example.org/p.tar.gz"})
    record = BuildRecord("x86_64", declaration, RECORD.python, {}, {})
    assert json.loads(record.to_json())["declaration"]["options"] == {"python": "https://example.org/p.tar.gz"}
