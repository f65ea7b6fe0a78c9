# SPDX-License-Identifier: MIT
"""A shared library that is nowhere ends a build only where a virtual environment would not work either."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.projects import make_project
from support.tools import require

if TYPE_CHECKING:
    from support.plugin import Plugin


GUARDED = "try:\n    import _pool\nexcept ImportError:\n    _pool = None\n"
WRAPPED = "try:\n    import _pool\nexcept ImportError as error:\n    raise SystemExit('no pool') from error\n"
MAIN = "def main():\n    import sys\n    if sys.argv[1:]:\n        import _pool\n"
WHEEL = '[tool.hatch.build.targets.wheel.force-include]\n"_pool.so" = "_pool.so"\n'
FILE = "_pool.so"
COMPILES = """\
import subprocess
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Compiles(BuildHookInterface):
    def initialize(self, version, build_data):
        module = f"{self.root}/_salt.so"
        subprocess.run(["cc", "-shared", "-fPIC", f"{self.root}/salt.c", "-lsodium", "-o", module], check=True)
        build_data["force_include"][module] = "_salt.so"
"""


def write_project(directory: Path, source: str, table: str, *options: str) -> Path:
    """Write a project with an extension module that wants a library that no machine has; the rest is the linker's."""
    project = make_project(directory, source + MAIN, table=f"compression = 'fast'\nreport = 'r.json'\n{table}\n{WHEEL}")
    compiler = [require("cc", "gcc"), "-shared", "-nostdlib", "-x", "c", "/dev/null"]
    library = directory / "libnowhere.so.1"
    subprocess.run([*compiler, "-Wl,-soname,libnowhere.so.1", "-o", library], check=True)
    command: list[str | Path] = [*compiler, "-x", "none", *options, "-o", directory / FILE]
    subprocess.run([*command, "-Wl,--no-as-needed", library], check=True)
    library.unlink()
    return project


@pytest.mark.parametrize("startup_order", ["true", "false"])
def test_what_no_start_needs_is_warned_of(plugin: Plugin, tmp_path: Path, startup_order: str) -> None:
    project = write_project(tmp_path / "p", GUARDED, f"startup-order = {startup_order}", "-z", "execstack")
    result = plugin.build(project)
    report = json.loads((project / "r.json").read_text())
    (file,) = report["libraries"]["executable_stacks"]
    assert Path(file).name == FILE
    assert report["libraries"]["missing"] == [{"soname": "libnowhere.so.1", "files": [file], "package": None}]
    assert f"libnowhere.so.1, needed by {file}, is not on this machine" in result.stderr
    assert f"{file} wants an executable stack" in result.stderr
    (image,) = (project / "dist").glob("*.AppImage")
    assert subprocess.run([image], check=False).returncode == 0


@pytest.mark.parametrize(
    ("source", "table", "message"),
    [
        ("import _pool\n", "", "The entry point cannot be imported: ImportError: libnowhere.so.1: cannot open"),
        (WRAPPED, "", "The entry point cannot be imported: SystemExit: no pool"),
        ("import _pool\n", "startup-order = false", "1 shared library that the image needs is not on this machine"),
        (GUARDED, "test-command = '{appimage} pool'", "`test-command` failed with exit status 1"),
    ],
)
def test_what_is_loaded_is_an_error(plugin: Plugin, tmp_path: Path, source: str, table: str, message: str) -> None:
    project = write_project(tmp_path / "p", source, table)
    result = plugin.build(project, check=False)
    assert result.returncode == 1
    assert message in result.stderr
    assert 'ignore-missing = ["libnowhere.so.1"]' in result.stderr.splitlines()[-1]
    assert not list((project / "dist").glob("*"))


@pytest.mark.network
def test_headers_that_are_lacking(plugin: Plugin, tmp_path: Path) -> None:
    """A back end that compiles finds them, and the library comes into the image."""
    require("cc", "gcc")
    assert not Path("/usr/include/sodium.h").exists(), "this test wants libsodium-dev not to be installed"
    main = "import ctypes, pathlib\n\n\ndef main():\n    library = pathlib.Path(__file__).with_name('_salt.so')\n"
    main += "    print(ctypes.CDLL(str(library)).start())\n"
    project = make_project(tmp_path / "salt", main, table="build-packages = ['libsodium-dev']\n", name="salt")
    (project / "salt.c").write_text("#include <sodium.h>\nint start(void) { return sodium_init() < 0; }\n")
    (project / "hatch_build.py").write_text(COMPILES)
    with (project / "pyproject.toml").open("a") as file:
        file.write("[tool.hatch.build.targets.wheel.hooks.custom]\n")
    plugin.build(project)
    (image,) = (project / "dist").glob("*.AppImage")
    assert subprocess.check_output([image], text=True) == "0\n"
