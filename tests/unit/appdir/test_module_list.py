# SPDX-License-Identifier: MIT
"""The list of the modules that a start imports."""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.appdir.module_list import ModuleList, write_module_list
from hatch_appimage.layout import AppDir
from hatch_appimage.python.patch_stdlib import _IMPORT_SHORTCUTS, MODULE_LIST
from support.installed_image import Image

if TYPE_CHECKING:
    from pathlib import Path

STDLIB = "usr/lib/python3.12"
SITE = f"{STDLIB}/site-packages"


@pytest.fixture
def image(tmp_path: Path) -> Image:
    image = Image(tmp_path / "AppDir")
    (image.python.stdlib / "lib-dynload").mkdir()
    return image


def listed(image: Image, *order: str, beside: tuple[str, ...] = ()) -> tuple[ModuleList, Any]:
    """Create files, write the list of those in the order, and return what is in it."""
    for name in (*order, *beside):
        path = image.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    result = write_module_list(AppDir(image.root, "app"), image.python, order)
    path = image.python.stdlib / MODULE_LIST
    return result, marshal.loads(path.read_bytes()) if path.exists() else None  # noqa: S302 - what was just written


def test_modules_of_all_kinds(image: Image) -> None:
    order = (
        "AppRun",
        f"{STDLIB}/json/__pycache__/__init__.cpython-312.pyc",
        f"{STDLIB}/json/__pycache__/decoder.cpython-312.pyc",
        f"{STDLIB}/lib-dynload/_json.cpython-312-x86_64-linux-gnu.so",
        f"{SITE}/lone.pyc",
        f"{SITE}/pkg/__init__.abi3.so",
        f"{SITE}/pkg/data.txt",
        f"{SITE}/pkg/libz.so.1",
    )
    sources = (f"{STDLIB}/json/__init__.py", f"{STDLIB}/json/decoder.py")
    result, endings = listed(image, *order, beside=sources)
    assert result == ModuleList((*order[:2], f"{STDLIB}/{MODULE_LIST}", *order[2:]), 5)
    assert endings == {
        "lib/python3.12": {"json": "/__init__.py", "_json": "", "lone": "", "pkg": ""},
        "lib/python3.12/json": {"decoder": ".py"},
        "lib/python3.12/lib-dynload": {"_json": ".cpython-312-x86_64-linux-gnu.so", "lone": "", "pkg": ""},
        "lib/python3.12/site-packages": {"lone": ".pyc", "pkg": "/__init__.abi3.so"},
    }


@pytest.mark.parametrize("other", ["md.py", "md.so", "md.pyc", "md/__init__.py", "md/__init__.cpython-312.so"])
def test_nothing_that_could_be_another_file(image: Image, other: str) -> None:
    order = (f"{SITE}/pkg/__pycache__/__init__.cpython-312.pyc", f"{SITE}/pkg/md.abi3.so")
    _, endings = listed(image, *order, beside=(f"{SITE}/pkg/__init__.py", f"{SITE}/pkg/{other}"))
    assert "lib/python3.12/site-packages/pkg" not in endings


def test_bytecode_without_its_source_is_none(image: Image) -> None:
    assert listed(image, f"{SITE}/pkg/__pycache__/gone.cpython-312.pyc")[1] is None


def test_directory_without_modules_is_no_other_file(image: Image) -> None:
    _, endings = listed(image, f"{SITE}/md.abi3.so", beside=(f"{SITE}/md/data.txt", f"{SITE}/md-1.0.txt"))
    assert endings["lib/python3.12/site-packages"] == {"md": ".abi3.so"}


def test_what_a_directory_in_front_may_have_is_looked_for(image: Image) -> None:
    """Be it the portion of a namespace package."""
    _, endings = listed(image, f"{SITE}/md.abi3.so", beside=(f"{STDLIB}/md/data.txt",))
    assert endings == {
        "lib/python3.12/lib-dynload": {"md": ""},
        "lib/python3.12/site-packages": {"md": ".abi3.so"},
    }


def test_nothing_known(image: Image) -> None:
    assert listed(image, "AppRun") == (ModuleList(("AppRun",), 0), None)


def test_nothing_outside_of_the_prefix(image: Image) -> None:
    assert listed(image, "opt/md.so")[1] is None


def test_image_reads_this_file() -> None:
    assert f'"/{MODULE_LIST}"' in _IMPORT_SHORTCUTS
