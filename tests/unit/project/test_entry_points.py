# SPDX-License-Identifier: MIT
"""Which command an image starts."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.project.entry_points import (
    EntryPoint,
    choose_entry_point,
    choose_links,
    modules_at_start,
)
from hatch_appimage.project.metadata import Project
from hatch_appimage.suggest import list_names

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_project(
    scripts: Mapping[str, str] | None = None, gui_scripts: Mapping[str, str] | None = None, name: str = "My.App"
) -> Project:
    return Project(Path("/nowhere"), name, "1.0", "", "", scripts or {}, gui_scripts or {}, ())


class TestUnset:
    def test_only_script(self) -> None:
        entry_point = choose_entry_point(None, make_project({"serve": "my_app.web:main"}))
        assert entry_point == EntryPoint("serve", "my_app.web", "main", gui=False, installed=True)

    def test_only_gui_script(self) -> None:
        entry_point = choose_entry_point(None, make_project(gui_scripts={"window": "my_app:Window.run"}))
        assert entry_point == EntryPoint("window", "my_app", "Window.run", gui=True, installed=True)

    @pytest.mark.parametrize("script", ["My.App", "my-app", "my_app", "MY__app"])
    def test_script_named_like_the_project(self, script: str) -> None:
        entry_point = choose_entry_point(None, make_project({"other": "my_app:other", script: "my_app:main"}))
        assert (entry_point.command, entry_point.attribute) == (script, "main")

    def test_gui_script_named_like_the_project(self) -> None:
        entry_point = choose_entry_point(None, make_project({"other": "my_app:other"}, {"my-app": "my_app:main"}))
        assert (entry_point.command, entry_point.gui) == ("my-app", True)

    def test_none_named_like_the_project(self) -> None:
        with pytest.raises(
            ValueError,
            match=r"^is needed, as none of the project's scripts is named like it: choose serve or fetch or window$",
        ):
            choose_entry_point(None, make_project({"serve": "a:b", "fetch": "a:c"}, {"window": "a:d"}))

    def test_no_scripts_but_packages_that_run(self, tmp_path: Path) -> None:
        """What can be set is named; what is no package cannot."""
        for name in ("my_app", "src/other", "not-a-package", "src/deep/er"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "__main__.py").touch()
        message = (
            "is needed, as the project has no [project.scripts] or [project.gui-scripts]: "
            "set it to `-m my_app`, `-m other`, `module:function` or `-m module`"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            choose_entry_point(None, replace(make_project({}), root=tmp_path))

    def test_no_scripts(self) -> None:
        message = (
            "is needed, as the project has no [project.scripts] or [project.gui-scripts]: "
            "set it to `module:function` or `-m module`"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            choose_entry_point(None, make_project())


class TestScript:
    def test_of_several(self) -> None:
        project = make_project({"serve": "my_app:serve", "my-app": "my_app:main"})
        assert choose_entry_point("serve", project) == EntryPoint("serve", "my_app", "serve", installed=True)

    @pytest.mark.parametrize("value", [" my_app : main ", "my_app:main [web,cli]", "my_app:main[web]"])
    def test_value_as_the_specification_allows_it(self, value: str) -> None:
        entry_point = choose_entry_point("serve", make_project({"serve": value}))
        assert (entry_point.module, entry_point.attribute) == ("my_app", "main")

    @pytest.mark.parametrize("value", ["my_app", "my-app:main", "my_app:", "my_app:main()", ""])
    def test_value_that_calls_nothing(self, value: str) -> None:
        with pytest.raises(
            ValueError,
            match=(
                f"^names the script `serve`, whose value `{re.escape(value)}` is not of the form `module:function`$"
            ),
        ):
            choose_entry_point("serve", make_project({"serve": value}))


class TestOther:
    def test_function(self) -> None:
        entry_point = choose_entry_point("my_app.cli:main", make_project())
        assert entry_point == EntryPoint("my-app", "my_app.cli", "main", gui=False, installed=False)

    @pytest.mark.parametrize("setting", ["-m my_app.cli", "-m   my_app.cli"])
    def test_module(self, setting: str) -> None:
        entry_point = choose_entry_point(setting, make_project())
        assert entry_point == EntryPoint("my-app", "my_app.cli", None, gui=False, installed=False)

    def test_own_command_leaves_the_projects_scripts_alone(self) -> None:
        """What is written for it must not replace another command that the wheel installs."""
        entry_point = choose_entry_point("my_app:other", make_project({"my-app": "my_app:main"}))
        assert entry_point.command != "my-app"

    @pytest.mark.parametrize("setting", ["srve", "my-app.cli:main", "-m", "-mmy_app", "-m my-app", "a:b:c", "a b"])
    def test_unknown(self, setting: str) -> None:
        message = (
            f"must be one of the project's scripts (serve, fetch), `module:function` or `-m module`, not `{setting}`"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            choose_entry_point(setting, make_project({"serve": "a:b", "fetch": "a:c"}))

    def test_unknown_without_scripts(self) -> None:
        with pytest.raises(ValueError, match=r"^must be `module:function` or `-m module`, not `serve`$"):
            choose_entry_point("serve", make_project())

    @pytest.mark.parametrize("setting", ["1app:main", "my_app:2main", "my_app.class:main", "-m 1app", "app:def"])
    def test_what_no_import_statement_can_name(self, setting: str) -> None:
        """It would become a script with a syntax error, found only when the image is started."""
        with pytest.raises(ValueError, match="must be"):
            choose_entry_point(setting, make_project())

    @pytest.mark.parametrize("setting", ["srve", "mkdocs", "a b", "x.y-z", "1", "50%"])
    def test_command_of_a_dependency(self, setting: str) -> None:
        """What it calls is known once it is installed."""
        project = make_project({"serve": "a:b"})
        found = choose_entry_point(setting, project, complete=False)
        assert found == EntryPoint(setting, None, None, installed=True)
        assert choose_links((setting, "serve"), project, complete=False) == (setting, "serve")

    @pytest.mark.parametrize("setting", ["my-app.cli:main", "-m", "-m my-app", "a:b:c", "--help"])
    def test_what_is_no_command_either(self, setting: str) -> None:
        message = (
            "must be one of the project's scripts (serve), the command of a dependency, `module:function` or "
            f"`-m module`, not `{setting}`"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            choose_entry_point(setting, make_project({"serve": "a:b"}), complete=False)

    def test_needed_where_dependencies_have_some(self) -> None:
        with pytest.raises(ValueError, match="set it to the command of a dependency, `module:function` or `-m module`"):
            choose_entry_point(None, make_project(), complete=False)


class TestNames:
    @pytest.mark.parametrize("name", ["a/b", "/", "..", ".", "a\0b", "a\nb", "a\tb", "a\x85b", "x" * 256, "ä" * 128])
    def test_that_no_file_can_have(self, name: str) -> None:
        project = make_project({name: "a:b"})
        for choose in (choose_entry_point, choose_links):
            with pytest.raises(ValueError, match=r"^names the script .*, which is no possible name of a file$"):
                choose(None, project)
        with pytest.raises(ValueError, match="no possible name of a file"):
            choose_entry_point(name, make_project(), complete=False)

    def test_that_no_desktop_starts(self) -> None:
        with pytest.raises(ValueError, match=r"^names the script `a=b`, which no desktop starts"):
            choose_entry_point("a=b", make_project(), complete=False)

    @pytest.mark.parametrize("name", ["my tool", "it's", 'a"b', "a\\b", "50%", "$x", "x" * 255, "ä" * 127, ".a", "..."])
    def test_of_any_other_kind(self, name: str) -> None:
        project = make_project({name: "a:b"})
        assert choose_entry_point(None, project).command == name
        assert choose_links(None, project) == (name,)

    def test_near_ones_come_first(self) -> None:
        known = [*(f"command-{letter}" for letter in "abcdefghijkl"), "mkdocs"]
        assert list_names("mkdoc", known) == f"mkdocs, {', '.join(known[:9])} and 3 more"
        assert list_names("zz", ["a", "b"]) == "a, b"


def test_modules_at_start_of_a_script_that_the_compiler_warns_of(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/usr/bin/python\nimport a.b\nfrom c import d\nprint('\\d', 'x' is 1)\n")
    entry_point = EntryPoint("tool", None, None, gui=False, installed=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert modules_at_start(entry_point, tmp_path) == ["a.b", "c"]
