# SPDX-License-Identifier: MIT
"""What a build does at the same time as something else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hatch_appimage import pipeline
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.sources.reader import SourceReader
from support.inputs import make_inputs
from support.installed_image import Image


class TestReadingAhead:
    """The standard library is read where it is copied from, while packages are installed."""

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

    def read(self, image: Image, trim: tuple[str, ...], *extra: str) -> set[Path]:
        install = SimpleNamespace(after_install=self.script)
        settings = SimpleNamespace(trim=SimpleNamespace(trim=trim), install=install)
        inputs = make_inputs(
            order=False,
            settings=settings,
            extra_files=[(Path("x"), name) for name in extra],
            python=SimpleNamespace(stdlib=image.root.parent / "python" / "lib" / "python3.12"),
        )
        reader = SourceReader()
        with pipeline._reading_ahead(inputs, image.python, AppDir(image.root, "app"), reader):
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

    def test_errors_come_out(self, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise AppImageError("cannot read")

        monkeypatch.setattr(SourceReader, "read", fail)
        with pytest.raises(AppImageError, match="cannot read"):
            self.read(image, ("stdlib",))

    def test_not_in_the_place_of_others(self, image: Image) -> None:
        inputs = make_inputs(order=False, settings=SimpleNamespace(trim=SimpleNamespace(trim=())), extra_files=[])

        def fail() -> None:
            with pipeline._reading_ahead(inputs, image.python, AppDir(image.root, "app"), SourceReader()):
                raise AppImageError("cannot install")

        with pytest.raises(AppImageError, match="cannot install"):
            fail()
