# SPDX-License-Identifier: MIT
"""What `hatch-appimage build` and `check` are given: projects of all back ends, wheels, and names."""

from __future__ import annotations

import re
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from hatch_appimage import cli
from hatch_appimage.architecture import native_architecture
from hatch_appimage.builder import AppImageBuilder
from hatch_appimage.cli import projects, status
from hatch_appimage.errors import AppImageError, ConfigurationError
from hatch_appimage.project.build_input import open_source, read_requirement
from hatch_appimage.project.wheel import Release, Wheel
from hatch_appimage.python.local import LocalSource
from hatch_appimage.toml import tomllib
from support.machine import clean_environment, make_public
from support.packages import Index, make_project, make_wheel, serve
from support.projects import copy_project, unpack_sdist
from support.runner import answers_its_version

if TYPE_CHECKING:
    from pathlib import Path

FAST = ("--set", "compression=fast", "--set", "startup-order=false")

# A project of the time before pyproject.toml.
SETUP = """\
from setuptools import Extension, setup

setup(
    name="native",
    version="1.5",
    py_modules=["native_cli"],
    ext_modules=[Extension("native", ["native.c"])],
    entry_points={"console_scripts": ["native = native_cli:main"]},
)
"""
EXTENSION = """\
#include <Python.h>

static PyObject *answer(PyObject *self, PyObject *arguments)
{
    return PyLong_FromLong(42);
}

static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", "", -1, methods};

PyMODINIT_FUNC PyInit_native(void)
{
    return PyModule_Create(&module);
}
"""

# What it needs beside its table's dependencies, it says itself.
_HOOK = """\
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def dependencies(self):
        return [self.config["needs"]] if "needs" in self.config else []
"""


def build(*arguments: str | Path, directory: Path) -> Path:
    """Run `hatch-appimage build`, and return the image that it made in a directory."""
    assert cli.main(["build", *map(str, arguments), *FAST, "--output", str(directory)]) == 0
    (image,) = directory.glob("*.AppImage")
    return image


def answer(image: Path, *arguments: str) -> str:
    return subprocess.check_output([image, *arguments], env=clean_environment(image.parent), text=True)


class TestWhatIsGiven:
    """What an argument is taken for, and what is known of it."""

    def test_static_project(self, tmp_path: Path) -> None:
        with open_source(str(copy_project("hello-cli", tmp_path))) as source:
            assert source.package is None  # the build builds its wheel
            assert source.root == tmp_path / "hello-cli"
            assert source.config["project"]["scripts"] == {"hello": "hello_cli:main"}
            assert "appimage" in source.config["tool"]["hatch"]["build"]["targets"]

    def test_wheel(self, tmp_path: Path) -> None:
        metadata = [
            "Summary: What it does",
            "Home-page: https://example.org",
            "Project-URL: BuildInput, https://github.com/me/demo",
            "Requires-Python: >=3.10",
            "Keywords: draw, paint,",
            "Provides-Extra: web",
            'Provides-Extra: :python_version < "3"',
            "License: the one of the file LICENSE",
            "Classifier: License :: OSI Approved :: MIT License",
            "Classifier: License :: Nobody Knows",
            "Author: Jo Doe",
            "Author-email: Zoë <zoe@example.org>, nobody@example.org",
        ]
        path = make_wheel(tmp_path, "demo", {"demo.py": ""}, metadata=metadata, scripts="demo = demo:main")
        with open_source(str(path)) as source:
            assert isinstance(source.package, Wheel)
            assert source.package.path == path
            assert source.config["project"] == {
                "name": "demo",
                "version": "1.0",
                "description": "What it does",
                "requires-python": ">=3.10",
                "scripts": {"demo": "demo:main"},
                "gui-scripts": {},
                "optional-dependencies": {"web": []},
                "keywords": ["draw", "paint"],
                "urls": {"BuildInput": "https://github.com/me/demo", "Homepage": "https://example.org"},
                "authors": [{"name": "Jo Doe"}, {"name": "Zoë"}],
                "maintainers": [],
            }

    @pytest.mark.slow
    @pytest.mark.network
    def test_requirement(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        with open_source("Colorama[x]==0.4.*") as source:
            assert isinstance(source.package, Release)
            assert re.fullmatch(r"colorama\[x\]==0\.4\.\d+", source.package.requirement(source.features))
            assert source.config["project"]["name"] == "colorama"
            root = source.root
        assert not root.exists()
        assert not list(tmp_path.iterdir())

    def test_release_for_the_bundled_python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The newest is taken that this Python can run, whatever the one of the build can."""
        index = Index(tmp_path / "index")
        for version, tag in {"2.0": "py3", "3.0": "cp399"}.items():
            index.add("acme", version, tag=f"{tag}-none-any")
        with serve(index.directory) as served:
            for name in ("UV_INDEX", "UV_FIND_LINKS"):
                monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
            for version, expected in {sys.version.split()[0]: "2.0", "3.99.1": "3.0", "3.99.0+": "3.0"}.items():
                with open_source("acme", find_python=version.__str__) as source:
                    assert source.config["project"]["version"] == expected

    @pytest.mark.parametrize(
        ("argument", "message"),
        [
            ("empty", r"/empty is no Python project: it has neither pyproject\.toml nor setup\.py"),
            ("no/such", "no/such is neither a directory, a script nor a wheel; unpack an sdist first"),
            ("gone.py", r"gone\.py is neither a directory, a script nor a wheel"),
            ("gone-1.0-py3-none-any.whl", "is neither a directory, a script nor a wheel"),
            ("x-1.0.tar.gz", r"x-1\.0\.tar\.gz is neither a directory, a script nor a wheel; unpack an sdist first"),
            ("not a wheel.whl", "not a wheel.whl is not named as wheels are"),
            ("x-1.0-py3-none-any.whl", "x-1.0-py3-none-any.whl is no wheel: "),
            ("a b", r"`a b` is no directory, no script, no wheel, and no requirement \(PEP 508\) either"),
            ("x; python_version > '3'", "has a marker: say what to build, not when"),
            ("broken", r"pyproject\.toml is no valid TOML: "),
        ],
    )
    def test_refused(self, argument: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty").mkdir()
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "pyproject.toml").write_text("[project")
        for name in ("x-1.0.tar.gz", "not a wheel.whl", "x-1.0-py3-none-any.whl"):
            (tmp_path / name).write_text("x")
        with pytest.raises(AppImageError, match=message), open_source(argument):
            pass

    @pytest.mark.parametrize(
        ("metadata", "offset", "message"),
        [
            (b"Name: x\n", 8, "is no wheel: .*encrypted"),
            (b"Name: x\n", 10, "is no wheel: That compression method is not supported"),
            (b"Name: x\n", 16, "is no wheel: Bad CRC-32"),
            (b"Name: x\n" * (3 << 20), None, "is no wheel: its METADATA has more than 16777216 bytes"),
            (b"Name: \xff\n", None, "is no wheel: 'utf-8' codec"),
        ],
    )
    def test_damaged_wheels(self, metadata: bytes, offset: int | None, message: str, tmp_path: Path) -> None:
        wheel = tmp_path / "x-1.0-py3-none-any.whl"
        with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
            archive.writestr("x-1.0.dist-info/METADATA", metadata)
        if offset is not None:
            data = bytearray(wheel.read_bytes())
            data[data.rindex(b"PK\1\2") + offset] ^= 1
            if offset < 16:
                data[offset - 2] ^= 1
            wheel.write_bytes(data)
        with pytest.raises(AppImageError, match=message) as caught, open_source(str(wheel)):
            pass
        assert str(caught.value).isprintable()


SCRIPT = """\
# /// script
# requires-python = ">=3.10"
# dependencies = ["helper", "other @ file://${PROJECT_ROOT}/other"]
# [tool.uv]
# find-links = ["wheels"]
# [tool.uv.sources]
# helper = { path = "helper" }
# [tool.hatch.build.targets.appimage]
# compression = "fast"
# ///
\"\"\"Paint.\"\"\"
__version__ = "1.2"
"""


class TestNoProject:
    """Scripts, directories and recipes."""

    def test_script(self, tmp_path: Path) -> None:
        path = tmp_path / "My tool.py"
        path.write_text(SCRIPT)
        (tmp_path / "helper").mkdir()
        for name in ("uv.lock", "hatch.toml"):  # of a project that the script lies in
            (tmp_path / name).write_text("[build.targets.appimage]\nno-option = true\n")
        (tmp_path / "pyproject.toml").write_text(
            '[tool.uv]\nfind-links = ["more"]\nindex-url = "https://example.org"\n'
            '[tool.uv.sources]\nx = { path = "y" }\n'
        )
        with open_source(str(path)) as source:
            builder = AppImageBuilder.of_source(source)
            project, settings = builder.project, builder.read_settings()
            assert (project.name, project.version, project.summary) == ("my-tool", "1.2", "Paint.")
            assert (project.root, project.requires_python) == (tmp_path, ">=3.10")
            assert builder.target_config == {"compression": "fast"}
            assert settings.install.lock is None
            assert str(settings.launcher.entry_point.program) == "My tool.py"
            said = tomllib.loads((project.uv_root / "pyproject.toml").read_text())
            assert said["project"]["dependencies"] == ["helper", f"other @ file://{tmp_path}/other"]
            assert said["tool"]["uv"] == {
                "find-links": [f"{tmp_path}/wheels", f"{tmp_path}/more"],
                "index-url": "https://example.org",
                "sources": {"helper": [{"path": f"{tmp_path}/helper"}]},
            }

    def test_name_with_accents(self, tmp_path: Path) -> None:
        path = tmp_path / "Grüße café.py"
        path.write_text("")
        with open_source(str(path)) as source:
            assert source.config["project"]["name"] == "grusse-cafe"

    def test_data_beside_a_script(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "words.txt").write_text("")
        path = tmp_path / "tool.py"
        path.write_text("open(__file__ + '/../' + 'words.txt')\n")
        with open_source(str(path)):
            pass
        assert "`words.txt`" in caplog.text

    def test_lock_of_a_script(self, tmp_path: Path) -> None:
        path = tmp_path / "tool.py"
        path.write_text("")
        (tmp_path / "tool.py.lock").write_text("")
        with open_source(str(path)) as source:
            assert source.config["tool"]["hatch"]["build"]["targets"]["appimage"] == {"lock": f"{path}.lock"}
        path.write_text("# /// script\n# [tool.hatch.build.targets.appimage]\n# lock = false\n# ///\n")
        with open_source(str(path)) as source:
            assert AppImageBuilder.of_source(source).read_settings().install.lock is None

    @pytest.mark.parametrize(
        ("name", "installed", "gui"), [("tool", "tool", False), ("my.tool.py", "my_tool", False), ("t.pyw", "t", True)]
    )
    def test_names_of_scripts(self, name: str, installed: str, tmp_path: Path, *, gui: bool) -> None:
        path = tmp_path / name
        path.write_text("#!/usr/bin/env python3\n")
        with open_source(str(path)) as source:
            assert isinstance(source.package, Wheel)
            place = f"{AppImageBuilder.of_source(source).project.name}-app"
            assert f"{place}/{installed}.py" in ZipFile(source.package.path).namelist()
            entry_point = AppImageBuilder.of_source(source).read_settings().launcher.entry_point
            assert entry_point.program
            assert (entry_point.program.module, entry_point.gui) == (installed, gui)

    def test_script_with_neighbours(self, tmp_path: Path) -> None:
        (tmp_path / "tool.py").write_text("import helper.x\n")
        (tmp_path / "helper.py").write_text("")
        with pytest.raises(AppImageError, match="imports `helper` from beside it"), open_source(f"{tmp_path}/tool.py"):
            pass

    @pytest.mark.parametrize(
        ("text", "option"), [("x>=1\n", "requirements-file"), (f"x==1 --hash=sha256:{'0' * 64}\n", "lock")]
    )
    def test_directory(self, text: str, option: str, tmp_path: Path) -> None:
        """One whose pyproject.toml has nothing but tables of tools."""
        (tmp_path / "pyproject.toml").write_text('[tool.hatch.build.targets.appimage]\nname = "Paint"\n')
        (tmp_path / "requirements.txt").write_text(text)
        (tmp_path / "main.py").write_text("__version__ = '3'\n")
        (tmp_path / "other.py").write_text("")
        with open_source(str(tmp_path)) as source:
            builder = AppImageBuilder.of_source(source)
            assert (builder.project.version, builder.project.uv_root) == ("3", tmp_path)
            assert builder.target_config == {"name": "Paint", option: "requirements.txt"}
            assert str(builder.read_settings().launcher.entry_point.program) == "main.py"
            for value, shown in {"other.py": "other.py", "-m http.server": "None"}.items():
                chosen = AppImageBuilder.of_source(source, {"entry-point": value}).read_settings().launcher.entry_point
                assert str(chosen.program) == shown

    def test_directory_whose_program_says_what_it_needs(self, tmp_path: Path) -> None:
        (tmp_path / "main.py").write_text(SCRIPT)
        (tmp_path / "helper").mkdir()
        with open_source(str(tmp_path)) as source:
            assert (AppImageBuilder.of_source(source).project.uv_root / "pyproject.toml").is_file()
        (tmp_path / "requirements.txt").write_text("x")
        with pytest.raises(AppImageError, match=r"and the comments of main\.py both say"), open_source(str(tmp_path)):
            pass

    def test_directory_without_a_main_program(self, tmp_path: Path) -> None:
        for name in ("one.py", "two.py"):
            (tmp_path / name).write_text("")
        with open_source(str(tmp_path)) as source:
            with pytest.raises(ConfigurationError, match=r"set it to a file \(one\.py, two\.py\), the command of a"):
                AppImageBuilder.of_source(source).read_settings()
            with pytest.raises(ConfigurationError, match=r"must be one of the files \(one\.py, two\.py\), "):
                AppImageBuilder.of_source(source, {"entry-point": "-x"}).read_settings()

    def test_recipe(self, tmp_path: Path) -> None:
        root = tmp_path / "painter"
        root.mkdir()
        (root / "requirements.txt").write_text("numpy\n")
        (root / "entrypoint.sh").write_text('{{ python-executable }} -m paint "$@"\n')
        with open_source(str(root)) as source:
            assert isinstance(source.package, Wheel)
            assert (source.package.name, str(source.package.version)) == ("painter", "0.0.0")
            assert AppImageBuilder.of_source(source).read_settings().launcher.entry_point.module == "paint"
        (root / "entrypoint.sh").write_text("cd /\n")
        with pytest.raises(AppImageError, match="an image starts no shell"), open_source(str(root)):
            pass
        with open_source(str(root), ["entry-point"]):
            pass

    def test_recipe_of_an_index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What its requirements name comes from where they say, before the index that all others are on."""
        own, strangers = Index(tmp_path / "own"), Index(tmp_path / "strangers")
        own.add("acme", "1.0")
        strangers.add("acme", "9.0")
        root = tmp_path / "acme"
        root.mkdir()
        (root / "entrypoint.sh").write_text('{{ python-executable }} -m acme "$@"\n')
        with serve(own.directory) as served, serve(strangers.directory) as other:
            for name in ("UV_INDEX", "UV_FIND_LINKS"):
                monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv("UV_DEFAULT_INDEX", other.url)
            monkeypatch.setenv("PLACE", served.url.removeprefix("http://").rstrip("/"))
            (root / "requirements.txt").write_text("--extra-index-url http://${PLACE}/\nacme\n")
            with open_source(str(root)) as source:
                assert source.config["project"]["version"] == "1.0"
            assert not other.asked

    def test_name_that_no_project_has(self, tmp_path: Path) -> None:
        path = tmp_path / "__.py"
        path.write_text("")
        with pytest.raises(AppImageError, match="has no letter or digit in its name"), open_source(str(path)):
            pass

    @pytest.mark.slow
    def test_built(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It runs as `python FILE` does; the index has a stranger of the name of what the script has beside it."""
        for name in ("UV_INDEX", "UV_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        index = Index(tmp_path / "index")
        index.add("helper", "9.0")
        make_project(tmp_path / "helper", make_wheel(tmp_path / "wheels", "helper", {"helper.py": "place = 'here'\n"}))
        (tmp_path / "more.txt").write_text(f"more @ {make_wheel(tmp_path, 'more', {'more.py': ''}).as_uri()}\n")
        script = tmp_path / "calendar.py"
        script.write_text(
            SCRIPT.replace(', "other @ file://${PROJECT_ROOT}/other"', "")
            + "import multiprocessing, pickle, sys\nimport calendar, helper, more\n"
            "class Thing: pass\n"
            "if __name__ == '__main__':\n"
            "    pickle.loads(pickle.dumps(Thing()))\n"
            "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
            "        print(pool.map(abs, [-1]), helper.place, calendar.Thing.__name__, __doc__, __spec__)\n"
            "    print(sys.argv[0] == __file__, __file__.rpartition('/')[2], *sys.argv[1:])\n"
            "else:\n"
            # The pool's end may come before that of its process, which would write then what it has not yet.
            "    print(__name__, flush=True)\n"
        )
        with serve(index.directory) as served:
            monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
            image = build(script, "--with-requirements", tmp_path / "more.txt", directory=tmp_path / "out")
        assert image.name == f"calendar-1.2-{native_architecture().name}.AppImage"
        assert answer(image, "a").splitlines() == [
            *("calendar", "calendar", "__mp_main__"),
            "[1] here Thing Paint. None",
            "True calendar.py a",
        ]


class TestWith:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("rich>=13", "rich>=13"),
            ("./a-1.0-py3-none-any.whl", "a @ file://{}/a-1.0-py3-none-any.whl"),
            ("./libs", "Lib @ file://{}/libs"),
            ("libs", "Lib @ file://{}/libs"),  # the index has a stranger of this name
            ("data", "data"),
        ],
    )
    def test_packages(self, text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        make_wheel(tmp_path, "a", {})
        (tmp_path / "data").mkdir()
        (tmp_path / "libs").mkdir()
        (tmp_path / "libs" / "pyproject.toml").write_text('[project]\nname = "Lib"\n')
        assert read_requirement(text) == expected.format(tmp_path)

    def test_refused(self, tmp_path: Path) -> None:
        with pytest.raises(AppImageError, match=r"is no wheel, and no directory whose pyproject\.toml has a `name`"):
            read_requirement(f"{tmp_path}/gone")

    def test_beside_those_of_the_project(self, tmp_path: Path) -> None:
        with open_source(str(copy_project("hello-cli", tmp_path))) as source:
            further = {"requirements": ["b"], "requirements-file": ["c.txt"]}
            given = {"requirements": ["a"], "requirements-file": "b.txt"}
            table = AppImageBuilder.of_source(source, given, further).target_config
        assert (table["requirements"], table["requirements-file"]) == (["a", "b"], ["b.txt", "c.txt"])


class TestSettings:
    def test_over_those_of_the_project(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = copy_project("hello-cli", tmp_path)
        with (project / "pyproject.toml").open("a") as file:
            file.write('name = "of the project"\n')
        settings = ["--set", "name=Of the command line", "--set", 'update-information="github:latest"']
        assert cli.main(["check", str(project), *settings]) == 1
        (project / "hatch.toml").write_text('[build.targets.appimage]\nname = "of hatch.toml"\n')
        assert cli.main(["check", str(project), *settings[:2]]) == 0
        assert f"Of_the_command_line-1.0-{native_architecture().name}.AppImage\n" in capsys.readouterr().out
        assert cli.main(["check", str(project)]) == 0
        assert "  name       of hatch.toml 1.0\n" in capsys.readouterr().out

    def test_paths_begin_in_the_current_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project = copy_project("hello-cli", tmp_path)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9v9z"/></svg>')
        assert cli.main(["check", "hello-cli", "--set", "icon=icon.svg"]) == 0
        assert "  icon       SVG\n" in capsys.readouterr().out
        monkeypatch.chdir(project)
        assert cli.main(["check", "--set", "icon=../icon.svg"]) == 0

    def test_so_do_those_of_files_that_are_to_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        project = copy_project("hello-cli", tmp_path)
        monkeypatch.chdir(tmp_path)
        given = [f"{key}=new" for key in ("startup-order", "report", "startup-command")]
        with open_source("hello-cli") as source:
            found = projects.read_settings(source, Namespace(set=given, python=None))
        assert source.root == project
        assert found == {"startup-order": f"{tmp_path}/new", "report": f"{tmp_path}/new", "startup-command": "new"}

    @pytest.mark.parametrize("given", [["python={}"], []])
    def test_release_for_the_python_that_they_name(
        self, given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = "3.99.1" if given else sys.version.split()[0]
        found = LocalSource().provide(native_architecture(), tmp_path)
        monkeypatch.setattr(LocalSource, "provide", lambda *_: replace(found, version="3.99.1"))
        options = Namespace(set=[text.format(sys.executable) for text in given], python=None, arch=None)
        assert projects.find_python(options) == version

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("name", "--set takes KEY=VALUE, not `name`"),
            ("compression=best", "must be one of default, fast, small, gzip, not `best`"),
            ("max-glibc=3.1", "must be a version of glibc, such as `2.28`, not `3.1`"),
            ("features=[1]", "Item #1 in option `tool.hatch.build.targets.appimage.features` must be a string"),
        ],
    )
    def test_refused(self, setting: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.main(["check", str(copy_project("hello-cli", tmp_path)), "--set", setting]) != 0
        assert message in capsys.readouterr().err


class TestCheck:
    def test_all_faults_at_once(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = copy_project("hello-cli", tmp_path)
        (project / "not-a-python").write_text("#!/bin/sh\necho no\n")
        (project / "not-a-python").chmod(0o755)
        (project / "runtime").write_text("x")
        with (project / "pyproject.toml").open("a") as file:
            file.write('python = "not-a-python"\nruntime = "runtime"\n')
            file.write('sign-key = "0000000000000000000000000000000000000000"\n')
        assert cli.main(["check", str(project)]) == 1
        faults = capsys.readouterr().err.splitlines()
        assert [fault.split(":")[0] for fault in faults] == [
            f"The runtime {project / 'runtime'} is no ELF file",
            "Cannot sign with 0000000000000000000000000000000000000000",
            f"`{project / 'not-a-python'}` is no working Python 3 interpreter",
        ]
        assert sorted(path.name for path in project.iterdir()) == [
            *("README.md", "not-a-python", "pyproject.toml", "runtime", "src"),
        ]

    def test_what_would_be_built(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = copy_project("hello-cli", tmp_path)
        with (project / "pyproject.toml").open("a") as file:
            file.write('update-information = "zsync|https://example.org/hello-{arch}.AppImage.zsync"\n')
        assert cli.main(["check", str(project)]) == 0
        out = capsys.readouterr().out
        assert "  starts     hello (hello_cli:main)\n" in out
        assert f"  python     {sys.version.split()[0]} at " in out
        assert re.search(r"  needs      glibc 2\.\d+ or newer for Python", out)
        assert "  updates    zsync|https://example.org/hello-" in out
        assert not (project / "dist").exists()

    def test_hooks_that_are_not_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = copy_project("hello-cli", tmp_path)
        with (project / "pyproject.toml").open("a") as file:
            file.write("[tool.hatch.build.targets.appimage.hooks.nonexistent]\n")
        assert cli.main(["build", str(project)]) == status.UNREADABLE
        assert capsys.readouterr().err == (
            "hatch-appimage: Unknown build hook: nonexistent; `hatch build -t appimage` installs what a project's "
            "hooks need\n"
        )

    def test_hooks_that_lack_something(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        project = copy_project("hello-cli", tmp_path)
        with (project / "pyproject.toml").open("a") as file:
            file.write("[tool.hatch.build.targets.appimage.hooks.custom]\ndependencies = ['nonexistent']\n")
        assert cli.main(["build", str(project)]) == status.UNREADABLE
        assert capsys.readouterr().err == (
            "hatch-appimage: What the build hook `custom` needs is not installed here; `hatch build -t appimage` "
            "installs what a project's hooks need\n"
        )

    @pytest.mark.parametrize(
        "option", ["directory = 5", "reproducible = 5", "force-include = 5", "versions = 5", "hooks = 5"]
    )
    @pytest.mark.parametrize("command", ["build", "check"])
    def test_options_of_hatchling(
        self, tmp_path: Path, command: str, option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        key, _, value = option.partition(" = ")
        project = copy_project("hello-cli", tmp_path)
        assert cli.main([command, str(project), "--set", f"{key}={value}"]) == status.UNREADABLE
        assert re.fullmatch(
            rf"hatch-appimage: Field `tool\.hatch\.build\.targets\.appimage\.{key}` must be an? \w+( of \w+)?\n",
            capsys.readouterr().err,
        )


class TestHooks:
    """Build hooks of all targets, as hatch-vcs has one."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        (tmp_path / "hatch_build.py").write_text(_HOOK)
        return tmp_path

    def hooks(self, project: Path, requires: str, hooks: str = "[tool.hatch.build.hooks.custom]") -> list[str]:
        (project / "pyproject.toml").write_text(
            f"[project]\nname = 'app'\nversion = '1.0'\n[project.scripts]\napp = 'app:main'\n"
            f"[build-system]\nrequires = [{requires}]\nbuild-backend = 'hatchling.build'\n{hooks}\n"
        )
        with open_source(str(project)) as source:
            return sorted(AppImageBuilder.of_source(source).get_build_hooks(str(project / "dist")))

    @pytest.mark.parametrize("requires", ["'hatchling'", "'hatchling>=99', 'packaging'"])
    def test_that_can_run(self, project: Path, requires: str) -> None:
        assert self.hooks(project, requires) == ["custom"]

    @pytest.mark.parametrize(
        ("requires", "hooks"),
        [
            ("'hatchling', 'nonexistent'", "[tool.hatch.build.hooks.custom]"),
            ("'hatchling'", "[tool.hatch.build.hooks.custom]\ndependencies = ['nonexistent']"),
            ("'hatchling'", "[tool.hatch.build.hooks.custom]\nneeds = 'nonexistent'"),
            ("'hatchling', 'hatch-nonexistent'", "[tool.hatch.build.hooks.nonexistent]"),
        ],
    )
    def test_that_lack_something(
        self, project: Path, requires: str, hooks: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The wheel's build has what they need, and the command has not."""
        assert self.hooks(project, requires, hooks) == []
        name = "nonexistent" if "hooks.nonexistent" in hooks else "custom"
        assert capsys.readouterr().err == (
            f"The build hook `{name}` is run for the wheel, and not for the image, as what it needs is not installed "
            "here: `hatch build -t appimage` runs it for both\n"
        )


@pytest.mark.slow
@pytest.mark.network
class TestBuild:
    @pytest.mark.parametrize(
        ("name", "version"), [("setuptools-tool", "2.1"), ("poetry-tool", "2.2"), ("flit-tool", "2.3")]
    )
    def test_back_ends(self, name: str, version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        image = build(copy_project(name, tmp_path), directory=tmp_path / "out")
        assert image.name == f"{name}-{version}-{native_architecture().name}.AppImage"
        assert capsys.readouterr().out.splitlines()[-1] == str(image)
        assert answer(image, "--version") == f"{name} {version}\n"
        assert answer(image) == "\x1b[32mHello!\x1b[39m\n"

    def test_extension_modules(self, tmp_path: Path) -> None:
        """The wheel of the metadata is none for the image then, which may get another Python."""
        project = tmp_path / "native"
        project.mkdir()
        (project / "setup.py").write_text(SETUP)
        (project / "native.c").write_text(EXTENSION)
        (project / "native_cli.py").write_text("import native\n\n\ndef main():\n    print(native.answer())\n")
        with open_source(str(project)) as source:
            assert source.package is None
        assert answer(build(project, directory=tmp_path / "out")) == "42\n"

    def test_wheel(self, tmp_path: Path) -> None:
        path = make_wheel(
            tmp_path, "demo", {"demo.py": "def main():\n    print('from a wheel')\n"}, scripts="demo = demo:main"
        )
        assert answer(build(path, directory=tmp_path / "out")) == "from a wheel\n"

    def test_name_on_the_index(self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
        directory = make_public(tmp_path_factory, "index")
        monkeypatch.chdir(directory)
        assert cli.main(["build", "yt-dlp", *FAST]) == 0
        (image,) = (directory / "dist").glob("yt-dlp-*.AppImage")
        answers_its_version(image, tmp_path_factory)

    @pytest.mark.parametrize("name", ["rich-cli", "flit"])
    def test_source_distributions(self, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        """One of poetry-core, and one of flit-core; what setuptools builds are test projects."""
        directory = make_public(tmp_path_factory, name)
        answers_its_version(build(unpack_sdist(name, directory), directory=directory / "out"), tmp_path_factory)


@pytest.mark.slow
def test_circles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin needs the application, which needs the plugin, and has a command of the same name."""
    wheels = tmp_path / "wheels"
    make_wheel(wheels, "The.Plugin", {"plugin.py": "name = 'plugin'\n"}, metadata=["Requires-Dist: THE_APP[more]>=1"])
    make_wheel(wheels, "the_more", {"more.py": "name = 'more'\n"}, scripts="the-app = more:main")
    project = tmp_path / "project"
    project.mkdir()
    (project / "the_app.py").write_text("import more, plugin\ndef main(): print(plugin.name, more.name)\n")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "the.app"\nversion = "1.0"\ndependencies = ["the_plugin", "the-app[all]"]\n'
        '[project.optional-dependencies]\nmore = ["the.more"]\nall = ["the_app[more]"]\n'
        '[project.scripts]\nthe-app = "the_app:main"\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["the_app.py"]\n'
    )
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    assert answer(build(project, directory=tmp_path / "dist")) == "plugin more\n"
