# SPDX-License-Identifier: MIT
"""Every key of the table is documented, and what is said of it is so."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.cli import main
from hatch_appimage.cli.reference import table_row, write_options
from hatch_appimage.errors import ConfigurationError
from hatch_appimage.options import HATCHLING_KEYS, HATCHLING_OPTIONS, OPTIONS, Settings
from hatch_appimage.project.metadata import Project
from support.projects import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.table import Option

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A value of each type of TOML, and what errors call the type.
VALUES: dict[str, Any] = {
    "string": "x",
    "boolean": True,
    "integer": 1,
    "array of strings": ["x"],
    "table of strings": {"X": "x"},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, "app", "1.0", "", "", scripts={"app": "app:main"}, gui_scripts={}, features=())


def errors_of(project: Project, table: dict[str, Any]) -> list[str]:
    try:
        Settings.read(table, project)
    except ConfigurationError as error:
        return error.errors
    return []


def test_every_key_is_documented(project: Project) -> None:
    errors = errors_of(project, dict.fromkeys((*OPTIONS, *HATCHLING_OPTIONS), 1))
    assert errors
    assert not any(error.startswith("Unknown option") for error in errors)
    assert set(HATCHLING_OPTIONS) <= HATCHLING_KEYS


def test_once_each(project: Project) -> None:
    """No two stages declare an option of the same key."""
    values = (getattr(Settings.read({}, project), each.name) for each in fields(Settings))
    groups = filter(is_dataclass, values)
    assert len(OPTIONS) == sum(len(fields(group)) for group in groups)


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
class TestOption:
    def test_type(self, project: Project, option: Option) -> None:
        """A value of another type is refused with the type that is documented."""
        for kind in option.kind.name.split(" or "):
            assert kind in VALUES
        wrong = {kind: value for kind, value in VALUES.items() if kind not in option.kind.name.split(" or ")}
        for value in wrong.values():
            (error, *_) = errors_of(project, {option.key: value})
            article = "an" if option.kind.name[0] in "ai" else "a"
            assert error.endswith(f".{option.key}` must be {article} {option.kind.name}")

    def test_default(self, project: Project, option: Option) -> None:
        """Where the default is a value, writing it down changes nothing."""
        if value := re.fullmatch("`([^`]+)`", option.default):
            table = tomllib.loads(f"{option.key} = {value[1]}")
            assert Settings.read(table, project) == Settings.read({}, project)

    def test_reads_well(self, option: Option) -> None:
        assert option.default
        assert option.help.endswith(".")
        assert option.help[0].isupper() or option.help.startswith("`")
        assert "\n" not in option.help
        assert "|" not in option.help
        assert "|" not in option.default


def test_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """If not: `hatch-appimage options > docs/options.md`."""
    assert main(["options"]) == 0
    assert (REPOSITORY / "docs" / "options.md").read_text(encoding="utf-8") == capsys.readouterr().out


def test_every_key_has_its_place_in_the_page() -> None:
    page = write_options()
    for key in OPTIONS:
        assert page.count(f"\n## `{key}`\n") == 1


def test_table_of_the_readme_says_the_same() -> None:
    page = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| Option \| Default \| Meaning \|\n.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = table.splitlines()
    assert rows == [table_row(OPTIONS[row.split("`")[1]]) for row in rows]


def test_help_imports_little() -> None:
    """It is there at once."""
    code = """
import sys
from hatch_appimage.cli import main
try:
    main(["build", "--help"])
except SystemExit:
    print(*sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert {"argparse", "hatch_appimage.cli"} <= set(result.stdout.split())
    assert not {"requests", "hatchling", "cyclonedx", "elftools"}.intersection(result.stdout.split())
