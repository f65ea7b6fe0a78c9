# SPDX-License-Identifier: MIT
"""What a run compares: as the command line says, with failures told and builds used again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

import selection as module
from apps import APPS
from build_time import compare, summary
from peers import PACKERS, Packer
from results import Figure, read_runs
from selection import Selection, add_options, selected
from workplace import PackerError, Product

if TYPE_CHECKING:
    from pathlib import Path

    from workplace import Workplace


@pytest.fixture(autouse=True)
def _packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "require_packages", lambda: None)


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


def greeter(name: str, *, fails: int | None = None) -> Packer:
    """Return a packer whose result prints what hello-cli prints; the build of that number fails."""
    count = 0

    def build(workplace: Workplace) -> None:
        nonlocal count
        count += 1
        if count == fails:
            raise PackerError("nothing works today")
        program = workplace.work / "program"
        program.write_text(f"#!/bin/sh\necho 'Hello, world!'\n# build {count}\n")
        program.chmod(0o755)

    return Packer(name, "", (), lambda workplace: Product(workplace.work / "program"), build)


def test_all_are_compared_by_default() -> None:
    with selected("build", parse()) as selection:
        assert selection.apps == APPS
        assert [packer.name for packer in selection.packers] == [
            packer.name for packer in PACKERS if "build" in packer.benchmarks
        ]
        assert selection.directory.exists()
    assert not selection.directory.exists()


def test_projects_and_packers_are_chosen(tmp_path: Path) -> None:
    options = parse("--project", "flask-app", "--packer", "shiv", "--directory", str(tmp_path / "kept"))
    with selected("size", options) as selection:
        assert [app.project for app in selection.apps] == ["flask-app"]
        assert [packer.name for packer in selection.packers] == ["shiv"]
    assert (tmp_path / "kept").is_dir()


@pytest.mark.parametrize(("benchmark", "packer"), [("size", "nobody"), ("build", "shiv")])
def test_who_is_not_compared_is_refused(benchmark: str, packer: str) -> None:
    with (
        pytest.raises(SystemExit, match=f"Not compared here: {packer}"),
        selected(benchmark, parse("--packer", packer)),
    ):
        pass


def test_results_must_have_a_place(tmp_path: Path) -> None:
    """As is known before everything is built."""
    with (
        pytest.raises(SystemExit, match="nowhere is not a directory"),
        selected("size", parse("--json", str(tmp_path / "nowhere" / "size.json"))),
    ):
        pass


def test_pins_are_requirements_of_all_variants() -> None:
    with selected("size", parse("--pin", "cx-freeze==8.7.3")) as selection:
        requirements = {packer.name: packer.requirements for packer in selection.packers}
    assert requirements["cx_Freeze"] == requirements["cx_Freeze, zstd"] == ("cx-freeze==8.7.3",)
    assert requirements["shiv"] == ("shiv",)


def test_names_of_packers_differ() -> None:
    with selected("size", parse()) as selection:
        places = [selection.workplace(packer, APPS[0]).directory for packer in PACKERS]
    assert len(set(places)) == len({packer.name for packer in PACKERS}) == len(PACKERS)


def test_a_failure_is_a_figure_and_is_tried_again(tmp_path: Path) -> None:
    packer = greeter("greeter", fails=1)
    selection = Selection("size", APPS[:1], (packer,), tmp_path)
    assert selection.try_build(packer, APPS[0]) == Figure("hello-cli", "greeter", failed="nothing works today")
    product = selection.try_build(packer, APPS[0])
    assert isinstance(product, Product)
    assert "build 2" in product.program.read_text()
    # What runs is used again.
    assert selection.try_build(packer, APPS[0]) == product
    assert "build 2" in product.program.read_text()


def test_builds_go_in_rounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packers = (greeter("cx_Freeze"), greeter("other"), greeter("bad", fails=4))
    selection = Selection("build", APPS[:1], packers, tmp_path)
    base, other, bad = compare(selection, APPS[0], 2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[1].split()[0] for line in lines] == ["cx_Freeze", "other", "bad"] * 2 + [
        "cx_Freeze",
        "other",
    ]
    assert bad == Figure("hello-cli", "bad", failed="nothing works today")
    assert base.values["first ratio"] == base.values["again ratio"] == 1
    assert {"first", "first low", "first high", "first ratio"} < set(other.values)
    assert list((tmp_path / "hello-cli").iterdir()) == []


def test_ratios_of_builds_are_of_one_round() -> None:
    times = {"first": [2.0, 20.0, 30.0], "again": [1.0, 1.0, 1.0]}
    base = {"first": [1.0, 10.0, 60.0], "again": [2.0, 4.0, 4.0]}
    values = summary(times, base)
    assert (values["first"], values["first ratio"], values["again ratio"]) == (20.0, 2.0, 0.25)
    assert "first ratio" not in summary(times, None)
    assert "first ratio" not in summary(times, {"first": [1.0], "again": [1.0]})


def test_the_file_has_machine_and_versions(tmp_path: Path) -> None:
    options = parse("--json", str(tmp_path / "size.json"), "--remark", "busy machine")
    selection = Selection("size", APPS[:1], (), tmp_path, {"pex": "1", "cx_Freeze": "2"})
    selection.finish([Figure("hello-cli", "pex", {"file": 5})], options)
    (run,) = read_runs(tmp_path / "size.json")
    assert (run.benchmark, run.remark, run.rounds) == ("size", "busy machine", 1)
    assert list(run.versions) == ["hatch-appimage", "Python", "uv", "mksquashfs", "cx_Freeze", "pex"]
    assert set(run.machine) == {"processor", "memory", "kernel", "distribution"}
    assert run.values("hello-cli", "pex") == Figure("hello-cli", "pex", {"file": 5})
