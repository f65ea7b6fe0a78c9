# SPDX-License-Identifier: MIT
"""AppRun, the interpreter and the commands of an image, with a real interpreter that tells how it was started."""

from __future__ import annotations

import ast
import html
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hatch_appimage.appdir.launcher import Launcher, require_glibc, without_commands, write_launcher, write_stand_in
from hatch_appimage.appdir.settings import LauncherSettings
from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.c_library import CLibrary
from hatch_appimage.libraries.symbol_versions import RequiredVersion
from hatch_appimage.project.entry_points import EntryPoint
from hatch_appimage.python import BundledPython
from hatch_appimage.runtime import launcher_path
from hatch_appimage.runtime.compile import TARGETS, compile_launcher, compiler_command
from hatch_appimage.runtime.launcher_settings import (
    MAX_LAUNCHER_SIZE,
    SETTINGS_NAME,
    add_settings,
    read_links,
    read_settings,
    write_settings,
)
from support.elf_fixtures import library
from support.emulation import EMULATE, Machine, elf_registration
from support.projects import SUPPORT
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NATIVE = native_architecture().name
LAUNCHER = launcher_path(NATIVE)
INSTALLED = EntryPoint("my-app", "my_app", "main", installed=True)
# What an exposed interpreter takes for its own path.
EXPOSED = "usr/libexec/exposed/python3.99"
PATH = "/usr/bin:/bin"

STRANGE_NAMES = [
    "plain",
    "with a blank",
    "Grüße 日本",
    "it's",
    "$HOME",
    "`id` $(id)",
    "back\\slash\\n",
    "new\nline",
    "ends in newlines\n\n",
    '"double"',
    "*?[a-z]",
    "-n",
    "~",
    "a;b&c|d",
]
# A name of bytes that are no text.
NO_TEXT = os.fsdecode(b"caf\xe9 \xff")


# What applications of desktops are called, and worse: options, markup, formats, escapes, quotes and lines.
APPLICATIONS = ["My App", "-x \"Ä\" <b>&amp; & %s%n</b> \\n\\t `id` $HOME 'it'\n\\", ""]


@dataclass(frozen=True)
class Start:
    """How the interpreter was started.

    Attributes:
        pid: its process.
        process: that one's name.
        program: its file.
        name: what it takes for its own path, its first argument.
        arguments: the others.
        environment: its variables.

    """

    pid: int
    process: str
    program: str
    name: str
    arguments: list[str]
    environment: dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def telling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the interpreter that tells how it was started."""
    path = tmp_path_factory.mktemp("telling") / NATIVE
    compile_telling(path, NATIVE)
    TELLING[NATIVE] = path
    return path


# The compiled interpreters, by architecture.
TELLING: dict[str, Path] = {}


def compile_telling(path: Path, architecture: str) -> None:
    """Compile it as the launcher is, as the compiler keeps the C library that it has made for these options."""
    source = SUPPORT / "telling_interpreter.c"
    command = compiler_command(architecture, path, [source])
    subprocess.run(command, check=True)


@pytest.fixture(scope="module", params=["dash", "bash", "busybox"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a shell by the name `sh`, which makes bash and busybox behave as such."""
    name = request.param
    program = require(name, "busybox-static" if name == "busybox" else name)
    path = tmp_path_factory.mktemp(name) / "sh"
    path.symlink_to(program)
    return path


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def make_appdir(
    root: Path,
    *,
    interpreter: str | None = None,
    entry_point: EntryPoint = INSTALLED,
    environment: Mapping[str, str] | None = None,
    links: Sequence[str] = (),
    expose_python: bool = False,
    commands_on_path: bool = False,
    architecture: str = NATIVE,
    optimize: int = 0,
    python_options: Sequence[str] = (),
    dialogue: str | None = None,
) -> AppDir:
    """Make an AppDir around an interpreter, a script or the one that tells how it was started."""
    appdir = AppDir(root, "my-app")
    executable = appdir.libexec / "python3.99"
    if interpreter is None:
        executable.parent.mkdir(parents=True)
        shutil.copy(TELLING[architecture], executable)
    else:
        write_script(executable, interpreter)
    appdir.bin.mkdir()
    for command in [*links, *([entry_point.command] if entry_point.installed else [])]:
        write_script(appdir.bin / command, "#!/build/python3.99\nprint()\n")
    write_launcher(
        appdir,
        bundled(executable),
        entry_point,
        LauncherSettings(
            entry_points=tuple(links),
            expose_python=expose_python,
            environment=environment or {},
            python_options=tuple(python_options),
            commands_on_path=commands_on_path,
        ),
        program=launcher_path(architecture),
        optimize=optimize,
        dialogue=dialogue,
    )
    return appdir


def bundled(executable: Path) -> BundledPython:
    stdlib = executable.parent.parent / "lib" / "python3.99"
    return BundledPython(
        version="3.99.0",
        executable=executable,
        stdlib=stdlib,
        site_packages=(stdlib / "site-packages",),
        interpreter=Path("/build/python3"),
        origin=Path("/build"),
    )


def start(
    command: Sequence[str | Path],
    *,
    executable: str | Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Start:
    """Start a command in an environment with nothing but PATH, and say how the interpreter got it."""
    with subprocess.Popen(
        command,
        executable=executable,
        cwd=cwd or "/",
        env={"PATH": PATH, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    found = read_start(output)
    assert found.pid == process.pid, "another process than the one that was started"
    return found


def read_start(output: bytes) -> Start:
    pid, process, program, count, *rest = os.fsdecode(output).split("\0")
    (name, *arguments), variables = rest[: int(count)], rest[int(count) : -1]
    return Start(int(pid), process, program, name, arguments, dict(line.split("=", 1) for line in variables))


def assert_started(result: Start, root: Path | str, *arguments: str) -> None:
    assert result.environment["APPDIR"] == str(root)
    assert result.program == f"{os.path.realpath(root)}/usr/libexec/python3.99"
    assert result.name == f"{root}/usr/bin/python3.99"
    assert result.arguments == ["-I", f"{root}/usr/bin/my-app", *arguments]
    assert result.process == "my-app"


def refused(command: Sequence[str | Path], **options: object) -> str:
    """Start a command that cannot become Python, and return the line that says so."""
    result = subprocess.run(command, capture_output=True, check=False, env={"PATH": PATH}, **options)  # type: ignore[call-overload]
    assert (result.returncode, result.stdout) == (127, b"")
    text: str = os.fsdecode(result.stderr)
    assert text.startswith("AppImage: ")
    assert text.endswith("\n")
    return text[len("AppImage: ") : -1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_small_and_static(architecture: str) -> None:
    path = launcher_path(architecture)
    elf = read_elf(path)
    assert elf is not None
    assert (elf.interpreter, elf.dynamic) == ("", False)
    assert path.stat().st_size <= MAX_LAUNCHER_SIZE


class TestAppRunFindsItsDirectory:
    @pytest.mark.parametrize("name", [*STRANGE_NAMES, NO_TEXT])
    def test_whatever_its_name(self, tmp_path: Path, name: str) -> None:
        root = tmp_path / name
        make_appdir(root)
        (tmp_path / "link").symlink_to(root / "AppRun")
        assert_started(start([root / "AppRun"]), root)
        assert_started(start(["./AppRun"], cwd=root), root)
        assert_started(start(["././AppRun"], cwd=root), root)
        assert_started(start([f"{tmp_path.name}/{name}/AppRun"], cwd=tmp_path.parent), root)
        assert_started(start([tmp_path / "link"]), root)
        assert_started(start(["AppRun"], env={"PATH": f"{root}:{PATH}"}), root)

    def test_relative_path_with_a_false_pwd(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        assert_started(start(["./AppRun"], cwd=root, env={"PWD": "/nowhere"}), root)
        assert_started(start(["a/AppRun"], cwd=tmp_path, env={"PWD": "/usr"}), root)

    def test_through_links(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a b").root
        links = tmp_path / "links"
        links.mkdir()
        (links / "relative").symlink_to("../a b/AppRun")
        (links / "twice").symlink_to("relative")
        assert_started(start([links / "relative"]), root)
        assert_started(start([links / "twice"]), root)
        assert_started(start(["./twice"], cwd=links), root)
        assert_started(start(["twice"], env={"PATH": f"{links}:{PATH}"}), root)

    def test_through_a_link_to_its_directory(self, tmp_path: Path) -> None:
        make_appdir(tmp_path / "a")
        (tmp_path / "directory").symlink_to("a")
        assert_started(start([tmp_path / "directory" / "AppRun"]), tmp_path / "directory")

    @pytest.mark.parametrize("through_link", [False, True])
    def test_of_another_image(self, tmp_path: Path, *, through_link: bool) -> None:
        """An application in an image starts another one: APPDIR is that of the first."""
        other = make_appdir(tmp_path / "other").root
        root = make_appdir(tmp_path / "a").root
        command = root / "AppRun"
        if through_link:
            command = tmp_path / "link"
            command.symlink_to(root / "AppRun")
        assert_started(start([command], env={"APPDIR": str(other)}), root)

    @pytest.mark.parametrize("appdir", ["", "/nowhere"])
    def test_appdir_that_is_none(self, tmp_path: Path, appdir: str) -> None:
        root = make_appdir(tmp_path / "a").root
        assert_started(start([root / "AppRun"], env={"APPDIR": appdir}), root)

    def test_whatever_it_is_called(self, tmp_path: Path) -> None:
        """Its first argument is the caller's to choose, and may be missing."""
        root = make_appdir(tmp_path / "a").root
        assert_started(start(["/usr/bin/env", "x"], executable=root / "AppRun"), root, "x")
        assert_started(start([""], executable=root / "AppRun"), root)

    def test_by_a_descriptor(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        code = f"import os; os.execve(os.open({str(root / 'AppRun')!r}, os.O_RDONLY), ['x', 'y'], {{}})"
        assert_started(start([sys.executable, "-Ic", code]), root, "y")

    def test_working_directory_that_is_gone(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        (tmp_path / "gone").mkdir()
        code = f"cd {shlex.quote(str(tmp_path))}/gone && rmdir ../gone && exec {shlex.quote(str(root))}/AppRun"
        assert start(["/bin/sh", "-c", code]).environment["APPDIR"] == str(root)

    @pytest.mark.usefixtures("needs_root")
    def test_at_the_root(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        output = subprocess.check_output([require("chroot", "coreutils"), root, "/AppRun"], env={})
        found = read_start(output)
        assert (found.name, found.arguments) == ("/usr/bin/python3.99", ["-I", "/usr/bin/my-app"])
        assert found.environment["APPDIR"] == "/"

    def test_settings_that_are_missing(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        (root / SETTINGS_NAME).unlink()
        assert refused([root / "AppRun"]) == f"launcher.conf is missing beside {root}/AppRun"

    def test_interpreter_that_is_missing(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        (root / "usr/libexec/python3.99").unlink()
        assert refused([root / "AppRun"]) == f"cannot run {root}/usr/libexec/python3.99: No such file or directory"


class TestAppRun:
    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            [""],
            ["", "a b", "", "  "],
            ["$x", "${x}", "$(id)", "`id`", "\\", "\\n"],
            ["*", "?", "[a-z]", "~", "{a,b}"],
            ["new\nline", "tab\t", "\n"],
            ["-I", "-c", "--", "--help"],
            ["'", '"', "Grüße"],
        ],
    )
    def test_arguments_pass_as_they_are(self, tmp_path: Path, arguments: list[str]) -> None:
        root = make_appdir(tmp_path / "a").root
        assert_started(start([root / "AppRun", *arguments], cwd=root), root, *arguments)

    def test_self_test(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", expose_python=True, environment={"MINE": "1"}).root
        asked: list[str | Path] = [root / "AppRun", "--appimage-self-test", "x"]
        assert_started(start(asked), root, "--appimage-self-test", "x")  # as none is there
        add_settings(root, [("self-test", "usr/libexec/self-test")])
        for env in ({}, {"ARGV0": "/x/python3"}):
            result = start(asked, env=env)
            assert result.arguments == ["-I", f"{root}/usr/libexec/self-test", "x"]
            assert result.environment["APPDIR"] == str(root)
            assert result.environment["MINE"] == "1"
        assert_started(start([root / "AppRun", "x", "--appimage-self-test"]), root, "x", "--appimage-self-test")

    def test_environment_passes_as_it_is(self, tmp_path: Path) -> None:
        """But for ARGV0, which is AppRun's business alone."""
        root = make_appdir(tmp_path / "a").root
        mine = {
            "HOME": "/home/me",
            "LD_LIBRARY_PATH": "/opt/mine",
            "PYTHONPATH": "/opt/python",
            "EMPTY": "",
            "MULTI": "a\nb",
            "here": "my own",
            "link": "my own",
            "script": "my own",
        }
        result = start([root / "AppRun"], env={**mine, "ARGV0": "./app.AppImage", "APPIMAGE": "/a.AppImage"})
        assert result.environment == {**mine, "APPIMAGE": "/a.AppImage", "APPDIR": str(root), "PATH": PATH}

    def test_nothing_else_is_there(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        output = subprocess.check_output([root / "AppRun"], env={}, cwd="/")
        assert read_start(output).environment == {"APPDIR": str(root)}

    def test_works_in_the_users_directory(self, tmp_path: Path) -> None:
        cwd = tmp_path / "work"
        cwd.mkdir()
        root = make_appdir(tmp_path / "a", interpreter="#!/bin/sh\npwd\n").root
        assert subprocess.check_output([root / "AppRun"], cwd=cwd, text=True) == f"{cwd}\n"

    def test_status_and_streams_pass(self, tmp_path: Path) -> None:
        interpreter = '#!/bin/sh\nread line; echo "out $line"; echo "err $line" >&2; exit 42\n'
        root = make_appdir(tmp_path / "a", interpreter=interpreter).root
        result = subprocess.run([root / "AppRun"], input="x\n", capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (42, "out x\n", "err x\n")

    def test_signal_passes(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", interpreter="#!/bin/sh\nkill -TERM $$\n").root
        assert subprocess.run([root / "AppRun"], check=False).returncode == -signal.SIGTERM

    @pytest.mark.parametrize("way", ["absolute", "relative", "link", "interpreter"])
    def test_starts_no_process(self, tmp_path: Path, way: str) -> None:
        strace = require("strace", "strace")
        appdir = make_appdir(tmp_path / "a", environment={"A": "$APPDIR/x", "B": ""}, links=["b"], expose_python=True)
        (tmp_path / "link").symlink_to(appdir.apprun)
        command = {
            "absolute": str(appdir.apprun),
            "relative": "./AppRun",
            "link": str(tmp_path / "link"),
            "interpreter": str(appdir.bin / "python3"),
        }[way]
        trace = tmp_path / "trace"
        traced: list[str | Path] = [strace, "-f", "-o", trace, "-e", "trace=process", command]
        subprocess.run(traced, cwd=appdir.root, env={"PATH": PATH}, check=True, stdout=subprocess.DEVNULL)
        calls = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
        assert set(calls) <= {"execve", "exit_group", "arch_prctl"}
        assert calls.count("execve") == 2

    def test_command_with_a_strange_name(self, tmp_path: Path) -> None:
        entry_point = EntryPoint("it's $my app", "my_app", "main", installed=True)
        root = make_appdir(tmp_path / "a", entry_point=entry_point).root
        assert start([root / "AppRun"]).arguments == ["-I", f"{root}/usr/bin/it's $my app"]


def process_name(command: str) -> str:
    """Return what the kernel makes of a name."""
    return os.fsdecode(os.fsencode(command)[:15])


def assert_command(result: Start, root: Path, command: str, *arguments: str) -> None:
    assert result.name == f"{root}/usr/bin/python3.99"
    assert result.arguments == ["-I", f"{root}/usr/bin/{command}", *arguments]
    assert result.process == process_name(command)
    assert "ARGV0" not in result.environment


# Names that would do something in a script if they were not quoted; none is a path.
NAMES = [name for name in STRANGE_NAMES if "/" not in name]


class TestLinks:
    """An image of several commands starts the one that it is named like."""

    @pytest.mark.parametrize("name", NAMES)
    def test_from_an_unpacked_directory(self, tmp_path: Path, name: str) -> None:
        root = make_appdir(tmp_path / "a b", links=NAMES).root
        links = tmp_path / "links"
        links.mkdir()
        (links / name).symlink_to(root / "AppRun")
        assert_command(start([links / name, "x y", ""]), root, name, "x y", "")
        assert_command(start([f"./{name}"], cwd=links), root, name)
        assert_command(start([links / name], env={"APPDIR": str(root)}), root, name)
        assert_command(start([links / name], env={"ARGV0": "plain"}), root, name)
        os.link(root / "AppRun", root / name)
        assert_command(start([root / name]), root, name)

    @pytest.mark.parametrize("name", NAMES)
    def test_by_the_runtime(self, tmp_path: Path, name: str) -> None:
        """It runs AppRun itself, and sets both variables."""
        root = make_appdir(tmp_path / "a b", links=NAMES).root
        for called in (name, f"./{name}", f"/home/me/bin dir/{name}", f"/bin/other/../{name}"):
            env = {"APPDIR": str(root), "ARGV0": called}
            assert_command(start([root / "AppRun", "-c"], env=env), root, name, "-c")

    def test_by_the_variable_alone(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"]).root
        commands: list[list[str | Path]] = [[root / "AppRun"], ["./AppRun"]]
        for command in commands:
            assert_command(start(command, cwd=root, env={"ARGV0": "bin/other"}), root, "other")
            assert_command(start(command, cwd=root, env={"ARGV0": "other", "APPDIR": ""}), root, "other")

    @pytest.mark.parametrize(
        "called",
        [
            "",
            "my-app",
            "./my-app-1.0-x86_64.AppImage",
            "other-1.0-x86_64.AppImage",
            "OTHER",
            "other/",
            "other ",
            "othe?",
            "*",
            "[o]ther",
            "other | x",
            "python",
            "python3.99",
            "AppRun",
            "flask",
        ],
    )
    def test_all_else_starts_the_main_command(self, tmp_path: Path, called: str) -> None:
        root = make_appdir(tmp_path / "a", links=["other", "second"]).root
        write_script(root / "usr" / "bin" / "flask", "")  # of a dependency
        env = {"APPDIR": str(root), "ARGV0": called}
        assert_command(start([root / "AppRun", "x"], env=env), root, "my-app", "x")
        if called.strip("/") and "/" not in called and called != "AppRun":
            (tmp_path / called).symlink_to(root / "AppRun")
            assert_command(start([tmp_path / called]), root, "my-app")

    def test_name_that_another_image_was_started_by(self, tmp_path: Path) -> None:
        """Some AppImages pass on ARGV0 to what they start; it says nothing of this one."""
        other = make_appdir(tmp_path / "b").root
        root = make_appdir(tmp_path / "a", links=["other"]).root
        for appdir in (str(other), "/nowhere"):
            env = {"APPDIR": appdir, "ARGV0": "other"}
            assert_command(start([root / "AppRun"], env=env), root, "my-app")

    def test_defaults_hold_for_every_command(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], environment={"A": "$APPDIR/x"}).root
        assert start([root / "AppRun"], env={"ARGV0": "other"}).environment["A"] == f"{root}/x"

    def test_interpreter(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], expose_python=True).root
        for name in ("python", "python3", "python3.99"):
            for called in (name, f"./b c/{name}", f"/$HOME/`id`/'/{name}"):
                result = start([root / "AppRun", "-c", "x y"], env={"APPDIR": str(root), "ARGV0": called})
                options = ["-s", "-X", "frozen_modules=off", "-X", f"appimage={called}"]
                assert (result.name, result.arguments) == (f"{root}/{EXPOSED}", [*options, "-c", "x y"])
                assert "ARGV0" not in result.environment
        assert_command(start([root / "AppRun"], env={"ARGV0": "other"}), root, "other")
        assert_command(start([root / "AppRun"], env={"ARGV0": "python3.98"}), root, "my-app")

    @pytest.mark.parametrize("name", ["python", "python3", "python3.99"])
    def test_what_an_exposed_interpreter_starts(self, tmp_path: Path, name: str) -> None:
        """Its own path is that of an interpreter which heeds variables as it does itself."""
        root = make_appdir(tmp_path / "a", expose_python=True).root
        interpreter = (root / EXPOSED).with_name(name)
        result = start([interpreter, "-c", "x y"], env={"PYTHONPATH": "/opt/python"})
        assert (result.name, result.arguments) == (str(interpreter), ["-s", "-c", "x y"])
        assert result.program == f"{root}/usr/libexec/python3.99"
        assert result.environment == {"PYTHONPATH": "/opt/python", "PATH": PATH}
        again = start([root / EXPOSED, "-s", "x"])
        assert again.arguments == ["-s", "x"]

    def test_interpreter_that_is_not_exposed(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        assert not (root / EXPOSED).parent.exists()
        assert start([root / "usr/bin/python3", "x"]).arguments == ["-E", "-s", "x"]

    def test_script_of_an_environment(self, tmp_path: Path) -> None:
        """A script that names a link to AppRun as its interpreter is run by that, not as the application's argument."""
        root = make_appdir(tmp_path / "a", expose_python=True).root
        link = tmp_path / "venv" / "bin" / "python"
        link.parent.mkdir(parents=True)
        link.symlink_to(root / "AppRun")
        script = write_script(link.with_name("tool"), f"#!{link}\n")
        assert start([script, "x y"]).arguments[-3:] == [f"appimage={link}", str(script), "x y"]

    def test_interpreter_beside_a_single_command(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", expose_python=True).root
        assert start([root / "AppRun"], env={"ARGV0": "python"}).arguments[0] == "-s"
        assert_command(start([root / "AppRun"], env={"ARGV0": "x"}), root, "my-app")

    def test_names_that_mean_something_else(self, tmp_path: Path) -> None:
        appdir = AppDir(tmp_path, "my-app")
        executable = write_script(appdir.libexec / "python3.99", "")
        for name in ("my-app", "AppRun", "python", "other"):
            write_script(appdir.bin / name, "#!python\n")
        links = ("AppRun", "python", "my-app", "other", "other")
        launcher = write_launcher(
            appdir, bundled(executable), INSTALLED, LauncherSettings(entry_points=links), program=LAUNCHER
        )
        assert launcher.links == ("other",)

    def test_command_that_is_not_there(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path)
        python = bundled(appdir.libexec / "python3.99")
        with pytest.raises(AppImageError, match="wheel installs no script `other`"):
            write_launcher(appdir, python, INSTALLED, LauncherSettings(entry_points=("other",)), program=LAUNCHER)


class TestReadLinks:
    """The names are read back from what is beside AppRun."""

    @pytest.mark.parametrize("exposed", [False, True])
    def test_of_ours(self, tmp_path: Path, *, exposed: bool) -> None:
        environment = {"A": "x\nlink a\nexpose b", "B": "\\nlink c"}
        appdir = make_appdir(tmp_path / "a", links=[*NAMES, "|"], expose_python=exposed, environment=environment)
        interpreters = ("python", "python3", "python3.99") if exposed else ()
        text = (appdir.root / SETTINGS_NAME).read_text(encoding="utf-8")
        assert read_links(appdir.apprun.read_bytes(), text) == (*NAMES, "|", *interpreters)

    def test_beside_another_apprun(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "a", links=["other"])
        text = (appdir.root / SETTINGS_NAME).read_text(encoding="utf-8")
        assert read_links(b"#!/bin/sh\n", text) == ()

    @pytest.mark.parametrize("text", ["", "#!/bin/sh\nlink a\n", "hatch-appimage launcher 2\nlink a\n", "\0\x7fELF"])
    def test_of_others(self, text: str) -> None:
        assert read_links(LAUNCHER.read_bytes(), text) == ()


class TestEnvironment:
    def test_defaults(self, tmp_path: Path) -> None:
        values = {
            "QT_QPA_PLATFORM": "wayland;xcb",
            "EMPTY": "",
            "QUOTES": 'it\'s "quoted" `id` $(id) \\ \\n',
            "VARIABLES": "$HOME ${HOME} $ $1 $$",
            "GLOBS": "* ? [a] ~ #x",
            "LINES": "\n a\n\nb \n",
            "FOLDER": "$APPDIR",
            "FOLDERS": "${APPDIR}/usr:$APPDIR/lib:$APPDIR$APPDIR",
            "NO_FOLDER": "$APPDIRX $APPDIR_ APPDIR ${APPDIRX}",
            "here": "mine",
        }
        root = make_appdir(tmp_path / "it's a $HOME", environment=values).root
        environment = start([root / "AppRun"]).environment
        assert {name: environment.get(name) for name in values} == {
            **values,
            "FOLDER": str(root),
            "FOLDERS": f"{root}/usr:{root}/lib:{root}{root}",
        }

    def test_directory_before_a_letter_that_no_shell_has_in_names(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", environment={"A": "$APPDIRé"}).root
        assert start([root / "AppRun"]).environment["A"] == f"{root}é"

    @pytest.mark.parametrize("mine", ["mine", "", "a b\n'c'"])
    def test_users_own_value_wins(self, tmp_path: Path, mine: str) -> None:
        root = make_appdir(tmp_path / "a", environment={"A": "default", "B": "$APPDIR"}).root
        environment = start([root / "AppRun"], env={"A": mine}).environment
        assert (environment["A"], environment["B"]) == (mine, str(root))

    pieces = st.sampled_from(
        [
            "$APPDIR",
            "${APPDIR}",
            "APPDIR",
            "$",
            "{",
            "}",
            "'",
            '"',
            "\\",
            "`",
            "\n",
            " ",
            "x",
            "_",
            "/",
            "*",
            "☃",
            "=",
            "!",
        ]
    )
    anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    values = st.one_of(st.lists(pieces).map("".join), anything)

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(values=st.lists(values, min_size=1, max_size=20))
    def test_every_value(self, tmp_path: Path, values: list[str]) -> None:
        root = tmp_path / "it's $x"
        shutil.rmtree(root, ignore_errors=True)
        make_appdir(root, environment={f"V{number}": value for number, value in enumerate(values)})
        environment = start([root / "AppRun"]).environment
        expected = [re.sub(r"\$\{APPDIR\}|\$APPDIR\b", lambda _: str(root), value) for value in values]
        assert [environment[f"V{number}"] for number in range(len(values))] == expected


REAL_INTERPRETER = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
TELLING_SCRIPT = """\
import sys
print(sys.argv, sys.flags.isolated, __name__)
"""


def run_script(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    env = {"PATH": PATH, "PYTHONIOENCODING": "ascii"}
    return subprocess.check_output(command, text=True, encoding="utf-8", cwd=cwd, env=env)


def add_script(appdir: AppDir, name: str, data: bytes) -> Path:
    path = appdir.bin / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755)
    return path


class TestCommandsOnPath:
    def test_first_of_all(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], commands_on_path=True).root
        found = start([root / "AppRun"]).environment["PATH"]
        assert found == f"{root}/usr/libexec/commands:{PATH}"
        assert {path.name for path in Path(found.split(":")[0]).iterdir()} == {"my-app", "other"}
        assert (root / "usr/libexec/commands/other").samefile(root / "usr/bin/other")

    def test_commands_start(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], commands_on_path=True).root
        path = start([root / "AppRun"]).environment["PATH"]
        result = start(["other", "x"], env={"PATH": path})
        assert (result.name, result.arguments) == (
            f"{root}/usr/bin/python3.99",
            ["-I", f"{root}/usr/libexec/commands/other", "x"],
        )

    def test_without_path(self, tmp_path: Path) -> None:
        """Programs of the machine are found where they are without the variable."""
        root = make_appdir(tmp_path / "a", commands_on_path=True).root
        output = subprocess.check_output([root / "AppRun"], env={})
        assert read_start(output).environment["PATH"] == f"{root}/usr/libexec/commands:/bin:/usr/bin"
        output = subprocess.check_output([root / "AppRun"], env={"PATH": ""})
        assert read_start(output).environment["PATH"] == f"{root}/usr/libexec/commands:"

    def test_directory_that_path_cannot_hold(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a:b", commands_on_path=True).root
        assert start([root / "AppRun"]).environment["PATH"] == PATH

    def test_no_interpreter_and_nothing_else(self, tmp_path: Path) -> None:
        appdir = AppDir(tmp_path, "my-app")
        executable = write_script(appdir.libexec / "python3.99", "")
        for name in ("my-app", "ruff", "pythonic", "python3", "python3.99t"):
            write_script(appdir.bin / name, "")
        (appdir.bin / "data").write_text("")
        write_launcher(
            appdir, bundled(executable), INSTALLED, LauncherSettings(commands_on_path=True), program=LAUNCHER
        )
        assert {path.name for path in appdir.commands.iterdir()} == {"my-app", "ruff", "pythonic"}

    def test_not_without_being_asked(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "a")
        assert start([appdir.apprun]).environment["PATH"] == PATH
        assert not appdir.commands.exists()


class TestProcessNames:
    """What ``ps`` and ``pkill`` know the application by is the command, as for a script that the kernel starts."""

    @pytest.mark.parametrize("name", [*STRANGE_NAMES, NO_TEXT, "python3.99", "a-command-with-a-long-name"])
    def test_of_a_command(self, tmp_path: Path, name: str) -> None:
        root = make_appdir(tmp_path / "a b", entry_point=EntryPoint(name, "my_app", "main")).root
        assert start([root / "AppRun"]).process == process_name(name)

    def test_of_what_is_no_command(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], expose_python=True).root
        add_settings(root, [("self-test", "self-test"), ("manage", "appimage-self"), ("manage-word", "self")])
        for name, *arguments in (
            ("AppRun", "--appimage-self-test"),
            ("AppRun", "--appimage-self"),
            ("AppRun", "self"),
            ("usr/bin/python3",),
            ("usr/bin/python3", "-I", f"{root}/usr/bin/my-app"),
            (EXPOSED,),
        ):
            assert start([root / name, *arguments]).process == "python3.99", (name, arguments)
        assert start([root / "AppRun"], env={"ARGV0": "python3"}).process == "python3.99"

    @pytest.mark.parametrize("name", [*STRANGE_NAMES, NO_TEXT])
    def test_of_a_script(self, tmp_path: Path, name: str) -> None:
        """What runs a command of the image by its path, such as an AppRun of one's own, or by PATH."""
        entry_point = EntryPoint(name, "my_app", "main")
        appdir = make_appdir(tmp_path / "a b", entry_point=entry_point, links=["other"], python_options=["-u"])
        for command in (name, "other"):
            result = start([appdir.bin / command, "x y", "--appimage-process=x"])
            assert result.process == process_name(command)
            assert result.arguments == ["-I", "-u", str(appdir.bin / command), "x y", "--appimage-process=x"]

    @pytest.mark.parametrize("name", ["", "/", "none", "../../../bin/other"])
    def test_that_leads_nowhere(self, tmp_path: Path, name: str) -> None:
        bin_ = make_appdir(tmp_path / "a").bin
        result = start([bin_ / "python3", f"--appimage-process={name}", "-I", "x"])
        assert (result.process, result.arguments) == ("python3.99", ["-I", "x"])

    def test_without_links(self, tmp_path: Path) -> None:
        """As in a directory that was copied by something that knows none."""
        appdir = make_appdir(tmp_path / "a")
        shutil.rmtree(appdir.process_names)
        assert start([appdir.apprun, "x"]).process == "python3.99"
        (appdir.process_names / "my-app").mkdir(parents=True)
        result = start([appdir.apprun, "x"])
        assert (result.process, result.arguments) == ("python3.99", ["-I", f"{appdir.bin}/my-app", "x"])

    def test_by_what_stands_in(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "a")
        stand_in = tmp_path / "b" / "python3.99"
        (stand_in.parent / "process-names").mkdir(parents=True)
        shutil.copy(TELLING[NATIVE], stand_in)
        (stand_in.parent / "process-names" / "my-app").symlink_to("../python3.99")
        for directory in (appdir.root, appdir.bin):
            add_settings(directory, [("loader", "/nowhere/ld.so"), ("stand-in", os.path.relpath(stand_in, directory))])
        result = start([appdir.apprun])
        assert (result.process, result.program) == ("my-app", str(stand_in))
        result = start([appdir.bin / "python3.99"])
        assert (result.process, result.program) == ("python3.99", str(stand_in))

    def test_links(self, tmp_path: Path) -> None:
        """They are relative, and only of what runs on the image's Python."""
        appdir = AppDir(tmp_path / "a", "my-app")
        write_script(appdir.bin / "tool", "#!/bin/sh\n")
        write_script(appdir.bin / "other", "#!/build/python3.99\n")
        write_script(appdir.bin / "my-app", "#!/build/python3.99\n")
        executable = write_script(appdir.libexec / "python3.99", "")
        write_launcher(
            appdir, bundled(executable), INSTALLED, LauncherSettings(entry_points=("other",)), program=LAUNCHER
        )
        library = CLibrary("glibc", (2, 36), RequiredVersion("GLIBC", (2, 36), ("usr/lib/a",)), "ld.so", (), 0)
        write_stand_in(appdir, bundled(executable), library, (), program=LAUNCHER)
        for directory in (appdir.process_names, appdir.glibc / "process-names"):
            links = {path.name: path.readlink() for path in directory.iterdir()}
            assert links == dict.fromkeys(("my-app", "other"), Path("../python3.99"))


ISOLATED = ["-E", "-s"]


class TestInterpreter:
    """``usr/bin/python3.x`` becomes the real one, isolated."""

    def test_started_in_every_way(self, tmp_path: Path) -> None:
        bin_ = make_appdir(tmp_path / "a b").bin
        for name in ("python", "python3", "python3.99"):
            result = start([bin_ / name, "-m", "x y", ""])
            assert (result.program, result.name) == (f"{tmp_path}/a b/usr/libexec/python3.99", str(bin_ / name))
            assert result.arguments == [*ISOLATED, "-m", "x y", ""]
            assert start([f"./{name}"], cwd=bin_).name == f"./{name}"
            assert start([name], env={"PATH": f"{bin_}:{PATH}"}).name == str(bin_ / name)
        assert start([bin_ / "python"]).arguments == ISOLATED

    def test_environment_passes_as_it_is(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", environment={"A": "x"}, commands_on_path=True).root
        mine = {"ARGV0": "x", "APPDIR": "/nowhere", "PYTHONPATH": "/mine"}
        assert start([root / "usr/bin/python3"], env=mine).environment == {"PATH": PATH, **mine}

    def test_interpreter_of_a_script(self, tmp_path: Path) -> None:
        """The kernel tells of the script, and the settings beside that are not the interpreter's."""
        bin_ = make_appdir(tmp_path / "a").bin
        script = write_script(tmp_path / "scripts" / "tool", f"#!{bin_}/python3\n")
        (script.parent / SETTINGS_NAME).write_text("of somebody else\n")
        result = start([script, "x y"])
        assert result.name == f"{bin_}/python3"
        assert result.arguments == [*ISOLATED, str(script), "x y"]

    def test_links_of_virtual_environments(self, tmp_path: Path) -> None:
        """They are the interpreter's own path: pyvenv.cfg is beside them."""
        bin_ = make_appdir(tmp_path / "a").bin
        link = tmp_path / "venv" / "bin" / "python"
        link.parent.mkdir(parents=True)
        link.symlink_to(bin_ / "python3.99")
        link.with_name("python3").symlink_to("python")
        for name in ("python", "python3"):
            assert start([link.with_name(name)]).name == str(link.with_name(name))
            assert start([name], env={"PATH": f"{link.parent}:{PATH}"}).name == str(link.with_name(name))
            assert start([f"bin/{name}"], cwd=link.parent.parent).name == f"bin/{name}"

    @pytest.mark.parametrize("where", ["pyvenv.cfg", "bin/pyvenv.cfg"])
    @pytest.mark.parametrize("line", ["home = {}\n", "a = b\r\n\thome={} \t\r\nc = d\r\n", "homes = /x\nhome = {}"])
    def test_copies_of_virtual_environments(self, tmp_path: Path, where: str, line: str) -> None:
        bin_ = make_appdir(tmp_path / "a b").bin
        copy = tmp_path / "venv" / "bin" / "python"
        copy.parent.mkdir(parents=True)
        shutil.copy(bin_ / "python3.99", copy)
        (tmp_path / "venv" / where).write_text(line.format(bin_), newline="")
        copy.with_name("link").symlink_to("python")
        for name in ("python", "link"):
            result = start([copy.with_name(name), "x"])
            assert result.program == f"{tmp_path}/a b/usr/libexec/python3.99"
            assert (result.name, result.arguments) == (str(copy.with_name(name)), [*ISOLATED, "x"])

    @pytest.mark.parametrize(
        "text", ["", "home", "home =", "home = .", "home = /nowhere", "\0home = /", "home = " + "/x" * 5000]
    )
    def test_copies_of_nothing(self, tmp_path: Path, text: str) -> None:
        copy = tmp_path / "bin" / "python"
        copy.parent.mkdir()
        shutil.copy(LAUNCHER, copy)
        (tmp_path / "pyvenv.cfg").write_text(text)
        assert refused([copy]) == f"launcher.conf is missing beside {copy}"

    @pytest.mark.parametrize("arguments", [["-I"], ["-Ic", "x"], ["-I", "-m", "x"], ISOLATED, [*ISOLATED, "-c", "x"]])
    def test_what_is_isolated_stays_so(self, tmp_path: Path, arguments: list[str]) -> None:
        """Applications that start themselves again by sys.orig_argv do not gather options."""
        assert start([make_appdir(tmp_path / "a").bin / "python3", *arguments]).arguments == arguments

    @pytest.mark.parametrize("arguments", [["-E"], ["-s", "-E"], ["-c", "-I"], ["-"], ["script.py", "-E", "-s"]])
    def test_what_is_not(self, tmp_path: Path, arguments: list[str]) -> None:
        found = start([make_appdir(tmp_path / "a").bin / "python3", *arguments]).arguments
        assert found == [*ISOLATED, *arguments]

    def test_in_the_first_line_of_a_script(self, tmp_path: Path) -> None:
        bin_ = make_appdir(tmp_path / "a").bin
        script = write_script(tmp_path / "script", f"#!{bin_}/python3 -u\n")
        result = start([script, "x"])
        assert (result.name, result.arguments) == (f"{bin_}/python3", [*ISOLATED, "-u", str(script), "x"])

    def test_called_by_a_name_alone(self, tmp_path: Path) -> None:
        bin_ = make_appdir(tmp_path / "a").bin
        assert start(["python"], executable=bin_ / "python3").name == str(bin_ / "python3")
        assert start(["x/y"], executable=bin_ / "python3").name == "x/y"
        code = f"import os; os.execve(os.open({str(bin_ / 'python3')!r}, os.O_RDONLY), ['x'], {{}})"
        assert start([sys.executable, "-Ic", code]).name == str(bin_ / "python3.99")

    def test_through_a_link_to_its_directory(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "a")
        (tmp_path / "elsewhere").symlink_to(appdir.bin)
        result = start([tmp_path / "elsewhere" / "python3.99"])
        assert (result.program, result.name) == (
            f"{tmp_path}/a/usr/libexec/python3.99",
            f"{tmp_path}/elsewhere/python3.99",
        )

    def test_command_of_a_package_by_its_name(self, tmp_path: Path) -> None:
        appdir = AppDir(tmp_path, "my-app")
        executable = write_script(appdir.libexec / "python3.99", "")
        write_script(appdir.bin / "python", "#!/bin/sh\n")
        write_launcher(appdir, bundled(executable), EntryPoint("x", "x", None), LauncherSettings(), program=LAUNCHER)
        assert (appdir.bin / "python").read_text() == "#!/bin/sh\n"
        assert (appdir.bin / "python3").readlink() == Path("python3.99")


class TestOptimize:
    """The interpreter reads the bytecode that the image has; each -O counts, so it is never given twice."""

    @pytest.mark.parametrize(("level", "option"), [(1, "-O"), (2, "-OO")])
    def test_application(self, tmp_path: Path, level: int, option: str) -> None:
        root = make_appdir(tmp_path / "a", optimize=level).root
        assert start([root / "AppRun", "-O", "x"]).arguments == ["-I", option, f"{root}/usr/bin/my-app", "-O", "x"]

    def test_self_test(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", optimize=1).root
        add_settings(root, [("self-test", "usr/libexec/self-test")])
        arguments = start([root / "AppRun", "--appimage-self-test"]).arguments
        assert arguments == ["-I", "-O", f"{root}/usr/libexec/self-test"]

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["-c", "-O"],
            ["-m", "x", "-O"],
            ["-mO"],
            ["-BcO"],
            ["script.py", "-O"],
            ["-", "-O"],
            ["--", "-O"],
            ["-W", "-O"],
            ["-X", "-O", "x"],
            ["-WO"],
            ["-bXO"],
            ["--check-hash-based-pycs", "-O"],
            ["--version", "x", "-O"],
            ["-W"],
            ["--check-hash-based-pycs"],
        ],
    )
    def test_interpreter(self, tmp_path: Path, arguments: list[str]) -> None:
        bin_ = make_appdir(tmp_path / "a", optimize=1).bin
        assert start([bin_ / "python3", *arguments]).arguments == [*ISOLATED, "-O", *arguments]
        if arguments:
            assert start([bin_ / "python3", "-I", *arguments]).arguments == ["-O", "-I", *arguments]

    @pytest.mark.parametrize(
        "arguments",
        [
            ["-O"],
            ["-OO", "x"],
            ["-BO", "-c", "x"],
            ["-X", "dev", "-O"],
            ["-Xdev", "-W", "error", "-uOc", "x"],
            ["--check-hash-based-pycs", "always", "-O"],
            ["--xyz", "-O"],
        ],
    )
    def test_who_asks_for_a_level_has_it(self, tmp_path: Path, arguments: list[str]) -> None:
        bin_ = make_appdir(tmp_path / "a", optimize=2).bin
        assert start([bin_ / "python3", *arguments]).arguments == [*ISOLATED, *arguments]

    def test_again_and_again(self, tmp_path: Path) -> None:
        bin_ = make_appdir(tmp_path / "a", optimize=1).bin
        first = start([bin_ / "python3", "x"]).arguments
        assert start([bin_ / "python3", *first]).arguments == first


class TestPythonOptions:
    OPTIONS = ("-u", "-X", "utf8", "-W", "ignore:a  b:UserWarning")

    def test_application(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", python_options=self.OPTIONS, optimize=1).root
        arguments = ["-I", *self.OPTIONS, "-O", f"{root}/usr/bin/my-app", "x"]
        assert start([root / "AppRun", "x"]).arguments == arguments

    def test_commands(self, tmp_path: Path, shell: Path) -> None:
        bin_ = make_appdir(tmp_path / "a", python_options=self.OPTIONS).bin
        command = str(bin_ / "my-app")
        assert start([shell, command, "x"]).arguments == ["-I", *self.OPTIONS, command, "x"]
        ast.parse((bin_ / "my-app").read_text())

    def test_what_the_application_starts_has_none(self, tmp_path: Path) -> None:
        bin_ = make_appdir(tmp_path / "a", python_options=self.OPTIONS).bin
        assert start([bin_ / "python3", "x"]).arguments == [*ISOLATED, "x"]


@pytest.mark.usefixtures("needs_root")
class TestWithoutProc:
    """Without /proc the loader does not know where a program lies, so it is the loader that is started."""

    WITHOUT = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")

    def test_finds_itself(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "a b")
        (tmp_path / "link").symlink_to("a b/AppRun")
        (tmp_path / "python").symlink_to("a b/usr/bin/python3")
        for command in (appdir.apprun, tmp_path / "link"):
            found = read_start(subprocess.check_output([*self.WITHOUT, command, "x"], env={"PATH": PATH}))
            assert (found.name, found.environment["APPDIR"]) == (f"{appdir.root}/usr/bin/python3.99", str(appdir.root))
            assert found.arguments == ["-I", f"{appdir.root}/usr/bin/my-app", "x"]
        found = read_start(subprocess.check_output([*self.WITHOUT, tmp_path / "python"], env={"PATH": PATH}))
        assert (found.name, found.arguments) == (f"{tmp_path}/python", ISOLATED)

    @pytest.mark.parametrize("versions", [("GLIBC_2.17", "GLIBC_2.33"), ("GLIBC_2.36",), ()])
    def test_by_the_loader(self, tmp_path: Path, versions: tuple[str, ...]) -> None:
        appdir = make_appdir(tmp_path / "a")
        loader = make_glibc(tmp_path / "lib", *versions)
        shutil.copy(TELLING[NATIVE], loader)
        add_settings(appdir.root, [("loader", str(loader)), ("glibc", "2.17")])
        found = read_start(subprocess.check_output([*self.WITHOUT, appdir.apprun, "x"], env={"PATH": PATH}))
        root = appdir.root
        assert [found.name, *found.arguments] == [
            str(loader),
            "--argv0",
            f"{root}/usr/bin/python3.99",
            f"{root}/usr/libexec/python3.99",
            "-I",
            f"{root}/usr/bin/my-app",
            "x",
        ]
        assert_started(start([appdir.apprun, "x"]), root, "x")  # and with /proc by the kernel

    def test_by_a_loader_that_cannot(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path / "a")
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.31")
        add_settings(appdir.root, [("loader", str(loader)), ("glibc", "2.17")])
        assert refused([*self.WITHOUT, appdir.apprun]) == (
            "/proc is missing, and this machine's glibc 2.31 cannot start this without it (2.33 can)"
        )


HEADER = b"hatch-appimage launcher 1\n"
RIGHT = HEADER + b"program usr/libexec/python3.99\nname usr/bin/python3.99\n"


class TestSettings:
    @pytest.mark.parametrize("value", [*STRANGE_NAMES, NO_TEXT, "", " ", "\\n", "\\\\n\n\r", "\r\x01\x7f", "a=b c"])
    def test_every_value(self, tmp_path: Path, value: str) -> None:
        root = make_appdir(tmp_path / "a").root
        write_settings(root / "usr/bin", [("program", "../libexec/python3.99"), ("name", "x"), ("option", value)])
        assert start([root / "usr/bin/python3"]).arguments == [value]
        text = os.fsdecode((root / "usr/bin" / SETTINGS_NAME).read_bytes())
        assert read_settings(text)[-1] == ("option", value)

    @pytest.mark.parametrize(
        ("text", "line", "wrong"),
        [
            (b"", 1, "it is not `hatch-appimage launcher 1`"),
            (HEADER[:-1], 1, "it is not `hatch-appimage launcher 1`"),
            (b"hatch-appimage launcher 12\n", 1, "it is not `hatch-appimage launcher 1`"),
            (b"\x7fELF\0\0", 1, "it is not `hatch-appimage launcher 1`"),
            (HEADER, 1, "the file ends before all is said"),
            (HEADER + b"name x\n", 2, "the file ends before all is said"),
            (RIGHT + b"script x", 4, "it has no end"),
            (RIGHT + b"script\n", 4, "it has no value"),
            (RIGHT + b"\n", 4, "it has no value"),
            (RIGHT + b" x\n", 4, "it begins with an unknown key"),
            (RIGHT + b"scripts x\n", 4, "it begins with an unknown key"),
            (RIGHT + b"script a\nlink a\nscript b\n", 6, "its key is there twice"),
            (RIGHT + b"script a\0b\n", 4, "it has a NUL in it"),
            (RIGHT + b"link a\\\n", 4, "a backslash stands before another character than a backslash or n"),
            (RIGHT + b"link \\x\n", 4, "a backslash stands before another character than a backslash or n"),
            (RIGHT + b"default A\n", 4, "the variable has no value"),
        ],
    )
    def test_malformed(self, tmp_path: Path, text: bytes, line: int, wrong: str) -> None:
        root = make_appdir(tmp_path / "a").root
        (root / SETTINGS_NAME).write_bytes(text)
        assert refused([root / "AppRun"]) == f"{root}/launcher.conf, line {line}: {wrong}"

    def test_many_lines(self, tmp_path: Path) -> None:
        environment = {f"V{number}": f"$APPDIR/{number}" for number in range(3000)}
        root = make_appdir(tmp_path / "a", environment=environment).root
        found = start([root / "AppRun"]).environment
        assert found == {"PATH": PATH, "APPDIR": str(root)} | {
            name: value.replace("$APPDIR", str(root)) for name, value in environment.items()
        }

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a").root
        settings_file = root / SETTINGS_NAME
        with settings_file.open("ab") as file:
            file.truncate(1 << 30)
        assert refused([root / "AppRun"]) == f"cannot read {settings_file}: File too large"
        settings_file.unlink()
        settings_file.mkdir()
        assert refused([root / "AppRun"]) == f"cannot read {settings_file}: Invalid argument"

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_damaged(self, tmp_path: Path, data: st.DataObject) -> None:
        """Whatever becomes of the file, the launcher starts something or says one line."""
        root = tmp_path / "a"
        if not root.exists():
            make_appdir(root, links=["b"], environment={"A": "$APPDIR"}, expose_python=True)
            shutil.copy(root / SETTINGS_NAME, tmp_path / "whole")
        text = bytearray((tmp_path / "whole").read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(text)))
            text[place : place + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
        (root / SETTINGS_NAME).write_bytes(text)
        result = subprocess.run([root / "AppRun"], env={}, capture_output=True, check=False)
        assert result.returncode in {0, 127}
        if result.returncode:
            assert result.stderr.startswith(b"AppImage: ")


def make_glibc(directory: Path, *versions: str) -> Path:
    """Write a C library that defines versions, and a file in the place of its loader; return that."""
    loader = directory / "ld-linux.so.2"
    architecture = ARCHITECTURES[NATIVE]
    machine, bits = architecture.elf_machine, architecture.elf_class
    library("libc.so.6", defined=versions, machine=machine, bits=bits).write(loader.with_name("libc.so.6"))
    loader.write_bytes(b"")
    return loader


class TestGlibc:
    """What the image needs is held against what the machine has, without running anything of it."""

    def need(self, root: Path, version: str, loader: Path | str) -> AppDir:
        appdir = make_appdir(root)
        for directory in (appdir.root, appdir.bin):
            add_settings(directory, [("loader", str(loader)), ("glibc", version)])
        return appdir

    def test_what_is_written(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path, expose_python=True)
        require_glibc(appdir, RequiredVersion("GLIBC", (), ()))
        require_glibc(appdir, RequiredVersion("GLIBC", (2, 36), ("usr/libexec/python3.99",)))
        for directory in (appdir.root, appdir.bin, appdir.exposed):
            settings = read_settings((directory / SETTINGS_NAME).read_text())
            assert [value for key, value in settings if key == "glibc"] == ["2.36"]

    @pytest.mark.parametrize("needed", ["2.2.5", "2.17", "2.31", "2.9"])
    def test_new_enough(self, tmp_path: Path, needed: str) -> None:
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.2.5", "GLIBC_2.31", "GLIBC_2.4", "GLIBC_PRIVATE")
        appdir = self.need(tmp_path / "a", needed, loader)
        assert_started(start([appdir.apprun]), appdir.root)

    @pytest.mark.parametrize("release", ["2.31", "2.32.9000"])
    def test_releases_without_new_symbols(self, tmp_path: Path, release: str) -> None:
        """As 2.31, whose `libc.so.6` defines nothing newer than 2.30."""
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.2.5", "GLIBC_2.30")
        with loader.with_name("libc.so.6").open("ab") as file:
            file.write(f"GNU C Library (Debian GLIBC 2.31-13) stable release version {release}.\n".encode())
        appdir = self.need(tmp_path / "a", "2.31", loader)
        assert_started(start([appdir.apprun]), appdir.root)
        appdir = self.need(tmp_path / "b", "2.33", loader)
        version = ".".join(release.split(".")[:2])
        assert refused([appdir.apprun]) == f"this needs glibc 2.33 or newer, and this machine has glibc {version}"

    @pytest.mark.parametrize("text", ["GNU C Library release version", " release version 2.99", "GNU C Library 2.99"])
    def test_other_texts_say_nothing(self, tmp_path: Path, text: str) -> None:
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.30")
        with loader.with_name("libc.so.6").open("ab") as file:
            file.write(text.encode())
        appdir = self.need(tmp_path / "a", "2.31", loader)
        assert refused([appdir.apprun]) == "this needs glibc 2.31 or newer, and this machine has glibc 2.30"

    @pytest.mark.parametrize("needed", ["2.32", "2.100", "3.0"])
    def test_too_old(self, tmp_path: Path, needed: str) -> None:
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.2.5", "GLIBC_2.31", "GLIBC_2.4", "GLIBC_ABI_DT_RELR")
        appdir = self.need(tmp_path / "a", needed, loader)
        sentence = f"this needs glibc {needed} or newer, and this machine has glibc 2.31"
        assert refused([appdir.apprun]) == sentence
        assert refused([appdir.bin / "python3", "-m", "x"]) == sentence

    def test_through_the_link_that_loaders_are(self, tmp_path: Path) -> None:
        """The library lies beside the file, not beside the link."""
        loader = make_glibc(tmp_path / "lib/x86_64-linux-gnu", "GLIBC_2.31")
        (tmp_path / "lib64").symlink_to("lib")
        (tmp_path / "lib" / "ld.so").symlink_to("x86_64-linux-gnu/ld-linux.so.2")
        assert loader.exists()
        appdir = self.need(tmp_path / "a", "2.40", tmp_path / "lib64" / "ld.so")
        assert refused([appdir.apprun]).endswith("this machine has glibc 2.31")

    def test_of_this_machine(self, tmp_path: Path) -> None:
        elf = read_elf(Path("/bin/sh").resolve())
        version = os.confstr("CS_GNU_LIBC_VERSION")
        assert elf is not None
        assert version is not None
        newest = version.split()[1]
        major, minor = map(int, newest.split("."))
        appdir = self.need(tmp_path / "a", f"{major}.{minor - 2}", elf.interpreter)
        assert_started(start([appdir.apprun]), appdir.root)
        appdir = self.need(tmp_path / "b", f"{major}.{minor + 1}", elf.interpreter)
        assert refused([appdir.apprun]).endswith(f"and this machine has glibc {newest}")

    def test_no_loader(self, tmp_path: Path) -> None:
        appdir = self.need(tmp_path / "a", "2.17", "/nowhere/ld.so")
        assert refused([appdir.apprun]) == (
            "this needs glibc 2.17 or newer, and this machine has none (there is no /nowhere/ld.so)"
        )

    @pytest.mark.usefixtures("needs_root")
    def test_musl(self, tmp_path: Path) -> None:
        musl = {"x86_64": "x86_64", "aarch64": "aarch64", "armhf": "armhf", "i686": "i386"}[NATIVE]
        appdir = self.need(tmp_path / "root", "2.17", "/lib64/ld.so")
        loader = write_script(appdir.root / f"lib/ld-musl-{musl}.so.1", "")
        command: list[str | Path] = [require("chroot", "coreutils"), appdir.root, "/AppRun"]
        sentence = "this needs glibc 2.17 or newer, and this machine has musl"
        assert refused(command) == f"{sentence} (there is no /lib64/ld.so)"
        (appdir.root / "lib64").mkdir()
        (appdir.root / "lib64/ld.so").symlink_to(f"../lib/{loader.name}")
        assert refused(command) == sentence

    @pytest.mark.parametrize(
        ("name", "defined", "stands_in"),
        [
            ("libzz.so.1", (), False),
            ("libyy.so.1", (), True),
            ("libstdc++.so.6", ("GLIBCXX_3.4", "GLIBCXX_3.4.30", "CXXABI_1.3.13"), False),
            ("libstdc++.so.6", ("GLIBCXX_3.4", "GLIBCXX_3.4.29", "CXXABI_1.3.13"), True),
            ("libstdc++.so.6", (), True),
        ],
    )
    def test_libraries_that_the_image_brings(
        self, tmp_path: Path, name: str, defined: tuple[str, ...], *, stands_in: bool
    ) -> None:
        """A machine whose glibc would do may lack others of the smallest installations, or have an old libstdc++."""
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.40")
        architecture = ARCHITECTURES[NATIVE]
        made = library(name, defined=defined, machine=architecture.elf_machine, bits=architecture.elf_class)
        made.write(loader.with_name(name))
        appdir = self.need(tmp_path / "a", "2.36", loader)
        other = write_script(tmp_path / "other", "#!/bin/sh\necho other\n")
        brought = [("brings", "libzz.so.1")] if "stdc" not in name else [("libstdc++", "3.4.30")]
        add_settings(appdir.root, [*brought, ("stand-in", os.path.relpath(other, appdir.root))])
        if stands_in:
            assert subprocess.check_output([appdir.apprun], text=True) == "other\n"
        else:
            assert_started(start([appdir.apprun]), appdir.root)

    @pytest.mark.parametrize("defined", [("GLIBCXX_3.4", "GLIBCXX_3.4.1"), ()])
    def test_first_version_of_libstdcxx(self, tmp_path: Path, defined: tuple[str, ...]) -> None:
        """Nothing newer is needed by what uses none of its later symbols, whatever GCC has built it."""
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.40")
        architecture = ARCHITECTURES[NATIVE]
        made = library("libstdc++.so.6", defined=defined, machine=architecture.elf_machine, bits=architecture.elf_class)
        made.write(loader.with_name("libstdc++.so.6"))
        appdir = self.need(tmp_path / "a", "2.36", loader)
        other = write_script(tmp_path / "other", "#!/bin/sh\necho other\n")
        add_settings(appdir.root, [("libstdc++", "3.4"), ("stand-in", os.path.relpath(other, appdir.root))])
        if defined:
            assert_started(start([appdir.apprun]), appdir.root)
        else:
            assert subprocess.check_output([appdir.apprun], text=True) == "other\n"

    def test_no_version_of_libstdcxx(self, tmp_path: Path) -> None:
        appdir = self.need(tmp_path / "a", "2.36", make_glibc(tmp_path / "lib", "GLIBC_2.40"))
        add_settings(appdir.root, [("libstdc++", "4.30"), ("stand-in", "other")])
        assert refused([appdir.apprun]).endswith("launcher.conf: 4.30 is no version of libstdc++")

    def test_unknown_ones_are_left_to_the_loader(self, tmp_path: Path) -> None:
        loader = make_glibc(tmp_path / "lib", "OTHER_1.0")
        appdir = self.need(tmp_path / "a", "2.40", loader)
        assert_started(start([appdir.apprun]), appdir.root)
        (loader.with_name("libc.so.6")).unlink()
        assert_started(start([appdir.apprun]), appdir.root)

    def test_damaged_libraries(self, tmp_path: Path) -> None:
        """They are read within their bounds, and what they say is at worst unknown."""
        loader = make_glibc(tmp_path / "lib", *[f"GLIBC_2.{minor}" for minor in range(2, 40)])
        appdir = self.need(tmp_path / "a", "2.38", loader)
        library = loader.with_name("libc.so.6")
        whole = library.read_bytes()
        random = Random(15)  # noqa: S311 - the same damages every time
        variants = [whole[:size] for size in range(0, len(whole), 97)]
        for _ in range(300):
            damaged = bytearray(whole)
            for _ in range(random.randint(1, 6)):
                place = random.randrange(min(len(whole), 700))
                damaged[place] = random.choice((0, 1, 0x7F, 0xFF, random.randrange(256)))
            variants.append(bytes(damaged))
        for variant in variants:
            library.write_bytes(variant)
            result = subprocess.run([appdir.apprun], env={}, capture_output=True, check=False)
            assert result.returncode == 0 or result.stderr.startswith(b"AppImage: this needs glibc 2.38"), result

    def test_more_versions_than_any_library_has(self, tmp_path: Path) -> None:
        """Reading ends, with what it has found by then."""
        loader = make_glibc(tmp_path / "lib", *(f"GLIBC_2.{minor % 30}" for minor in range(2000)), "GLIBC_2.40")
        appdir = self.need(tmp_path / "a", "2.31", loader)
        assert refused([appdir.apprun]).endswith("has glibc 2.29")

    def test_version_that_is_none(self, tmp_path: Path) -> None:
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.31")
        for version in ("2", "2.", "2.x", "2.31-1", "v2.31", "2.3.", "99999999999.1"):
            root = tmp_path / version
            appdir = self.need(root, version, loader)
            assert refused([appdir.apprun]) == f"{root}/launcher.conf: {version} is no version of glibc"


def unescape(text: str) -> str:
    """Read markup with escapes, as KDialog and notify-send do."""
    return html.unescape(re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL))


@dataclass
class Desktop:
    """A machine with a display, and with programs that show dialogues.

    Attributes:
        root: where its programs are, and what they were given.
        env: the variables that an image is started with.

    """

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"DISPLAY": ":7"})

    def add(self, program: str, then: str = "") -> None:
        """Add a program that writes down what it is given."""
        given = shlex.quote(str(self.root / "given"))
        write_script(self.root / program, f'#!/bin/sh\nprintf "%s\\0" {program} "$@" >{given}\n{then}\n')

    def start(self, command: Path, **streams: Any) -> subprocess.CompletedProcess[bytes]:
        env = {"PATH": f"{self.root}/none:{self.root}", **self.env}
        self.root.mkdir(exist_ok=True)
        return subprocess.run([command], check=False, env=env, **{"capture_output": not streams, **streams})

    @property
    def shown(self) -> list[str]:
        """The program that was started last, and its arguments."""
        given = self.root / "given"
        return os.fsdecode(given.read_bytes()).split("\0")[:-1] if given.exists() else []


class TestDialogue:
    """What keeps an application with windows from starting is shown where its user sees it."""

    PROGRAMS = ("zenity", "kdialog", "xmessage", "notify-send")

    @pytest.fixture
    def desktop(self, tmp_path: Path) -> Desktop:
        return Desktop(tmp_path / "desktop")

    def broken(self, root: Path, dialogue: str | None = "My App") -> AppDir:
        appdir = make_appdir(root, dialogue=dialogue)
        (appdir.libexec / "python3.99").unlink()
        return appdir

    def reason(self, appdir: AppDir) -> str:
        return f"cannot run {appdir.libexec}/python3.99: No such file or directory"

    def assert_refused(self, result: subprocess.CompletedProcess[bytes], appdir: AppDir) -> None:
        assert (result.returncode, result.stdout) == (127, b"")
        assert os.fsdecode(result.stderr) == f"AppImage: {self.reason(appdir)}\n"

    @pytest.mark.parametrize("application", APPLICATIONS)
    def test_every_text_arrives(self, tmp_path: Path, desktop: Desktop, application: str) -> None:
        appdir = self.broken(tmp_path / "a <i>b</i> &lt; 100% \\ 'c' \"d\"", application)
        text = f"Cannot start {application}: {self.reason(appdir)}"
        for program in reversed(self.PROGRAMS):
            desktop.add(program)
            self.assert_refused(desktop.start(appdir.apprun), appdir)
            name, *given = desktop.shown
            assert name == program
            if program == "zenity":
                assert given == ["--error", "--no-markup", f"--title={application}", f"--text={text}"]
            elif program == "kdialog":
                assert given[:-1] == ["--title", application, "--error"]
                assert unescape(given[-1]) == f"<qt>{text}</qt>"
                assert given[-1].count("<") == 2
            elif program == "xmessage":
                assert given == ["-center", "-title", application, text]
            else:
                assert given[:-1] == ["--urgency=critical", "--", application]
                assert unescape(given[-1]) == text
                assert "<" not in given[-1]

    @pytest.mark.parametrize(
        ("env", "is_shown"),
        [
            ({}, False),
            ({"DISPLAY": "", "WAYLAND_DISPLAY": ""}, False),
            ({"DISPLAY": ":0"}, True),
            ({"WAYLAND_DISPLAY": "wayland-0"}, True),
            ({"DISPLAY": "", "WAYLAND_DISPLAY": "wayland-0"}, True),
        ],
    )
    def test_only_on_a_display(self, tmp_path: Path, desktop: Desktop, env: dict[str, str], *, is_shown: bool) -> None:
        desktop.add("zenity")
        desktop.env = env
        appdir = self.broken(tmp_path / "a")
        self.assert_refused(desktop.start(appdir.apprun), appdir)
        assert bool(desktop.shown) is is_shown

    def test_not_beside_a_terminal(self, tmp_path: Path, desktop: Desktop) -> None:
        desktop.add("zenity")
        appdir = self.broken(tmp_path / "a")
        terminal, inside = os.openpty()
        result = desktop.start(appdir.apprun, stderr=inside)
        assert result.returncode == 127
        assert os.fsdecode(os.read(terminal, 4096)) == f"AppImage: {self.reason(appdir)}\r\n"
        os.close(inside)
        os.close(terminal)
        assert desktop.shown == []

    def test_without_any_stream(self, tmp_path: Path, desktop: Desktop) -> None:
        desktop.add("zenity")
        appdir = self.broken(tmp_path / "a")
        closing = write_script(
            tmp_path / "closing", f"#!/bin/sh\nexec {shlex.quote(str(appdir.apprun))} <&- >&- 2>&-\n"
        )
        assert desktop.start(closing).returncode == 127
        assert desktop.shown[0] == "zenity"

    def test_not_of_an_application_for_terminals(self, tmp_path: Path, desktop: Desktop) -> None:
        desktop.add("zenity")
        appdir = self.broken(tmp_path / "a", dialogue=None)
        self.assert_refused(desktop.start(appdir.apprun), appdir)
        assert desktop.shown == []
        assert "dialogue" not in (appdir.root / SETTINGS_NAME).read_text()

    def test_not_of_what_the_application_starts(self, tmp_path: Path, desktop: Desktop) -> None:
        desktop.add("zenity")
        appdir = self.broken(tmp_path / "a")
        assert desktop.start(appdir.bin / "python3").returncode == 127
        assert desktop.shown == []

    def test_not_where_it_starts(self, tmp_path: Path, desktop: Desktop) -> None:
        desktop.add("zenity")
        appdir = make_appdir(tmp_path / "a", dialogue="My App")
        assert_started(read_start(desktop.start(appdir.apprun).stdout), appdir.root)
        assert desktop.shown == []

    def test_before_the_settings_are_read(self, tmp_path: Path, desktop: Desktop) -> None:
        """Until then it is not known what the application is."""
        desktop.add("zenity")
        appdir = self.broken(tmp_path / "a")
        add_settings(appdir.root, [("unknown", "x")])
        assert desktop.start(appdir.apprun).returncode == 127
        assert desktop.shown == []

    def test_no_program(self, tmp_path: Path, desktop: Desktop) -> None:
        appdir = self.broken(tmp_path / "a")
        self.assert_refused(desktop.start(appdir.apprun), appdir)

    def test_programs_that_cannot_be_started(self, tmp_path: Path, desktop: Desktop) -> None:
        for program in self.PROGRAMS:
            desktop.add(program)
        (desktop.root / "zenity").chmod(0o644)
        (desktop.root / "kdialog").unlink()
        (desktop.root / "kdialog").mkdir()
        appdir = self.broken(tmp_path / "a")
        self.assert_refused(desktop.start(appdir.apprun), appdir)
        assert desktop.shown[0] == "xmessage"

    def test_program_that_fails_and_talks(self, tmp_path: Path, desktop: Desktop) -> None:
        """The streams are the application's, and so is the exit status."""
        desktop.add("zenity", "cat; echo out; echo err >&2; kill -TERM $$")
        appdir = self.broken(tmp_path / "a")
        self.assert_refused(desktop.start(appdir.apprun), appdir)
        assert desktop.shown[0] == "zenity"

    def test_is_waited_for(self, tmp_path: Path, desktop: Desktop) -> None:
        desktop.add("zenity", f"/bin/sleep 0.3; : >{shlex.quote(str(tmp_path / 'closed'))}")
        appdir = self.broken(tmp_path / "a")
        self.assert_refused(desktop.start(appdir.apprun), appdir)
        assert (tmp_path / "closed").exists()

    def test_of_a_machine_that_does_not_do(self, tmp_path: Path, desktop: Desktop) -> None:
        desktop.add("notify-send")
        appdir = make_appdir(tmp_path / "a", dialogue="My App")
        loader = make_glibc(tmp_path / "lib", "GLIBC_2.31")
        add_settings(appdir.root, [("loader", str(loader)), ("glibc", "2.36")])
        assert desktop.start(appdir.apprun).returncode == 127
        sentence = "this needs glibc 2.36 or newer, and this machine has glibc 2.31"
        assert desktop.shown[-2:] == ["My App", f"Cannot start My App: {sentence}"]

    def test_of_what_stands_in(self, tmp_path: Path, desktop: Desktop) -> None:
        """It is the application that it starts, by the image's own C library."""
        desktop.add("xmessage")
        appdir = make_appdir(tmp_path / "a", dialogue="My App")
        needed = RequiredVersion("GLIBC", (2, 36), ("usr/lib/a",))
        (appdir.root / SETTINGS_NAME).write_text(without(appdir.root, "loader"))
        add_settings(appdir.root, [("loader", "/nowhere/ld.so")])
        python = bundled(appdir.libexec / "python3.99")
        library = CLibrary("glibc", (2, 36), needed, "ld.so", (), 0)
        write_stand_in(appdir, python, library, ["libGL.so.1"], program=LAUNCHER, dialogue="My App")
        stand_in = appdir.glibc
        (stand_in / SETTINGS_NAME).write_text(without(stand_in, "loader"))
        add_settings(stand_in, [("loader", "/nowhere/ld.so")])
        assert desktop.start(appdir.apprun).returncode == 127
        assert desktop.shown[-1] == (
            "Cannot start My App: this needs libraries of a machine with glibc, which this machine does not have: "
            "libGL.so.1"
        )


def test_musl_always_stands_in(tmp_path: Path) -> None:
    """No version of a system's C library makes it needless."""
    appdir = make_appdir(tmp_path / "a", expose_python=True)
    library = CLibrary("musl", (1, 2, 5), None, "lib/ld-musl-x86_64.so.1", (), 0)
    write_stand_in(appdir, bundled(appdir.libexec / "python3.99"), library, (), program=LAUNCHER)
    for directory, place in (
        (appdir.root, "usr/lib/musl/python3.99"),
        (appdir.bin, "../lib/musl/python3.99"),
        (appdir.exposed, "../../lib/musl/python3.99"),
    ):
        found = dict(read_settings((directory / SETTINGS_NAME).read_text()))
        assert (found["stand-in"], found.get("glibc")) == (place, None)
    found = dict(read_settings((appdir.musl / SETTINGS_NAME).read_text()))
    assert "brings" not in found
    assert (found["bundled-loader"], found["program"]) == (library.loader, "../../libexec/python3.99")


def without(directory: Path, key: str) -> str:
    """Return the settings of a directory without a key."""
    lines = (directory / SETTINGS_NAME).read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(f"{key} "))


class TestScripts:
    @pytest.mark.parametrize(
        "heading",
        [
            "#!/build/bin/python3.12\n",
            "#!/build/bin/python\r\n",
            "#!python\n",
            "#!/usr/bin/env python3\n",
            "#! /usr/bin/env -S python3 -u\n",
            "#!/build directory/bin/python3.12 -E\n",
            # What installers write where a #! line would be too long or have blanks in it.
            "#!/bin/sh\n'''exec' \"/build directory/bin/python3\" \"$0\" \"$@\"\n' '''\n",
            "#!/bin/sh\n'''exec' '/build directory/bin/python3' \"$0\" \"$@\"\n' '''\n",
        ],
    )
    def test_started_in_every_way(self, tmp_path: Path, shell: Path, heading: str) -> None:
        root = tmp_path / "it's ä $x"
        script = add_script(AppDir(root, "my-app"), "my-app", heading.encode() + TELLING_SCRIPT.encode())
        make_appdir_around_scripts(root)
        assert "build" not in script.read_text(encoding="utf-8")
        script.write_bytes(script.read_bytes().replace(b"#!/bin/sh", b"#!" + bytes(shell), 1))
        links = tmp_path / "links"
        links.mkdir()
        (links / "one").symlink_to(script)
        (links / "two").symlink_to("one")
        for command, cwd in [
            ([str(script), "a b", ""], None),
            (["./my-app", "a b", ""], script.parent),
            (["bin/my-app", "a b", ""], script.parent.parent),
            ([str(links / "one"), "a b", ""], None),
            (["./two", "a b", ""], links),
        ]:
            assert run_script(command, cwd) == f"{[command[0], 'a b', '']} 1 __main__\n"
        (root.parent / "moved").mkdir()
        root.rename(tmp_path / "moved" / "b")
        assert run_script([tmp_path / "moved" / "b" / "usr" / "bin" / "my-app"]).endswith(" 1 __main__\n")

    def test_through_path(self, tmp_path: Path) -> None:
        script = add_script(AppDir(tmp_path, "my-app"), "my-app", b"#!python\n" + TELLING_SCRIPT.encode())
        make_appdir_around_scripts(tmp_path)
        found = subprocess.check_output(["my-app"], env={"PATH": f"{script.parent}:{PATH}"}, text=True)
        assert found == f"{[str(script)]} 1 __main__\n"

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "koi8-r"])
    def test_other_encoding(self, tmp_path: Path, encoding: str) -> None:
        word = "мир" if encoding == "koi8-r" else "Grüße"
        text = f"#!/build/python\n# -*- coding: {encoding} -*-\nprint(ascii({word!r}))\n"
        script = add_script(AppDir(tmp_path, "my-app"), "my-app", text.encode(encoding))
        make_appdir_around_scripts(tmp_path)
        assert run_script([script]) == f"{ascii(word)!s}\n"

    @pytest.mark.parametrize(
        "text",
        [
            '"""What it does."""\nfrom __future__ import annotations\nprint(__doc__)\n',
            '# a page\x0cbreak\n"""What it does."""\nprint(__doc__)\n',
            '"""What it does."""; import sys\nprint(sys and __doc__)\n',
            '"""What it does."""; from __future__ import annotations; import sys\nprint(sys and __doc__)\n',
            '# ü\n"""What it does."""\n\nfrom __future__ import annotations\n\nprint(__doc__)\n',
        ],
    )
    def test_future_imports_and_docstring(self, tmp_path: Path, text: str) -> None:
        text = f"#!/build/python3.13t\n{text}"
        script = add_script(AppDir(tmp_path, "my-app"), "my-app", text.encode())
        make_appdir_around_scripts(tmp_path)
        assert run_script([script]) == "What it does.\n"

    @pytest.mark.parametrize(
        "data",
        [
            b"#!/bin/sh\necho python\n",
            b"#!/usr/bin/env bash\n# runs python\n",
            b"#!/opt/python-tools/bin/node\nconsole.log(1)\n",
            b"\x7fELF\x02\x01\x01 python\n\xff\xfe",
            b"import sys\n",
            b"",
            b"\n#!/build/python\n",
            pytest.param(b"#!/usr/bin/env python3\nPK\x03\x04\x14\0\xff\xfe\x80\n\xff", id="zip application"),
            pytest.param(b"#!/usr/bin/env python3\n# coding: nonsense\nprint()\n", id="unknown encoding"),
            pytest.param(b"#!/usr/bin/env python3\n# coding: utf-8\n#\n# \xe4\n", id="not of its encoding"),
        ],
    )
    def test_others_are_not_touched(self, tmp_path: Path, data: bytes) -> None:
        path = add_script(AppDir(tmp_path, "my-app"), "tool", data)
        path.chmod(0o640)
        launcher = make_appdir_around_scripts(tmp_path)
        assert "tool" not in launcher.commands
        assert path.read_bytes() == data
        assert path.stat().st_mode & 0o777 == 0o640

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.write_text("#!/usr/bin/python3\n")
        appdir = AppDir(tmp_path / "a", "my-app")
        appdir.bin.mkdir(parents=True)
        (appdir.bin / "tool").symlink_to(outside)
        (appdir.bin / "dangling").symlink_to("nothing")
        (appdir.bin / "directory").mkdir()
        assert make_appdir_around_scripts(appdir.root).commands == ("my-app",)
        assert outside.read_text() == "#!/usr/bin/python3\n"

    def test_tells_the_commands(self, tmp_path: Path) -> None:
        for name in ("zeta", "alpha"):
            add_script(AppDir(tmp_path, "my-app"), name, b"#!/build/python\n")
        launcher = make_appdir_around_scripts(tmp_path)
        assert launcher == Launcher("usr/bin/my-app", ("alpha", "my-app", "zeta"), ())
        assert launcher.script == "usr/bin/my-app"


def make_appdir_around_scripts(root: Path) -> Launcher:
    """Write the launcher of an AppDir whose interpreter is the one that runs the tests."""
    appdir = AppDir(root, "my-app")
    executable = write_script(appdir.libexec / "python3.99", REAL_INTERPRETER)
    if not (appdir.bin / "my-app").exists():
        write_script(appdir.bin / "my-app", "#!/build/python\nprint()\n")
    return write_launcher(appdir, bundled(executable), INSTALLED, LauncherSettings(), program=LAUNCHER)


class TestWrittenScripts:
    def make(self, root: Path, entry_point: EntryPoint, package: str) -> AppDir:
        """Make an AppDir with a module; it goes beside the interpreter's own, as -I shuts out PYTHONPATH."""
        modules = root / "modules"
        modules.mkdir(parents=True)
        (modules / "my_app.py").write_text(textwrap.dedent(package))
        code = f"""
import sys
sys.path.insert(0, {str(modules)!r})
del sys.argv[:2]  # -c and -I
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""
        interpreter = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n'
        return make_appdir(root, interpreter=interpreter, entry_point=entry_point)

    def test_function(self, tmp_path: Path) -> None:
        appdir = self.make(
            tmp_path / "a",
            EntryPoint("my-app", "my_app", "Main.run"),
            """
            import sys
            class Main:
                @staticmethod
                def run():
                    print(sys.argv)
                    return 3
            """,
        )
        result = subprocess.run([appdir.apprun, "x y"], stdout=subprocess.PIPE, text=True, check=False)
        assert (result.returncode, result.stdout) == (3, f"{[str(appdir.bin / 'my-app'), 'x y']}\n")

    def test_module(self, tmp_path: Path) -> None:
        appdir = self.make(
            tmp_path / "a",
            EntryPoint("my-app", "my_app", None),
            """
            import sys
            if __name__ == "__main__":
                print(sys.argv, sys.modules["__main__"].__spec__.name)
                sys.exit(4)
            """,
        )
        result = subprocess.run([appdir.apprun, "x y"], stdout=subprocess.PIPE, text=True, check=False)
        file = str(tmp_path / "a" / "modules" / "my_app.py")
        assert (result.returncode, result.stdout) == (4, f"{[file, 'x y']} my_app\n")

    def test_does_not_replace_the_interpreter(self, tmp_path: Path) -> None:
        """A project may be named like the link to the interpreter."""
        appdir = AppDir(tmp_path, "python3")
        executable = write_script(appdir.libexec / "python3.99", "real")
        write_launcher(
            appdir, bundled(executable), EntryPoint("python3", "my_app", None), LauncherSettings(), program=LAUNCHER
        )
        assert executable.read_text() == "real"
        assert (appdir.bin / "python3.99").read_bytes() == LAUNCHER.read_bytes()
        assert (appdir.bin / "python3").read_text().startswith("#!/bin/sh\n")

    def test_modes(self, tmp_path: Path) -> None:
        before = os.umask(0o077)
        try:
            appdir = make_appdir(tmp_path / "a", entry_point=EntryPoint("my-app", "my_app", None))
        finally:
            os.umask(before)
        for path in (appdir.apprun, appdir.bin / "python3.99", appdir.bin / "my-app"):
            assert path.stat().st_mode & 0o777 == 0o755


def test_entry_point_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The linker only warns, and makes a program of nothing."""
    monkeypatch.setitem(TARGETS, "armhf", replace(TARGETS["armhf"], sources=()))
    with pytest.raises(AppImageError, match="launcher for armhf is unusable: its entry point is not in it"):
        compile_launcher("armhf", tmp_path / "launcher")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("needs_root")
@pytest.mark.parametrize("architecture", ["aarch64", "armhf"])
def test_on_another_architecture(tmp_path_factory: pytest.TempPathFactory, architecture: str) -> None:
    """The same program, started by the kernel through an emulator."""
    if architecture == NATIVE:
        pytest.skip("this machine is of it")
    directory = tmp_path_factory.mktemp(architecture)
    TELLING[architecture] = directory / "telling"
    compile_telling(TELLING[architecture], architecture)
    # P: the first argument stays what it was.
    registration = elf_registration(Machine(architecture, Path("/"))).removesuffix("F") + "PF"
    environment = {"A": "$APPDIR/x", "B": "\\n\n"}
    appdir = make_appdir(directory / "a b", links=["other"], environment=environment, architecture=architecture)
    (directory / "other").symlink_to(appdir.apprun)

    def run(*command: str | Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
        emulated = ["unshare", "-Urm", "sh", "-c", EMULATE, "sh", registration, *command]
        return subprocess.run(emulated, env={"PATH": PATH, **env}, cwd=directory, capture_output=True, check=False)

    result = run("other", "x", env={"PATH": f"{directory}:{PATH}", "B": "mine", "ARGV0": "x"})
    found = read_start(result.stdout)
    assert_command(found, appdir.root, "other", "x")
    assert (found.environment["A"], found.environment["B"]) == (f"{appdir.root}/x", "mine")
    found = read_start(run("./a b/usr/bin/python3", "-c", "", env={}).stdout)
    assert (found.name, found.arguments) == ("./a b/usr/bin/python3", [*ISOLATED, "-c", ""])
    details = ARCHITECTURES[architecture]
    (directory / "ld.so").write_text("")
    library("", defined=("GLIBC_2.31",), machine=details.elf_machine, bits=details.elf_class).write(
        directory / "libc.so.6"
    )
    add_settings(appdir.root, [("loader", str(directory / "ld.so")), ("glibc", "2.36")])
    result = run(appdir.apprun, env={})
    assert result.returncode == 127
    assert result.stderr == b"AppImage: this needs glibc 2.36 or newer, and this machine has glibc 2.31\n"


def test_commands_that_are_left_out_later(tmp_path: Path) -> None:
    appdir = AppDir(tmp_path, "app")
    appdir.bin.mkdir(parents=True)
    appdir.commands.mkdir(parents=True)
    appdir.process_names.mkdir(parents=True)
    (appdir.libexec / "python3.99").touch()
    for name in ("app", "pip"):
        (appdir.bin / name).touch()
        (appdir.commands / name).symlink_to(f"../../bin/{name}")
        (appdir.process_names / name).symlink_to("../python3.99")
    (appdir.bin / "pip").unlink()
    launcher = Launcher("usr/bin/app", ("app", "pip"))
    assert without_commands(launcher, appdir) == Launcher("usr/bin/app", ("app",))
    assert [link.name for link in appdir.commands.iterdir()] == ["app"]
    assert [link.name for link in appdir.process_names.iterdir()] == ["app"]
