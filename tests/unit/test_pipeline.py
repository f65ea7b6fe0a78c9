# SPDX-License-Identifier: MIT
"""What a build does at the same time as something else."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage import pipeline
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.python.relocate import copied_sources
from hatch_appimage.results import NO_RESULTS
from hatch_appimage.sources.reader import SourceReader
from hatch_appimage.trim.stdlib import lasting_sources
from support.inputs import make_inputs
from support.installed_image import Image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from hatch_appimage.inputs import BuildInputs


class TestPreparingTheStandardLibrary:
    """It is read and compiled where it is copied from, while packages are installed."""

    script: Path | None = None

    @pytest.fixture
    def image(self, tmp_path: Path) -> Image:
        stdlib = tmp_path / "python" / "lib" / "python3.12"
        left_out = ("test/test_os.py", "_sysconfigdata__linux.py", "site-packages/six.py", "sitecustomize.py")
        for place in ("os.py", "json/__init__.py", "sqlite3/__init__.py", "lib-dynload/_ssl.abi3.so", *left_out):
            path = stdlib / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("import this\n")
        return Image(tmp_path / "image")

    def inputs(self, image: Image, trim: tuple[str, ...], *extra: str) -> BuildInputs:
        settings = SimpleNamespace(
            trim=SimpleNamespace(trim=trim),
            install=SimpleNamespace(after_install=self.script),
            bytecode=SimpleNamespace(optimize=0),
        )
        return make_inputs(
            order=False,
            settings=settings,
            extra_files=[(Path("x"), name) for name in extra],
            python=SimpleNamespace(stdlib=image.root.parent / "python" / "lib" / "python3.12"),
            results=NO_RESULTS,
        )

    def prepare(self, inputs: BuildInputs, image: Image, reader: SourceReader) -> AbstractContextManager[None]:
        lasting = lasting_sources(image.python, copied_sources(inputs.python))
        return pipeline._preparing_stdlib(inputs, image.python, AppDir(image.root, "app"), lasting, reader)

    def read(self, image: Image, trim: tuple[str, ...], *extra: str) -> set[Path]:
        reader = SourceReader()
        with self.prepare(self.inputs(image, trim, *extra), image, reader):
            pass
        for file, facts in reader._facts.items():
            assert facts is not None
            assert [each.name for each in facts.imports] == ["this"]
            assert (file.package, file.stdlib) == ("json" if file.path.name == "__init__.py" else "", True)
        return {file.path.relative_to(image.python.stdlib) for file in reader._facts}

    def test_what_stays_in_any_case(self, image: Image) -> None:
        assert self.read(image, ("tests", "stdlib")) == {Path("os.py"), Path("json/__init__.py")}

    def test_not_what_the_project_replaces(self, image: Image) -> None:
        assert self.read(image, ("stdlib",), "usr/lib/python3.12/os.py") == {Path("json/__init__.py")}

    def test_not_where_nobody_looks_at_it(self, image: Image) -> None:
        assert self.read(image, ("tests",)) == set()

    def test_not_what_a_script_may_change(self, image: Image) -> None:
        self.script = Path("after_install.py")
        assert self.read(image, ("stdlib",)) == set()

    def test_compiles_what_no_build_changes(self, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        compiled = []

        def compile_ahead(
            _appdir: object, _python: object, _results: object, sources: Iterable[Path], **named: Any
        ) -> AbstractContextManager[None]:
            compiled.extend([(path, named["at"](path)) for path in sources])
            return nullcontext()

        monkeypatch.setattr(pipeline, "compiling_ahead", compile_ahead)
        inputs = self.inputs(image, ("tests",))
        (inputs.python.stdlib / "locale.py").write_text("import this\n")  # one that is patched
        with self.prepare(inputs, image, SourceReader()):
            pass
        places = (Path("json/__init__.py"), Path("os.py"))
        assert sorted(compiled) == [(image.python.stdlib / place, inputs.python.stdlib / place) for place in places]

    def test_errors_come_out(self, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise AppImageError("cannot read")

        monkeypatch.setattr(SourceReader, "read", fail)
        with pytest.raises(AppImageError, match="cannot read"):
            self.read(image, ("stdlib",))

    def test_not_in_the_place_of_others(self, image: Image) -> None:
        def fail() -> None:
            with self.prepare(self.inputs(image, ()), image, SourceReader()):
                raise AppImageError("cannot install")

        with pytest.raises(AppImageError, match="cannot install"):
            fail()
