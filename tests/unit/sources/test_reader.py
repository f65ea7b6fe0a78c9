# SPDX-License-Identifier: MIT
"""Sources are read once, by any number of processes, and not at all where an earlier build has."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.process import ProcessError
from hatch_appimage.results import Results, list_entries
from hatch_appimage.sources import facts as facts_module
from hatch_appimage.sources import reader as module
from hatch_appimage.sources.facts import Text, find_all, pack, unpack
from hatch_appimage.sources.reader import File, SourceReader
from hatch_appimage.sources.statements import Import

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_appimage.sources.facts import Facts

SOURCES = {
    "a/__init__.py": b"from . import b\nimport os\n",
    "a/b.py": b"def run():\n    import tkinter\n    return open(__file__), 'data/\\ud800.txt', help(1)\n",
    "a/old.py": b"print 'Python 2'\n",
    "a/newer.py": b"import ssl\nnew syntax\n",
    "a/null.py": b"import os\0\n",
    "a/deep.py": b"(" * 5000,
    "a/nested.py": b"-" * 100_000 + b"1",
    "a/latin.py": b"# coding: latin-1\nimport os\nNAME = '\xe4'\n",
    "a/undeclared.py": b"import os\nNAME = '\xe4'\n",
    "c.py": b"import importlib\nimport matplotlib.pyplot as p\np.show()\nimportlib.import_module(name)\n",
    "empty.py": b"",
}
STDLIB = {"os.py": b"try:\n    import posix\nexcept ImportError:\n    import nt\ndef run_it():\n    import code\n"}


@pytest.fixture
def files(tmp_path: Path) -> list[File]:
    found = []
    for name, data in {**SOURCES, **STDLIB}.items():
        path = tmp_path / "image" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found.append(File(path, name.rpartition("/")[0], name in STDLIB))
    return found


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results", 10**9)


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_SIZE", 100)
    monkeypatch.setattr(module, "_FEW", 0)


def facts_of(reader: SourceReader, files: Sequence[File]) -> dict[str, Facts | None]:
    reader.read(files)
    return {file.path.name: reader.facts(file) for file in files}


def never(*_: object) -> list[bytes]:
    raise AssertionError("sources were looked at again")


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("find_all", "find_packed"):
        monkeypatch.setattr(module, name, never)


def test_what_sources_say(files: list[File]) -> None:
    found = facts_of(SourceReader(), files)
    unreadable = {"old.py", "newer.py", "null.py", "deep.py", "nested.py", "undeclared.py"}
    assert {name for name, facts in found.items() if facts is None} == unreadable
    package, inner, other, standard = (found[name] for name in ("__init__.py", "b.py", "c.py", "os.py"))
    assert package is not None
    assert package.imports == (Import("a.b"), Import("os"))
    assert inner is not None
    assert inner.imports == (Import("tkinter", deferred=True),)
    assert inner.deferring
    assert inner.builtins == {"pydoc"}
    assert inner.use.itself
    assert inner.mentions.texts == {"data/\ud800.txt"}
    assert {"run", "tkinter", "ud800"} <= inner.words
    assert other is not None
    assert other.plots
    assert other.actions == ("import_module",)
    assert not other.deferring
    assert standard is not None
    assert [unit.name for unit in standard.units] == ["", "run_it"]
    assert standard.units[0].fallbacks[0].imports == {"nt"}


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("workers", [2, 3, 50])
def test_any_number_of_processes_finds_the_same(files: list[File], workers: int) -> None:
    assert facts_of(SourceReader(workers=workers), files) == facts_of(SourceReader(workers=1), files)


@pytest.mark.usefixtures("_small_batches")
def test_any_number_of_processes_keeps_the_same(files: list[File], tmp_path: Path) -> None:
    kept = []
    for workers in (1, 2):
        directory = tmp_path / str(workers)
        SourceReader(Results(directory, 10**9), workers=workers).read(files)
        kept.append({entry.path.relative_to(directory): entry.path.read_bytes() for entry in list_entries(directory)})
    assert kept[0] == kept[1]
    assert len(kept[0]) > 2


def test_the_order_of_files_does_not_count(
    files: list[File], results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = facts_of(SourceReader(results), files)
    forbid(monkeypatch)
    assert facts_of(SourceReader(results), files[::-1]) == first


def test_each_is_read_once(files: list[File], monkeypatch: pytest.MonkeyPatch) -> None:
    reader = SourceReader()
    reader.read(files)
    forbid(monkeypatch)
    reader.read([*files, *files])
    files[0].path.unlink()
    assert reader.facts(files[0])


def test_kept_for_later_builds(
    files: list[File], results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several sources in one entry, by what they are and not by where."""
    first = facts_of(SourceReader(results), files)
    assert len(list(list_entries(tmp_path / "results"))) == 3  # the package, other modules, Python's own
    moved = [file._replace(path=file.path.rename(file.path.with_name(f"{file.path.name}x"))) for file in files]
    forbid(monkeypatch)
    assert list(facts_of(SourceReader(results), moved).values()) == list(first.values())


def test_a_damaged_entry_counts_as_none(files: list[File], results: Results, tmp_path: Path) -> None:
    first = facts_of(SourceReader(results), files)
    for entry in list_entries(tmp_path / "results"):
        entry.path.write_bytes(entry.path.read_bytes()[:-1] + b"x")
    assert facts_of(SourceReader(results), files) == first


def test_a_changed_source_is_looked_at_again(files: list[File], results: Results) -> None:
    SourceReader(results).read(files)
    files[0].path.write_bytes(b"import json\n")
    facts = SourceReader(results).facts(files[0])
    assert facts is not None
    assert facts.imports == (Import("json"),)


def test_the_package_counts(files: list[File], results: Results) -> None:
    SourceReader(results).read(files)
    facts = SourceReader(results).facts(files[0]._replace(package="other"))
    assert facts is not None
    assert facts.imports[0] == Import("other.b")


@pytest.mark.parametrize("asked_for_before", [False, True])
def test_a_file_that_vanishes(files: list[File], *, asked_for_before: bool) -> None:
    files[0].path.unlink()
    reader = SourceReader()
    with pytest.raises(FileNotFoundError, match="__init__"):
        reader.read(files) if asked_for_before else reader.facts(files[0])


@pytest.mark.usefixtures("_small_batches")
def test_a_process_that_fails(files: list[File], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ProcessError, match=r"^Cannot read sources: false ended with exit status 1"):
        SourceReader(workers=2).read(files)


@pytest.mark.usefixtures("_small_batches")
def test_without_a_program_for_processes(files: list[File], monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an interpreter that is part of another program."""
    monkeypatch.setattr(sys, "executable", None)
    assert facts_of(SourceReader(workers=2), files)["c.py"]


@pytest.mark.usefixtures("_small_batches")
def test_the_environment_of_processes(files: list[File], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it counts: a module in the working directory or on PYTHONPATH, a start-up hook."""
    for name in ("json", "sitecustomize", "hatch_appimage", "ast"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    assert facts_of(SourceReader(workers=2), files)["c.py"]


def test_packed_and_unpacked() -> None:
    texts = [Text(data, "a", name in STDLIB) for name, data in {**SOURCES, **STDLIB}.items()]
    facts = find_all(texts)
    assert unpack(pack(facts)) == facts
    assert b"\n" not in pack(facts)


def test_results_depend_on_all_code_that_finds_them() -> None:
    """Those of an earlier version would be taken for those of a module that has changed, if it did not count."""
    names = {facts_module.__name__}
    waiting = [*names]
    while waiting:
        tree = ast.parse(Path(str(import_module(waiting.pop()).__file__)).read_text(encoding="utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        found = {name for name in imported if name.startswith("hatch_appimage.")} - names
        names |= found
        waiting += found
    assert {each.__name__ for each in module._MODULES} == names
