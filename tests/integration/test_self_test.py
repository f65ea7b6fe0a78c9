# SPDX-License-Identifier: MIT
"""Images that say whether all of them works on this machine."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.machine import clean_environment
from support.plugin import build_image
from support.projects import copy_project, make_project
from support.runner import unpack
from support.tools import require

if TYPE_CHECKING:
    from support.plugin import Plugin
    from support.runner import Runner

SELF_TEST = "self-test = true\n"
BROKEN = "int undefined_one(void); int PyInit_{0}(void) {{ return undefined_one(); }}"


def build(plugin: Plugin, name: str, factory: pytest.TempPathFactory, table: str = "") -> Path:
    """Build a test project that has its image test itself; return the image."""
    project = copy_project(name, factory.mktemp(name), quick=True)
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(SELF_TEST + table)
    return build_image(plugin, project)


@pytest.fixture(scope="module")
def hello(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # All of Python stays: there is more to test.
    return build(plugin, "hello-cli", tmp_path_factory, "trim = false\n")


@pytest.fixture(scope="module")
def native(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It takes libyaml from the machine, as graphics drivers are by others."""
    return build(plugin, "native-ext", tmp_path_factory, 'exclude-libraries = ["libyaml-0.so.2"]\ntrim = false\n')


def run(command: str | Path, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, str(command), *arguments],
        env=clean_environment(Path("/nonexistent")),
        capture_output=True,
        text=True,
        check=False,
    )


def lines(result: subprocess.CompletedProcess[str], verdict: str) -> list[str]:
    return [line[9:] for line in result.stdout.splitlines() if line.startswith(verdict)]


def skipped(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was skipped, but for the C library that this machine does not need."""
    unused = ": this machine's C library is in use"
    return [line for line in lines(result, "skipped") if not line.endswith(unused)]


def hiding(name: str) -> tuple[str, ...]:
    """Return what a command of root's begins with that shall not see a library of this machine."""
    (place,) = {path.parent for path in Path("/usr/lib").glob(f"*/{name}")}
    hide = (
        f"mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w && mknod /mnt/u/{name} c 0 0 && "
        f'mount -t overlay -o lowerdir={place},upperdir=/mnt/u,workdir=/mnt/w none {place} && exec "$0" "$@"'
    )
    return (require("unshare", "util-linux"), "--mount", "sh", "-c", hide)


def extension(path: Path, source: str) -> Path:
    """Compile an extension module that has symbols which nothing defines."""
    command = [require("gcc", "gcc"), "-shared", "-fPIC", "-nostdlib", "-x", "c", "-", "-o", str(path)]
    subprocess.run(command, input=source, text=True, check=True)
    return path


class TestWorks:
    """Mounted and unpacked, for root and for an ordinary user."""

    def test_hello(self, hello: Path, runner: Runner) -> None:
        result = runner.run(hello, "--appimage-self-test")
        assert result.returncode == 0, result.stdout + result.stderr
        works = lines(result, "ok")
        assert works[0].startswith("C library: glibc 2.")
        assert works[0].endswith(" of this machine")
        assert works[1] == "text encoding: UTF-8"
        assert "entry point hello" in works
        assert "module _ctypes" in works
        assert {line.split()[0] for line in works} == {
            "C",
            "text",
            "certificates:",
            "time",
            "entry",
            "module",
            "library",
        }
        unused = len(lines(result, "skipped"))
        assert result.stdout.splitlines()[-1] == f"self-test: {len(works)} ok, {unused} skipped, 0 failed"
        assert skipped(result) == []
        assert result.stderr.count("\n") <= 1  # that it was unpacked

    def test_native(self, native: Path, runner: Runner) -> None:
        result = runner.run(native, "--appimage-self-test")
        assert result.returncode == 0, result.stdout + result.stderr
        assert {"module native_ext._yaml", "library usr/lib/libsodium.so.23"} <= set(lines(result, "ok"))

    def test_application_gets_its_other_arguments(self, hello: Path, runner: Runner) -> None:
        result = runner.run(hello, "you", "--appimage-self-test")
        assert "unrecognized arguments: --appimage-self-test" in result.stderr

    def test_from_an_unpacked_copy(self, hello: Path) -> None:
        result = run(hello, "--appimage-extract-and-run", "--appimage-self-test")
        assert result.stdout.endswith(" 0 failed\n"), result.stdout + result.stderr

    def test_nothing_is_written(self, hello: Path, tmp_path: Path) -> None:
        tree = unpack(hello, tmp_path)
        before = sorted(tree.rglob("*"))
        assert run(tree / "AppRun", "--appimage-self-test").returncode == 0
        assert sorted(tree.rglob("*")) == before


class TestFaults:
    @pytest.fixture
    def tree(self, native: Path, tmp_path: Path) -> Path:
        return unpack(native, tmp_path)

    def test_library_is_missing(self, tree: Path) -> None:
        (package,) = tree.glob("usr/lib/python3.*/site-packages/native_ext")
        gone = package / "libgone.so.1"
        link: list[str | Path] = [
            require("gcc", "gcc"),
            "-shared",
            "-nostdlib",
            "-Wl,-soname,libgone.so.1",
            "-x",
            "c",
            "/dev/null",
        ]
        subprocess.run([*link, "-o", gone], check=True)
        library: list[str | Path] = [
            *link[:3],
            "-Wl,-z,noexecstack,--no-as-needed",
            "-o",
            package / "libneeds.so.1",
            gone,
        ]
        subprocess.run(library, check=True)
        gone.unlink()
        result = run(tree / "AppRun", "--appimage-self-test")
        name = f"library {(package / 'libneeds.so.1').relative_to(tree)}"
        assert lines(result, "FAILED") == [
            f"{name}: libgone.so.1: cannot open shared object file: No such file or directory"
        ]
        assert result.returncode == 1

    @pytest.mark.usefixtures("needs_root")
    def test_library_of_python_is_missing(self, tree: Path) -> None:
        """That of this machine is hidden, which would be taken in its place."""
        (tree / "usr/lib/libcrypto.so.3").unlink()
        result = run(tree / "AppRun", "--appimage-self-test", prefix=hiding("libcrypto.so.3"))
        assert result.returncode == 1
        failed = lines(result, "FAILED")
        reason = "libcrypto.so.3: cannot open shared object file: No such file or directory"
        assert f"module _ssl: {reason}" in failed
        assert f"library usr/lib/libssl.so.3: {reason}" in failed
        assert "module native_ext._yaml" in lines(result, "ok")
        assert result.stdout.endswith(f" {len(failed)} failed\n")

    def test_undefined_symbol(self, tree: Path) -> None:
        (package,) = tree.glob("usr/lib/python3.*/site-packages/native_ext")
        path = extension(package / f"broken{sysconfig.get_config_var('EXT_SUFFIX')}", BROKEN.format("broken"))
        result = run(tree / "AppRun", "--appimage-self-test")
        (failed,) = lines(result, "FAILED")
        assert failed.startswith("module native_ext.broken: /")
        assert failed.endswith(f"/native_ext/{path.name}: undefined symbol: undefined_one")
        assert result.returncode == 1

    def test_crash(self, tree: Path) -> None:
        (package,) = tree.glob("usr/lib/python3.*/site-packages/native_ext")
        extension(
            package / f"broken{sysconfig.get_config_var('EXT_SUFFIX')}",
            "void *PyInit_broken(void) { __builtin_trap(); }",
        )
        result = run(tree / "AppRun", "--appimage-self-test")
        assert [line.split(":")[:2] for line in lines(result, "FAILED")] == [
            ["module native_ext.broken", " it crashes"]
        ]
        assert "module native_ext._yaml" in lines(result, "ok")

    def test_entry_point(self, tree: Path) -> None:
        (package,) = tree.glob("usr/lib/python3.*/site-packages/native_ext")
        (package / "__init__.py").write_text("import numpy\n")
        for compiled in package.glob("__pycache__/__init__.*"):
            compiled.unlink()
        result = run(tree / "AppRun", "--appimage-self-test")
        assert lines(result, "FAILED") == [
            "entry point native-ext: ModuleNotFoundError: No module named 'numpy'",
        ]
        assert skipped(result) == ["module native_ext._yaml: the image has no module numpy"]


@pytest.mark.usefixtures("needs_root")
def test_library_that_the_machine_lacks(native: Path) -> None:
    result = run(native, "--appimage-self-test", prefix=hiding("libyaml-0.so.2"))
    reason = "this machine lacks libyaml-0.so.2"
    assert skipped(result) == [f"entry point native-ext: {reason}", f"module native_ext._yaml: {reason}"]
    assert result.returncode == 0, result.stdout + result.stderr


class TestBuild:
    def test_fault_leaves_no_image(self, plugin: Plugin, tmp_path: Path) -> None:
        include = '[tool.hatch.build.targets.wheel.force-include]\n"_broken.so" = "_broken.so"\n'
        body = "try:\n    import _broken\nexcept ImportError:\n    pass\ndef main(): pass\n"
        project = make_project(tmp_path / "p", body, table=SELF_TEST + include)
        extension(project / "_broken.so", BROKEN.format("_broken"))
        result = plugin.build(project, check=False)
        assert result.returncode == 1
        assert "`self-test` failed with exit status 1\n  FAILED   module _broken: " in result.stderr
        assert result.stderr.rstrip().endswith("/_broken.so: undefined symbol: undefined_one")
        assert not list((project / "dist").iterdir())

    def test_all_entry_points(self, plugin: Plugin, tmp_path: Path) -> None:
        project = make_project(tmp_path / "p", "def main(): pass\n", table=f"{SELF_TEST}entry-point = 'probe'\n")
        text = (project / "pyproject.toml").read_text()
        (project / "pyproject.toml").write_text(
            text.replace("[project.scripts]", '[project.scripts]\nother = "probe:no"')
        )
        result = plugin.build(project, check=False)
        assert result.stderr.rstrip().endswith(
            "`self-test` failed with exit status 1\n"
            "  FAILED   entry point other: AttributeError: module 'probe' has no attribute 'no'"
        )

    def test_apprun_of_the_projects_own(self, plugin: Plugin, tmp_path: Path) -> None:
        include = '[tool.hatch.build.targets.appimage.force-include]\n"start" = "AppRun"\n'
        project = make_project(tmp_path / "p", "def main(): pass\n", table=include)
        (project / "start").write_text('#!/bin/sh\nexec "$APPDIR/usr/bin/probe"\n')
        result = run(build_image(plugin, project), "--appimage-self-test")
        assert (result.stdout, result.stderr) == ("", "AppImage: this AppImage has no self-test\n")
        assert result.returncode == 127
