# SPDX-License-Identifier: MIT
"""Wheels that are built in the environment that the build itself runs in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.builder import AppImageBuilder
from hatch_appimage.errors import AppImageError
from hatch_appimage.project.build_environment import build_here, find_installed
from hatch_appimage.project.build_input import open_source
from hatch_appimage.project.wheel import build_any_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = """
[build-system]
requires = {requires}
build-backend = "{backend}"
backend-path = ["."]

[project]
name = "probe"
version = "1.0"
requires-python = ">=3.10"
"""
# Writes down what it sees, and asks for more when it is run.
BACKEND = """
import os
from hatchling.build import build_wheel as build

def get_requires_for_build_wheel(settings=None):
    return {requires}

def build_wheel(directory, settings=None, metadata=None):
    with open("seen", "w") as file:
        file.write(os.environ["PATH"] + "\\n" + os.environ["GIVEN"] + "\\n" + os.getcwd())
    return build(directory, settings, metadata)
"""


def make_project(
    root: Path, *, backend: str = "backend", requires: Sequence[str] = ("hatchling",), more: Any = ()
) -> Path:
    (root / "probe").mkdir(parents=True)
    (root / "probe" / "__init__.py").touch()
    (root / "backend.py").write_text(BACKEND.format(requires=list(more)))
    (root / "pyproject.toml").write_text(PROJECT.format(requires=list(requires), backend=backend))
    return root


def environment() -> dict[str, str]:
    return {**os.environ, "GIVEN": "as it was given"}


def test_what_is_installed_builds(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    tools = build_here(project, tmp_path / "out", environment())
    assert tools is not None
    assert f"hatchling=={version('hatchling')}" in tools
    assert f"pluggy=={version('pluggy')}" in tools  # hatchling needs it
    assert not [tool for tool in tools if tool.startswith("pytest==")]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["probe-1.0-py3-none-any.whl"]
    path, given, directory = (project / "seen").read_text().splitlines()
    # Programs that packages bring are found, as in any environment of a build.
    assert path.split(":")[0] == str(Path(sys.executable).parent)
    assert (given, directory) == ("as it was given", str(project))


@pytest.mark.parametrize(
    "requires",
    [
        ["hatchling", "surely-not-installed"],
        ["hatchling>=1000"],
        ["hatchling @ file:///hatchling-1.0-py3-none-any.whl"],
        ["no requirement"],
    ],
)
def test_nothing_is_built_where_something_is_missing(tmp_path: Path, requires: list[str]) -> None:
    for name, project in {
        "static": make_project(tmp_path / "static", requires=requires),
        "asked": make_project(tmp_path / "asked", more=requires),
    }.items():
        assert build_here(project, tmp_path / "out", environment()) is None, name
        assert not (project / "seen").exists()
        assert not (tmp_path / "out").exists()


def test_another_environment_is_made_where_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def build(*_: Any, cwd: Path, **__: Any) -> tuple[str, ...]:
        asked.append(cwd)
        raise AppImageError("this environment is of no matter here")

    monkeypatch.setattr("hatch_appimage.project.wheel.build_from_source", build)
    missing = make_project(tmp_path / "missing", requires=["hatchling", "surely-not-installed"])
    there = make_project(tmp_path / "there")
    monkeypatch.setenv("GIVEN", "here")
    wheel = build_any_wheel(there, tmp_path / "out", Path(sys.executable), isolated=False)
    assert wheel.path.name == "probe-1.0-py3-none-any.whl"
    assert f"hatchling=={version('hatchling')}" in (wheel.build_tools or ())
    assert not asked
    for project, isolated in ((missing, False), (there, True)):
        with pytest.raises(AppImageError, match="no matter"):
            build_any_wheel(project, tmp_path / "other", Path(sys.executable), isolated=isolated)
    assert asked == [missing, there]


def test_what_a_back_end_says_is_told(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with (project / "backend.py").open("a") as file:
        file.write("\ndef build_wheel(*_):\n    raise ValueError('no wheel today')\n")
    with pytest.raises(AppImageError, match=r"(?s)Cannot build the project's wheel: .*ValueError: no wheel today"):
        build_here(project, tmp_path / "out", environment())


def test_a_missing_compiler_names_the_option(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with (project / "backend.py").open("a") as file:
        file.write("\ndef build_wheel(*_):\n    raise RuntimeError('fatal error: yaml.h: No such file or directory')\n")
    with pytest.raises(AppImageError, match="build-packages = "):
        build_here(project, tmp_path / "out", environment())


@pytest.mark.parametrize(
    ("backend", "path", "reason"),
    [
        ("nowhere.build", '["."]', "Cannot find module 'nowhere.build' in ['{project}']"),
        ("backend", '["../other"]', "paths must be inside source tree"),
    ],
)
def test_a_back_end_that_is_not_there_is_named(tmp_path: Path, backend: str, path: str, reason: str) -> None:
    project = make_project(tmp_path / "project", backend=backend)
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace('["."]', path))
    expected = f"Cannot build the project's wheel: its back end {backend} cannot be imported: "
    expected += reason.format(project=project)
    with pytest.raises(AppImageError, match=f"^{re.escape(expected)}$"):
        build_here(project, tmp_path / "out", environment())


@pytest.mark.parametrize("table", ["", "[build-system]\nrequires = 1\n", "[build-system]\nrequires = []\n"])
def test_others_say_what_is_wrong_with_a_table(tmp_path: Path, table: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f'{table}[project]\nname = "probe"\nversion = "1.0"\n')
    assert build_here(tmp_path, tmp_path / "out", environment()) is None


@pytest.mark.parametrize("name", ["build.py", "build/__init__.py"])
def test_what_a_project_calls_its_own_scripts(tmp_path: Path, name: str) -> None:
    """`python -m hatchling`, which `hatch build` runs, would import them in place of packages of these names."""
    project = make_project(tmp_path / "project")
    script = project / name
    script.parent.mkdir(exist_ok=True)
    script.write_text("raise SystemExit('the script of the project was run')")
    code = "import sys; assert sys.path[0] == ''; import hatch_appimage.builder, hatch_appimage.cli"
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True)


class TestInstalled:
    def test_markers_and_extras_count(self) -> None:
        assert find_installed(["surely-not-installed; python_version < '3'"]) == ()
        alone, more = (
            find_installed(["cyclonedx-python-lib"]),
            find_installed(["cyclonedx-python-lib[json-validation]"]),
        )
        assert alone is not None
        assert more is not None
        assert "jsonschema" not in {tool.partition("==")[0] for tool in alone}
        assert "jsonschema" in {tool.partition("==")[0] for tool in more}

    def test_what_requires_each_other_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, other in (("one", "two"), ("two", "One[more]")):
            metadata = tmp_path / f"{name}-1.0.dist-info" / "METADATA"
            metadata.parent.mkdir()
            metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {other}\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert find_installed(["One"]) == ("one==1.0", "two==1.0")

    def test_a_development_release_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        metadata = tmp_path / "one-2.0.dev1.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text("Metadata-Version: 2.1\nName: one\nVersion: 2.0.dev1\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert find_installed(["one>=1"]) == ("one==2.0.dev1",)
        assert find_installed(["one>=2"]) is None


class TestWhere:
    """Which builds use their own environment."""

    def isolated(self, root: Path, table: dict[str, str], *, source: bool = False) -> bool:
        config = {
            "project": {"name": "probe", "version": "1.0", "scripts": {"probe": "probe:main"}},
            "tool": {"hatch": {"build": {"targets": {"appimage": table}}}},
        }
        builder = AppImageBuilder(str(root), config=config)
        builder.isolated = source
        work = Path(tempfile.mkdtemp(dir=root))
        return builder.resolve_inputs(native_architecture(), work).isolated

    def test_hatchling_runs_in_one_that_was_made_for_the_project(self, tmp_path: Path) -> None:
        assert not self.isolated(tmp_path, {})

    def test_our_own_command_does_not(self, tmp_path: Path) -> None:
        make_project(tmp_path / "project")
        with open_source(str(tmp_path / "project")) as source:
            assert AppImageBuilder.of_source(source).isolated
        assert self.isolated(tmp_path, {}, source=True)

    def test_constraints_are_for_another_one(self, tmp_path: Path) -> None:
        (tmp_path / "tools.txt").touch()
        assert self.isolated(tmp_path, {"build-constraints": "tools.txt"})

    def test_another_python_builds_for_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = getattr(sys, "_base_executable", sys.executable)
        assert not self.isolated(tmp_path, {"python": own})
        monkeypatch.setattr("hatch_appimage.inputs.own_python", lambda: Path("/another/python3"))
        assert self.isolated(tmp_path, {"python": own})
