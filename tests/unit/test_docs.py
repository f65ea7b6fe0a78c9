# SPDX-License-Identifier: MIT
"""The documentation says what is so: its settings are taken, its links lead somewhere, its commands are there."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from hatch_appimage.backend import read_table
from hatch_appimage.cli import main
from hatch_appimage.errors import ConfigurationError
from hatch_appimage.options import Settings, check_hook_table
from hatch_appimage.project.metadata import Project
from support.projects import REPOSITORY
from support.recipes import read_recipes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

    from support.recipes import Recipe

PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]


def snippets(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


TOML = [
    pytest.param(text, id=f"{name}-{number}")
    for name, page in zip(NAMES, PAGES, strict=True)
    for number, text in enumerate(snippets(page, "toml"), 1)
]


@pytest.mark.parametrize("text", TOML)
def test_settings_are_taken(text: str, tmp_path: Path) -> None:
    """Whatever stands in a snippet is right, but for files that readers have."""
    document = tomllib.loads(text)
    targets = document.get("tool", {}).get("hatch", {}).get("build", {}).get("targets", {})
    table: dict[str, Any] = targets.get("appimage", {}) if "tool" in document else document
    file = tmp_path / "pyproject.toml"
    file.write_text(text)
    assert table or "wheel" in targets or read_table(file)
    check_hook_table(targets.get("wheel", {}).get("hooks", {}).get("appimage", {}))
    scripts = document.get("project", {}).get("scripts", {"my-app": "my_app:main"})
    project = Project(
        tmp_path,
        next(iter(scripts)),
        "1.0",
        "Shows pictures",
        "",
        scripts=scripts,
        gui_scripts={},
        features=(),
        urls={"Source": "https://github.com/me/my-app"},
    )
    assert [fault for fault in faults_of(table, project) if "not there" not in fault] == []


def faults_of(table: dict[str, Any], project: Project) -> list[str]:
    try:
        settings = Settings.read(table, project)
        settings.release.update_line(settings.image.name, project.version, "x86_64")
    except ConfigurationError as error:
        return error.errors
    return []


def test_there_are_snippets() -> None:
    assert len(TOML) > 10


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https"
            continue
        target = page.parent / parts.path if parts.path else page
        assert target.is_file(), link
        assert not parts.fragment or parts.fragment in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_paths_of_this_repository(page: Path) -> None:
    for name in re.findall(r"`((?:benchmarks|fuzz|tests|test-projects)/?[\w./-]*)`", page.read_text(encoding="utf-8")):
        assert (REPOSITORY / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_are_there(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the options that are shown."""
    text = page.read_text(encoding="utf-8")
    for command, rest in re.findall(r"(?:^\$ uvx |`(?:uvx )?)hatch-appimage ([a-z]+)([^`\n]*)", text, re.MULTILINE):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, command
        known = capsys.readouterr().out
        for option in re.findall(r"--[a-z]+", rest.partition("'{")[0]):
            assert option in known, option


RECIPES = [pytest.param(recipe, id=recipe.name) for recipe in read_recipes()]


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_are_whole(recipe: Recipe, tmp_path: Path) -> None:
    """The files that a project names are there, its sources compile, and its picture is small."""
    recipe.write(tmp_path)
    document = tomllib.loads(recipe.files["pyproject.toml"])
    (target,) = document["project"]["gui-scripts"].values()
    table = document["tool"]["hatch"]["build"]["targets"]["appimage"]
    project = Project(tmp_path, recipe.name, "1.0", "", "", scripts={}, gui_scripts={recipe.name: target}, features=())
    assert faults_of(table, project) == []
    assert all((tmp_path / path).is_file() for path in table.get("force-include", {}))
    for name, text in recipe.files.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
    module = target.partition(":")[0]
    assert {f"{module}.py", f"{module}/__init__.py"} & recipe.files.keys()
    assert recipe.picture is None or recipe.picture.stat().st_size < 15_000


def test_there_are_recipes() -> None:
    assert len(RECIPES) > 10


def test_readme_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
    assert "libraries" in commands
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = text[text.index("## The command") : text.index("## More")]
    assert [name for name in commands if f"`{name}`" not in table] == []


def test_readme_is_short() -> None:
    """One screen, and the essential tables."""
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) < 120
