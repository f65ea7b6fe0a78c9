# SPDX-License-Identifier: MIT
"""Bytecode of the image's modules, compiled by a real interpreter."""

from __future__ import annotations

import importlib.util
import marshal
import os
import subprocess
import sys
from dataclasses import replace
from importlib.machinery import SourcelessFileLoader
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.appdir import bytecode
from hatch_appimage.appdir.bytecode import Bytecode, compile_bytecode, compiling_ahead
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.process import run
from hatch_appimage.python import BundledPython
from hatch_appimage.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def compiled_names(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return a list that will have the names of the modules of each batch that is compiled from now on."""
    batches: list[list[str]] = []

    def note(command: list[Any], **named: Any) -> str:
        for directory in (word for word in command if isinstance(word, Path) and word.is_dir()):
            sources = marshal.loads((directory / "sources").read_bytes())  # noqa: S302 - written a moment ago
            batches.extend([name for name, _ in batch] for batch in sources)
        return run(command, **named)

    monkeypatch.setattr(bytecode, "run", note)
    return batches


def test_modules_apart_do_not_change_others(
    appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [add_module(appdir, f"usr/lib/{name}.py") for name in ("a", "c")]
    own = add_module(appdir, "usr/lib/b.py")
    groups = [{own, appdir.root / "usr/share/my-app/data.py"}, {others[1]}]
    batches = compiled_names(monkeypatch)
    assert compile_bytecode(appdir, python, results, apart=groups).compiled == 3
    assert sorted(batches) == [["usr/lib/a.py"], ["usr/lib/b.py"], ["usr/lib/c.py"]]
    batches.clear()
    own.write_text("x = 'changed'\n")
    assert compile_bytecode(appdir, python, results, apart=groups).compiled == 3
    assert batches == [["usr/lib/b.py"]]


def test_directories_do_not_change_each_other(
    appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one/a", "one/b", "two/a"):
        add_module(appdir, f"usr/lib/{name}.py")
    compile_bytecode(appdir, python, results)
    batches = compiled_names(monkeypatch)
    add_module(appdir, "usr/lib/one/c.py")
    compile_bytecode(appdir, python, results)
    assert batches == [["usr/lib/one/a.py", "usr/lib/one/b.py", "usr/lib/one/c.py"]]


def test_each_batch_is_compiled_by_a_process_of_its_own(
    appdir: AppDir, python: BundledPython, results: Results, tmp_path: Path
) -> None:
    """What marshal writes depends on what the process has compiled before."""
    texts = {"first": "name = 'several words'\nothers = ('some_name', None, 'x')\n", "second": "import some_name, x\n"}
    modules = [add_module(appdir, f"usr/lib/{name}/m.py", text) for name, text in texts.items()]
    compile_bytecode(appdir, python, results)
    together = [bytecode_of(module).read_bytes() for module in modules]
    for module, expected in zip(modules, together, strict=True):
        others = {path: path.read_bytes() for path in modules if path != module}
        for path in others:
            path.unlink()
        compile_bytecode(appdir, python, Results(tmp_path / "others", 10**9))
        assert bytecode_of(module).read_bytes() == expected
        for path, data in others.items():
            path.write_bytes(data)


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


def test_interpreter_that_finds_its_libraries_by_a_variable(
    appdir: AppDir, python: BundledPython, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_module(appdir, "usr/lib/one.py")
    other = tmp_path / "python3"
    other.write_text(f'#!/bin/sh\n[ "$LD_LIBRARY_PATH" = {tmp_path} ] && exec {sys.executable} "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert compile_bytecode(appdir, replace(python, interpreter=other), results).compiled == 1


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
    batches = compiled_names(monkeypatch)
    assert compile_bytecode(appdir, python, results) == Bytecode(compiled=200, skipped=1)
    assert batches == []
    assert read_all(appdir) == first
    # One changed module changes the batch that it is in, and no other.
    changed = add_module(appdir, "usr/lib/m199.py", "x = 'changed'\n")
    compile_bytecode(appdir, python, results)
    assert ["usr/lib/m199.py" in batch for batch in batches] == [True]
    assert {path for path, data in read_all(appdir).items() if data != first[path]} == {bytecode_of(changed)}


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


class TestAhead:
    """Modules that are compiled before it is known which of them stay."""

    def modules(self, appdir: AppDir) -> list[Path]:
        return [add_module(appdir, f"usr/lib/{name}/m.py", f"x = '{name}'\n") for name in ("one", "two", "three")]

    def compile_ahead(
        self,
        appdir: AppDir,
        python: BundledPython,
        results: Results,
        modules: Sequence[Path],
        *,
        jobs: int = 1,
        at: Callable[[Path], Path] = Path,
    ) -> None:
        """Compile some modules ahead, until all are done."""
        done = Semaphore(0)

        def run_and_tell(command: list[Any], **named: Any) -> str:
            output = run(command, **named)
            if bytecode._COMPILE in command:
                done.release()
            return output

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bytecode, "run", run_and_tell)
            with compiling_ahead(appdir, python, results, modules, at=at):
                assert all(done.acquire(timeout=60) for _ in range(jobs))

    def test_is_found(
        self, appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.compile_ahead(appdir, python, results, self.modules(appdir))
        assert not read_all(appdir)
        batches = compiled_names(monkeypatch)
        assert compile_bytecode(appdir, python, results) == Bytecode(3, 0)
        assert batches == []
        assert len(read_all(appdir)) == 3

    def test_where_a_module_is_copied_from(
        self,
        appdir: AppDir,
        python: BundledPython,
        results: Results,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        modules = self.modules(appdir)
        original = tmp_path / "original"
        appdir.lib.rename(original)
        self.compile_ahead(appdir, python, results, modules, at=lambda path: original / path.relative_to(appdir.lib))
        original.rename(appdir.lib)
        batches = compiled_names(monkeypatch)
        assert compile_bytecode(appdir, python, results) == Bytecode(3, 0)
        assert batches == []

    def test_of_what_has_changed_or_gone_is_not_used(
        self, appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        changed, gone, stays = self.modules(appdir)
        self.compile_ahead(appdir, python, results, [changed, gone, stays])
        changed.write_text("x = 'changed'\n")
        gone.unlink()
        batches = compiled_names(monkeypatch)
        assert compile_bytecode(appdir, python, results) == Bytecode(2, 0)
        assert batches == [["usr/lib/one/m.py"]]
        assert set(read_all(appdir)) == {bytecode_of(changed), bytecode_of(stays)}
        assert b"changed" in bytecode_of(changed).read_bytes()

    def test_goes_on_where_a_module_has_gone(
        self, appdir: AppDir, python: BundledPython, results: Results, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        modules = self.modules(appdir)
        monkeypatch.setattr(bytecode, "_JOB", 1)
        modules[0].unlink()
        self.compile_ahead(appdir, python, results, modules, jobs=2)
        batches = compiled_names(monkeypatch)
        assert compile_bytecode(appdir, python, results) == Bytecode(2, 0)
        assert batches == []

    def test_is_the_same_as_later(
        self, appdir: AppDir, python: BundledPython, results: Results, tmp_path: Path
    ) -> None:
        """Also where what is compiled ahead has one directory more."""
        modules = self.modules(appdir)
        other = add_module(appdir, "usr/lib/other/m.py", "x = ('one', 'two', 'three', frozenset({None, 'x'}))\n")
        self.compile_ahead(appdir, python, results, [*modules, other])
        other.unlink()
        compile_bytecode(appdir, python, results)
        ahead = read_all(appdir)
        compile_bytecode(appdir, python, Results(tmp_path / "others", 10**9))
        assert read_all(appdir) == ahead

    @pytest.mark.parametrize("vanished", [True, False])
    def test_tells_no_error(
        self, appdir: AppDir, python: BundledPython, results: Results, tmp_path: Path, *, vanished: bool
    ) -> None:
        modules = self.modules(appdir)
        if vanished:
            modules[0].unlink()
        else:
            python = replace(python, interpreter=tmp_path / "no-python")
        with compiling_ahead(appdir, python, results, modules):
            pass

    def test_where_nothing_is_kept(
        self, appdir: AppDir, python: BundledPython, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batches = compiled_names(monkeypatch)
        with compiling_ahead(appdir, python, Results(None, 0), self.modules(appdir)):
            pass
        assert batches == []
