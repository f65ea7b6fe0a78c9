# SPDX-License-Identifier: MIT
"""What a build is made of, and which of its steps there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage import inputs as module
from hatch_appimage.architecture import ByArchitecture, native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.policy import LibraryPolicy
from support.inputs import make_inputs
from support.tools import require

if TYPE_CHECKING:
    from hatch_appimage.inputs import BuildInputs


@pytest.fixture(autouse=True)
def what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a Python say itself whether it runs here."""
    monkeypatch.setattr(module, "is_runnable", lambda elf: elf == "runs")


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
        module._check_bytecode(self.inputs(kind, build_python))

    def test_cannot(self) -> None:
        with pytest.raises(AppImageError) as caught:
            module._check_bytecode(self.inputs("only", None))
        assert str(caught.value) == (
            '`bytecode = "only"` needs a Python 3.12 that runs on this machine, and there is none: install one, or '
            "leave the option out"
        )


class TestAfterInstall:
    """What this machine cannot run, a script is not run on, unless the project says that it may."""

    @pytest.mark.parametrize(
        ("elf", "script", "allowed", "refused"),
        [
            ("does not", True, False, True),
            ("does not", True, True, False),
            ("does not", False, False, False),
            ("runs", True, False, False),
        ],
    )
    def test_refused(self, elf: str, *, script: bool, allowed: bool, refused: bool) -> None:
        install = SimpleNamespace(after_install=Path("after.py") if script else None, after_install_cross=allowed)
        inputs = make_inputs(
            order=False,
            settings=SimpleNamespace(install=install),
            architecture=SimpleNamespace(name="aarch64"),
            python=SimpleNamespace(elf=elf),
        )
        if refused:
            with pytest.raises(AppImageError, match=r"is not run for aarch64.*set `after-install-cross = true`"):
                module._check_after_install(inputs)
        else:
            module._check_after_install(inputs)


@pytest.mark.parametrize(
    ("sysroot", "musl", "fetch", "remedy"),
    [
        (Path("/"), False, True, ""),
        (Path("/"), False, False, "remove `fetch-libraries = false`"),
        (Path("/"), True, False, ""),
        (Path("/copy"), False, False, ""),
    ],
)
def test_what_allows_to_fetch_libraries(*, sysroot: Path, musl: bool, fetch: bool, remedy: str) -> None:
    """For the machine's own libraries alone."""
    require("apt-get", "apt")
    policy = LibraryPolicy(sysroot=ByArchitecture(sysroot, {}), fetch_libraries=fetch)
    python: Any = SimpleNamespace(elf="runs", musl=musl)
    assert module._find_remedy(policy, native_architecture(), python) == remedy
