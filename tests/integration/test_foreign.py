# SPDX-License-Identifier: MIT
"""Images for machines that are not there: built here from Debian's packages for them, and run by an emulator."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.elf import fits, read_elf
from hatch_appimage.format import UPDATE_INFORMATION, read_section
from support.emulation import Machine
from support.machine import make_public
from support.projects import copy_project
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.plugin import Plugin

pytestmark = pytest.mark.timeout(1800)

# What Debian and QEMU call architectures.
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64", "armhf": "armhf", "i686": "i386"}
NATIVE = native_architecture().name
FOREIGN = [name for name in ARCHITECTURES if name != NATIVE]
OTHER = "aarch64" if NATIVE == "x86_64" else "x86_64"


@pytest.fixture(scope="module")
def machines(needs_root: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Machine]:
    """Unpack Debian's packages for an architecture; none of their scripts is run."""
    del needs_root

    @cache
    def make(architecture: str) -> Machine:
        directory = make_public(tmp_path_factory, architecture)
        command = [require("debootstrap", "debootstrap"), "--download-only", f"--arch={DEBIAN[architecture]}"]
        options = ["--variant=minbase", "--include=python3", "bookworm"]
        subprocess.run([*command, *options, directory / "packages"], check=True, stdout=subprocess.DEVNULL)
        for package in sorted((directory / "packages" / "var/cache/apt/archives").glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, directory / "root"], check=True)
        # Without one, the emulator opens this machine's, which may have libraries for such programs.
        (directory / "root" / "etc" / "ld.so.cache").touch()
        shutil.rmtree(directory / "packages")
        return Machine(architecture, directory / "root")

    return make


@pytest.fixture
def machine(request: pytest.FixtureRequest, machines: Callable[[str], Machine]) -> Machine:
    return machines(getattr(request, "param", OTHER))


def build(
    plugin: Plugin, name: str, directory: Path, machine: Machine, settings: str = ""
) -> subprocess.CompletedProcess[str]:
    """Build a test project for another machine."""
    project = copy_project(name, directory)
    file = project / "pyproject.toml"
    header = "[tool.hatch.build.targets.appimage]\n"
    text = file.read_text(encoding="utf-8")
    assert header in text
    more = f"{machine.settings}report = 'report.json'\ncompression = 'fast'\n{settings}"
    file.write_text(text.replace(header, f"{header}{more}"))
    return plugin.build(project, "-t", f"appimage:{machine.architecture}", check=False)


def image_of(directory: Path, name: str) -> Path:
    (image,) = (directory / name / "dist").glob("*.AppImage")
    return image


def report_of(directory: Path, name: str) -> Any:
    return json.loads((directory / name / "report.json").read_text(encoding="utf-8"))


def check_files(machine: Machine, image: Path, directory: Path, report: Any) -> None:
    """See that no file of an image is of another architecture, and that its report names none."""
    subprocess.run(
        [machine.emulator, image, "--appimage-extract"], cwd=directory, check=True, stdout=subprocess.DEVNULL
    )
    tree = directory / "squashfs-root"
    programs = {
        path: elf for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and (elf := read_elf(path))
    }
    assert len(programs) > 20
    architecture = ARCHITECTURES[machine.architecture]
    assert [path for path, elf in programs.items() if not fits(elf, architecture)] == []
    assert report["image"]["architecture"] == architecture.name
    others = {name for other in ARCHITECTURES.values() if other != architecture for name in other.kernel_names}
    names = [*(str(path) for path in tree.rglob("*.so*")), json.dumps({**report, "runtime": "", "warnings": []})]
    assert [found for name in names for found in re.findall(rf'[^"]*(?:{"|".join(others)})[-.][^"]*', name)] == []


def test_flask(plugin: Plugin, machine: Machine, tmp_path: Path) -> None:
    result = build(plugin, "flask-app", tmp_path, machine)
    assert result.returncode == 0, result.stderr
    image = image_of(tmp_path, "flask-app")
    assert image.name == f"flask-app-1.0-{machine.architecture}.AppImage"
    shown = machine.run(image, "--version")
    assert (shown.stdout, shown.returncode) == ("flask-app 1.0\n", 0), shown.stderr
    check_files(machine, image, tmp_path, report_of(tmp_path, "flask-app"))


@pytest.mark.parametrize("machine", [OTHER], indirect=True)
def test_pandas(plugin: Plugin, machine: Machine, tmp_path: Path, pandas_image: Path) -> None:
    result = build(plugin, "pandas-report", tmp_path, machine)
    assert result.returncode == 0, result.stderr
    assert f"`test-command` is not run: the image is for {machine.architecture}" in result.stdout + result.stderr
    image = image_of(tmp_path, "pandas-report")
    shown = machine.run(image)
    here = subprocess.run([pandas_image], capture_output=True, text=True, check=True)
    assert (shown.stdout, shown.returncode) == (here.stdout, 0), shown.stderr
    check_files(machine, image, tmp_path, report_of(tmp_path, "pandas-report"))


@pytest.mark.parametrize("machine", FOREIGN, indirect=True)
def test_hello(plugin: Plugin, machine: Machine, tmp_path: Path) -> None:
    result = build(plugin, "hello-cli", tmp_path, machine)
    assert result.returncode == 0, result.stderr
    image = image_of(tmp_path, "hello-cli")
    shown = machine.run(image)
    here = subprocess.run(
        [require("python3", "python3"), "-c", "import hello_cli; hello_cli.main()"],
        cwd=tmp_path / "hello-cli" / "src",
        capture_output=True,
        text=True,
        check=True,
    )
    assert (shown.stdout, shown.returncode) == (here.stdout, 0), shown.stderr
    tested = machine.run(image, "--appimage-self-test")
    assert tested.returncode == 0, tested.stdout
    if not Path(ARCHITECTURES[machine.architecture].loader).exists():
        # This machine has no C library for such programs: the image's own is used.
        alone = machine.run(image, alone=True)
        assert (alone.stdout, alone.returncode) == (here.stdout, 0), alone.stderr
        tested = machine.run(image, "--appimage-self-test", alone=True)
        assert tested.returncode == 0, tested.stdout
    check_files(machine, image, tmp_path, report_of(tmp_path, "hello-cli"))


def test_bytecode(plugin: Plugin, machine: Machine, tmp_path: Path) -> None:
    """It was compiled by a Python of this machine, and is of the kind that the other one reads."""
    result = build(plugin, "hello-cli", tmp_path, machine)
    assert result.returncode == 0, result.stderr
    image = image_of(tmp_path, "hello-cli")
    subprocess.run([machine.emulator, image, "--appimage-extract"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    (python,) = (tmp_path / "squashfs-root/usr/libexec").glob("python3.*")
    code = "import importlib.util as util, json; print(util.MAGIC_NUMBER.hex(), json.__cached__)"
    command: list[str | Path] = [machine.emulator, "-L", machine.root, python, "-I", "-c", code]
    magic, cached = subprocess.run(command, capture_output=True, text=True, check=True, env={}).stdout.split()
    compiled = list((tmp_path / "squashfs-root").rglob("*.pyc"))
    assert Path(cached) in compiled
    assert {path.read_bytes()[:4].hex() for path in compiled} == {magic}


def test_several_in_one_command(plugin: Plugin, machine: Machine, tmp_path: Path) -> None:
    project = copy_project("hello-cli", tmp_path)
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f"versions = ['{NATIVE}', '{machine.architecture}']\n{machine.settings}")
        file.write("update-information = 'gh-releases-zsync|me|hello|latest|hello-cli-*-{arch}.AppImage.zsync'\n")
    plugin.build(project)
    for architecture in (NATIVE, machine.architecture):
        image = project / "dist" / f"hello-cli-1.0-{architecture}.AppImage"
        assert image.with_name(f"{image.name}.zsync").is_file()
        line = f"gh-releases-zsync|me|hello|latest|hello-cli-*-{architecture}.AppImage.zsync"
        assert read_section(image, UPDATE_INFORMATION).decode() == line
        elf = read_elf(image)
        assert elf is not None
        assert fits(elf, ARCHITECTURES[architecture])
        emulator = [machine.emulator] if architecture == machine.architecture else []
        directory = tmp_path / architecture
        directory.mkdir()
        subprocess.run([*emulator, image, "--appimage-extract"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
        entry = (directory / "squashfs-root" / "hello-cli.desktop").read_text(encoding="utf-8")
        assert f"\nX-AppImage-Arch={architecture}\n" in entry
    assert machine.run(project / "dist" / f"hello-cli-1.0-{machine.architecture}.AppImage").returncode == 0


class TestFaults:
    def test_package_without_a_wheel(self, plugin: Plugin, machine: Machine, tmp_path: Path) -> None:
        result = build(plugin, "hello-cli", tmp_path, machine, settings='requirements = ["sgmllib3k"]\n')
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith(
            f"sgmllib3k has no wheel for {machine.architecture} with glibc "
        )
        assert not list((tmp_path / "hello-cli" / "dist").iterdir())

    def test_no_libraries_of_the_machine(self, plugin: Plugin, machine: Machine, tmp_path: Path) -> None:
        project = copy_project("hello-cli", tmp_path)
        with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(machine.settings.splitlines()[0])
        result = plugin.build(project, "-t", f"appimage:{machine.architecture}", check=False)
        assert result.returncode == 1
        what, _, where = next(
            line for line in result.stderr.splitlines() if " that the image needs " in line
        ).partition(" that the image needs ")
        assert re.fullmatch(r"1 shared library|\d+ shared libraries", what)
        copy = f"not on this machine (set `sysroot` to a copy of one for {machine.architecture}):"
        assert where in {f"is {copy}", f"are {copy}"}
        assert not list((project / "dist").iterdir())

    def test_wheel_of_this_machine(self, plugin: Plugin, machine: Machine, tmp_path: Path) -> None:
        """A project with an extension module would have to be compiled on such a machine."""
        project = copy_project("hello-cli", tmp_path)
        (project / "hatch_build.py").write_text(
            "from hatchling.builders.hooks.plugin.interface import BuildHookInterface\n"
            "class Hook(BuildHookInterface):\n"
            "    def initialize(self, version, build_data):\n"
            "        build_data.update(pure_python=False, infer_tag=True)\n"
        )
        text = (project / "pyproject.toml").read_text(encoding="utf-8")
        hook = "[tool.hatch.build.targets.wheel.hooks.custom]\n"
        (project / "pyproject.toml").write_text(f"{text}\n{machine.settings}{hook}", encoding="utf-8")
        result = plugin.build(project, "-t", f"appimage:{machine.architecture}", check=False)
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("The project's wheel ")
        assert f"cannot go into an image for {machine.architecture}" in result.stderr
        assert not list((project / "dist").iterdir())
