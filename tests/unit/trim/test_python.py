# SPDX-License-Identifier: MIT
"""What is left out of the standard library, and of the packages that install others, and what keeps it."""

from __future__ import annotations

from importlib.metadata import distributions
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.trim.packages import Saved, Trimmed
from hatch_appimage.trim.settings import INSTALLERS, STDLIB
from support.installed_image import Image

if TYPE_CHECKING:
    from pathlib import Path

SQLITE = {"sqlite3/__init__.py": "from _sqlite3 import *\n", "lib-dynload/_sqlite3.cpython-312.so": "\x7fELF"}
SMALL = {"os.py": "import abc\n", "abc.py": "", **SQLITE}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def left(image: Image, source: str, **files: str) -> bool:
    """Whether sqlite3 stays beside a package with this source."""
    image.add_stdlib(SMALL)
    image.add({"pkg/__init__.py": source, **{name.replace("__", "/"): text for name, text in files.items()}})
    return "sqlite3" not in image.trim_python(STDLIB).modules


class TestStdlib:
    def test_unused(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        image.add({"pkg/__init__.py": "import os\n"})
        result = image.trim_python(STDLIB)
        assert image.stdlib == {"os.py", "abc.py"}
        assert result == Trimmed(
            {STDLIB: Saved(2, sum(map(len, SQLITE.values())))}, modules={"_sqlite3": STDLIB, "sqlite3": STDLIB}
        )

    def test_not_wanted(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        assert image.trim_python() == Trimmed({})
        assert image.stdlib == SMALL.keys()

    @pytest.mark.parametrize(
        "source",
        [
            "import sqlite3",
            "from sqlite3 import dbapi2",
            "import sqlite3.dbapi2 as db",
            "import _sqlite3",
            "def load():\n    import sqlite3",
            "try:\n    import sqlite3\nexcept ImportError:\n    sqlite3 = None",
            "import importlib\nimportlib.import_module('sqlite3')",
            "NAMES = ['sqlite3', 'json']",
            "TEXT = 'sqlite3.Connection'",
            "CODE = '''\\\nimport os\nimport sqlite3\n'''",
            "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'sqlite3'])",
            "COMMAND = 'python3 -m sqlite3 a.db'",
        ],
    )
    def test_used(self, image: Image, source: str) -> None:
        assert left(image, source)

    @pytest.mark.parametrize(
        "source",
        [
            '"""Like sqlite3."""',
            "# import sqlite3",
            "raise RuntimeError('this needs no sqlite3 at all')",
            "URL = 'https://example.org/sqlite3s'",
            "import pkg.sqlite3",
            "from . import sqlite3",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sqlite3",
        ],
    )
    def test_unused_sources(self, image: Image, source: str) -> None:
        assert not left(image, source)

    @pytest.mark.parametrize("text", ["[db]\nengine = sqlite3\n", "import sqlite3; sqlite3.connect()", "sqlite3.x"])
    def test_other_files(self, image: Image, text: str) -> None:
        assert left(image, "", pkg__data="mysqlite3 a.sqlite3") is False
        assert left(image, "", pkg__data=text)

    @pytest.mark.parametrize(("data", "stays"), [("PyInit_a\0sqlite3\0", True), ("sqlite3\0", False)])
    def test_extension_modules(self, image: Image, data: str, *, stays: bool) -> None:
        """A library that runs no Python has the name for another reason."""
        image.add({"pkg/a.so": f"\x7fELF\0{data}"})
        assert left(image, "") is stays

    def test_an_ordinary_word_names_no_module(self, image: Image) -> None:
        files = {"http/__init__.py": "", "code.py": "", "html/__init__.py": "", "venv/__init__.py": ""}
        image.add_stdlib(files)
        image.add(
            {"pkg/__init__.py": "A = ['http', 'code', 'html.entities', 'http://a.b']", "pkg/a.txt": "http code venv.x"}
        )
        assert image.trim_python(STDLIB).modules == {"code": STDLIB, "http": STDLIB}

    def test_an_ordinary_word_beside_what_runs_modules(self, image: Image) -> None:
        """It counts there, though another source has it, too."""
        image.add_stdlib({"code.py": "", "cmd.py": ""})
        image.add({"pkg/a.py": "A = ['code', 'cmd', '-a']", "pkg/b.py": "A = ['-m', 'code']", "pkg/c.py": "A = 'cmd'"})
        assert image.trim_python(STDLIB).modules == {"cmd": STDLIB}

    @pytest.mark.parametrize(("call", "kept"), [("help(1)", "pydoc"), ("breakpoint()", "pdb"), ("self.help(1)", None)])
    def test_what_functions_import_that_are_built_in(self, image: Image, call: str, kept: str | None) -> None:
        image.add_stdlib(
            {
                "pydoc.py": "",
                "pdb.py": "",
                "_sitebuiltins.py": "class _Helper:\n    def __call__(self):\n        import pydoc\n",
            }
        )
        image.add({"pkg/__init__.py": f"def run(self):\n    {call}\n"})
        assert image.trim_python(STDLIB).modules == dict.fromkeys({"pydoc", "pdb"} - {kept}, STDLIB)

    def test_syntax_that_this_python_does_not_know(self, image: Image) -> None:
        """What cannot be parsed counts with all that it may import."""
        image.add_stdlib({"ssl.py": "", "wave.py": ""})
        assert left(image, "import ssl\nnew syntax\n", pkg__new="") is False
        assert image.stdlib == {"os.py", "abc.py", "ssl.py"}

    def test_syntax_of_a_newer_standard_library(self, image: Image) -> None:
        image.add_stdlib({**SMALL, "os.py": "import sqlite3\nnew syntax\n"})
        assert image.trim_python(STDLIB) == Trimmed({}, {"sqlite3": "os of the standard library imports it"})

    def test_path_files(self, image: Image) -> None:
        image.add_stdlib({"ssl.py": "", **SMALL})
        image.add({"a.pth": "import ssl; ssl.a()\n"})
        assert "ssl" not in image.trim_python(STDLIB).modules


class TestFunctions:
    """What a function of the standard library imports counts where something names that function."""

    def kept(self, image: Image, module: str, source: str = "import os\n") -> bool:
        image.add_stdlib({**SMALL, "os.py": module})
        image.add({"pkg/__init__.py": source})
        return "sqlite3" not in image.trim_python(STDLIB).modules

    def test_unnamed(self, image: Image) -> None:
        assert not self.kept(image, "def dump():\n    import sqlite3\n")

    @pytest.mark.parametrize(
        "source",
        [
            "import os\nos.dump()",
            "from os import dump",
            "import os\ngetattr(os, 'dump')",
            "import os\ndef run(name):\n    getattr(os, 'du' + name)()\n    return 'du_', '_mp', dump",
        ],
    )
    def test_named(self, image: Image, source: str) -> None:
        assert self.kept(image, "def dump():\n    import sqlite3\n", source)

    @pytest.mark.parametrize("run", ["dump", "os.dump", "9dump", "1.5.dump.x"])
    def test_named_by_an_extension_module(self, image: Image, run: str) -> None:
        image.add({"pkg/a.so": f"\x7fELF\0PyInit_a\0{run}\0"})
        assert self.kept(image, "def dump():\n    import sqlite3\n")

    @pytest.mark.parametrize("text", ["'do_' + name", "f'do_{name}'", "'%s_dump' % name", "name + '_dump'"])
    def test_part_of_a_name(self, image: Image, text: str) -> None:
        assert self.kept(
            image, "class A:\n    def do_dump(self):\n        import sqlite3\n", f"def a(name):\n    return {text}\n"
        )

    @pytest.mark.parametrize(
        "module",
        [
            "import sqlite3",
            "def dump():\n    import sqlite3\ndump()",
            "def dump():\n    import sqlite3\nclass A:\n    def __enter__(self):\n        dump()",
            "def __getattr__(name):\n    import sqlite3",
            "@register\ndef dump():\n    import sqlite3",
            "class A:\n    def dump(self):\n        __import__('sqlite3')\nTABLE = {'a': A.dump}",
            "try:\n    import sqlite3\nexcept ImportError:\n    pass",
            "try:\n    import nothing\nexcept ImportError:\n    import sqlite3",
            "RUN = 'from sqlite3 import main'",
            "RUN = 'import os, sqlite3; print(1)'",
            "RUN = 'import os as o , sqlite3 as s'",
            "RUN = 'sqlite3.main'",
        ],
    )
    def test_by_the_standard_library(self, image: Image, module: str) -> None:
        assert self.kept(image, module)

    @pytest.mark.parametrize(
        "module",
        [
            "try:\n    import abc\nexcept ImportError:\n    import sqlite3",
            "if __name__ == '__main__':\n    import sqlite3",
            "def _test():\n    import sqlite3\nif __name__ == '__main__':\n    _test()",
            "import sys\n'sqlite3.x' in sys.modules or sys.modules.get('sqlite3.x')\nsys.modules['sqlite3.x'] = 1",
            "__all__ = ['dump']\ndef dump():\n    import sqlite3",
            "@property\ndef dump():\n    import sqlite3",
            "A = 'sqlite3'",
        ],
    )
    def test_not_by_the_standard_library(self, image: Image, module: str) -> None:
        assert not self.kept(image, module)

    @pytest.mark.parametrize("name", ["json/__main__.py", "pydoc_data/topics.py"])
    def test_not_by_programs_and_texts(self, image: Image, name: str) -> None:
        module = "import sqlite3\nTEXTS = {'a': 'sqlite3.Row', 'b': 'A call of dump() writes.'}\n"
        package = {f"{name.partition('/')[0]}/__init__.py": ""}
        image.add_stdlib({name: module, "dumping.py": "def dump():\n    import sqlite3\n", **package, **SMALL})
        image.add({"pkg/__init__.py": "import dumping, json, pydoc_data.topics"})
        assert "sqlite3" in image.trim_python(STDLIB).modules

    def test_run_as_a_package(self, image: Image) -> None:
        image.add_stdlib({"json/__main__.py": "import sqlite3", "json/__init__.py": "", **SMALL})
        image.add({"pkg/__init__.py": "subprocess.run([PYTHON, '-m', 'json'])"})
        assert "sqlite3" not in image.trim_python(STDLIB).modules

    def test_run_as_a_program(self, image: Image) -> None:
        module = "def main():\n    import sqlite3\nif __name__ == '__main__':\n    main()"
        image.add_stdlib({"json/tool.py": module, "json/__init__.py": "", **SMALL})
        image.add({"pkg/__init__.py": "COMMAND = 'python -m json.tool'"})
        assert "sqlite3" not in image.trim_python(STDLIB).modules

    def test_all_of_a_part_stays_and_what_it_imports(self, image: Image) -> None:
        files = {
            "asyncio/__init__.py": "",
            "asyncio/tls.py": "import ssl\n",
            "ssl.py": "import _ssl\n",
            "lib-dynload/_ssl.cpython-312.so": "",
            "lib-dynload/_asyncio.cpython-312.so": "\x7fELF\0html.parser\0code\0",
            "html/parser.py": "",
            "html/__init__.py": "",
            "code.py": "",
        }
        image.add_stdlib(files)
        image.add({"pkg/__init__.py": "import asyncio"})
        result = image.trim_python(STDLIB)
        assert image.stdlib == files.keys() - {"code.py"}
        assert result.kept["ssl"] == "asyncio.tls of the standard library imports it"
        assert result.kept["asyncio"] == "pkg/__init__.py names it"

    def test_data_of_a_package_goes_with_it(self, image: Image) -> None:
        image.add_stdlib({"os.py": "", "pydoc_data/__init__.py": "", "pydoc_data/a.css": "", "logging/__init__.py": "",
                          "logging/config.py": "", "logging/a.txt": ""})  # fmt: skip
        image.trim_python(STDLIB)
        assert image.stdlib == {"os.py", "logging/__init__.py", "logging/a.txt"}

    def test_what_is_in_the_interpreter_is_no_file(self, image: Image) -> None:
        """A module that is built in is there for who falls back to another one."""
        image.python.executable.parent.mkdir(parents=True)
        image.python.executable.write_bytes(b"\x7fELF\0PyInit__decimal\0sqlite3\0")
        source = "try:\n    from _decimal import *\nexcept ImportError:\n    from _pydecimal import *\n"
        image.add_stdlib({"decimal.py": source, "_pydecimal.py": "", **SQLITE})
        image.trim_python(STDLIB)
        assert image.stdlib == {"decimal.py"}


class TestWhatKeepsAll:
    @pytest.mark.parametrize(
        "source",
        [
            "import sys\nsys.path.insert(0, 'plugins')",
            "import sys\nsys.path = [*sys.path, 'plugins']",
            "import sys\nsys.path[:0] = ['plugins']",
            "import runpy\nrunpy.run_path('script.py')",
            "from importlib.util import spec_from_file_location",
            "import code\ncode.InteractiveConsole().interact()",
            "def run(text):\n    exec(text)",
            "def run(text):\n    exec(compile(text, 'a', 'exec'))",
            "def run(text):\n    return eval(text)",
            "import site\nsite.addsitedir('plugins')",
            "new syntax\nexec(a)",
            "def run(name):\n    exec(f'import {name}')",
            "import imp\ndef load_module(name, path):\n    return imp.load_module(name, open(path), path)",
            "class Loader:\n    def exec_module(self, module):\n        self.inner.exec_module(module)",
            "from tools import load_module\nclass A:\n    def load_module(self): pass",
        ],
    )
    def test_foreign_code(self, image: Image, source: str) -> None:
        image.add_stdlib(SMALL)
        image.add({"pkg/__init__.py": source})
        result = image.trim_python(STDLIB, INSTALLERS)
        assert image.stdlib == SMALL.keys()
        assert result.kept.keys() == {STDLIB, INSTALLERS}
        assert "pkg/__init__.py has `" in result.kept[STDLIB]

    @pytest.mark.parametrize(
        "source",
        [
            "exec('a = 1')",
            "import re\nre.compile('a')",
            "import sys\nfor name in sys.path:\n    pass",
            "class A:\n    def exec(self):\n        self.exec(1)",
            "def load_module(name):\n    return __import__(name)\ndef load(name):\n    return load_module(name)",
            "class A:\n    def load_module(self, a): pass\n    def create(self, a):\n        self.load_module(a)",
            "import sys\nfrom os import path\npath.append(1)",
            "import importlib\ndef load(name):\n    return importlib.import_module(f'pkg.{name}')",
            "import importlib\ndef load(name):\n    return importlib.import_module('pkg.' + name)",
            "import importlib\ndef load(name):\n    return importlib.import_module(__name__ + '.' + name)",
            "import importlib\ndef load(name):\n    return importlib.import_module(f'{__package__}.{name}')",
            "import importlib\ndef load(name):\n    return importlib.import_module(name)",
            "import subprocess, sys\ndef run(code):\n    return subprocess.run([sys.executable, '-c', code])",
        ],
    )
    def test_own_code_only(self, image: Image, source: str) -> None:
        assert not left(image, source)

    def test_what_is_not_imported(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        image.add({"pkg/__init__.py": "", "pkg/cli.py": "def run(text):\n    exec(text)"})
        reach = image.reach()
        modules = {name: module for name, module in reach.modules.items() if module.path.name != "cli.py"}
        result = image.trim_python(STDLIB, reach=type(reach)(modules, frozenset()))
        assert STDLIB in result.groups

    @pytest.mark.parametrize(
        ("source", "action"),
        [
            (
                "import subprocess, sys\ndef run(code):\n    subprocess.run([sys.executable, '-c', code])",
                "sys.executable",
            ),
            ("import importlib\ndef load(name):\n    return importlib.import_module(name)", "import_module"),
            ("def load(name):\n    return __import__(name)", "__import__"),
            ("import runpy\ndef load(name):\n    return runpy.run_module(name)", "run_module"),
        ],
    )
    def test_what_only_the_application_does(self, image: Image, source: str, action: str) -> None:
        image.add_stdlib(SMALL)
        image.add({"app.py": source}, "app")
        result = image.trim_python(STDLIB, reach=image.reach("app.py"))
        assert result.kept == {STDLIB: f"code that is not in the image may use it: app.py has `{action}`"}

    def test_the_interpreter_that_nobody_starts(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        image.add({"app.py": "import sys\nprint(sys.executable)"}, "app")
        assert STDLIB in image.trim_python(STDLIB, reach=image.reach("app.py")).groups

    def test_all_of_the_application(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        image.add({"app/__init__.py": "", "app/plugins.py": "def run(text):\n    exec(text)"}, "app")
        reach = image.reach("app/__init__.py")
        result = image.trim_python(STDLIB, reach=type(reach)({}, frozenset(), own=reach.own))
        assert "app/plugins.py has `exec`" in result.kept[STDLIB]

    def test_extension_modules(self, image: Image) -> None:
        image.add({"pkg/a.so": "\x7fELF\0PyInit_a\0spec_from_file_location\0"})
        assert left(image, "")

    def test_bytecode_without_source(self, image: Image) -> None:
        image.add({"pkg/__pycache__/a.pyc": ""})
        assert not left(image, "")
        image.add({"pkg/a.pyc": ""})
        assert left(image, "")

    @pytest.mark.parametrize("name", ["jinja2/environment.py", "typing_extensions.py"])
    def test_packages_that_execute_their_own(self, image: Image, name: str) -> None:
        image.add_stdlib(SMALL)
        image.add({name: "def a(text):\n    exec(text)"}, "other")
        assert STDLIB in image.trim_python(STDLIB).groups

    def test_modules_that_load_what_is_there(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        running = "import runpy\ndef run(a):\n    runpy.run_path(a)"
        image.add({"anyio/to_process.py": running}, "anyio")
        assert STDLIB in image.trim_python(STDLIB).groups
        image.add_stdlib(SMALL)
        image.add({"anyio/to_process.py": running, "anyio/other.py": running}, "anyio")
        assert "anyio/other.py has `run_path`" in image.trim_python(STDLIB).kept[STDLIB]

    @pytest.mark.parametrize(
        ("module", "source", "request_"),
        [
            ("flask/cli.py", "import sys\nsys.path.insert(0, 'a')", "from flask.cli import FlaskGroup"),
            ("flask/config.py", "def from_pyfile(f):\n    exec(f)", "app.config.from_pyfile('a.cfg')"),
            ("pygments/lexers/__init__.py", "def a(f):\n    exec(f)", "load_lexer_from_file('a.py')"),
        ],
    )
    def test_packages_that_do_on_request(self, image: Image, module: str, source: str, request_: str) -> None:
        image.add_stdlib(SMALL)
        image.add({"app/__init__.py": request_}, "app")
        image.add({module: source}, "other", "[console_scripts]\na = flask.cli:main\n")
        assert image.trim_python(STDLIB, own=("app/__init__.py",)).groups == {}
        image.add({"app/__init__.py": "import flask, pygments"}, "app")
        assert STDLIB in image.trim_python(STDLIB, own=("app/__init__.py",)).groups
        # What starts one of them itself is for its users' code.
        image.add_stdlib(SMALL)
        assert image.trim_python(STDLIB, own=(module,)).groups == {}

    def test_exposed_interpreter(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        result = image.trim_python(STDLIB, exposed=True)
        assert result == Trimmed({}, {STDLIB: "code that is not in the image may use it: `expose-python`"})

    def test_keep_files(self, image: Image) -> None:
        image.add_stdlib({**SMALL, "sqlite3/dbapi2.py": "import http.client\n", "http/__init__.py": "",
                          "http/client.py": "", "wave.py": ""})  # fmt: skip
        result = image.trim_python(STDLIB, keep=("lib*/python3*/sqlite3",))
        assert image.stdlib == {*SMALL, "sqlite3/dbapi2.py", "http/__init__.py", "http/client.py"}
        assert result.kept["sqlite3"] == "`keep-files`"

    def test_files_of_the_project(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        image.trim_python(STDLIB, extra=(image.python.stdlib / "sqlite3/__init__.py",))
        assert image.stdlib == SMALL.keys()


SETUPTOOLS = {
    "setuptools/__init__.py": "import pkg_resources, distutils",
    "pkg_resources/__init__.py": "",
    "_distutils_hack/__init__.py": "",
    "distutils-precedence.pth": "import os; __import__('_distutils_hack')",
}


class TestInstallers:
    def names(self, image: Image) -> set[str]:
        return {each.metadata["Name"] for each in distributions(path=[str(image.site)])}

    def test_unused(self, image: Image) -> None:
        image.add(SETUPTOOLS, "setuptools", "[distutils.commands]\nbuild = setuptools.command:build\n")
        image.add({"pip/__init__.py": "import setuptools", "../../../bin/pip": ""}, "pip")
        image.add({"wheel/__init__.py": ""}, "wheel")
        image.add({"pkg/__init__.py": "A = 'the wheel', 'wheel', 'pip install pkg'"})
        result = image.trim_python(INSTALLERS)
        assert image.files == {"pkg/__init__.py"}
        assert self.names(image) == {"pkg"}
        assert not (image.root / "usr/bin/pip").exists()
        assert result.packages == {"pip", "setuptools", "wheel"}
        assert result.modules["pkg_resources"] == INSTALLERS
        assert result.groups[INSTALLERS].files == 4 + 2 + 1 + 3 * 2 + 1

    @pytest.mark.parametrize(
        "source",
        [
            "import pkg_resources",
            "def build():\n    from setuptools import setup",
            "from distutils.version import LooseVersion",
            "import importlib.metadata\nimportlib.metadata.version('setuptools')",
        ],
    )
    def test_used(self, image: Image, source: str) -> None:
        image.add(SETUPTOOLS, "setuptools")
        image.add({"pkg/__init__.py": source})
        result = image.trim_python(INSTALLERS)
        assert image.files == {*SETUPTOOLS, "pkg/__init__.py"}
        assert result.kept == {"setuptools": "pkg/__init__.py names it"}

    def test_used_by_another_one_that_is_used(self, image: Image) -> None:
        image.add(SETUPTOOLS, "setuptools")
        image.add({"pip/__init__.py": "import setuptools"}, "pip")
        image.add({"pkg/__init__.py": "run(sys.executable, '-m', 'pip')"})
        assert image.trim_python(INSTALLERS).packages == set()

    def test_started(self, image: Image) -> None:
        image.add({"pip/__init__.py": "", "pip/__main__.py": ""}, "pip")
        assert image.trim_python(INSTALLERS, own=("pip/__main__.py",)).packages == set()

    def test_kept(self, image: Image) -> None:
        image.add(SETUPTOOLS, "setuptools")
        assert image.trim_python(INSTALLERS, keep=("setuptools",)) == Trimmed({})
        assert image.files == SETUPTOOLS.keys()

    def test_a_group_of_entry_points_is_no_use(self, image: Image) -> None:
        image.add(SETUPTOOLS, "setuptools")
        image.add({"pkg/__init__.py": ""}, entry_points="[distutils.commands]\nfoo = pkg:foo\n")
        assert image.trim_python(INSTALLERS).packages == {"setuptools"}
        image.add(SETUPTOOLS, "setuptools")
        image.add({"pkg/__init__.py": ""}, entry_points="[console_scripts]\nfoo = setuptools.command:foo\n")
        assert image.trim_python(INSTALLERS).packages == set()

    def test_their_needs_go_with_them(self, image: Image) -> None:
        image.add_stdlib(SMALL)
        image.add({"pip/__init__.py": "import sqlite3"}, "pip")
        assert image.trim_python(INSTALLERS, STDLIB).groups.keys() == {INSTALLERS, STDLIB}
