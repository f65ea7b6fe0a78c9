# SPDX-License-Identifier: MIT
"""Imports are followed by sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from hatch_appimage.sources.imports import Modules, defers_imports, follow
from hatch_appimage.sources.statements import Import

if TYPE_CHECKING:
    from pathlib import Path


def write(directory: Path, files: dict[str, str]) -> Modules:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Modules([directory])


class TestModules:
    def test_what_python_would_import(self, tmp_path: Path) -> None:
        modules = write(
            tmp_path,
            {
                "a/__init__.py": "",
                "a.py": "",
                "a/b.py": "",
                "a/b.cpython-312-x86_64-linux-gnu.so": "",
                "c.py": "",
                "space/d.py": "",
                "e.txt": "",
            },
        )
        found = {name: modules.find(name) for name in ("a", "a.b", "c", "c.x", "space", "space.d", "e", "sys", "a.b.c")}
        assert {name: path and str(path.relative_to(tmp_path)) for name, path in found.items()} == {
            "a": "a/__init__.py",
            "a.b": "a/b.cpython-312-x86_64-linux-gnu.so",
            "c": "c.py",
            "c.x": None,
            "space": None,
            "space.d": "space/d.py",
            "e": None,
            "sys": None,
            "a.b.c": None,
        }

    def test_a_package_whose_own_module_is_compiled(self, tmp_path: Path) -> None:
        modules = write(tmp_path, {"a/__init__.cpython-312-x86_64-linux-gnu.so": "", "a/b.py": ""})
        assert str(modules.find("a")).endswith(".so")
        assert modules.find("a.b") == tmp_path / "a" / "b.py"

    def test_a_compiled_module_beside_its_source(self, tmp_path: Path) -> None:
        """As mypyc leaves it."""
        files = {"a/__init__.py": "from . import x", "a/b.py": "from .c import d\ndef f():\n  import e"}
        modules = write(tmp_path, {**files, "a/b.cpython-312-x86_64-linux-gnu.so": "tkinter"})
        assert [imported.name for imported in modules.imports_of("a.b")] == ["a.c.d"]

    def test_a_stub_of_lazy_loader(self, tmp_path: Path) -> None:
        """What a module imports once it is used; no start needs it."""
        attach = "import lazy_loader as lazy\n__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)"
        modules = write(
            tmp_path,
            {
                "a/__init__.py": attach,
                "a/__init__.pyi": "from .b import c\nfrom . import d",
                "a/e.py": attach,
                "a/f.py": "",
                "a/f.pyi": "import g",
            },
        )
        assert modules.imports_of("a") == [
            Import("lazy_loader"),
            Import("a.b.c", optional=True),
            Import("a.d", optional=True),
        ]
        assert [imported.name for imported in modules.imports_of("a.e")] == ["lazy_loader"]
        assert modules.imports_of("a.f") == []

    @pytest.mark.parametrize(
        "call",
        [
            "lazy.attach(__name__, submodules={'b'}, submod_attrs={'c': ['d']})",
            "attach(__name__, ['b', 'c'])",
            "lazy.attach(__name__, submod_attrs={'b': names, **more, 'c': ()})",
        ],
    )
    def test_names_for_lazy_loader(self, tmp_path: Path, call: str) -> None:
        source = f"import lazy_loader as lazy\nx = {call}\ny = lazy.load('e.f')\nz = lazy.load(name)"
        modules = write(tmp_path, {"a/__init__.py": source})
        assert {imported.name for imported in modules.imports_of("a")} == {"lazy_loader", "a.b", "a.c", "e.f"}

    def test_the_first_directory_wins(self, tmp_path: Path) -> None:
        write(tmp_path, {"1/a.py": "", "2/a.py": "", "2/b.py": "", "1/n/x.py": "", "2/n/y.py": ""})
        modules = Modules([tmp_path / "1", tmp_path / "2", tmp_path / "3"])
        assert modules.find("a") == tmp_path / "1" / "a.py"
        assert modules.find("b") == tmp_path / "2" / "b.py"
        assert modules.find("n.y") == tmp_path / "2" / "n" / "y.py"


SOURCE = """
import a, b.c as d
from e import f, g
from . import h
from .. import i
from .j import *
from ..... import outside
from six.moves import tkinter_messagebox
if TYPE_CHECKING:
    import typed
elif x:
    import k
else:
    import l
try:
    import m
except ImportError:
    import n
else:
    import o
finally:
    import p
class C:
    import q
    def method(self):
        import r
        with x:
            __import__("s")
for x in y:
    import t
while x:
    import u
async def coroutine():
    importlib.import_module(".v", __package__)
    runpy.run_module(name)
text = "import w"
"""


class TestReadImports:
    def read(self, tmp_path: Path, source: str, name: str = "top.package.module", *, deep: bool = True) -> list[Import]:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return Modules([tmp_path], [path] if deep else []).imports_of(name)

    def test_names(self, tmp_path: Path) -> None:
        found = {imported.name: imported for imported in self.read(tmp_path, SOURCE)}
        always = {"a", "b.c", "e.f", "e.g", "top.package.h", "top.i", "top.package.j", "tkinter", "q", "t", "u"}
        optional = {"k", "l", "m", "n", "o", "p"}
        assert {name for name, found in found.items() if not (found.deferred or found.optional)} == always
        assert {name for name, found in found.items() if found.optional and not found.deferred} == optional
        assert {name for name, found in found.items() if found.deferred} == {"r", "s", "top.package.v"}
        assert {name for name, found in found.items() if found.dynamic} == {"s", "top.package.v"}

    def test_not_into_functions(self, tmp_path: Path) -> None:
        names = {imported.name for imported in self.read(tmp_path, SOURCE, deep=False)}
        assert not {"r", "s", "top.package.v"} & names
        assert {"a", "m", "q"} <= names

    def test_of_a_package(self, tmp_path: Path) -> None:
        write(tmp_path, {"p/__init__.py": "from . import a\nfrom .b import c"})
        found = Modules([tmp_path]).imports_of("p")
        assert [imported.name for imported in found] == ["p.a", "p.b.c"]

    def test_match(self, tmp_path: Path) -> None:
        (found,) = self.read(tmp_path, "match x:\n  case 1:\n    import a\n")
        assert found.name == "a"

    @pytest.mark.parametrize("source", ["print 'x'", "\0", "import a\n\t  import b", "(" * 5000])
    def test_what_is_no_python_3(self, tmp_path: Path, source: str) -> None:
        assert self.read(tmp_path, source) == []


class TestFollow:
    FILES: ClassVar = {
        "app/__init__.py": "",
        "app/main.py": "def run():\n  from app import window\nimport lib",
        "app/window.py": "import tk",
        "lib/__init__.py": "from . import used\ndef lazy():\n  import unused",
        "lib/used.py": "import lib",
        "lib/optional.py": "import tk",
        "tk.py": "",
        "unused.py": "",
    }

    def test_own_functions_are_followed(self, tmp_path: Path) -> None:
        modules = write(tmp_path, self.FILES)
        modules.own = [tmp_path / "app" / "main.py"]
        found = follow(["app.main"], modules, lambda _: True)
        assert {name: module.importer for name, module in found.items()} == {
            "app": None,
            "app.main": None,
            "lib": "app.main",
            "lib.used": "lib",
            "app.window": "app.main",
            "tk": "app.window",
        }

    def test_only_what_is_wanted(self, tmp_path: Path) -> None:
        modules = write(tmp_path, self.FILES)
        modules.own = [tmp_path / "app" / "main.py"]
        found = follow(["app.main"], modules, lambda found: not found.deferred)
        assert sorted(found) == ["app", "app.main", "lib", "lib.used"]

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        assert follow(["nowhere", "sys"], Modules([tmp_path]), lambda _: True) == {}

    def test_each_source_is_read_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        modules = write(tmp_path, self.FILES)
        assert follow(["app.main"], modules, lambda _: True)
        monkeypatch.setattr("hatch_appimage.sources.reader.find_all", None)
        assert follow(["app.main"], modules, lambda _: True)


class TestDefersImports:
    @pytest.mark.parametrize(
        "source",
        [
            "def main():\n  import b",
            "async def main():\n  if True:\n    from . import b",
            "class A:\n  def f(self):\n    from b import c",
            "def load(name):\n  return importlib.import_module(f'app.{name}')",
            "load = lambda name: __import__(name)",
            "import argparse",
            "from argparse import ArgumentParser",
            "import click",
            "from typer import Typer",
        ],
    )
    def test_in_functions(self, tmp_path: Path, source: str) -> None:
        write(tmp_path, {"app/__init__.py": "", "app/cli.py": source})
        assert defers_imports(["app.cli"], [tmp_path])

    @pytest.mark.parametrize(
        "source",
        [
            "import b\ndef main(): b()",
            "try:\n  import b\nexcept ImportError: b = None",
            "import importlib\nimportlib.import_module('b')",
            "def main(:",
        ],
    )
    def test_at_the_top_or_never(self, tmp_path: Path, source: str) -> None:
        write(tmp_path, {"app/__init__.py": "", "app/cli.py": source})
        assert not defers_imports(["app.cli"], [tmp_path])

    def test_in_others_of_the_package(self, tmp_path: Path) -> None:
        """Where they are imported; other packages are not the application's."""
        files = {"app/__init__.py": "", "app/cli.py": "import lib", "app/a.py": "def f(): import b", "lib.py": ""}
        write(tmp_path, {**files, "lib.py": "def f(): import b"})
        assert not defers_imports(["app.cli"], [tmp_path])
        write(tmp_path, {"app/cli.py": "from app import a"})
        assert defers_imports(["app.cli"], [tmp_path])

    def test_in_a_compiled_module(self, tmp_path: Path) -> None:
        write(tmp_path, {"app.abi3.so": ""})
        assert not defers_imports(["app"], [tmp_path])
        write(tmp_path, {"app.py": "def f(): import b"})
        assert defers_imports(["app"], [tmp_path])
