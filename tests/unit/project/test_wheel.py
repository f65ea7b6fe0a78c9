# SPDX-License-Identifier: MIT
"""The wheel of a project: what builds it, and what its build sees."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.cli import main
from hatch_appimage.project.build_input import open_source
from hatch_appimage.project.wheel import build_any_wheel
from support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Only a wheel says what version this is.
DYNAMIC = """\
[project]
name = "probe"
dynamic = ["version"]

[tool.hatch.build.targets.appimage]
build-constraints = "tools.txt"
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str | Path], Mapping[str, str]]]:
    """Return what uv is asked for; it builds a wheel with one tool."""
    asked = []

    def run(arguments: Sequence[str | Path], *, env: Mapping[str, str], **_: Any) -> str:
        asked.append((list(arguments), env))
        make_wheel(Path(arguments[arguments.index("--out-dir") + 1]), "probe", {"probe.py": ""})
        return "DEBUG Installing build requirement: hatchling==1.0\n"

    monkeypatch.setattr("hatch_appimage.source_build.run_uv_traced", run)
    return asked


def test_tools_and_environment(
    asked: list[tuple[list[str | Path], Mapping[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HATCH_BUILD_HOOKS_ONLY", "1")
    constraints = tmp_path / "tools.txt"
    wheel = build_any_wheel(tmp_path, tmp_path / "out", Path(sys.executable), constraints)
    assert wheel.build_tools == ("hatchling==1.0",)
    ((arguments, environment),) = asked
    assert arguments[-2:] == ["--build-constraints", constraints]
    assert environment["CPPFLAGS"].endswith(f"-ffile-prefix-map={tmp_path}=.")
    assert "HATCH_BUILD_HOOKS_ONLY" not in environment


def test_constraints_count_for_what_only_a_wheel_says(
    asked: list[tuple[list[str | Path], Mapping[str, str]]], tmp_path: Path
) -> None:
    root = tmp_path / "probe"
    root.mkdir()
    (root / "pyproject.toml").write_text(DYNAMIC)
    given = tmp_path / "given.txt"
    for path in (given, root / "tools.txt"):
        path.touch()
    for constraints, expected in ((None, root / "tools.txt"), (given, given)):
        with open_source(str(root), build_constraints=constraints) as source:
            assert source.config["project"]["version"] == "1.0"
        assert asked[-1][0][-1] == expected


def test_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\nscripts = { a = "a:b" }\n')
    assert main(["check", str(tmp_path), "--set", "build-constraints=tools.txt"]) == 1
    assert "`tool.hatch.build.targets.appimage.build-constraints` names a file that is not there" in (
        capsys.readouterr().err
    )
