# SPDX-License-Identifier: MIT
"""An image runs on its own libraries, whatever `LD_LIBRARY_PATH` names; the machine's run on the machine's."""

from __future__ import annotations

import json
import subprocess
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.elf import read_elf
from support.machine import make_public
from support.plugin import build_image
from support.runner import unpack
from support.tools import require

if TYPE_CHECKING:
    from support.plugin import Plugin
    from support.runner import Runner


PROBE = '''
import json, os, subprocess, sys
from pathlib import Path

LOADED = """
import bz2, ctypes, hashlib, sqlite3, ssl
with open("/proc/self/maps") as maps:
    files = {line.split(None, 5)[5].strip() for line in maps if ".so" in line}
"""


def main():
    import ctypes

    code = LOADED + "import json, os; print(json.dumps([sorted(files), os.environ['LD_LIBRARY_PATH']]))"
    found = {}
    exec(LOADED, found)
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    here = Path(__file__).parent
    print(json.dumps({
        "appdir": os.environ["APPDIR"],
        "files": sorted(found["files"]),
        "child": json.loads(child.stdout),
        "wheel": ctypes.CDLL(str(here / "_wheel.so")).answer(),
        "driver": ctypes.CDLL("libdriver.so.1").answer(),
        "window": ctypes.CDLL(str(here / "_window.so")).window(),
    }))
'''
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "probe"
version = "1.0"

[project.scripts]
probe = "probe:main"

[tool.hatch.build.targets.wheel]
only-include = ["probe"]
artifacts = ["*.so*"]
"""
ANSWER = "int answer(void) {{ return {}; }}\n"
# Those of Python's own libraries that the probe loads on any build machine.
OWN = ("libbz2", "libcrypto", "libffi", "libsqlite3", "libssl")


def link(path: Path, code: str, *options: str | Path) -> Path:
    """Compile a library, which has its file's name as its soname."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_name(f"{path.name}.c")
    source.write_text(code)
    command: list[str | Path] = [require("cc", "gcc"), "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{path.name}"]
    subprocess.run([*command, "-o", path, source, "-Wl,--no-as-needed", *options], check=True)
    source.unlink()
    return path


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a driver of a machine, which has newer libraries than the image."""
    directory = make_public(tmp_path_factory, "machine") / "lib"
    # What a driver needs is bundled for Python's lzma module, too, which has not been imported.
    script = directory.parent / "versions"
    script.write_text("XZ_99 { global: newer; };\n")
    newer = link(directory / "liblzma.so.5", "int newer(void) { return 6; }\n", f"-Wl,--version-script,{script}")
    code = "int newer(void);\nint answer(void) {{ return 7 * newer(); }}\n".format()
    for name in ("libdriver.so.1", "libGL.so.1"):
        link(directory / name, code, newer)
    return directory


@pytest.fixture(scope="module")
def image(plugin: Plugin, machine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with libraries of a wheel, one of which opens a window by the machine's OpenGL."""
    directory = make_public(tmp_path_factory, "library-path")
    package = directory / "probe" / "probe"
    own = link(package / "libs" / "libQt6Core.so.6", ANSWER.format(1))
    link(package / "_wheel.so", "", own, "-Wl,--enable-new-dtags,-rpath,$ORIGIN/libs")
    sqlite = link(directory / "libsqlite3.so.0", "")
    code = "int answer(void);\nint window(void) { return answer(); }\n"
    options = ("-Wl,--allow-shlib-undefined", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/libs")
    link(package / "_window.so", code, sqlite, machine / "libGL.so.1", *options)
    (package / "__init__.py").write_text(PROBE)
    (directory / "probe" / "pyproject.toml").write_text(textwrap.dedent(PYPROJECT))
    return build_image(plugin, directory / "probe")


@pytest.fixture(scope="module")
def others(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with libraries without a symbol, of all names that the image brings."""
    directory = make_public(tmp_path_factory, "others")
    libraries = unpack(image, directory).rglob("lib*.so*")
    # The image takes those below `glibc` from the machine, as programs of the machine do.
    names = {path.name for path in libraries if "glibc" not in path.parts}
    for name in sorted(names - {"liblzma.so.5"}):
        link(directory / "lib" / name, ANSWER.format(2) if name == "libQt6Core.so.6" else "")
    return directory / "lib"


def test_own_libraries_are_loaded(image: Path, quick_runner: Runner, machine: Path, others: Path) -> None:
    variable = f"{others}:{machine}"
    quick_runner.extra["LD_LIBRARY_PATH"] = variable
    result = quick_runner.run(image)
    assert result.returncode == 0, result.stderr
    seen: dict[str, Any] = json.loads(result.stdout)
    child, childs_variable = seen["child"]
    for files in (seen["files"], child):
        for name in OWN:
            (file,) = (file for file in files if Path(file).name.startswith(f"{name}."))
            assert file.startswith(seen["appdir"]), file
        assert not [file for file in files if file.startswith(str(others))]
    assert childs_variable == variable
    assert seen["wheel"] == 1
    assert (seen["driver"], seen["window"]) == (42, 42)


def test_nothing_is_found_after_the_variable(image: Path, tmp_path: Path) -> None:
    """No file of the image has a RUNPATH, and RECORD says what became of those that had."""
    tree = unpack(image, tmp_path)
    elves = {path: read_elf(path) for path in tree.rglob("*") if path.is_file() and not path.is_symlink()}
    assert not [path for path, elf in elves.items() if elf and elf.runpath]
    (wheel,) = tree.rglob("_wheel.so")
    elf = elves[wheel]
    assert elf
    assert elf.rpath == ("$ORIGIN/libs",)
