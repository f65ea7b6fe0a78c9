# SPDX-License-Identifier: MIT
"""Which files a start reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.bytecode import compile_bytecode
from hatch_appimage.appdir.startup import as_loaded, find_startup_order
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import MissingLibrary
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.python.local import find_host_python
from hatch_appimage.python.relocate import bundle_python
from hatch_appimage.results import Results
from hatch_appimage.runtime.launcher_settings import SETTINGS_NAME
from support.elf_fixtures import library, program

if TYPE_CHECKING:
    from hatch_appimage.python import BundledPython

SOURCES = {
    "reads_data": "import decimal, data_reader",
    "data_reader": "from pathlib import Path\nPath(__file__).with_name('table.txt').read_text()",
    "fails": "import colorsys\nraise ImportError('no display')",
    "prints_and_exits": "import colorsys, sys\nprint('([], None)')\nsys.exit(3)",
    "crashes": "import os\nos.abort()",
    "ends_the_process": "import os\nos._exit(0)",
    "wraps": "try:\n  raise ImportError('libtbb.so.12: cannot open shared object file')\n"
    "except ImportError as error:\n  raise SystemExit('install it') from error",
    "copes": "try:\n  raise ImportError('libtbb.so.12: cannot open shared object file')\nexcept ImportError: pass",
    "misses": "import some_other_module",
    "writes": "from pathlib import Path\nPath(__file__).with_name('cache').joinpath('a').parent.mkdir()\n"
    "Path(__file__).with_name('cache').joinpath('a').write_text('x')",
    "changes": "from pathlib import Path\nPath(__file__).with_name('changed.txt').write_text('other text')",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[AppDir, BundledPython]:
    appdir = AppDir(tmp_path_factory.mktemp("startup") / "AppDir", "app")
    python = bundle_python(find_host_python(Path(sys.executable)), appdir)
    for name, source in SOURCES.items():
        (python.site_packages[0] / f"{name}.py").write_text(source)
    for name in ("table.txt", "changed.txt"):
        (python.site_packages[0] / name).write_text("data")
    compile_bytecode(appdir, python, Results(None, 0))
    appdir.apprun.touch()
    (appdir.root / SETTINGS_NAME).touch()
    return appdir, python


def names(bundle: tuple[AppDir, BundledPython], module: str) -> list[str]:
    order = find_startup_order(*bundle, EntryPoint("app", module, "main"))
    for path in order.files:
        assert (bundle[0].root / path).is_file()
    return [path.rsplit("/", 1)[-1].split(".")[0] for path in order.files]


@pytest.mark.slow
def test_order_of_reading(bundle: tuple[AppDir, BundledPython]) -> None:
    found = names(bundle, "reads_data")
    assert found[:3] == ["AppRun", "launcher", bundle[1].executable.name.split(".")[0]]
    wanted = ["reads_data", "decimal", "_decimal", "data_reader", "table"]
    assert [name for name in found if name in wanted] == wanted
    assert "colorsys" not in found


def test_libraries_follow_what_needs_them(tmp_path: Path) -> None:
    program_, pyc, extension, data = tmp_path / "python", tmp_path / "a.pyc", tmp_path / "_ssl.so", tmp_path / "data"
    program("libpython.so.1", "libc.so.6").write(program_)
    library("", "libssl.so.3", "libcrypto.so.3").write(extension)
    for path in (pyc, data):
        path.write_bytes(b"data")
    python = library("libpython.so.1").write(tmp_path / "libpython.so.1.0")
    ssl = library("libssl.so.3", "libcrypto.so.3").write(tmp_path / "libssl.so.3")
    crypto = library("libcrypto.so.3").write(tmp_path / "libcrypto.so.3")
    opened = library("liba.so.1").write(tmp_path / "liba.so.1")
    table = tmp_path / "mapped.dat"
    table.write_bytes(b"data that a library has mapped")
    order = as_loaded([program_, pyc, extension, data, pyc], [opened, crypto, python, ssl, table])
    assert list(order) == [program_, python, pyc, extension, ssl, crypto, data, opened, table]


def test_no_source_that_has_bytecode(bundle: tuple[AppDir, BundledPython]) -> None:
    order = find_startup_order(*bundle, EntryPoint("app", "reads_data", "main"))
    assert not [path for path in order.files if path.endswith(".py")]


@pytest.mark.parametrize("module", ["fails", "prints_and_exits"])
def test_what_was_read_until_it_failed(bundle: tuple[AppDir, BundledPython], module: str) -> None:
    assert {module, "colorsys"} <= set(names(bundle, module))


@pytest.mark.parametrize("module", ["crashes", "ends_the_process"])
def test_what_is_known_without_the_import(
    bundle: tuple[AppDir, BundledPython], module: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert names(bundle, module)[0] == "AppRun"
    assert f"Importing {module} for the start-up order ended with" in caplog.text


def test_module_that_the_bundled_python_does_not_find(bundle: tuple[AppDir, BundledPython]) -> None:
    with pytest.raises(AppImageError, match=r"cannot import the entry point: ModuleNotFoundError.*no_such_module"):
        names(bundle, "no_such_module.main")


def test_module_that_misses_another(bundle: tuple[AppDir, BundledPython], caplog: pytest.LogCaptureFixture) -> None:
    assert "misses" in names(bundle, "misses")
    assert "ModuleNotFoundError" in caplog.text


def test_what_the_import_writes_is_removed(bundle: tuple[AppDir, BundledPython]) -> None:
    before = set(bundle[0].root.rglob("*"))
    assert "writes" in names(bundle, "writes")
    assert set(bundle[0].root.rglob("*")) == before


def test_import_that_changes_a_file(bundle: tuple[AppDir, BundledPython]) -> None:
    with pytest.raises(
        AppImageError, match=r"Importing changes changes .*changed.txt in the image: set `startup-order"
    ):
        names(bundle, "changes")


def test_is_the_same_every_time(bundle: tuple[AppDir, BundledPython]) -> None:
    assert len({tuple(names(bundle, "reads_data")) for _ in range(3)}) == 1


def test_library_that_the_import_needs(bundle: tuple[AppDir, BundledPython]) -> None:
    """Whatever the application makes of it."""
    missing = [MissingLibrary(soname, ("usr/lib/t.so",), "libtbb12") for soname in ("libtbb.so.12", "libother.so.1")]
    with pytest.raises(AppImageError) as caught:
        find_startup_order(*bundle, EntryPoint("app", "wraps", "main"), missing)
    assert str(caught.value).splitlines()[:3] == [
        "The entry point cannot be imported: SystemExit: install it",
        "1 shared library that the image needs is not on this machine:",
        "  libtbb.so.12 (Debian's package libtbb12), needed by usr/lib/t.so",
    ]
    assert find_startup_order(*bundle, EntryPoint("app", "copes", "main"), missing).files
