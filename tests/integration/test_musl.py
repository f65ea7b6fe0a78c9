# SPDX-License-Identifier: MIT
"""Images of a Python for musl: they bring musl along, and start where there is no other C library, or any."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.elf import read_elf
from hatch_appimage.inspect.libraries import list_libraries
from support.chroots import make_small_system
from support.machine import make_public
from support.musl import LIBRARY, MACHINE, MuslPython, make_musl_python
from support.plugin import build_image, make_once
from support.projects import make_project
from support.pythons import Portable

if TYPE_CHECKING:
    from pathlib import Path

    from support.chroots import Chroot
    from support.plugin import Plugin

pytestmark = [pytest.mark.network, pytest.mark.timeout(1800)]

# Tells how its process looks, what an extension module of a wheel says, and whether one that needs a library of the
# machine's can be loaded.
PROBE = """
import importlib.machinery, importlib.util, json, math, os, subprocess, sys
import markupsafe._speedups

def needy(directory):
    loader = importlib.machinery.ExtensionFileLoader("needy", f"{directory}/needy.so")
    try:
        importlib.util.module_from_spec(importlib.util.spec_from_loader("needy", loader))
    except ImportError as error:
        return str(error)

def read(name):
    with open(f"/proc/self/{name}") as file:
        return file.read()

def main():
    child = [sys.executable, "-c", "import sys; print(sys.executable)"]
    print(json.dumps({
        "executable": sys.executable,
        "prefix": sys.prefix,
        "arguments": sys.argv[1:],
        "name": read("comm").strip(),
        "command line": read("cmdline").split(chr(0))[:-1],
        "libraries": sorted({line.split()[-1] for line in read("maps").splitlines() if ".so" in line}),
        "markup": markupsafe.escape("<a>"),
        "speedups": markupsafe._speedups.__file__,
        "math": math.sqrt(4.0),
        "child": subprocess.run(child, capture_output=True, text=True, check=True).stdout,
        "needy": needy(sys.argv[1]),
        "variables": sorted(name for name in os.environ if name.startswith("LD_")),
    }), flush=True)
    os.execv("/proc/self/exe", [sys.executable, "-I", "-c", "import sys; print(sys.executable); sys.exit(7)"])
"""


@pytest.fixture(scope="session")
def musl_python(tmp_path_factory: pytest.TempPathFactory) -> MuslPython:
    """Compile a CPython for musl."""
    return MuslPython.of(make_once(tmp_path_factory, "musl-python", make_musl_python))


def write_project(directory: Path, made: MuslPython, **keys: str) -> Path:
    """Write a project that wants that Python, and that musl unless another sysroot is given."""
    table = {"python": f'"{made.prefix}"', "sysroot": f'"{made.root}"', "report": '"report.json"', **keys}
    return make_project(
        directory,
        PROBE,
        table="".join(f"{key} = {value}\n" for key, value in table.items()),
        project='dependencies = ["markupsafe"]',
    )


@pytest.fixture(scope="module")
def image(plugin: Plugin, musl_python: MuslPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that tells all this, whose own self-test has passed; its Python is from an archive."""
    directory = make_public(tmp_path_factory, "musl")
    archive = Portable(musl_python.prefix).pack(directory / "cpython-musl.tar.gz")
    keys = {"python": f'"{archive}"', "self-test": "true"}
    return build_image(plugin, write_project(directory / "probe", musl_python, **keys))


@pytest.fixture(scope="module")
def report(image: Path) -> Any:
    return json.loads((image.parent.parent / "report.json").read_text())


@pytest.fixture(scope="module", params=["empty", "glibc", "musl"])
def system(
    needs_root: None, request: pytest.FixtureRequest, musl_python: MuslPython, tmp_path_factory: pytest.TempPathFactory
) -> Chroot:
    """Return a system without any C library, one with glibc and one with musl; all have what must not be loaded."""
    del needs_root
    packages = {"empty": [], "glibc": ["libc6"], "musl": ["musl"]}[request.param]
    chroot = make_small_system(tmp_path_factory.mktemp(request.param), "busybox-static", *packages)
    assert bool([*chroot.root.rglob("libc.so.6")]) == (request.param == "glibc")
    assert bool([*chroot.root.rglob("ld-musl-*")]) == (request.param == "musl")
    for name, source, options in (("libbogus.so", "", ()), ("needy.so", "", ("-Wl,--no-as-needed", "-L.", "-lbogus"))):
        (chroot.root / "tmp" / "empty.c").write_text(source)
        command = [musl_python.compiler, "-shared", "-fPIC", "-o", name, "empty.c", *options]
        subprocess.run(command, cwd=chroot.root / "tmp", check=True)
    for directory in ("lib", "usr/lib"):
        (chroot.root / directory).mkdir(exist_ok=True, parents=True)
        shutil.copy(chroot.root / "tmp" / "libbogus.so", chroot.root / directory)
    return chroot


@pytest.mark.parametrize("mode", ["mounted", "unpacked"])
def test_start(system: Chroot, image: Path, mode: str) -> None:
    unpacked = {"APPIMAGE_EXTRACT_AND_RUN": "1"} if mode == "unpacked" else {}
    env = {"HOME": "/tmp", "LD_LIBRARY_PATH": "/tmp", **unpacked}
    result = system.run(image, "/tmp", "a b", env=env)
    assert result.returncode == 7, result.stdout + result.stderr
    first, again = result.stdout.splitlines()
    told: Any = json.loads(first)
    prefix, interpreter = told["prefix"], told["executable"]
    assert interpreter.startswith(f"{prefix}/bin/python3.")
    # The process looks as it does with any other C library, and so does what it starts.
    assert again == told["child"].strip() == interpreter
    assert told["name"] == "probe"
    assert told["command line"] == [interpreter, "-I", f"{prefix}/bin/probe", "/tmp", "a b"]
    # All libraries are the image's: those of the system are for another C library.
    assert f"{prefix}/lib/musl/lib/ld-musl-{MACHINE}.so.1" in told["libraries"]
    assert f"{prefix}/lib/{LIBRARY}" in told["libraries"]
    assert [path for path in told["libraries"] if not path.startswith(f"{prefix}/")] == []
    assert "libbogus.so" in told["needy"]
    assert told["variables"] == ["LD_LIBRARY_PATH"]
    # What was installed works.
    assert (told["markup"], told["math"]) == ("&lt;a&gt;", 2)
    assert told["speedups"].endswith(f"-{MACHINE}-linux-musl.so")


def test_self_test(system: Chroot, image: Path) -> None:
    result = system.run(image, "--appimage-self-test", env={"HOME": "/tmp"})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "ok       C library: musl of the image\n" in result.stdout


def test_report(image: Path, report: Any) -> None:
    assert report["glibc"] == {"bundled": False, "reason": "the bundled Python is for musl"}
    (library,) = report["musl"]["libraries"]
    assert library["soname"] == f"musl/lib/ld-musl-{MACHINE}.so.1"
    assert library["source"].removeprefix("/usr") == f"/lib/{MACHINE}-linux-musl/libc.so"
    assert report["musl"]["version"].startswith("1.2.")
    assert [each["soname"] for each in report["libraries"]["bundled"]] == [LIBRARY]
    assert {each["group"] for each in report["libraries"]["from_system"]} == {"musl"}
    assert report["requires"] == []
    names = [each["distribution"] for each in report["runs_on"]["distributions"]]
    assert {"Debian", "Alpine", "NixOS"} <= set(names)
    assert report["runs_on"] == list_libraries(image).verdict.to_dict()


def test_content(image: Path, tmp_path: Path) -> None:
    subprocess.run([image, "--appimage-extract"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    usr = tmp_path / "squashfs-root" / "usr"
    assert "Rich Felker" in (usr / "share/doc/musl/copyright").read_text()
    sbom = json.loads((usr / "share/probe/sbom.cdx.json").read_text())
    assert f"musl/lib/ld-musl-{MACHINE}.so.1" in {component["name"] for component in sbom["components"]}
    assert "musllinux_1_2" in (usr / "share/probe/pylock.toml").read_text()
    assert [*usr.rglob("__pycache__/markupsafe*")] or [*usr.rglob("markupsafe/__pycache__/__init__.*.pyc")]


def test_no_musl(plugin: Plugin, musl_python: MuslPython, tmp_path: Path) -> None:
    """There is none to bundle on a system with glibc."""
    (tmp_path / "root").mkdir()
    project = write_project(tmp_path / "project", musl_python, sysroot=f'"{tmp_path / "root"}"')
    result = plugin.build(project, check=False)
    assert result.returncode != 0
    assert (
        f"is for musl, and the sysroot {tmp_path / 'root'} has no musl at /lib/ld-musl-{MACHINE}.so.1 to bundle: "
        "install it (apt-get install musl), or set `sysroot` to a copy of a system that has it"
    ) in result.stderr


def test_package_without_wheels(plugin: Plugin, musl_python: MuslPython, tmp_path: Path) -> None:
    """Nothing is built from source for a Python that does not run here."""
    project = write_project(tmp_path / "project", musl_python, requirements='["sgmllib3k"]')
    result = plugin.build(project, check=False)
    assert result.returncode != 0
    assert f"sgmllib3k has no wheel for {MACHINE} with musl 1.2 or older" in result.stderr


def test_interpreter_is_for_musl(musl_python: MuslPython) -> None:
    (interpreter,) = musl_python.prefix.glob("bin/python3.?*")
    elf = read_elf(interpreter)
    assert elf is not None
    assert (elf.interpreter, elf.needed) == (f"/lib/ld-musl-{MACHINE}.so.1", ("libc.so",))
