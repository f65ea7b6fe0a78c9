# SPDX-License-Identifier: MIT
"""Which applications are warned that they may need docstrings."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatch_appimage.appdir.docstrings import warn_of_docstrings
from hatch_appimage.elf_strip import Stripped
from hatch_appimage.python import BundledPython
from hatch_appimage.sources.imports import Reached
from hatch_appimage.sources.reach import Reach


@pytest.fixture
def python(tmp_path: Path) -> BundledPython:
    """Return a Python with two packages, each of which has a module `cli` and some data."""
    stdlib = tmp_path / "usr" / "lib" / "python3.12"
    site = stdlib / "site-packages"
    for name in ("app", "other"):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"{name}/cli.py,,\n{name}/data.txt,,\n")
        (site / name).mkdir()
        (site / name / "data.txt").write_text("__doc__")
    (site / "app" / "cli.py").write_text("doc__doc__")
    (site / "other" / "cli.py").write_text("__doc__")
    executable = tmp_path / "usr" / "libexec" / "python3.12"
    return BundledPython(
        "3.12.1", executable, stdlib, (site,), stripped=Stripped(), interpreter=executable, origin=Path("/")
    )


def warn(python: BundledPython, *reached: str) -> None:
    warn_of_docstrings(python, "App", Reach(dict.fromkeys(reached, Reached(Path(), None)), frozenset()))


@pytest.mark.parametrize(
    ("text", "reached", "named"),
    [
        ("print(__doc__)", (), "app/cli.py"),
        ("", ("click",), "click"),
        ("f.__doc__", ("json", "typer", "click"), "click and 2 more"),
    ],
)
def test_warning(
    python: BundledPython, caplog: pytest.LogCaptureFixture, text: str, reached: tuple[str, ...], named: str
) -> None:
    (python.site_packages[0] / "app" / "cli.py").write_text(text)
    warn(python, *reached)
    assert caplog.messages == [f"`optimize = 2` removes docstrings, which {named} may need: 1 keeps them"]


def test_no_warning(python: BundledPython, caplog: pytest.LogCaptureFixture) -> None:
    warn(python, "json")
    assert caplog.messages == []
