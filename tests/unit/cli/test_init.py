# SPDX-License-Identifier: MIT
"""The first table of a project: what it says, and that nothing else in the file changes."""

from __future__ import annotations

import platform
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.cli import main
from support.png import plain
from support.projects import copy_project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

HATCHLING = """\
# Ours.
[build-system]
requires = ["hatchling"] # nothing else
build-backend = "hatchling.build"

[project]
name    =   "My-App"
version = '1.0'
classifiers = [
  "Topic :: Multimedia :: Graphics :: Viewers",
  "Private :: Do Not Upload", # never
]
scripts.my-app = "my_app:main"
"""
SETUPTOOLS = HATCHLING.replace("hatchling.build", "setuptools.build_meta").replace('"hatchling"', '"setuptools>=61"')
TABLE = "tool.hatch.build.targets.appimage"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "my_app").mkdir(parents=True)
    (root / "my_app" / "__init__.py").write_text("def main(): pass\n")
    (root / "pyproject.toml").write_text(HATCHLING)
    return root


def table_of(root: Path, file: str = "pyproject.toml") -> Any:
    document: Any = tomllib.loads((root / file).read_text())
    for key in (TABLE if file == "pyproject.toml" else TABLE.removeprefix("tool.hatch.")).split("."):
        document = document[key]
    return document


def refused(root: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return what is said of a project that gets no table; nothing in it changes."""
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert main(["init", str(root), *options]) == 2
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    return capsys.readouterr().err.removeprefix("hatch-appimage: ")


class TestText:
    def test_only_the_table_is_new(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["init", str(project)]) == 0
        assert (project / "pyproject.toml").read_text() == (
            f'{HATCHLING}\n[{TABLE}]\ndependencies = ["hatch-appimage"]\ncategories = ["Graphics"]\n'
        )
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"pyproject.toml: {TABLE}"
        assert lines[1] == "  starts      my-app (the only script)"
        assert "  categories  Graphics (as of `Topic :: Multimedia :: Graphics :: Viewers`)" in lines
        assert f"  python      the one that runs the build, here {platform.python_version()} " in "\n".join(lines)
        assert lines[-1] == "Build the image:     hatch build -t appimage"
        assert main(["check", str(project)]) == 0

    @pytest.mark.parametrize(
        ("ending", "between"), [("", "\n\n"), ("\n", "\n"), ("\n\n", ""), ("\n\n\n", ""), ("\n# The end.", "\n\n")]
    )
    def test_end_of_the_file(self, project: Path, ending: str, between: str) -> None:
        text = HATCHLING.rstrip() + ending
        (project / "pyproject.toml").write_text(text)
        assert main(["init", str(project)]) == 0
        assert (project / "pyproject.toml").read_text().startswith(f"{text}{between}[{TABLE}]\n")

    def test_line_ends(self, project: Path) -> None:
        text = HATCHLING.replace("\n", "\r\n").encode()
        (project / "pyproject.toml").write_bytes(text)
        assert main(["init", str(project)]) == 0
        after = (project / "pyproject.toml").read_bytes()
        assert after.startswith(text + b"\r\n[tool")
        assert after.count(b"\n") == after.count(b"\r\n")

    @pytest.mark.parametrize(
        "inline",
        [
            'tool = { hatch = { build = { exclude = ["x"] } } }\n',
            'tool.hatch.build.exclude = ["x"] # dotted\n',
            'tool = { hatch.build = { exclude = ["x"] } }\n',
        ],
    )
    def test_where_no_table_can_follow(self, project: Path, inline: str) -> None:
        (project / "pyproject.toml").write_text(inline + HATCHLING)
        assert main(["init", str(project)]) == 0
        after = (project / "pyproject.toml").read_text()
        assert HATCHLING in after
        assert table_of(project)["categories"] == ["Graphics"]
        assert tomllib.loads(after)["tool"]["hatch"]["build"]["exclude"] == ["x"]

    def test_tables_in_disorder(self, project: Path) -> None:
        text = HATCHLING + "[tool.hatch.version]\n[tool.ruff]\nline-length = 9\n[tool.hatch.build.targets.wheel]\n"
        (project / "pyproject.toml").write_text(text)
        assert main(["init", str(project)]) == 0
        assert (project / "pyproject.toml").read_text().startswith(text)

    def test_hatch_toml(self, project: Path) -> None:
        """One that has `build` hides what pyproject.toml says of it."""
        (project / "hatch.toml").write_text("[envs.x]\n")
        assert main(["init", str(project)]) == 0
        assert table_of(project)
        (project / "pyproject.toml").write_text(HATCHLING)
        (project / "hatch.toml").write_text("[build]\n# Nothing.\n")
        assert main(["init", str(project)]) == 0
        assert (project / "pyproject.toml").read_text() == HATCHLING
        assert table_of(project, "hatch.toml") == {"dependencies": ["hatch-appimage"], "categories": ["Graphics"]}

    def test_mode_and_link(self, project: Path) -> None:
        file = project / "pyproject.toml"
        file.rename(project / "real.toml")
        file.symlink_to("real.toml")
        file.chmod(0o640)
        assert main(["init", str(project)]) == 0
        assert file.is_symlink()
        assert TABLE in (project / "real.toml").read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        assert not list(project.glob(".*"))


class TestChoices:
    def test_nothing_to_say(self, project: Path) -> None:
        (project / "pyproject.toml").write_text(SETUPTOOLS.replace("Topic ::", "Other ::"))
        assert main(["init", str(project)]) == 0
        assert table_of(project) == {}

    @pytest.mark.parametrize(
        ("scripts", "entry_point"),
        [
            ('scripts = { one = "a:b", two = "a:c" }', "one"),
            ('scripts = { one = "a:b" }\ngui-scripts = { two = "a:c" }', "two"),
            ('scripts = { one = "a:b", my_app = "a:c" }', None),
        ],
    )
    def test_scripts(self, project: Path, scripts: str, entry_point: str | None) -> None:
        (project / "pyproject.toml").write_text(HATCHLING.replace('scripts.my-app = "my_app:main"', scripts))
        assert main(["init", str(project)]) == 0
        assert table_of(project).get("entry-point") == entry_point

    @pytest.mark.parametrize(
        ("files", "entry_point"),
        [
            (["my_app/__main__.py"], "-m my_app"),
            (["src/other/__main__.py"], "-m other"),
            (["other/__main__.py", "my_app.py"], "-m my_app"),
            (["tests/__main__.py", "my_app.py"], "-m my_app"),
        ],
    )
    def test_modules(self, project: Path, files: list[str], entry_point: str) -> None:
        (project / "pyproject.toml").write_text(HATCHLING.replace('scripts.my-app = "my_app:main"', ""))
        for file in files:
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).touch()
        assert main(["init", str(project)]) == 0
        assert table_of(project)["entry-point"] == entry_point

    @pytest.mark.parametrize(
        ("files", "icon"),
        [
            ({"data/my-app.png": 64, "icon.png": 256}, "data/my-app.png"),
            ({"data/icon-64.png": 64, "data/icon_256x256.png": 256}, "data/icon_256x256.png"),
            ({"src/my_app/assets/app-icon.png": 128, "logo.png": 256}, "src/my_app/assets/app-icon.png"),
            ({"icon.png": 8}, None),  # too small
            ({"tests/icon.png": 64, "build/icon.png": 64, ".git/icon.png": 64, "icons.png": 64}, None),
        ],
    )
    def test_icon(self, project: Path, files: dict[str, int], icon: str | None) -> None:
        for file, size in files.items():
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).write_bytes(plain(size, size))
        (project / "logo.svg").write_text("<html/>")
        assert main(["init", str(project)]) == 0
        assert table_of(project).get("icon") == icon

    def test_drawing_before_picture(self, project: Path) -> None:
        (project / "icon.png").write_bytes(plain(256, 256))
        (project / "icon.svg").write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
        )
        assert main(["init", str(project)]) == 0
        assert table_of(project)["icon"] == "icon.svg"

    def test_desktop_entry(self, project: Path) -> None:
        (project / "broken.desktop").write_text("[Desktop Entry]\nName=x\n")
        (project / "data").mkdir()
        entry = "[Desktop Entry]\nType=Application\nName=My App\nExec=my-app\nCategories=Graphics;\n"
        (project / "data" / "org.example.App.desktop").write_text(entry)
        assert main(["init", str(project)]) == 0
        assert table_of(project) == {
            "dependencies": ["hatch-appimage"],
            "desktop-file": "data/org.example.App.desktop",
        }
        assert main(["check", str(project)]) == 0

    @pytest.mark.parametrize(
        ("kind", "terminal"), [("scripts", {"terminal": False}), ("gui-scripts", {})], ids=["scripts", "gui"]
    )
    def test_toolkit(
        self, project: Path, kind: str, terminal: dict[str, bool], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "pyproject.toml").write_text(HATCHLING.replace("\nscripts.", f"\n{kind}."))
        (project / "my_app" / "__init__.py").write_text("def main():\n    from .window import Window\n")
        (project / "my_app" / "window.py").write_text("from PySide6.QtWidgets import QWidget\n")
        assert main(["init", str(project)]) == 0
        assert {key: value for key, value in table_of(project).items() if key == "terminal"} == terminal
        assert "  toolkit     PySide6 (" in capsys.readouterr().out

    def test_python(self, project: Path) -> None:
        """One that the project allows, where this one is not allowed."""
        file = project / "pyproject.toml"
        file.write_text(HATCHLING.replace("scripts.", "requires-python = '<3.10'\nscripts."))
        assert main(["init", str(project)]) == 0
        assert table_of(project)["python"] == "3.9"

    def test_lock(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "poetry.lock").touch()
        assert main(["init", str(project)]) == 0
        assert table_of(project)["lock"] == "poetry.lock"
        (project / "uv.lock").touch()
        (project / "pyproject.toml").write_text(HATCHLING)
        assert main(["init", str(project)]) == 0
        assert "lock" not in table_of(project)
        assert "  lock        uv.lock (found beside pyproject.toml)" in capsys.readouterr().out


class TestBackEnd:
    def test_hatchling(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["init", str(project), "--backend"]) == 0
        document = tomllib.loads((project / "pyproject.toml").read_text())
        assert document["tool"]["hatch"]["build"]["targets"]["wheel"] == {
            "hooks": {"appimage": {"enable-by-default": False, "dependencies": ["hatch-appimage"]}}
        }
        assert "HATCH_BUILD_HOOK_ENABLE_APPIMAGE=1 python -m build" in capsys.readouterr().out
        assert "appimage] already" in refused(project, capsys, "--backend")

    def test_wrapped(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        requires = '[\n  "setuptools>=61", # the first that reads this file\n]'
        text = SETUPTOOLS.replace('["setuptools>=61"]', requires)
        (project / "pyproject.toml").write_text(text)
        assert main(["init", str(project), "--backend"]) == 0
        after = (project / "pyproject.toml").read_text()
        own = '[\n  "setuptools>=61", # the first that reads this file\n  "hatch-appimage",\n]'
        assert after.startswith(text.replace(requires, own).replace("setuptools.build_meta", "hatch_appimage.backend"))
        assert after.endswith('[tool.hatch-appimage]\nbuild-backend = "setuptools.build_meta"\n')
        assert "python -m build -C appimage=true" in capsys.readouterr().out
        assert "is hatch_appimage.backend already" in refused(project, capsys, "--backend")

    def test_wrapped_later(self, project: Path) -> None:
        (project / "pyproject.toml").write_text(SETUPTOOLS)
        assert main(["init", str(project)]) == 0
        table = table_of(project)
        assert main(["init", str(project), "--backend"]) == 0
        assert table_of(project) == table
        assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["hatch-appimage"]

    def test_in_the_project(self, project: Path) -> None:
        """Ours is not where its own one is."""
        system = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["tools"]\n'
        (project / "pyproject.toml").write_text(system + HATCHLING[HATCHLING.index("[project]") :])
        assert main(["init", str(project), "--backend"]) == 0
        document = tomllib.loads((project / "pyproject.toml").read_text())
        assert document["build-system"] == {
            "requires": ["hatch-appimage"],
            "build-backend": "hatch_appimage.backend",
        }
        assert document["tool"]["hatch-appimage"] == {"build-backend": "own", "backend-path": ["tools"]}

    @pytest.mark.parametrize("system", ["", '[build-system]\nrequires = ["setuptools", "cython"]\n'])
    def test_not_named(self, project: Path, system: str) -> None:
        (project / "pyproject.toml").write_text(system + HATCHLING[HATCHLING.index("[project]") :])
        assert main(["init", str(project), "--backend"]) == 0
        document = tomllib.loads((project / "pyproject.toml").read_text())
        assert document["build-system"]["requires"] == [
            "setuptools",
            *(["cython"] if system else []),
            "hatch-appimage",
        ]
        assert "hatch-appimage" not in document["tool"]

    @pytest.mark.slow
    @pytest.mark.network
    def test_metadata_that_the_back_end_has(self, tmp_path: Path) -> None:
        root = copy_project("poetry-tool", tmp_path)
        file = root / "pyproject.toml"
        file.write_text(file.read_text().replace(f"[{TABLE}]", "[tool.other]"))
        assert main(["init", str(root)]) == 0
        assert main(["check", str(root)]) == 0


class TestRefusals:
    def test_table_is_there(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "pyproject.toml").write_text(f"{HATCHLING}[{TABLE}]\n")
        message = f"has a table [{TABLE}] already: `hatch-appimage check` shows what it means\n"
        assert refused(project, capsys) == f"{project}/pyproject.toml {message}"

    def test_table_in_hatch_toml(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "hatch.toml").write_text("[build.targets.appimage]\n")
        assert refused(project, capsys).startswith(f"{project}/hatch.toml has a table [build.targets.appimage] already")

    def test_no_project(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "is no Python project: it has neither pyproject.toml nor setup.py" in refused(tmp_path, capsys)
        assert main(["init", str(tmp_path / "nowhere")]) == 2
        assert capsys.readouterr().err == f"hatch-appimage: {tmp_path}/nowhere is no directory of a project\n"

    @pytest.mark.parametrize("text", [b"[broken", b"\xff"])
    @pytest.mark.parametrize("file", ["pyproject.toml", "hatch.toml"])
    def test_no_toml(self, project: Path, file: str, text: bytes, capsys: pytest.CaptureFixture[str]) -> None:
        (project / file).write_bytes(text)
        assert refused(project, capsys).startswith(f"{project}/{file} is no valid TOML: ")

    @pytest.mark.parametrize(
        ("files", "reason"),
        [
            ([], "there is no package with a __main__.py"),
            (["a/__main__.py", "b/__main__.py"], "there are several: a, b"),
        ],
    )
    def test_nothing_to_start(
        self, project: Path, files: list[str], reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "pyproject.toml").write_text(HATCHLING.replace('scripts.my-app = "my_app:main"', ""))
        for file in files:
            (project / file).parent.mkdir()
            (project / file).touch()
        assert refused(project, capsys) == (
            f"Nothing says what the image of My-App is to start: it has no [project.scripts], and {reason}. "
            "Name a function in [project.scripts] or [project.gui-scripts]\n"
        )

    def test_wrong_script(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "pyproject.toml").write_text(HATCHLING.replace("my_app:main", "my_app"))
        assert "names the script `my-app`, whose value `my_app` is not of the form" in refused(project, capsys)

    def test_not_a_table(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "pyproject.toml").write_text("tool.hatch = 1\n" + HATCHLING)
        assert refused(project, capsys) == "Field `tool.hatch` must be a table\n"

    @pytest.mark.parametrize(
        "text", ["tool.hatch.build.targets = 1\n", "tool.hatch.build.targets.appimage = 1\n", "project = 1\n"]
    )
    def test_something_else(self, project: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "pyproject.toml").write_text(text + (HATCHLING if "tool" in text else ""))
        assert refused(project, capsys)

    def test_build_system_that_is_none(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = "build-system = 1\ntool.poetry = 1\n" + HATCHLING[HATCHLING.index("[project]") :]
        (project / "pyproject.toml").write_text(text)
        assert refused(project, capsys, "--backend") == f"{project}/pyproject.toml: `build-system` is no table\n"
        assert main(["init", str(project)]) == 0

    def test_no_place(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Dotted keys in an inline table, which tomlkit cannot add to."""
        (project / "pyproject.toml").write_text('tool.hatch = { build.exclude = ["x"] }\n' + HATCHLING)
        assert refused(project, capsys).startswith(
            f"{project}/pyproject.toml: `{TABLE}` has no place among the inline tables of the file: set it yourself to "
        )

    def test_nothing_half_written(
        self, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.replace", fail)
        assert "No space left on device" in refused(project, capsys)
