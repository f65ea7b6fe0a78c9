# SPDX-License-Identifier: MIT
"""Bytecode of the image's modules, compiled by a real interpreter."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import subprocess
import sys
from dataclasses import replace
from importlib.machinery import SourcelessFileLoader
from pathlib import Path
from typing import Any

import pytest

from hatch_appimage.appdir import bytecode
from hatch_appimage.appdir.bytecode import Bytecode, compile_bytecode
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.process import run
from hatch_appimage.python import BundledPython
from hatch_appimage.python.local import find_host_python
from hatch_appimage.python.relocate import bundle_python
from hatch_appimage.results import Results

UNCHECKED_HASH = b"\x01\0\0\0"  # PEP 552: hash-based, and the source is not looked at


@pytest.fixture
def appdir(tmp_path: Path) -> AppDir:
    appdir = AppDir(tmp_path / "it's an AppDir", "my-app")
    appdir.bin.mkdir(parents=True)
    return appdir


@pytest.fixture
def python(appdir: AppDir) -> BundledPython:
    executable = appdir.bin / "python3"
    executable.symlink_to(Path(sys.executable).resolve())
    return BundledPython("3", executable, appdir.lib, (appdir.lib,), interpreter=executable, origin=appdir.usr)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results", 10**9)


def add_module(appdir: AppDir, name: str, text: str = "x = {'a', 'b', 'c'}\n") -> Path:
    path = appdir.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def bytecode_of(path: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(path)))


def test_is_unchecked_and_names_no_directory_of_the_build(
    appdir: AppDir, python: BundledPython, results: Results
) -> None:
    module = add_module(appdir, "usr/lib/Größe.py")
    assert compile_bytecode(appdir, python, results) == Bytecode(compiled=1, skipped=0)
    data = bytecode_of(module).read_bytes()
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:8] == UNCHECKED_HASH
    assert data[8:16] == importlib.util.source_hash(module.read_bytes())
    assert marshal.loads(data[16:]).co_filename == "usr/lib/Größe.py"  # noqa: S302 - made a moment ago
    assert os.fsencode(appdir.root) not in data


def test_is_used_whatever_the_sources_time(appdir: AppDir, python: BundledPython, results: Results) -> None:
    module = add_module(appdir, "usr/lib/one.py", "print('compiled')\n")
    compile_bytecode(appdir, python, results)
    module.write_text("print('source')\n")
    os.utime(module, (0, 0))
    output = subprocess.check_output([sys.executable, "-c", "import one"], cwd=module.parent, text=True)
    assert output == "compiled\n"


def test_replaces_what_packages_brought(appdir: AppDir, python: BundledPython, results: Results) -> None:
    add_module(appdir, "usr/lib/one.py")
    old = add_module(appdir, "usr/lib/__pycache__/gone.cpython-39.pyc", "old")
    sourceless = add_module(appdir, "usr/lib/sourceless.pyc", "needed")
    compile_bytecode(appdir, python, results)
    assert not old.exists()
    assert sourceless.exists()


@pytest.mark.parametrize("alone", [False, True])
def test_without(appdir: AppDir, python: BundledPython, results: Results, *, alone: bool) -> None:
    first, second = (add_module(appdir, f"usr/lib/{name}.py") for name in ("first", "second"))
    compile_bytecode(appdir, python, results, alone=[first, second] if alone else (), without=[second])
    assert [path.name for path in appdir.lib.rglob("*.pyc")] == ["first.pyc" if alone else bytecode_of(first).name]
    assert (first.exists(), second.exists()) == (not alone, True)


def test_leaves_out_what_is_no_python(appdir: AppDir, python: BundledPython, results: Results) -> None:
    for number, text in enumerate(
        ["print 'two'\n", "x = \0\n", "# coding: nonsense\n", "(" * 1000 + ")" * 1000, "{{ name }} = "]
    ):
        add_module(appdir, f"usr/lib/bad{number}.py", text)
    (appdir.lib / "latin.py").write_bytes(b"x = '\xe4'\n")
    good = add_module(appdir, "usr/lib/good.py")
    (appdir.lib / "link.py").symlink_to("good.py")
    result = compile_bytecode(appdir, python, results)
    assert result == Bytecode(compiled=1, skipped=6)
    assert list(good.parent.glob("__pycache__/*")) == [bytecode_of(good)]


def test_more_than_one_batch(appdir: AppDir, python: BundledPython, results: Results) -> None:
    modules = [add_module(appdir, f"usr/lib/m{number}.py", f"x = {number}\n") for number in range(320)]
    assert compile_bytecode(appdir, python, results) == Bytecode(compiled=320, skipped=0)
    assert all(bytecode_of(module).is_file() for module in modules)


def test_same_bytes_every_time(
    appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "def f(x):\n    return x in {'a', 'b', 'c', 'd', 'e', 'f'}\n"
    module = add_module(appdir, "usr/lib/one.py", text)
    found = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        compile_bytecode(appdir, python, results)
        found.add(bytecode_of(module).read_bytes())
    assert len(found) == 1


def test_modules_of_the_image_do_not_get_in_the_way(appdir: AppDir, python: BundledPython, results: Results) -> None:
    """Files of `force-include` may lie in the root."""
    add_module(appdir, "json.py", "raise SystemExit('wrong json')\n")
    assert compile_bytecode(appdir, python, results).compiled == 1


def test_what_the_project_changes_is_compiled_alone(
    appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "c"):
        add_module(appdir, f"usr/lib/{name}.py")
    own = add_module(appdir, "usr/lib/b.py")
    names = [str(own.relative_to(appdir.root)), "usr/share/my-app/data"]
    assert compile_bytecode(appdir, python, results, own=names).compiled == 3
    compiled: list[list[str]] = []

    def note(command: list[str], **named: Any) -> str:
        if "stdin" in named:
            compiled.append([name for _, name, _ in json.loads(named["stdin"])])
        return run(command, **named)

    monkeypatch.setattr(bytecode, "run", note)
    own.write_text("x = 'changed'\n")
    assert compile_bytecode(appdir, python, results, own=names).compiled == 3
    assert compiled == [["usr/lib/b.py"]]


def test_users_settings_do_not_reach_it(
    appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = add_module(appdir, "usr/lib/one.py")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    compile_bytecode(appdir, python, results)
    assert (module.parent / "__pycache__").is_dir()
    assert not (tmp_path / "cache").exists()


def test_interpreter_that_fails(appdir: AppDir, python: BundledPython, results: Results) -> None:
    add_module(appdir, "usr/lib/one.py")
    python.executable.unlink()
    python.executable.symlink_to("/bin/false")
    with pytest.raises(AppImageError, match=r"^Cannot compile bytecode: python3 ended with exit status 1"):
        compile_bytecode(appdir, python, results)


def test_nothing_to_compile(appdir: AppDir, python: BundledPython, results: Results) -> None:
    assert compile_bytecode(appdir, python, results) == Bytecode(0, 0)


def read_all(appdir: AppDir) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in appdir.files() if path.suffix == ".pyc"}


def test_is_kept_for_the_next_image(
    appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        add_module(appdir, f"usr/lib/m{number:03}.py", f"x = {number}\n")
    add_module(appdir, "usr/lib/bad.py", "no Python\n")
    assert compile_bytecode(appdir, python, results) == Bytecode(compiled=200, skipped=1)
    first = read_all(appdir)
    processes: list[str] = []

    def count(command: list[str], **named: Any) -> str:
        processes.append(command[-1])
        return run(command, **named)

    monkeypatch.setattr(bytecode, "run", count)
    assert compile_bytecode(appdir, python, results) == Bytecode(compiled=200, skipped=1)
    assert len(processes) == 1, "only the interpreter's version is asked for"
    assert read_all(appdir) == first
    # One more module changes the batch that it is in, and no other.
    (appdir.root / "usr/lib/m199.py").write_text("x = 'changed'\n")
    compile_bytecode(appdir, python, results)
    assert len(processes) == 3
    changed = {path for path, data in read_all(appdir).items() if data != first[path]}
    assert changed == {bytecode_of(appdir.root / "usr/lib/m199.py")}


def test_kept_bytecode_is_of_the_same_interpreter(
    appdir: AppDir, python: BundledPython, results: Results, tmp_path: Path
) -> None:
    module = add_module(appdir, "usr/lib/one.py")
    compile_bytecode(appdir, python, results)
    assert bytecode_of(module).is_file()
    other = tmp_path / "python3"
    compiler = "import sys; sys.implementation.cache_tag = 'other-1'; code = sys.argv[2]; del sys.argv[1:3]; exec(code)"
    other.write_text(f'#!/bin/sh\nwhile [ "$1" != -c ]; do shift; done\nexec {sys.executable} -Bc "{compiler}" "$@"\n')
    other.chmod(0o755)
    python.executable.unlink()
    python.executable.symlink_to(other)
    compile_bytecode(appdir, python, results)
    assert [path.name for path in (appdir.lib / "__pycache__").iterdir()] == ["one.other-1.pyc"]


@pytest.mark.parametrize("level", [1, 2])
def test_levels_have_files_of_their_own(
    appdir: AppDir, python: BundledPython, results: Results, tmp_path: Path, level: int
) -> None:
    module = add_module(appdir, "usr/lib/one.py", '"""Words."""\nassert __doc__\n')
    compile_bytecode(appdir, python, results)
    assert compile_bytecode(appdir, python, results, level=level) == Bytecode(1, 0, level)
    (bytecode,) = (appdir.lib / "__pycache__").iterdir()
    assert bytecode == Path(importlib.util.cache_from_source(str(module), optimization=level))
    code = SourcelessFileLoader("one", str(bytecode)).get_code("one")
    assert code
    assert ("Words." in code.co_consts) is (level < 2)
    module.unlink()
    assert subprocess.run([sys.executable, bytecode], cwd=tmp_path, check=False).returncode == 0


class TestAlone:
    """Bytecode in the place of its source."""

    def test_takes_the_place(self, appdir: AppDir, python: BundledPython, results: Results) -> None:
        module = add_module(appdir, "usr/lib/one.py", "print(__file__)\n")
        other = add_module(appdir, "usr/lib/two.py")
        result = compile_bytecode(appdir, python, results, alone=[module], kept={"it is needed": 1})
        assert result == Bytecode(2, 0, removed=1, saved=16, kept={"it is needed": 1})
        assert not module.exists()
        assert {path.name for path in appdir.lib.iterdir()} == {"one.pyc", "two.py", "__pycache__"}
        assert [path.name for path in (appdir.lib / "__pycache__").iterdir()] == [bytecode_of(other).name]
        output = subprocess.check_output([sys.executable, "-c", "import one"], cwd=appdir.lib, text=True)
        assert output == f"{module}c\n"

    def test_of_the_level(self, appdir: AppDir, python: BundledPython, results: Results) -> None:
        module = add_module(appdir, "usr/lib/one.py", "assert False\n")
        compile_bytecode(appdir, python, results, level=1, alone=[module])
        assert [path.name for path in appdir.lib.iterdir()] == ["one.pyc"]
        subprocess.run([sys.executable, "-c", "import one"], cwd=appdir.lib, check=True)

    def test_what_does_not_compile_stays(self, appdir: AppDir, python: BundledPython, results: Results) -> None:
        module = add_module(appdir, "usr/lib/one.py", "print 'two'\n")
        stale = add_module(appdir, "usr/lib/one.pyc", "of another Python")
        assert compile_bytecode(appdir, python, results, alone=[module]) == Bytecode(0, 1)
        assert module.is_file()
        assert not stale.exists(), "it would be used if its source were gone"

    def test_is_kept_apart_for_the_next_image(self, appdir: AppDir, python: BundledPython, results: Results) -> None:
        """What is kept of one kind of image is not taken for another."""
        for alone, level in ((True, 0), (False, 0), (True, 1), (False, 1), (True, 0)):
            module = add_module(appdir, "usr/lib/one.py")
            compile_bytecode(appdir, python, results, level=level, alone=[module] if alone else [])
            assert module.with_suffix(".pyc").is_file() is alone
            module.with_suffix(".pyc").unlink(missing_ok=True)

    def test_stays_where_nothing_compiles(self, appdir: AppDir, python: BundledPython, results: Results) -> None:
        module = add_module(appdir, "usr/lib/one.py")
        compile_bytecode(appdir, replace(python, cross=True), results, alone=[module])
        assert module.is_file()


@pytest.mark.slow
def test_processes_do_not_write_what_others_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Pythons that compile the standard library run on it; their own bytecode must not replace the image's."""
    appdir = AppDir(tmp_path / "AppDir", "my-app")
    python = bundle_python(find_host_python(Path(sys.executable)), appdir)
    runs = []

    def watch(command: list[str], **named: Any) -> str:
        before = read_all(appdir)
        output = run(command, **named)
        assert read_all(appdir) == before
        runs.append(command)
        return output

    monkeypatch.setattr(bytecode, "run", watch)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    modules = [path for path in python.stdlib.rglob("*.py") if path.stem != "__init__"]
    result = compile_bytecode(appdir, python, Results(None, 0), alone=modules)
    assert len(runs) > 2
    assert result.removed > 400
    assert {data[4:8] for data in read_all(appdir).values()} == {UNCHECKED_HASH}
