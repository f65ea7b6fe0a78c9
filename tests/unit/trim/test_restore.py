# SPDX-License-Identifier: MIT
"""What images come without of the standard library comes back where something names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.layout import AppDir
from hatch_appimage.sources.reader import File, SourceReader
from hatch_appimage.trim.restore import Restored, restore_stdlib
from support.installed_image import Image

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = {"idlelib/__init__.py", "idlelib/idle_test/a.py", "lib2to3/__init__.py", "lib2to3/Grammar.txt",
            "lib2to3/tests/a.py", "turtledemo/__init__.py", "ensurepip/__init__.py", "ensurepip/_bundled/pip.whl",
            "test/__init__.py", "test/test_a.py", "test/support/__init__.py"}  # fmt: skip


@pytest.fixture
def image(tmp_path: Path) -> Image:
    image = Image(tmp_path)
    for name in LEFT_OUT:
        path = image.python.origin / "lib/python3.12" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    wheel = image.python.origin / "share/python-wheels/pip-24.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    return image


def test_nothing_is_named(image: Image) -> None:
    image.add({"pkg/__init__.py": '"""No lib2to3."""\nfrom test import a\nfrom blib2to3 import b\n'})
    missing = dict.fromkeys(("idlelib", "lib2to3", "turtledemo", "ensurepip", "test"), "")
    assert image.restore() == Restored({}, missing)
    assert image.stdlib == set()


def test_a_missing_package_in_one_that_is_there(image: Image) -> None:
    """Otherwise the import of the outer package fails first, so the reason has to be known for its name."""
    (image.python.stdlib / "test").mkdir()
    assert image.restore().missing.keys() == {"idlelib", "lib2to3", "turtledemo", "ensurepip", "test.support"}


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("from lib2to3.pgen2 import driver", {"lib2to3/__init__.py", "lib2to3/Grammar.txt"}),
        ("def a():\n    import idlelib.run", {"idlelib/__init__.py"}),
        ("import importlib\nimportlib.import_module('turtledemo')", {"turtledemo/__init__.py"}),
        ("run([sys.executable, '-m', 'ensurepip'])", {"ensurepip/__init__.py", "ensurepip/_bundled/pip.whl"}),
        ("import venv\nvenv.create('a', with_pip=True)", {"ensurepip/__init__.py", "ensurepip/_bundled/pip.whl"}),
        ("from test import support", {"test/__init__.py", "test/support/__init__.py"}),
        ("from test.support import captured_stdout", {"test/__init__.py", "test/support/__init__.py"}),
    ],
)
def test_named(image: Image, source: str, files: set[str]) -> None:
    image.add({"pkg/__init__.py": source})
    restored = image.restore()
    assert image.stdlib == files
    assert len(restored.packages) == 1
    assert restored.packages.keys().isdisjoint(restored.missing)
    wheels = [path.name for path in image.root.glob("usr/share/python-wheels/*")]
    assert wheels == (["pip-24.0-py3-none-any.whl"] if "ensurepip" in restored.packages else [])


@pytest.mark.parametrize(("text", "named"), [("\0with_pip\0", True), ("\0g_spawn_async_with_pipes\0", False)])
def test_word_in_an_extension_module(image: Image, text: str, *, named: bool) -> None:
    image.add({"pkg/__init__.py": "", "pkg/_gi.so": text})
    assert ("ensurepip" in image.restore().packages) is named


def test_keep_files(image: Image) -> None:
    assert image.restore("lib*/python3*/idlelib", "lib2to3").packages == {"idlelib": "`keep-files` names it"}
    assert image.stdlib == {"idlelib/__init__.py"}


def test_a_python_without_them(image: Image) -> None:
    image.add({"pkg/__init__.py": "import distutils, lib2to3"})
    (image.python.origin / "lib/python3.12/lib2to3").rename(image.root / "gone")
    assert "lib2to3" not in image.restore().missing


def test_what_has_no_such_word_is_not_parsed(image: Image) -> None:
    """Most of a large image may be tests, which go without being looked at."""
    image.add({"pkg/tests/test_a.py": "import os\n", "pkg/tests/test_b.py": "import lib2to3\n"})
    reader = SourceReader()
    assert "lib2to3" in restore_stdlib(AppDir(image.root, "app"), image.python, reader=reader).packages
    tests = image.site / "pkg/tests"
    assert reader.has_read(File(tests / "test_b.py", "pkg.tests"))
    assert not reader.has_read(File(tests / "test_a.py", "pkg.tests"))
