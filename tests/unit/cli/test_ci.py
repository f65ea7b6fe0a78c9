# SPDX-License-Identifier: MIT
"""The workflows for GitHub and GitLab: valid, safe, and their steps do what they should when they are run here."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from ruamel.yaml import YAML
from uv import find_uv_bin

from hatch_appimage import PASSPHRASE
from hatch_appimage.architecture import native_architecture
from hatch_appimage.builder import AppImageBuilder
from hatch_appimage.cli import main
from hatch_appimage.cli.ci import SIGNING_KEY, WorkflowPlan, choose_python
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.name import image_name
from hatch_appimage.image.sign import State
from hatch_appimage.inspect.image import inspect_image
from hatch_appimage.project.build_input import open_source
from hatch_appimage.toml import read_toml
from support.keys import gpg, make_key
from support.projects import REPOSITORY, copy_project
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.plugin import Plugin

WORDS = "open sesame"
ARCHITECTURES = ("x86_64", "aarch64")
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
PROJECT = '[project]\nname = "my-app"\nversion = "1.0"\n[project.scripts]\nmy-app = "my_app:main"\n'
URLS = '[project.urls]\nSource = "https://github.com/me/app"\n'
TABLE = '[tool.hatch.build.targets.appimage]\ndependencies = ["hatch-appimage"]\n'
DYNAMIC = HATCHLING + PROJECT.replace('version = "1.0"', 'dynamic = ["version"]')
DYNAMIC += '[tool.hatch.version]\npath = "my_app.py"\n'
BARE = HATCHLING + PROJECT + TABLE
WITH_UPDATES = HATCHLING + PROJECT + URLS + TABLE + 'update-information = "github"\n'

# Projects whose workflows differ in every part that can.
PROJECTS = {
    "bare": BARE,
    "updates": WITH_UPDATES,
    "signed": WITH_UPDATES + 'sign-key = "0123ABCD"\n',
    "fixed-name": BARE + 'update-information = "zsync|https://example.org/my-app-latest-{arch}.AppImage.zsync"\n',
    "setuptools": SETUPTOOLS + PROJECT,
    "odd-name": WITH_UPDATES + 'name = "Größe & Co (beta)"\n',
    "dynamic": DYNAMIC + TABLE,
    "one-architecture": BARE + 'versions = ["aarch64", "armhf"]\n',
    "test-command": BARE + 'test-command = "{appimage} --version"\n',
    "hard-test-command": BARE
    + "test-command = '''\n"
    + """test "$({appimage} --is 'ä: %{uv} # ${{ github.token }}')" = 'x'\n'{appimage}' "\\\\n" ; true'''\n""",
    "everything": DYNAMIC
    + TABLE
    + 'sign = true\nupdate-information = "zsync|https://example.org/{arch}/my-app-{arch}.zsync"\n',
}
GITHUB_ONLY = {
    "odd-address": BARE + 'update-information = "zsync|https://example.org/my+app-{arch}.zsync"\n',
    "channel": BARE + 'update-information = "gh-releases-zsync|me|app|stable|my-app-*-{arch}.AppImage.zsync"\n',
    "odd-channel": BARE + 'update-information = "gh-releases-zsync|me|app|$(id)${{x}}|my-app-*{arch}*.zsync"\n',
}


def write_project(directory: Path, text: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").write_text(text, encoding="utf-8")
    (directory / "my_app.py").write_text('__version__ = "1.0"\n')
    return directory


def plan_of(project: Path) -> WorkflowPlan:
    """Return the plan that the command makes."""
    with open_source(str(project)) as source:
        return WorkflowPlan.make(AppImageBuilder.of_source(source))


def workflow_of(forge: str, project: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    status = main(["ci", forge, str(project)])
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "")
    return captured.out


def load(text: str) -> Any:
    return YAML(typ="safe").load(io.StringIO(text))


def tool(name: str) -> Path:
    """Return a program of the environment that runs the tests."""
    return Path(sys.executable).with_name(name)


# The last zizmor for Python 3.10 finds fault, of low severity, with how a `${{` has to be written that is mere text.
ZIZMOR = () if sys.version_info >= (3, 11) else ("--min-severity=medium",)


def check_workflows(paths: list[Path]) -> None:
    """Have workflows of GitHub checked by all that checks such."""
    require("shellcheck", "shellcheck")  # which actionlint hands the scripts to
    for name, *options in (
        ("actionlint", "-no-color"),
        ("zizmor", "--offline", "--no-progress", "--persona=auditor", "--no-config", *ZIZMOR),
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
    ):
        result = subprocess.run([tool(name), *options, *paths], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
class TestValid:
    def test_github(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        paths = []
        for name, text in {**PROJECTS, **GITHUB_ONLY}.items():
            paths.append(tmp_path / name / ".github" / "workflows" / "appimage.yml")
            workflow = workflow_of("github", write_project(tmp_path / name, text), capsys)
            check_pins(workflow)
            paths[-1].parent.mkdir(parents=True)
            paths[-1].write_text(workflow, encoding="utf-8")
        check_workflows(paths)

    def test_gitlab(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        paths = []
        for name, text in PROJECTS.items():
            paths.append(write_project(tmp_path / name, text) / ".gitlab-ci.yml")
            paths[-1].write_text(workflow_of("gitlab", tmp_path / name, capsys), encoding="utf-8")
        command = [str(tool("check-jsonschema")), "--builtin-schema", "vendor.gitlab-ci", *map(str, paths)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        for path in paths:
            for job in load(path.read_text(encoding="utf-8")).values():
                check_script(job["script"])

    def test_our_own(self) -> None:
        paths = sorted((REPOSITORY / ".github" / "workflows").iterdir())
        for path in paths:
            check_pins(path.read_text(encoding="utf-8"))
        check_workflows(paths)

    def test_our_own_is_what_we_print(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """For a project in a directory of the repository, with the plugin of the repository: but for versions."""
        project = copy_project("flask-app", tmp_path)
        (printed, _) = load(workflow_of("github", project, capsys))["jobs"].values()
        (ours,) = load((REPOSITORY / ".github" / "workflows" / "images.yml").read_text(encoding="utf-8"))[
            "jobs"
        ].values()
        for key in ("runs-on", "permissions", "env", "timeout-minutes"):
            assert ours[key] == printed[key]
        assert ours["strategy"]["matrix"] == printed["strategy"]["matrix"]
        steps = [step for step in ours["steps"] if step.get("name") != "Build the plugin"]
        expected = [step for step in printed["steps"] if "upload-artifact" not in step.get("uses", "")]
        assert len(steps) == len(expected)
        for step, like in zip(steps, expected, strict=True):
            script = re.sub(r"(@|--python )[\d.]+", r"\1", step.get("run", ""))
            assert script == re.sub(r"(@|--python )[\d.]+", r"\1", like.get("run", ""))
            assert step.get("uses") == like.get("uses")

    @pytest.mark.parametrize(
        ("old", "new"), [("github.ref_type", "github.ref_typ"), ("realpath dist", "realpath $dist/")]
    )
    def test_faults_would_be_found(
        self, old: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        workflow = workflow_of("github", write_project(tmp_path, BARE), capsys)
        path = tmp_path / "appimage.yml"
        path.write_text(workflow.replace(old, new))
        with pytest.raises(AssertionError):
            check_workflows([path])


class TestAction:
    """What a workflow of one's own can use."""

    @pytest.fixture(scope="class")
    @staticmethod
    def action() -> Any:
        return load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))

    @pytest.mark.slow
    def test_valid(self, action: Any) -> None:
        path = REPOSITORY / "action.yml"
        check: list[str | Path] = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-actions", path]
        audit: list[str | Path] = [
            tool("zizmor"),
            "--offline",
            "--no-progress",
            "--persona=auditor",
            "--no-config",
            *ZIZMOR,
            path,
        ]
        for command in (check, audit):
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stdout + result.stderr
        for step in action["runs"]["steps"]:
            if "run" in step:
                # It takes variables in small letters for the script's own.
                given = [f"export {name}=" for name in step["env"] if name.islower()]
                check_script([*given, *step["run"].splitlines()])
        text = path.read_text(encoding="utf-8")
        assert {name for name in action["inputs"] if f"inputs.{name}" not in text} == set()

    def test_runs_what_the_workflow_runs(self, action: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = workflow_of("github", write_project(tmp_path, BARE), capsys)
        (_, *printed) = load(text)["jobs"]["build"]["steps"]
        scripts = {step["name"]: step["run"] for step in printed if "run" in step}
        found = 'appimage=$(realpath dist/*-"$ARCHITECTURE".AppImage)\nexport appimage\n'
        for step in action["runs"]["steps"][2:]:
            assert step["run"] == scripts[step["name"]].replace(found, "")
        (uv, *_), (theirs, *_) = action["runs"]["steps"], printed
        assert uv == theirs

    def test_builds_what_is_asked_for(self, action: Any, tmp_path: Path) -> None:
        build = action["runs"]["steps"][1]
        (tmp_path / "out").mkdir()
        uvx = tmp_path / "uvx"
        uvx.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" > arguments\necho told\necho 'out/a b.AppImage'\n")
        uvx.chmod(0o755)
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", build["run"]],
            cwd=tmp_path,
            env={
                "PATH": f"{tmp_path}:/usr/bin:/bin",
                "PLUGIN": "/plugin",
                "PROJECT": "my project",
                "PYTHON": "3.13",
                "FURTHER": "--set\nname=a 'b'\n\n",
                "OUTPUT": "out",
                "RUNNER_TEMP": str(tmp_path),
                "GITHUB_OUTPUT": str(tmp_path / "output"),
            },
            check=True,
        )
        arguments = (tmp_path / "arguments").read_text().splitlines()
        assert arguments[:5] == ["--managed-python", "--python", "3.13", "--from", "/plugin"]
        assert arguments[5:] == ["hatch-appimage", "build", "my project", "--output", "out", "--set", "name=a 'b'"]
        assert (tmp_path / "output").read_text() == f"appimage={tmp_path}/out/a b.AppImage\n"
        assert set(build["env"]) == {"PLUGIN", "PROJECT", "PYTHON", "FURTHER", "OUTPUT"}


class TestComponent:
    """What a pipeline of one's own can include on GitLab."""

    @pytest.fixture(scope="class")
    @staticmethod
    def component() -> tuple[Any, str]:
        header, body = (REPOSITORY / "templates" / "appimage.yml").read_text(encoding="utf-8").split("\n---\n")
        return load(header)["spec"]["inputs"], body

    def fill(self, component: tuple[Any, str], **given: Any) -> Any:
        """Put inputs into it as GitLab does: into the text, before that is read."""
        inputs, body = component
        values = {name: given.get(name.replace("-", "_"), entry["default"]) for name, entry in inputs.items()}
        written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        return load(re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: written[match[1]], body))

    @pytest.mark.slow
    def test_valid(self, component: tuple[Any, str], tmp_path: Path) -> None:
        filled = self.fill(component, test_command="\"$appimage\" --is 'ä: #'", arguments="--set 'name=a b'")
        with (tmp_path / "ci.yml").open("wb") as file:
            YAML().dump(filled, file)
        command = [str(tool("check-jsonschema")), "--builtin-schema", "vendor.gitlab-ci", str(tmp_path / "ci.yml")]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        for job in filled.values():
            check_script(job["script"])

    def test_does_what_the_pipeline_does(
        self, component: tuple[Any, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        printed = load(workflow_of("gitlab", write_project(tmp_path, BARE), capsys))
        filled = self.fill(component, package="my-app")
        for name, job in filled.items():
            theirs = printed[name]
            assert {key: value for key, value in job.items() if key not in ("script", "variables")} == {
                key: value for key, value in theirs.items() if key not in ("script", "variables")
            }
        assert filled["appimage-release"] == printed["appimage-release"]
        variables = filled["appimage"]["variables"]
        assert variables.pop("GIT_DEPTH") == 0
        assert variables == printed["appimage"]["variables"]
        # All but the key, the build, and two names.
        assert filled["appimage"]["script"][3:-1] == printed["appimage"]["script"][1:-1]

    def test_runs_what_is_asked_for(self, component: tuple[Any, str], tmp_path: Path) -> None:
        given = {"python": "3.13", "arguments": "--set 'name=a b'", "project": "my project", "plugin": "x @ file:///x"}
        build = self.fill(component, **given)["appimage"]["script"][1]
        uvx = tmp_path / "uvx"
        uvx.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" > arguments\n")
        uvx.chmod(0o755)
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ARCHITECTURE": "x86_64"}
        subprocess.run(["bash", "-eo", "pipefail", "-c", build], cwd=tmp_path, env=env, check=True)
        assert (tmp_path / "arguments").read_text().splitlines() == [
            *("--managed-python", "--python", "3.13", "--from", "x @ file:///x"),
            *("hatch-appimage", "build", "--arch", "x86_64", "--output", "dist", "--set", "name=a b", "my project"),
        ]

    def test_is_of_this_version(self, component: tuple[Any, str]) -> None:
        inputs, _ = component
        version = read_toml(REPOSITORY / "pyproject.toml")["project"]["version"]
        assert inputs["plugin"]["default"] == f"hatch-appimage=={version}"


class TestGithubWithTheAction:
    ACTION = "me/hatch-appimage@0123456789abcdef"

    def print(self, project: Path, capsys: pytest.CaptureFixture[str]) -> str:
        capsys.readouterr()
        assert main(["ci", "github", str(project), "--action", self.ACTION]) == 0
        return capsys.readouterr().out

    @pytest.mark.slow
    def test_valid(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        paths = []
        for name in ("bare", "updates", "fixed-name", "setuptools", "odd-name", "hard-test-command", "dynamic"):
            path = tmp_path / name / ".github" / "workflows" / "appimage.yml"
            text = self.print(write_project(tmp_path / name, PROJECTS[name]), capsys)
            path.parent.mkdir(parents=True)
            # The commit of ours is for the user to choose.
            path.write_text(text.replace(self.ACTION, f"me/hatch-appimage@{'a' * 40} # v1.0.0"), encoding="utf-8")
            check_pins(path.read_text(encoding="utf-8"))
            paths.append(path)
        check_workflows(paths)

    def test_is_the_same_but_for_these_steps(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = write_project(tmp_path, PROJECTS["fixed-name"])
        alone, ours = workflow_of("github", project, capsys), self.print(project, capsys)
        assert len(ours.splitlines()) < len(alone.splitlines()) - 20
        alone, ours = load(alone), load(ours)
        assert ours["jobs"]["release"] == alone["jobs"]["release"]
        steps, build = alone["jobs"]["build"]["steps"], ours["jobs"]["build"]
        names = ("Build", "Run the image through FUSE", "Run the image without FUSE")
        kept = [it for it in steps if it.get("name") not in names and "setup-uv" not in it.get("uses", "")]
        (action,) = [step for step in build["steps"] if step.get("uses") == self.ACTION]
        assert [step for step in build["steps"] if step is not action] == kept
        assert action["with"] == {
            "python": plan_of(project).python,
            "arguments": "--arch\n${{ matrix.architecture }}\n",
            "test-command": '"$appimage" --help',
        }
        inputs = load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))["inputs"]
        assert action["with"].keys() <= inputs.keys()

    @pytest.mark.parametrize(
        ("text", "action", "message"),
        [
            (PROJECTS["signed"], ACTION, "The action signs nothing, and the table has `sign`"),
            (BARE, "hatch-appimage", "`--action` takes OWNER/NAME@COMMIT, not `hatch-appimage`"),
            (BARE, "me/x@1\n- run: y", "`--action` takes OWNER/NAME@COMMIT"),
            (
                BARE.replace('["hatch-appimage"]', '["hatch-appimage", "Other>1"]'),
                ACTION,
                "The build needs other, which",
            ),
            (BARE + "[tool.hatch.build.targets.appimage.hooks.vcs]\nx = 1\n", ACTION, "The build needs the hook `vcs`"),
        ],
    )
    def test_cannot(
        self, text: str, action: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["ci", "github", str(write_project(tmp_path, text)), "--action", action]) == 2
        assert message in capsys.readouterr().err

    def test_gitlab_has_none(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ci", "gitlab", str(write_project(tmp_path, BARE)), "--action", self.ACTION]) == 2
        assert "`--action` is for GitHub" in capsys.readouterr().err


def check_script(lines: list[str]) -> None:
    """Have the lines of a job of GitLab checked as the script that they are."""
    command = [require("shellcheck", "shellcheck"), "--shell=bash", "-"]
    script = "\n".join(["set -eo pipefail", *lines])
    checked = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


# What jobs may do beyond reading the repository.
RIGHTS = {
    "release": {"contents": "write", "id-token": "write", "attestations": "write"},
    "publish": {"id-token": "write"},
}


def check_pins(text: str) -> None:
    """See that actions are named by commits, each with its version beside it, and that rights are few."""
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    workflow = load(text)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == RIGHTS.get(name, {"contents": "read"})
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            assert step.get("with", {}).get("persist-credentials", False) is False


class TestPlan:
    """What differs from project to project."""

    def test_hatch(self, tmp_path: Path) -> None:
        build = plan_of(write_project(tmp_path, BARE)).build
        uvx = r"HATCH_PYTHON=self uvx --managed-python --python 3\.\d+\.\d+"
        assert re.fullmatch(rf'{uvx} hatch@[\d.]+ build -t "appimage:\$ARCHITECTURE" dist', build)

    @pytest.mark.parametrize("text", [SETUPTOOLS + PROJECT + TABLE, HATCHLING + PROJECT])
    def test_without_hatch(self, text: str, tmp_path: Path) -> None:
        """Neither another back end nor hatch without the line that brings the plugin builds the target."""
        build = plan_of(write_project(tmp_path, text)).build
        assert re.search(r' hatch-appimage@[\w.+]+ build --arch "\$ARCHITECTURE" --output dist \.$', build)

    def test_plugin_among_what_the_back_end_requires(self, tmp_path: Path) -> None:
        text = BARE.replace(TABLE, "").replace('["hatchling"]', '["hatchling", "Hatch_AppImage>=0"]')
        assert plan_of(write_project(tmp_path, text)).hatch

    def test_table_in_hatch_toml(self, tmp_path: Path) -> None:
        project = write_project(tmp_path, HATCHLING + PROJECT)
        (project / "hatch.toml").write_text(
            '[build.targets.appimage]\nsign = true\ndependencies = ["hatch-appimage"]\n'
        )
        plan = plan_of(project)
        assert (plan.sign, plan.hatch) == (True, True)

    def test_images_are_attested(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where they come from, and what is in each of them."""
        jobs = load(workflow_of("github", write_project(tmp_path, BARE), capsys))["jobs"]
        steps = [step["with"] for step in jobs["release"]["steps"] if "actions/attest@" in step.get("uses", "")]
        assert steps == [
            {"subject-path": "dist/*.AppImage"},
            *(
                {"subject-path": f"dist/*-{name}.AppImage", "sbom-path": f"dist/my-app-{name}.cdx.json"}
                for name in ARCHITECTURES
            ),
        ]
        upload = jobs["build"]["steps"][-1]["with"]["path"].split()
        assert "dist/*.cdx.json" in upload
        job = load(workflow_of("gitlab", write_project(tmp_path, BARE), capsys))["appimage"]
        assert job["artifacts"]["reports"] == {"cyclonedx": "dist/*.cdx.json"}

    def test_key_is_only_asked_for_where_the_build_signs(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for forge in ("github", "gitlab"):
            plain = workflow_of(forge, write_project(tmp_path / "plain", WITH_UPDATES), capsys)
            signed = workflow_of(forge, write_project(tmp_path / "signed", PROJECTS["signed"]), capsys)
            for word in (SIGNING_KEY, PASSPHRASE, "gpg"):
                assert word not in plain
                assert word in signed
            assert "secrets." not in plain

    @pytest.mark.slow
    def test_history_is_fetched_where_it_may_have_the_version(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project = write_project(tmp_path, PROJECTS["dynamic"])
        (build, _) = load(workflow_of("github", project, capsys))["jobs"].values()
        assert build["steps"][0]["with"]["fetch-depth"] == 0
        assert load(workflow_of("gitlab", project, capsys))["appimage"]["variables"]["GIT_DEPTH"] == 0
        write_project(tmp_path, BARE)
        assert "fetch-depth" not in workflow_of("github", project, capsys)
        assert "GIT_DEPTH" not in workflow_of("gitlab", project, capsys)

    def test_architectures(self, tmp_path: Path) -> None:
        assert plan_of(write_project(tmp_path, BARE)).architectures == ARCHITECTURES
        assert plan_of(write_project(tmp_path, PROJECTS["one-architecture"])).architectures == ("aarch64",)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                BARE + 'versions = ["armhf"]\n',
                "CI has machines for x86_64 and aarch64 only, and `versions` has neither",
            ),
            (BARE.replace("project.scripts", "project.gui-scripts"), "a GUI script may open a window .*`test-command`"),
            (
                BARE + 'update-information = "zsync|https://example.org/my-app.zsync"\n',
                r"write \{arch\} into `update-information`",
            ),
            (BARE + "versions = 1\n", "Field `tool.hatch.build.targets.appimage.versions` must be an array"),
            (
                BARE.replace('["hatchling"]', '["hatch ling"]'),
                "Dependency #1 of field `build-system.requires` is invalid",
            ),
            (BARE + "sign = 1\n", "Option `tool.hatch.build.targets.appimage.sign` must be a boolean"),
            (BARE.replace("[project]", "[project]\nrequires-python = '>=4'"), "`requires-python`, which is `>=4`"),
        ],
    )
    def test_faults(self, text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ci", "github", str(write_project(tmp_path, text))]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert re.search(message, captured.err)
        assert captured.err.count("hatch-appimage: ") == 1

    @pytest.mark.parametrize("name", ["channel", "odd-address"])
    def test_gitlab_cannot(self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ci", "gitlab", str(write_project(tmp_path, GITHUB_ONLY[name]))]) == 2
        assert re.search("makes a release for each version|take no file named like `my", capsys.readouterr().err)

    def test_no_project(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ci", "github", str(tmp_path / "missing")]) == 2
        assert str(tmp_path / "missing") in capsys.readouterr().err


class TestChoosePython:
    def test_default_is_not_the_newest(self) -> None:
        chosen = [int(part) for part in choose_python("").split(".")]
        newest = [int(part) for part in choose_python(f">3.{chosen[1] + 1}.0rc1,!=3.{chosen[1]}.*").split(".")]
        assert newest[:2] == [3, chosen[1] + 1]

    def test_of_the_project(self) -> None:
        assert choose_python(">=3.10,<3.12").startswith("3.11.")
        assert choose_python("==3.10.4") == "3.10.4"

    def test_none(self) -> None:
        with pytest.raises(AppImageError, match=r"^uv has no Python that meets `requires-python`, which is `<3`$"):
            choose_python("<3")


@dataclass
class Ci:
    """Runs steps of a workflow as a forge does: in one directory, with its variables."""

    directory: Path
    variables: dict[str, str]
    fakes: Path
    expressions: dict[str, str] = field(default_factory=dict)

    def evaluate(self, text: str) -> str:
        """Replace what GitHub evaluates."""
        values = {**self.expressions, "'${{'": "${{"}
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], text)

    def run(self, script: str, **extra: str) -> str:
        """Run a script with the options that both forges give to bash."""
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        env = {**os.environ, **self.variables, **extra, "PATH": f"{self.fakes}:{os.environ['PATH']}"}
        result = subprocess.run(
            bash, cwd=self.directory, env=env, capture_output=True, text=True, timeout=600, check=False
        )
        if result.returncode:
            raise ScriptError(result.stdout + result.stderr)
        return result.stdout

    def run_job(self, job: dict[str, Any]) -> None:
        """Run the steps of a job of GitHub that are scripts."""
        for step in job["steps"]:
            if "run" in step:
                env = {**job.get("env", {}), **step.get("env", {})}
                self.run(step["run"], **{name: self.evaluate(value) for name, value in env.items()})

    def run_gitlab_job(self, job: dict[str, Any], **matrix: str) -> None:
        """Run a job of GitLab, whose lines are one script."""
        values = {
            name: value["value"] if isinstance(value, dict) else str(value)
            for name, value in job.get("variables", {}).items()
        }
        self.run("\n".join(job["script"]), **values, **matrix)


class ScriptError(Exception):
    """A step failed."""


FAKE_GH = '''#!{python}
"""A model of `gh release`: directories are releases."""
import re, shutil, sys
from pathlib import Path
releases = Path("{releases}")
group, action, tag, *rest = sys.argv[1:]
assert group == "release"
files = [a for a in rest if a.startswith("dist/")]
options = [a for a in rest if not a.startswith("dist/")]
release = releases / tag
if action == "view":
    if not release.is_dir():
        sys.exit("release not found")
    if options:
        assert options == ["--json", "assets", "--jq", ".assets[].name"], options
        print(*sorted(p.name for p in release.iterdir() if p.name != ".options"), sep="\\n")
elif action == "create":
    release.mkdir()
    (release / ".options").write_text(" ".join(options))
elif action == "delete-asset":
    assert options[1:] == ["--yes"]
    (release / options[0]).unlink()
else:
    assert (action, options) == ("upload", ["--clobber"])
    assert release.is_dir()
for file in files:
    # Characters that it does not like become dots, without a word.
    shutil.copy(file, release / re.sub("[^A-Za-z0-9.@_+-]+", ".", Path(file).name))
'''


@pytest.fixture
def ci(tmp_path: Path) -> Ci:
    """Return a forge with a `gh` that has an empty repository."""
    fakes, directory = tmp_path / "fakes", tmp_path / "runner"
    for made in (fakes, directory, tmp_path / "releases"):
        made.mkdir()
    (fakes / "gh").write_text(FAKE_GH.format(python=sys.executable, releases=tmp_path / "releases"))
    (fakes / "gh").chmod(0o755)
    return Ci(
        directory,
        {"GITHUB_REF_NAME": "v1.0", "GITHUB_SHA": "0" * 40},
        fakes,
        {"github.token": "token", "github.repository": "me/app"},
    )


def make_files(directory: Path, plan: WorkflowPlan, version: str = "1.0") -> set[str]:
    """Make what a build of each architecture leaves, as far as names go; return the names."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for architecture in plan.architectures:
        image = image_name(plan.file_name, version, architecture)
        for name in (image, f"{image}.zsync", f"{image}.sig"):
            (directory / name).write_text(name)
    return {path.name for path in directory.iterdir()}


def release_job(project: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    job: dict[str, Any] = load(workflow_of("github", project, capsys))["jobs"]["release"]
    return job


@pytest.mark.slow
class TestGithubRelease:
    def test_new_release(self, ci: Ci, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = write_project(tmp_path / "project", WITH_UPDATES)
        names = make_files(ci.directory / "dist", plan_of(project))
        ci.run_job(release_job(project, capsys))
        assert released(tmp_path, "v1.0") == names
        assert (tmp_path / "releases" / "v1.0" / ".options").read_text() == "--verify-tag --generate-notes"

    def test_release_that_is_there(self, ci: Ci, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = write_project(tmp_path / "project", WITH_UPDATES)
        names = make_files(ci.directory / "dist", plan_of(project))
        old = tmp_path / "releases" / "v1.0"
        old.mkdir()
        for name in ("notes.txt", min(names)):
            (old / name).write_text("old")
        ci.run_job(release_job(project, capsys))
        assert released(tmp_path, "v1.0") == {*names, "notes.txt"}
        assert (old / min(names)).read_text() != "old"

    @pytest.mark.parametrize("tag", ["v1.0a1", "1.0rc2", "v1.0.0-rc.1", "v2.0-beta", "1.0.dev3", "v1.0.0-alpha.2"])
    def test_pre_release(self, tag: str, ci: Ci, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is not offered to those who have the last release."""
        project = write_project(tmp_path / "project", BARE)
        make_files(ci.directory / "dist", plan_of(project))
        ci.variables["GITHUB_REF_NAME"] = tag
        ci.run_job(release_job(project, capsys))
        assert (tmp_path / "releases" / tag / ".options").read_text().split()[-1] == "--prerelease"

    @pytest.mark.parametrize("tag", ["v1.0.0", "1.0.post1", "v2026.11.25", "v1.0+abc"])
    def test_final_release(self, tag: str, ci: Ci, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = write_project(tmp_path / "project", BARE)
        make_files(ci.directory / "dist", plan_of(project))
        ci.variables["GITHUB_REF_NAME"] = tag
        ci.run_job(release_job(project, capsys))
        assert "--prerelease" not in (tmp_path / "releases" / tag / ".options").read_text()

    @pytest.mark.parametrize("name", ["channel", "odd-channel"])
    def test_channel(self, name: str, ci: Ci, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The one release that images look into has the newest files only, beside those of another application."""
        others: set[str] = set()
        project = write_project(tmp_path / "project", GITHUB_ONLY[name])
        plan = plan_of(project)
        assert plan.channel
        for version in ("1.0", "1.1"):
            names = make_files(ci.directory / "dist", plan, version)
            ci.variables["GITHUB_REF_NAME"] = f"v{version}"
            ci.run_job(release_job(project, capsys))
            assert released(tmp_path, plan.channel) == names | others
            assert released(tmp_path, f"v{version}") == names
            others = {"my-app-lite-1.0-x86_64.AppImage"}
            (tmp_path / "releases" / plan.channel / min(others)).touch()
        options = (tmp_path / "releases" / plan.channel / ".options").read_text()
        assert options.startswith(f"--target {'0' * 40} --latest=false ")

    def test_a_failure_is_one(self, ci: Ci, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = write_project(tmp_path / "project", BARE)
        with pytest.raises(ScriptError):  # there is no file
            ci.run_job(release_job(project, capsys))


def released(tmp_path: Path, tag: str) -> set[str]:
    return {path.name for path in (tmp_path / "releases" / tag).iterdir()} - {".options"}


class GitLab(ThreadingHTTPServer):
    """As much of GitLab's API as a pipeline uses: packages, releases and their links."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _GitLabHandler)
        self.packages: dict[str, bytes] = {}
        self.releases: dict[str, dict[str, str]] = {}
        self.links: dict[str, list[dict[str, str]]] = {}


class _GitLabHandler(BaseHTTPRequestHandler):
    server: GitLab

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path).removeprefix("/api/v4/projects/7/")
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()} if body else {}
        if self.headers.get("JOB-TOKEN") != "secret":
            self.answer(401, {})
        elif self.command == "PUT" and path.startswith("packages/generic/"):
            self.server.packages[path.removeprefix("packages/generic/")] = body
            self.answer(201, {})
        elif (self.command, path) == ("POST", "releases"):
            new = form["tag_name"] not in self.server.releases
            self.server.releases.setdefault(form["tag_name"], form)
            self.server.links.setdefault(form["tag_name"], [])
            self.answer(201 if new else 409, {})
        elif (match := re.fullmatch("releases/([^/]+)(/assets/links)?", path)) and match[1] in self.server.releases:
            links = self.server.links[match[1]]
            if self.command == "POST":
                assert form["name"] not in {link["name"] for link in links}
                links.append(form)
            self.answer(200, links if match[2] else self.server.releases[match[1]])
        else:
            self.answer(404, {"message": "404 Not Found"})

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - http.server's names

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Be quiet."""


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    server = GitLab()
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
class TestGitlabRelease:
    @pytest.fixture
    def variables(self, gitlab: GitLab) -> dict[str, str]:
        return {
            "CI_API_V4_URL": f"http://127.0.0.1:{gitlab.server_port}/api/v4",
            "CI_PROJECT_ID": "7",
            "CI_COMMIT_TAG": "v1.0",
            "CI_JOB_TOKEN": "secret",
            "no_proxy": "127.0.0.1",
        }

    def test_release(
        self, ci: Ci, gitlab: GitLab, variables: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        require("curl", "curl")
        project = write_project(tmp_path / "project", WITH_UPDATES)
        job = load(workflow_of("gitlab", project, capsys))["appimage-release"]
        names = make_files(ci.directory / "dist", plan_of(project), "1.0+local")
        ci.variables = variables
        ci.run_gitlab_job(job)
        assert gitlab.packages == {f"my-app/v1.0/{name}": name.encode() for name in names}
        assert set(gitlab.releases) == {"v1.0"}
        base = f"{variables['CI_API_V4_URL']}/projects/7/packages/generic/my-app/v1.0"
        assert {
            (link["name"], link["url"], link["direct_asset_path"], link["link_type"]) for link in gitlab.links["v1.0"]
        } == {(name, f"{base}/{name}", f"/{name}", "package") for name in names}
        # What GitLab takes (its app/models/releases/link.rb, FILEPATH_REGEX): no `+`, which versions may have.
        for link in gitlab.links["v1.0"]:
            assert re.fullmatch(r"/[^/](?!.*//.*)[-.\w/]+[\da-zA-Z]+", link["direct_asset_path"])
        ci.run_gitlab_job(job)  # as after a retry
        assert len(gitlab.links["v1.0"]) == len(names)

    def test_a_failure_is_one(
        self, ci: Ci, variables: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        require("curl", "curl")
        project = write_project(tmp_path / "project", WITH_UPDATES)
        job = load(workflow_of("gitlab", project, capsys))["appimage-release"]
        make_files(ci.directory / "dist", plan_of(project))
        ci.variables = {**variables, "CI_JOB_TOKEN": "wrong"}
        with pytest.raises(ScriptError, match="401"):
            ci.run_gitlab_job(job)


# Stands for uv's download of a Python, which tests cannot have: the one that runs them takes its place. Everything else
# is as in CI.
FAKE_UVX = """#!/bin/sh
test "$1" = --managed-python && test "$2" = --python || exit 64
shift 3
exec {uv} tool run --python {python} "$@"
"""


@pytest.mark.usefixtures("gnupg_home", "fuse")
class TestWholeBuild:
    """The jobs that build, with the real hatch, plugin, gpg and images, for hatch and for another back end."""

    @pytest.fixture
    def builder(self, ci: Ci, plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ci:
        (ci.fakes / "uvx").write_text(FAKE_UVX.format(uv=find_uv_bin(), python=sys.executable))
        (ci.fakes / "uvx").chmod(0o755)
        for name in list(os.environ):
            if name.startswith(("COV", "PYTEST")):
                monkeypatch.delenv(name)
        # uv's cache knows a wheel by its directory and its version, which says nothing of what was changed since.
        wheels = tmp_path / f"wheels-{time.time_ns()}"
        wheels.mkdir()
        shutil.copy(plugin.wheel, wheels)
        ci.variables |= {
            "UV_FIND_LINKS": str(wheels),
            "PIP_FIND_LINKS": f"{wheels} {os.environ.get('PIP_FIND_LINKS', '')}",
            "HATCH_DATA_DIR": str(tmp_path / "hatch"),
        }
        ci.expressions["matrix.architecture"] = native_architecture().name
        return ci

    @pytest.fixture
    def project(self, builder: Ci, request: pytest.FixtureRequest) -> Path:
        """Return a project in the runner's directory that signs, with a key that is in CI's secrets only."""
        name = getattr(request, "param", "hello-cli")
        key = make_key("ed25519", passphrase=WORDS)
        secret = gpg("--pinentry-mode", "loopback", "--passphrase", WORDS, "--armor", "--export-secret-keys")
        gpg("--yes", "--delete-secret-and-public-key", key)
        shutil.rmtree(builder.directory)
        project = copy_project(name, builder.directory.parent).rename(builder.directory)
        with (project / "pyproject.toml").open("a") as file:
            file.write(
                f'compression = "fast"\nsign-key = "{key}"\nupdate-information = "zsync|https://example.org/{{arch}}/hello.zsync"\n'
            )
            if name == "hello-cli":
                file.write('test-command = "test \\"$({appimage} you)\\" = \'Hello, you!\'"\n')
        builder.expressions |= {
            f"secrets.{SIGNING_KEY}": secret,
            f"secrets.{PASSPHRASE}": WORDS,
            "matrix.zsync": "hello.zsync",
        }
        return project

    def test_github(
        self,
        builder: Ci,
        project: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Each architecture needs a file of its own in a release: here it is the directory that differs.
        monkeypatch.setattr("hatch_appimage.cli.ci._GITHUB_RUNNERS", {native_architecture().name: "ubuntu-24.04"})
        jobs = load(workflow_of("github", project, capsys))["jobs"]
        builder.run_job(jobs["build"])
        self.check(project, "hello-cli-1.0")
        builder.run_job(jobs["release"])
        assert released(tmp_path, "v1.0") == {path.name for path in (project / "dist").iterdir()}

    @pytest.mark.parametrize("project", ["setuptools-tool"], indirect=True)
    def test_gitlab(
        self,
        builder: Ci,
        project: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("hatch_appimage.cli.ci._GITHUB_RUNNERS", {native_architecture().name: "unused"})
        key_file = tmp_path / "key.asc"
        key_file.write_text(builder.expressions[f"secrets.{SIGNING_KEY}"])
        builder.variables |= {SIGNING_KEY: str(key_file), PASSPHRASE: WORDS}
        job = load(workflow_of("gitlab", project, capsys))["appimage"]
        (matrix,) = job["parallel"]["matrix"]
        builder.run_gitlab_job(job, **matrix)
        self.check(project, "setuptools-tool-2.1")

    def check(self, project: Path, name: str) -> None:
        """See that there is what installed images look for, under the names that they look for."""
        (image,) = (project / "dist").glob("*.AppImage")
        assert image.name == f"{name}-{native_architecture().name}.AppImage"
        found = inspect_image(image)
        assert found.signature.state is State.GOOD
        assert found.update_information
        assert found.update_information.endswith("/hello.zsync")
        assert {path.name for path in (project / "dist").iterdir()} == {
            image.name,
            f"{image.name}.sig",
            f"{image.name}.zsync",
            f"{name.rpartition('-')[0]}-{native_architecture().name}.cdx.json",
            "hello.zsync",
        }
        assert f"URL: {image.name}\n".encode() in (project / "dist" / "hello.zsync").read_bytes()

    def test_image_that_fails(self, builder: Ci, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is not enough that an image was built: every way to run it counts."""
        text = workflow_of("github", write_project(builder.directory.parent / "other", BARE), capsys)
        steps = load(text)["jobs"]["build"]["steps"]
        shutil.rmtree(project / "dist", ignore_errors=True)
        (project / "dist").mkdir()
        image = project / "dist" / f"my-app-1.0-{native_architecture().name}.AppImage"
        through_fuse, without = (step for step in steps if step.get("name", "").startswith("Run the image "))
        variables = {"ARCHITECTURE": native_architecture().name, "TEST_COMMAND": '"$appimage" --help'}
        for mount_point, passes in (("/proc", True), ("/etc", False)):
            mount = f'test "$1" != --appimage-mount || {{ echo {mount_point}; exec sleep 60 >&- 2>&-; }}'
            script = [mount, 'test -z "$APPIMAGE_EXTRACT_AND_RUN"']
            image.write_text("\n".join(["#!/bin/sh", *script, ""]))
            image.chmod(0o755)
            if passes:
                builder.run(through_fuse["run"], **variables)
            else:
                with pytest.raises(ScriptError, match="/etc is not a mountpoint"):
                    builder.run(through_fuse["run"], **variables)
            with pytest.raises(ScriptError):
                builder.run(without["run"], **variables, **without["env"])


@pytest.mark.parametrize("name", ["updates", "signed", "odd-name", "channel", "odd-channel"])
def test_names_are_those_that_update_information_means(
    name: str, ci: Ci, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what is released, exactly one file an architecture is an update."""
    project = write_project(tmp_path / "project", {**PROJECTS, **GITHUB_ONLY}[name])
    plan = plan_of(project)
    make_files(ci.directory / "dist", plan)
    ci.run_job(release_job(project, capsys))
    with open_source(str(project)) as source:
        settings = AppImageBuilder.of_source(source).read_settings()
    for architecture in plan.architectures:
        line = settings.release.update_line(settings.image.name, "1.0", architecture)
        assert line
        _, _, _, tag, pattern = line.split("|")
        files = released(tmp_path, "v1.0" if tag == "latest" else tag)
        expected = f"{image_name(settings.image.name.in_files, '1.0', architecture)}.zsync"
        assert [file for file in files if fnmatchcase(file, pattern)] == [expected]
