# SPDX-License-Identifier: MIT
"""What a build does, and what it leaves out."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hatch_appimage import pipeline
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.pipeline import BuildInputs
from hatch_appimage.sources.reader import SourceReader
from support.installed_image import Image


@pytest.fixture(autouse=True)
def what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a Python say itself whether it runs here."""
    monkeypatch.setattr(pipeline, "is_runnable", lambda elf: elf == "runs")


def make_inputs(*, order: Path | bool, trace: Path | bool = True, **values: Any) -> BuildInputs:
    settings = SimpleNamespace(image=SimpleNamespace(startup_order=order, trace=trace))
    known: dict[str, Any] = {
        "settings": settings,
        "python": SimpleNamespace(elf="runs"),
        "system": SimpleNamespace(root=Path("/")),
        "project": SimpleNamespace(unpacked=False),
        **values,
    }
    everything: dict[str, Any] = {field.name: known.get(field.name) for field in fields(BuildInputs)}
    return BuildInputs(**everything)


class TestStartupOrder:
    @pytest.mark.parametrize(("order", "imports"), [(True, True), (False, False), ("new", True), ("there", False)])
    @pytest.mark.parametrize("elf", ["runs", "does not"])
    def test_when_the_entry_point_is_imported(
        self, tmp_path: Path, elf: str, *, order: str | bool, imports: bool
    ) -> None:
        (tmp_path / "there").touch()
        python = SimpleNamespace(elf=elf)
        inputs = make_inputs(order=order if isinstance(order, bool) else tmp_path / order, python=python)
        assert inputs.imports_entry_point is (imports and elf == "runs")
        assert inputs.shows_missing_libraries is inputs.imports_entry_point
        assert inputs.startup_file == (None if isinstance(order, bool) else tmp_path / order)

    @pytest.mark.parametrize(
        ("order", "trace", "imports"),
        [("there", "new", True), ("there", "there", False), (False, "new", False), (True, "there", True)],
    )
    def test_when_it_is_imported_for_the_trace(
        self, tmp_path: Path, *, order: str | bool, trace: str, imports: bool
    ) -> None:
        (tmp_path / "there").touch()
        order_ = order if isinstance(order, bool) else tmp_path / order
        inputs = make_inputs(order=order_, trace=tmp_path / trace)
        assert inputs.imports_entry_point is imports
        assert inputs.finds_startup_order is (order is True)
        assert inputs.trace_file == (None if trace == "there" else tmp_path / trace)

    def test_what_cannot_run_here_leaves_no_trace(self, tmp_path: Path) -> None:
        inputs = make_inputs(order=True, trace=tmp_path / "new", python=SimpleNamespace(elf="does not"))
        assert inputs.trace_file is None

    def test_other_systems_say_nothing_of_missing_libraries(self) -> None:
        inputs = make_inputs(order=True, system=SimpleNamespace(root=Path("/old")))
        assert inputs.imports_entry_point
        assert not inputs.shows_missing_libraries

    @pytest.mark.parametrize(("unpacked", "place"), [(False, "/p/a.startup"), (True, "/dist/a.startup")])
    def test_where_its_file_lasts(self, *, unpacked: bool, place: str) -> None:
        inputs = make_inputs(order=True, project=SimpleNamespace(unpacked=unpacked))
        assert inputs.lasting(Path("/p/a.startup"), Path("/dist")) == Path(place)


class TestBytecode:
    """Whether an image can have bytecode only."""

    def inputs(self, kind: str, build_python: Path | None) -> BuildInputs:
        settings = SimpleNamespace(bytecode=SimpleNamespace(bytecode=kind))
        python = SimpleNamespace(version="3.12.4+")
        return make_inputs(order=False, settings=settings, python=python, build_python=build_python)

    @pytest.mark.parametrize(("kind", "build_python"), [("both", None), ("only", Path("/python"))])
    def test_can(self, kind: str, build_python: Path | None) -> None:
        pipeline._check_bytecode(self.inputs(kind, build_python))

    def test_cannot(self) -> None:
        with pytest.raises(AppImageError) as caught:
            pipeline._check_bytecode(self.inputs("only", None))
        assert str(caught.value) == (
            '`bytecode = "only"` needs a Python 3.12 that runs on this machine, and there is none: install one, or '
            "leave the option out"
        )


class TestReadingAhead:
    """The standard library, as it is then, is read while packages are installed."""

    @pytest.fixture
    def image(self, tmp_path: Path) -> Image:
        image = Image(tmp_path)
        image.add_stdlib({"os.py": "", "abc.py": "", "sqlite3/__init__.py": "", "lib-dynload/_ssl.abi3.so": ""})
        return image

    def read(self, image: Image, trim: tuple[str, ...], *extra: str) -> set[str]:
        settings = SimpleNamespace(trim=SimpleNamespace(trim=trim))
        inputs = make_inputs(order=False, settings=settings, extra_files=[(Path("x"), name) for name in extra])
        reader = SourceReader()
        with pipeline._reading_ahead(inputs, AppDir(image.root, "app"), reader) as read_ahead:
            read_ahead(image.python)
            image.add_stdlib({"later.py": ""})
        return {file.path.name for file in reader._facts}

    def test_what_stays_in_any_case(self, image: Image) -> None:
        assert self.read(image, ("tests", "stdlib")) == {"os.py", "abc.py"}

    def test_not_what_the_project_replaces(self, image: Image) -> None:
        assert self.read(image, ("stdlib",), "usr/lib/python3.12/os.py") == {"abc.py"}

    def test_not_where_nobody_looks_at_it(self, image: Image) -> None:
        assert self.read(image, ("tests",)) == set()

    def test_errors_come_out(self, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise AppImageError("cannot read")

        monkeypatch.setattr(SourceReader, "read", fail)
        with pytest.raises(AppImageError, match="cannot read"):
            self.read(image, ("stdlib",))

    def test_not_in_the_place_of_others(self, image: Image) -> None:
        inputs = make_inputs(order=False, settings=SimpleNamespace(trim=SimpleNamespace(trim=())), extra_files=[])

        def fail() -> None:
            with pipeline._reading_ahead(inputs, AppDir(image.root, "app"), SourceReader()) as read_ahead:
                read_ahead(image.python)
                raise AppImageError("cannot install")

        with pytest.raises(AppImageError, match="cannot install"):
            fail()
