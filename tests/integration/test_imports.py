# SPDX-License-Identifier: MIT
"""Imports in an image, which finds the modules of a start without searching directories for them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.machine import clean_environment
from support.plugin import build_image
from support.projects import QUICK, make_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.plugin import Plugin

# Which runs any program on the image's interpreter.
PROBE = """\
import email.message, inspect, json, markupsafe

def main():
    import os, sys
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
# What modules and their specs say, found by the list and, in the same process, by a search.
COMPARE = """
import email.message, importlib.machinery, inspect, json, marshal, markupsafe, os, probe, sys
finder, loader = importlib.machinery.FileFinder, importlib.machinery.SourceFileLoader
(search,), (load,) = finder.find_spec.__defaults__[1:], loader.get_code.__defaults__
prefix = os.__file__.rsplit("/", 3)[0]
details = [
    (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
    (loader, importlib.machinery.SOURCE_SUFFIXES),
    (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
]
with open(os.path.dirname(os.__file__) + "/_appimage.modules", "rb") as file:
    endings = marshal.load(file)

def tell(spec):
    if spec is None:
        return None
    found = spec.loader
    values = [type(found).__name__, found.name, found.path, spec.name, spec.origin, spec.has_location, spec.cached]
    values += [spec.submodule_search_locations, spec.parent]
    if isinstance(found, loader):
        assert found.get_code(spec.name) == load(found, spec.name)
        assert found.get_code(spec.name).co_filename == found.path
    return values

different = []
vain = 0
for directory, names in endings.items():
    of_directory = finder(f"{prefix}/{directory}", *details)
    for name, ending in names.items():
        told, searched = tell(of_directory.find_spec(f"a.{name}")), tell(search(of_directory, f"a.{name}"))
        vain += told is None
        if told != searched or (told is None) is bool(ending):
            different.append((directory, name, told, searched))
attributes = [json.__file__, json.__cached__, json.__path__, json.__spec__.origin, markupsafe._speedups.__file__]
listed = sum(map(len, endings.values()))
print(json.dumps({"listed": listed, "vain": vain, "different": different, "attributes": attributes}))
"""
SHADOW = """
import sys
sys.path.insert(0, sys.argv[1])
import email
email.__path__.insert(0, sys.argv[1] + "/more")
import json, email.message, email.charset
print(json.WHO, email.message.WHO, email.charset.__file__.startswith(sys.argv[1]))
"""
HOOKS = """
import importlib.machinery, sys
from importlib.machinery import FileFinder, SourceFileLoader

class Loader(SourceFileLoader):
    def exec_module(self, module):
        super().exec_module(module)
        module.HOOKED = True

class Meta:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "markupsafe":
            raise ImportError("not this one")

sys.path_hooks.insert(0, FileFinder.path_hook((Loader, [".py"])))
sys.path_importer_cache.clear()
import json
sys.meta_path.insert(0, Meta)
try:
    import markupsafe
except ImportError as error:
    print(json.HOOKED, json.decoder.HOOKED, error)
"""
TOOLS = """
import importlib.util, sys
sys.pycache_prefix = "/nonexistent"
print(importlib.util.find_spec("inspect").cached.startswith("/nonexistent/"))
sys.pycache_prefix = None
print(importlib.util.find_spec("inspect").cached.startswith(sys.prefix))
import importlib.metadata, importlib.resources, inspect, json, pkgutil, traceback
print("class JSONDecoder" in inspect.getsource(json.decoder))
print(importlib.reload(json) is json and json.loads("1") == 1)
try:
    json.loads("{")
except ValueError:
    print("raise JSONDecodeError" in traceback.format_exc() or "scan_once" in traceback.format_exc())
print(b"JSONDecoder" in pkgutil.get_data("json", "decoder.py"))
print({"decoder", "encoder"} <= {module.name for module in pkgutil.iter_modules(json.__path__)})
print((importlib.resources.files("json") / "decoder.py").is_file())
print(importlib.metadata.version("markupsafe").count(".") == 2)
print(importlib.util.find_spec("no_such_module") is None and importlib.util.find_spec("json.none") is None)
"""
CHILDREN = """
import json, multiprocessing, sys

def file_of(name):
    return __import__(name).__file__

if __name__ == "__main__":
    for method in ("spawn", "forkserver", "fork"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.apply(file_of, ("json",)) == json.__file__)
"""


@pytest.fixture(scope="module")
def image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("imports")
    return build_image(plugin, make_project(directory, PROBE, table=QUICK, project='dependencies = ["markupsafe"]'))


@pytest.fixture(scope="module")
def tree(image: Path) -> Path:
    subprocess.run([image, "--appimage-extract"], cwd=image.parent, stdout=subprocess.DEVNULL, check=True)
    return image.parent / "squashfs-root"


@pytest.fixture(params=["mounted", "unpacked"])
def python(image: Path, tree: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Return a function that runs the image's Python, and returns what it prints on both streams."""
    program = image if request.param == "mounted" else tree / "AppRun"

    def run(*arguments: str | Path) -> str:
        result = subprocess.run(
            [program, *arguments],
            env=clean_environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    return run


def test_found_by_the_list_as_by_a_search(python: Callable[..., str]) -> None:
    answer: dict[str, Any] = json.loads(python("-c", COMPARE))
    assert answer["different"] == []
    assert answer["listed"] > 30
    assert answer["vain"] >= 3  # markupsafe among the standard library, and more
    file, cached, path, origin, extension = answer["attributes"]
    assert (file, path) == (origin, [str(Path(file).parent)])
    assert Path(cached).parent.name == "__pycache__"
    assert "/markupsafe/_speedups." in extension


def test_directories_in_front_come_first(python: Callable[..., str], tmp_path: Path) -> None:
    for name, who in {"json.py": "json", "more/message.py": "message"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"WHO = 'my {who}'\n")
    assert python("-c", SHADOW, tmp_path) == "my json my message False\n"


def test_import_hooks_of_applications(python: Callable[..., str]) -> None:
    assert python("-c", HOOKS) == "True True not this one\n"


def test_tools_that_look_at_modules(python: Callable[..., str]) -> None:
    assert python("-c", TOOLS).split() == ["True"] * 10


def test_children(python: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CHILDREN)
    assert python(tmp_path / "program.py").split() == ["True"] * 3


def test_ways_to_run(python: Callable[..., str]) -> None:
    assert "json.decoder" in python("-X", "importtime", "-c", "import json")
    verbose = python("-v", "-c", "import json")
    assert "/json/__pycache__/__init__." in verbose
    assert " matches " in verbose
    assert "json.tool" in python("-m", "json.tool", "--help")
    code = "import json, sys; print(json.__cached__.endswith('.opt-1.pyc'), json.loads('1'))"
    assert python("-O", "-c", code) == "True 1\n"
    assert python("--check-hash-based-pycs", "always", "-c", "import json; print(json.loads('1'))") == "1\n"


def test_unpacked_and_changed(tree: Path, tmp_path: Path) -> None:
    """New modules are found, and so are those whose bytecode somebody removed, as it never counts as stale."""
    (packages,) = tree.glob("usr/lib/python3*/*-packages")
    (packages / "new_one.py").write_text("WHO = 'new'\n")
    json_directory = next(tree.glob("usr/lib/python3*/json"))
    source = json_directory / "scanner.py"
    source.write_text(source.read_text() + "WHO = 'changed'\n")
    for bytecode in json_directory.glob("__pycache__/scanner.*"):
        bytecode.unlink()
    code = "import json.scanner, new_one; print(json.scanner.WHO, new_one.WHO)"
    environment = clean_environment(tmp_path)
    assert subprocess.check_output([tree / "AppRun", "-c", code], env=environment, text=True) == "changed new\n"
