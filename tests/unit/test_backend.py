# SPDX-License-Identifier: MIT
"""The build back end that wraps another one, as front ends call it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from pyproject_hooks import BuildBackendHookCaller

from hatch_appimage import backend
from hatch_appimage.project.wheel import WHEEL_ONLY
from support.machine import clean_environment
from support.projects import REPOSITORY, kinds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A back end that notes what it is called with, and that has no hooks for editable installations.
IN_TREE = """
calls = []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    calls.append(("build_wheel", wheel_directory, config_settings, metadata_directory))
    return "probe-1.0-py3-none-any.whl"

def build_sdist(sdist_directory, config_settings=None):
    calls.append(("build_sdist", sdist_directory, config_settings))
    return "probe-1.0.tar.gz"

def get_requires_for_build_wheel(config_settings=None):
    calls.append(("get_requires_for_build_wheel", config_settings))
    return ["one"]

class inner:
    def build_sdist(sdist_directory, config_settings=None):
        return "inner"
"""


@pytest.fixture(autouse=True)
def no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (backend.VARIABLE, WHEEL_ONLY, "PIP_BUILD_TRACKER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory, the current one, whose own back end is wrapped."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "in_tree.py").write_text(IN_TREE)
    write(tmp_path, "build-backend = 'in_tree'\nbackend-path = ['tools']\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("in_tree", None)


def write(root: Path, table: str) -> None:
    (root / "pyproject.toml").write_text(f"[tool.hatch-appimage]\n{table}")


def calls() -> list[Any]:
    return importlib.import_module("in_tree").calls  # type: ignore[no-any-return]


class TestPassing:
    @pytest.mark.usefixtures("project")
    def test_hooks_get_what_the_front_end_gave(self) -> None:
        assert backend.build_sdist("out", {"key": "value"}) == "probe-1.0.tar.gz"
        assert backend.build_wheel("out", {"key": "value"}, "info") == "probe-1.0-py3-none-any.whl"
        assert backend.get_requires_for_build_wheel() == ["one"]
        assert calls() == [
            ("build_sdist", "out", {"key": "value"}),
            ("build_wheel", "out", {"key": "value"}, "info"),
            ("get_requires_for_build_wheel", None),
        ]

    @pytest.mark.usefixtures("project")
    def test_what_is_for_us_is_not_handed_on(self) -> None:
        """Some back ends refuse settings that they do not know."""
        backend.build_sdist("out", {"appimage": "true", "key": "value"})
        backend.get_requires_for_build_wheel(config_settings={"appimage": "true"})
        backend.build_wheel("out", {"appimage": "false"})
        assert calls() == [
            ("build_sdist", "out", {"key": "value"}),
            ("get_requires_for_build_wheel", {}),
            ("build_wheel", "out", {}, None),
        ]

    @pytest.mark.usefixtures("project")
    def test_hooks_that_are_not_there(self) -> None:
        assert hasattr(backend, "build_sdist")
        assert not hasattr(backend, "build_editable")
        assert not hasattr(backend, "prepare_metadata_for_build_wheel")
        assert not hasattr(backend, "calls")

    def test_an_object_in_a_module(self, project: Path) -> None:
        write(project, "build-backend = 'in_tree:inner'\nbackend-path = ['tools']\n")
        assert backend.build_sdist("out") == "inner"

    def test_setuptools_is_the_default(self, project: Path) -> None:
        """That of projects without a back end, whose setup.py imports what lies beside it."""
        (project / "pyproject.toml").write_text("")
        (project / "beside.py").write_text("version = '1.5'\n")
        (project / "setup.py").write_text(
            "import beside, setuptools\nsetuptools.setup(name='probe', version=beside.version, py_modules=['beside'])\n"
        )
        assert hasattr(backend, "build_editable")
        assert backend.build_wheel(str(project)) == "probe-1.5-py3-none-any.whl"

    def test_little_is_imported(self) -> None:
        """Everyone imports it who installs such a project from its sources."""
        code = "import sys, hatch_appimage.backend; print({'hatchling', 'requests', 'packaging'} & sys.modules.keys())"
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


NATIVE = """\
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", 0, -1, 0};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
"""
SETUP = """\
from setuptools import Extension, find_packages, setup
setup(
    name="wrapped-app", version="1.0", packages=find_packages("src"), package_dir={"": "src"},
    ext_modules=[Extension("wrapped_app.native", ["src/wrapped_app/native.c"])],
)
"""
PROJECT = '[project]\nname = "wrapped-app"\nversion = "1.0"\ndescription = "Wrapped"\n'
POETRY = """\
[tool.poetry]
name = "wrapped-app"
version = "1.0"
description = "Wrapped"
authors = []
[tool.poetry.dependencies]
python = "^3.10"
"""


class TestRealBackEnds:
    """Each by all of its hooks, in processes of their own, as front ends call them."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("poetry.core.masonry.api", POETRY),
            ("flit_core.buildapi", PROJECT),
            ("pdm.backend", PROJECT),
            (None, ""),  # what has a setup.py only, with an extension module
        ],
        ids=["poetry-core", "flit-core", "pdm-backend", "legacy"],
    )
    def test_hooks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, text: str) -> None:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
        monkeypatch.setenv("PIP_BUILD_TRACKER", "x")  # no image
        root = tmp_path / "project"
        package = root / "src" / "wrapped_app"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        compiled = not text
        if compiled:
            (package / "native.c").write_text(NATIVE)
            (root / "setup.py").write_text(SETUP)
        wrapped = f"[tool.hatch-appimage]\nbuild-backend = '{name}'\n" if name else ""
        (root / "pyproject.toml").write_text(text + wrapped)
        sdist = self.build(root, tmp_path, "sdist")
        assert sdist.name == "wrapped_app-1.0.tar.gz"
        self.build(root, tmp_path, "editable")
        shutil.unpack_archive(sdist, tmp_path)
        wheel = self.build(tmp_path / "wrapped_app-1.0", tmp_path / "out", "wheel")
        assert wheel.name.startswith("wrapped_app-1.0-")
        with ZipFile(wheel) as files:
            assert "wrapped_app/__init__.py" in files.namelist()
            assert (
                any(it.startswith("wrapped_app/native.") and it.endswith(".so") for it in files.namelist()) is compiled
            )

    def build(self, root: Path, out: Path, kind: str) -> Path:
        """Call the hooks for one kind of archive with our config setting, which back ends may refuse."""
        caller = BuildBackendHookCaller(str(root), backend.__name__)
        settings = {"appimage": "true"}
        assert getattr(caller, f"get_requires_for_build_{kind}")(settings) == []
        out.mkdir(exist_ok=True)
        return out / str(getattr(caller, f"build_{kind}")(str(out), settings))


class TestRefusals:
    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (
                "build-backend = 'hatch_appimage.backend'\n",
                "names hatch_appimage.backend itself: name the back end that",
            ),
            (
                "build-backend = 'no_such'\n",
                "The build back end no_such cannot be loaded (No module named 'no_such'): ",
            ),
            ("build-backend = 'json:no.such'\n", "The build back end json:no.such cannot be loaded ("),
            ("build_backend = 'json'\n", "has no key `build_backend`, did you mean `build-backend`?"),
            ("build-backend = 1\n", "`build-backend` in [tool.hatch-appimage] of "),
            ("build-backend = ''\n", "must be a text, not ''"),
            ("backend-path = 'tools'\n", "must be a list of directories, not 'tools'"),
            ("backend-path = ['..']\n", "`backend-path` in [tool.hatch-appimage] leads out of the project: .."),
        ],
    )
    def test_tables(self, project: Path, table: str, message: str) -> None:
        write(project, table)
        for hook in ("build_wheel", "build_sdist"):
            with pytest.raises(SystemExit) as error:
                getattr(backend, hook)("out")
            assert message in str(error.value)

    @pytest.mark.usefixtures("project")
    def test_wish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(backend.VARIABLE, "yes")  # which hatchling passes over, too
        assert backend.build_wheel("out") == "probe-1.0-py3-none-any.whl"
        sys.modules.pop("in_tree")
        with pytest.raises(SystemExit, match="The config setting `appimage` is `true` or `false`, not `maybe`"):
            backend.build_wheel("out", {"appimage": "maybe"})
        assert "in_tree" not in sys.modules


class TestImages:
    def test_not_kept(self, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv(backend.VARIABLE, "1")
        monkeypatch.setenv("PIP_BUILD_TRACKER", "x")
        assert backend.build_wheel(str(project)) == "probe-1.0-py3-none-any.whl"
        assert capsys.readouterr().err.startswith("No AppImage is built: this is a build by pip")

    @pytest.mark.parametrize("value", ["true", "1", "", True, "True", ["false", "true"]])
    def test_ways_to_wish(self, project: Path, monkeypatch: pytest.MonkeyPatch, value: object) -> None:
        """What front ends make of `-C appimage`, `-C appimage=true` and the like."""
        built: list[Path] = []
        monkeypatch.setattr(backend, "_build_images", built.append)
        backend.build_wheel(str(project), {"appimage": value})
        assert [path.name for path in built] == ["probe-1.0-py3-none-any.whl"]

    @pytest.mark.parametrize("value", ["false", "0", False, ["true", "false"]])
    def test_ways_not_to_wish(self, project: Path, monkeypatch: pytest.MonkeyPatch, value: object) -> None:
        monkeypatch.setattr(backend, "_build_images", lambda _: pytest.fail("an image was built"))
        monkeypatch.setenv(backend.VARIABLE, "1")
        backend.build_wheel(str(project), {"appimage": value})

    def test_not_for_its_own_wheel(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(WHEEL_ONLY, "1")
        assert backend.build_wheel(str(project), {"appimage": "true"}) == "probe-1.0-py3-none-any.whl"

    @pytest.mark.slow
    def test_beside_the_wheel(self, project: Path) -> None:
        (project / "setup.py").write_text(
            "import setuptools\nsetuptools.setup(name='probe', version='1.5', py_modules=['probe'], "
            "entry_points={'console_scripts': ['probe = probe:main']})\n"
        )
        (project / "probe.py").write_text("def main():\n    print('packed')\n")
        (project / "pyproject.toml").write_text(
            "[tool.hatch.build.targets.appimage]\ncompression = 'fast'\nstartup-order = false\n"
        )
        out = project / "out"
        assert backend.build_wheel(str(out), {"appimage": "true"}) == "probe-1.5-py3-none-any.whl"
        assert kinds(out) == [".AppImage", ".whl"]
        (image,) = out.glob("*.AppImage")
        assert subprocess.check_output([image], env=clean_environment(project), text=True) == "packed\n"
