# SPDX-License-Identifier: MIT
"""Images without sources and with optimized bytecode, told by applications that count on either."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.machine import clean_environment
from support.plugin import build_image
from support.projects import SUPPORT, copy_project, make_project

if TYPE_CHECKING:
    from support.plugin import Plugin

ONLY = 'bytecode = "only"\n'
# Of processes on the image's Python: the application, and what it starts.
KINDS = ("own", "spawned", "child", "isolated", "command")
EMPTY = clean_environment(Path("/nonexistent"))


def run(*command: str | Path) -> str:
    """Run a command in a fresh environment, and return what it prints."""
    return subprocess.run(command, env=EMPTY, capture_output=True, text=True, check=True).stdout


def build_sources(plugin: Plugin, directory: Path, table: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build the image of `sources-project`; return what it tells of itself, and the report of the build."""
    project = Path(shutil.copytree(SUPPORT / "sources-project", directory / "sources"))
    with (project / "pyproject.toml").open("a") as file:
        file.write(table)
    part = project / "spaced" / "part" / "__init__.py"  # of a namespace package
    part.parent.mkdir(parents=True)
    part.write_text('NAME = "part"\n')
    image = build_image(plugin, project)
    return json.loads(run(image)), json.loads((project / "report.json").read_text())


@pytest.fixture(scope="module")
def answer(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the image without sources tells, with what its report says of bytecode."""
    table = f'{ONLY}optimize = 1\nkeep-sources = ["sources/kept.py"]\n'
    told, report = build_sources(plugin, tmp_path_factory.mktemp("only"), table)
    return {**told, "report": report["bytecode"]}


class TestWithoutSources:
    """Each module of the project has another way to count on sources."""

    def test_report_says_what_went_and_what_stays(self, answer: dict[str, Any]) -> None:
        report = answer["report"]
        assert report["level"] == 1
        # The standard library of Python 3.10 to 3.14 without tests has some 500 modules, and 9 to 12 MB of sources.
        assert report["removed"] > 400
        assert report["saved"] > 5_000_000
        assert report["kept"] == {
            "Python imports them before all others": 3,
            "`keep-sources` names them": 1,
            "sources/cli.py names them": 2,
            "sources/plugins/__init__.py looks for sources": 3,
            "they do something with their own paths": 1,
        }

    def test_failures_name_file_and_line(self, answer: dict[str, Any]) -> None:
        failure = answer["failure"]
        place = "-packages/sources/failing.py"  # Debian calls the directory dist-packages
        assert failure["file"].startswith("/")
        assert failure["file"].endswith(place)
        assert (failure["line"], failure["text"]) == (8, "")
        assert failure["warned"] == [failure["file"], 12]
        assert failure["of_function"] == failure["file"]

    def test_modules_and_data_are_found(self, answer: dict[str, Any]) -> None:
        modules = ["__main__", "cli", "failing", "kept", "migrations", "plugins", "quine", "tool", "worker"]
        assert answer["modules"] == {
            "iterated": modules,
            "migration": 1,
            "namespace": "part",
            "plugins": ["one", "two"],
            "read": "# SPDX-License-Identifier: MIT",
            "template": 'NAME = "template"',
            "script": "worker",
            "module": "tool",
            "package": "main",
            "directory": "main",
            "run": "tool",
            "sources": {"kept": True, "failing": False},
            "of_stdlib": False,
        }

    def test_record_is_true(self, answer: dict[str, Any]) -> None:
        metadata = answer["metadata"]
        assert (metadata["missing"], metadata["sizes"]) == ([], True)
        assert {"failing.pyc", "kept.py", "quine.py", "worker.py", "__init__.pyc"} <= set(metadata["names"])
        assert metadata["packages"] == ["sources"]

    def test_all_processes_are_optimized(self, answer: dict[str, Any]) -> None:
        levels = answer["levels"]
        assert levels.pop("asked") == 2
        assert levels == {kind: [1, False, True] for kind in KINDS}

    def test_environments_on_top(self, answer: dict[str, Any]) -> None:
        assert answer["environment"] == "True"


def test_without_docstrings_and_with_sources(plugin: Plugin, tmp_path: Path) -> None:
    told, report = build_sources(plugin, tmp_path, "optimize = 2\n")
    assert told["levels"] == {**{kind: [2, False, False] for kind in KINDS}, "asked": 2}
    assert told["failure"]["text"] == "return 1 / 0"
    assert told["modules"]["sources"] == {"kept": True, "failing": True}
    assert (report["bytecode"]["level"], report["bytecode"]["removed"]) == (2, 0)


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [("hello-cli", (), "Hello, world!"), ("flask-app", ("--version",), "flask-app 1.0"), ("pandas-report", (), "Rome")],
)
def test_projects_without_sources(
    plugin: Plugin, tmp_path: Path, name: str, arguments: tuple[str, ...], wanted: str
) -> None:
    project = copy_project(name, tmp_path, quick=True)
    with (project / "pyproject.toml").open("a") as file:
        file.write(f"{ONLY}self-test = true\n")
    assert wanted in run(build_image(plugin, project), *arguments)


DJANGO = """\
import sys

import django
from django.conf import settings
from django.core.management import call_command


def main():
    databases = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    settings.configure(DATABASES=databases, INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("check")
    call_command("showmigrations", "auth")
    from django.contrib.auth import models
    User = models.User
    User.objects.create_user("me")
    call_command("startapp", "blog", sys.argv[1])
    print(User.objects.count(), models.__file__.endswith(".pyc"))
"""


def test_django_finds_migrations_and_templates(plugin: Plugin, tmp_path: Path) -> None:
    project = make_project(tmp_path / "probe", DJANGO, project='dependencies = ["django"]', table=ONLY)
    (tmp_path / "blog").mkdir()
    lines = run(build_image(plugin, project), tmp_path / "blog").splitlines()
    assert " [X] 0001_initial" in lines
    assert lines[-1] == "1 True"
    assert "AppConfig" in (tmp_path / "blog" / "apps.py").read_text()


def test_exposed_interpreter_without_sources(plugin: Plugin, tmp_path: Path) -> None:
    """What is made on top of it has a standard library to read, and pip, which runs files of its own by their paths."""
    table = f"{ONLY}expose-python = true\n"
    project = make_project(tmp_path / "probe", "def main(): print('probe')\n", table=table)
    image = build_image(plugin, project)
    python = tmp_path / "python3"
    python.symlink_to(image)
    run(python, "-m", "venv", tmp_path / "venv")
    interpreter = tmp_path / "venv" / "bin" / "python"
    code = "import dataclasses, inspect; print(inspect.getsource(dataclasses.dataclass).split('(')[0])"
    assert run(interpreter, "-c", code) == "def dataclass\n"
    assert "pip" in run(interpreter, "-m", "pip", "--version")
