# SPDX-License-Identifier: MIT
"""The projects that packers are compared by are those of `test-projects`, and change by one line."""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from apps import APPS, App, Edit
from support.projects import TEST_PROJECTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.project)
def test_says_what_the_project_says(app: App) -> None:
    project = tomllib.loads((TEST_PROJECTS / app.project / "pyproject.toml").read_text())["project"]
    scripts = {**project.get("scripts", {}), **project.get("gui-scripts", {})}
    assert scripts[app.command] == app.entry_point
    assert tuple(Requirement(text).name for text in project.get("dependencies", ())) == app.dependencies


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.project)
def test_copy_has_the_edits(app: App, tmp_path: Path) -> None:
    project = app.copy(tmp_path / "project")
    for edit in app.edits:
        assert edit.before not in (project / edit.file).read_text()
        assert edit.before in (TEST_PROJECTS / app.project / edit.file).read_text()


def test_an_edit_without_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a\n")
    with pytest.raises(SystemExit, match="has no `b`"):
        Edit("file", "b", "c").apply(tmp_path)


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.project)
def test_one_line_changes(app: App, tmp_path: Path) -> None:
    project = app.copy(tmp_path / "project")
    file = project / "src" / app.package / "__init__.py"
    before = file.read_text()
    for value in (1, 2):
        app.change_line(project, value)
        assert file.read_text() == f"{before}CHANGE = {value}\n"
        compile(file.read_bytes(), str(file), "exec")


def test_main_calls_the_entry_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "an_app.py").write_text("def run():\n    print('ran')\n")
    program = tmp_path / "program.py"
    program.write_text(App("an-app", "app", "an_app:run", (), "").main)
    sys.path.insert(0, str(tmp_path))
    try:
        runpy.run_path(str(program), run_name="__main__")
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["an_app"]
    assert capsys.readouterr().out == "ran\n"
