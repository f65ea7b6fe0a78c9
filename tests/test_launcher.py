# SPDX-License-Identifier: MIT
"""AppRun and the commands in the image, run by real shells with an interpreter that tells how it was started."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tools import require

from hatch_appimage.appdir import AppDir
from hatch_appimage.entry_point import EntryPoint
from hatch_appimage.errors import AppImageError
from hatch_appimage.launcher import Launcher, read_links, write_launcher
from hatch_appimage.python import BundledPython

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Its process id, its own path, its arguments, and the environment that it was started with.
TELLING_INTERPRETER = """\
#!/bin/sh
printf '%s\\0' "$$" "$0" "$#" "$@"
exec /bin/cat "/proc/$$/environ"
"""
INSTALLED = EntryPoint("my-app", "my_app", "main", installed=True)
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


@dataclass(frozen=True)
class Start:
    """How the interpreter was started."""

    pid: int
    interpreter: str
    arguments: list[str]
    environment: dict[str, str]


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
    interpreter: str = TELLING_INTERPRETER,
    entry_point: EntryPoint = INSTALLED,
    environment: Mapping[str, str] | None = None,
    shell: Path | None = None,
    name: str = "python3.99",
    links: Sequence[str] = (),
    expose_python: bool = False,
) -> AppDir:
    """Make an AppDir around an interpreter, with its launcher in it."""
    appdir = AppDir(root, "my-app")
    executable = write_script(appdir.bin / name, interpreter)
    for command in [*links, *([entry_point.command] if entry_point.installed else [])]:
        write_script(appdir.bin / command, "#!/build/python3.99\nprint()\n")
    write_launcher(
        appdir, bundled(executable), entry_point, environment or {}, links=links, expose_python=expose_python
    )
    if shell is not None:
        # The shell that #!/bin/sh would be on another machine.
        for script in (appdir.apprun, appdir.bin / entry_point.command):
            script.write_bytes(script.read_bytes().replace(b"#!/bin/sh", b"#!" + bytes(shell), 1))
    return appdir


def bundled(executable: Path) -> BundledPython:
    stdlib = executable.parent.parent / "lib" / "python3.99"
    return BundledPython(
        version="3.99.0",
        executable=executable,
        stdlib=stdlib,
        site_packages=(stdlib / "site-packages",),
        stripped=False,
        interpreter=Path("/build/python3"),
        origin=Path("/build"),
    )


def start(command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Start:
    """Start a command in an environment with nothing but PATH, and say how the interpreter got it."""
    with subprocess.Popen(
        command, cwd=cwd or "/", env={"PATH": PATH, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"")
    pid, interpreter, count, *rest = output.decode().split("\0")
    assert int(pid) == process.pid, "another process than the one that was started"
    arguments, variables = rest[: int(count)], rest[int(count) : -1]
    return Start(int(pid), interpreter, arguments, dict(line.split("=", 1) for line in variables))


def assert_started(result: Start, root: Path | str, *arguments: str) -> None:
    assert result.environment["APPDIR"] == str(root)
    assert result.interpreter == f"{root}/usr/bin/python3.99"
    assert result.arguments == ["-I", f"{root}/usr/bin/my-app", *arguments]


class TestAppRunFindsItsFolder:
    @pytest.mark.parametrize("name", STRANGE_NAMES)
    def test_whatever_its_name(self, tmp_path: Path, shell: Path, name: str) -> None:
        root = tmp_path / name
        make_appdir(root, shell=shell)
        (tmp_path / "link").symlink_to(root / "AppRun")
        assert_started(start([root / "AppRun"]), root)
        assert_started(start(["./AppRun"], cwd=root), root)
        assert_started(start([f"{tmp_path.name}/{name}/AppRun"], cwd=tmp_path.parent), root)
        assert_started(start([shell, "AppRun"], cwd=root), root)
        assert_started(start([tmp_path / "link"]), root)
        assert_started(start(["AppRun"], env={"PATH": f"{root}:{PATH}"}), root)

    def test_relative_path_with_a_false_pwd(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", shell=shell).root
        assert_started(start(["./AppRun"], cwd=root, env={"PWD": "/nowhere"}), root)
        assert_started(start(["a/AppRun"], cwd=tmp_path, env={"PWD": "/usr"}), root)

    def test_through_links(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a b", shell=shell).root
        links = tmp_path / "links"
        links.mkdir()
        (links / "relative").symlink_to("../a b/AppRun")
        (links / "twice").symlink_to("relative")
        assert_started(start([links / "relative"]), root)
        assert_started(start([links / "twice"]), root)
        assert_started(start(["./twice"], cwd=links), root)
        assert_started(start(["twice"], env={"PATH": f"{links}:{PATH}"}), root)

    def test_through_a_link_to_its_folder(self, tmp_path: Path, shell: Path) -> None:
        make_appdir(tmp_path / "a", shell=shell)
        (tmp_path / "folder").symlink_to("a")
        assert_started(start([tmp_path / "folder" / "AppRun"]), tmp_path / "folder")

    def test_through_a_link_with_appdir(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", shell=shell).root
        (tmp_path / "link").symlink_to(root / "AppRun")
        assert_started(start([tmp_path / "link"], env={"APPDIR": str(root)}), root)

    @pytest.mark.parametrize("through_link", [False, True])
    def test_of_another_image(self, tmp_path: Path, shell: Path, *, through_link: bool) -> None:
        """An application in an image starts another one: APPDIR is that of the first."""
        other = make_appdir(tmp_path / "other").root
        root = make_appdir(tmp_path / "a", shell=shell).root
        command = root / "AppRun"
        if through_link:
            command = tmp_path / "link"
            command.symlink_to(root / "AppRun")
        assert_started(start([command], env={"APPDIR": str(other)}), root)

    @pytest.mark.parametrize("appdir", ["", "/nowhere"])
    def test_appdir_that_is_none(self, tmp_path: Path, shell: Path, appdir: str) -> None:
        root = make_appdir(tmp_path / "a", shell=shell).root
        assert_started(start([root / "AppRun"], env={"APPDIR": appdir}), root)

    def test_with_nothing_but_appdir(self, tmp_path: Path, shell: Path) -> None:
        appdir = make_appdir(tmp_path / "a b")
        command: list[str | Path] = [shell, "-c", appdir.apprun.read_text(), "sh", "x"]
        assert_started(start(command, env={"APPDIR": str(appdir.root)}), appdir.root, "x")

    def test_without_path(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", shell=shell).root
        assert_started(start([root / "AppRun"], env={"PATH": "/nowhere"}), root)

    def test_link_without_readlink(self, tmp_path: Path, shell: Path) -> None:
        """The host's own programs must not be taken for the image's: here its /usr/bin/true."""
        if shell.resolve().name == "busybox":
            pytest.skip("busybox has readlink built in")
        root = make_appdir(tmp_path / "a", name="true", shell=shell).root
        (tmp_path / "link").symlink_to(root / "AppRun")
        env = {"PATH": "/nowhere"}
        result = subprocess.run([tmp_path / "link"], env=env, capture_output=True, check=False)
        assert result.returncode != 0


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
    def test_arguments_pass_as_they_are(self, tmp_path: Path, shell: Path, arguments: list[str]) -> None:
        root = make_appdir(tmp_path / "a", shell=shell).root
        assert_started(start([root / "AppRun", *arguments], cwd=root), root, *arguments)

    def test_environment_passes_as_it_is(self, tmp_path: Path, shell: Path) -> None:
        """But for ARGV0, and what shells themselves add."""
        root = make_appdir(tmp_path / "a", shell=shell).root
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
        added = {"_", "OLDPWD", "PWD", "SHLVL"}
        assert {name: value for name, value in result.environment.items() if name not in added} == {
            **mine,
            "APPIMAGE": "/a.AppImage",
            "APPDIR": str(root),
            "PATH": PATH,
        }

    def test_works_in_the_users_folder(self, tmp_path: Path, shell: Path) -> None:
        cwd = tmp_path / "work"
        cwd.mkdir()
        root = make_appdir(tmp_path / "a", interpreter="#!/bin/sh\npwd\n", shell=shell).root
        assert subprocess.check_output([root / "AppRun"], cwd=cwd, text=True) == f"{cwd}\n"

    def test_status_and_streams_pass(self, tmp_path: Path, shell: Path) -> None:
        interpreter = '#!/bin/sh\nread line; echo "out $line"; echo "err $line" >&2; exit 42\n'
        root = make_appdir(tmp_path / "a", interpreter=interpreter, shell=shell).root
        result = subprocess.run([root / "AppRun"], input="x\n", capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (42, "out x\n", "err x\n")

    def test_signal_passes(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", interpreter="#!/bin/sh\nkill -TERM $$\n", shell=shell).root
        assert subprocess.run([root / "AppRun"], check=False).returncode == -signal.SIGTERM

    @pytest.mark.parametrize("way", ["absolute", "relative", "link with APPDIR"])
    def test_starts_no_process(self, tmp_path: Path, shell: Path, way: str) -> None:
        strace = require("strace", "strace")
        interpreter = str(Path(require("true", "coreutils")).resolve())
        appdir = make_appdir(tmp_path / "a", environment={"A": "$APPDIR/x", "B": ""}, shell=shell)
        shutil.copy(interpreter, appdir.bin / "python3.99")
        (tmp_path / "link").symlink_to(appdir.apprun)
        command = {
            "absolute": [str(appdir.apprun)],
            "relative": ["./AppRun"],
            "link with APPDIR": [str(tmp_path / "link")],
        }[way]
        env = {"PATH": PATH, **({"APPDIR": str(appdir.root)} if way == "link with APPDIR" else {})}
        trace = tmp_path / "trace"
        subprocess.run(
            [strace, "-f", "-o", trace, "-e", "trace=process", *command], cwd=appdir.root, env=env, check=True
        )
        calls = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
        assert set(calls) <= {"execve", "exit_group", "arch_prctl"}
        assert calls.count("execve") == 2

    def test_command_with_a_strange_name(self, tmp_path: Path, shell: Path) -> None:
        entry_point = EntryPoint("it's $my app", "my_app", "main", installed=True)
        root = make_appdir(tmp_path / "a", entry_point=entry_point, shell=shell).root
        assert start([root / "AppRun"]).arguments == ["-I", f"{root}/usr/bin/it's $my app"]


def assert_command(result: Start, root: Path, command: str, *arguments: str) -> None:
    assert result.interpreter == f"{root}/usr/bin/python3.99"
    assert result.arguments == ["-I", f"{root}/usr/bin/{command}", *arguments]
    assert "ARGV0" not in result.environment


# Names that would do something in a script if they were not quoted; none is a path.
NAMES = [name for name in STRANGE_NAMES if "/" not in name]


class TestLinks:
    """An image of several commands starts the one that it is named like."""

    @pytest.mark.parametrize("name", NAMES)
    def test_from_an_unpacked_folder(self, tmp_path: Path, shell: Path, name: str) -> None:
        root = make_appdir(tmp_path / "a b", links=NAMES, shell=shell).root
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
    def test_by_the_runtime(self, tmp_path: Path, shell: Path, name: str) -> None:
        """It runs AppRun itself, and sets both variables."""
        root = make_appdir(tmp_path / "a b", links=NAMES, shell=shell).root
        for called in (name, f"./{name}", f"/home/me/bin dir/{name}", f"/bin/other/../{name}"):
            env = {"APPDIR": str(root), "ARGV0": called}
            assert_command(start([root / "AppRun", "-c"], env=env), root, name, "-c")

    def test_by_the_variable_alone(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], shell=shell).root
        commands: list[list[str | Path]] = [[root / "AppRun"], ["./AppRun"], [shell, "AppRun"]]
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
    def test_all_else_starts_the_main_command(self, tmp_path: Path, shell: Path, called: str) -> None:
        root = make_appdir(tmp_path / "a", links=["other", "second"], shell=shell).root
        write_script(root / "usr" / "bin" / "flask", "")  # of a dependency
        env = {"APPDIR": str(root), "ARGV0": called}
        assert_command(start([root / "AppRun", "x"], env=env), root, "my-app", "x")
        if called.strip("/") and "/" not in called and called != "AppRun":
            (tmp_path / called).symlink_to(root / "AppRun")
            assert_command(start([tmp_path / called]), root, "my-app")

    def test_name_that_another_image_was_started_by(self, tmp_path: Path, shell: Path) -> None:
        """Some AppImages pass on ARGV0 to what they start; it says nothing of this one."""
        other = make_appdir(tmp_path / "b").root
        root = make_appdir(tmp_path / "a", links=["other"], shell=shell).root
        for appdir in (str(other), "/nowhere"):
            env = {"APPDIR": appdir, "ARGV0": "other"}
            assert_command(start([root / "AppRun"], env=env), root, "my-app")

    def test_defaults_hold_for_every_command(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], environment={"A": "$APPDIR/x"}, shell=shell).root
        assert start([root / "AppRun"], env={"ARGV0": "other"}).environment["A"] == f"{root}/x"

    def test_starts_no_process(self, tmp_path: Path, shell: Path) -> None:
        strace = require("strace", "strace")
        appdir = make_appdir(tmp_path / "a", links=["other", "second"], expose_python=True, shell=shell)
        shutil.copy(str(Path(require("true", "coreutils")).resolve()), appdir.bin / "python3.99")
        trace = tmp_path / "trace"
        for called in ("other", "unknown", "python"):
            env = {"PATH": PATH, "APPDIR": str(appdir.root), "ARGV0": called}
            subprocess.run([strace, "-f", "-o", trace, "-e", "trace=process", appdir.apprun], env=env, check=True)
            calls = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
            assert set(calls) <= {"execve", "exit_group", "arch_prctl"}
            assert calls.count("execve") == 2

    def test_one_command_does_not_look_at_its_name(self, tmp_path: Path) -> None:
        assert "_appimage_called" not in make_appdir(tmp_path / "a").apprun.read_text()
        assert make_appdir(tmp_path / "b", links=["my-app"]).apprun.read_text() == (
            make_appdir(tmp_path / "a").apprun.read_text()
        )

    def test_interpreter(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", links=["other"], expose_python=True, shell=shell).root
        for name in ("python", "python3", "python3.99"):
            for called in (name, f"./b c/{name}", f"/$HOME/`id`/'/{name}"):
                result = start([root / "AppRun", "-c", "x y"], env={"APPDIR": str(root), "ARGV0": called})
                options = ["-s", "-X", "frozen_modules=off", "-X", f"appimage={called}"]
                assert (result.interpreter, result.arguments) == (
                    f"{root}/usr/bin/python3.99",
                    [*options, "-c", "x y"],
                )
                assert "ARGV0" not in result.environment
        assert_command(start([root / "AppRun"], env={"ARGV0": "other"}), root, "other")
        assert_command(start([root / "AppRun"], env={"ARGV0": "python3.98"}), root, "my-app")

    def test_interpreter_beside_a_single_command(self, tmp_path: Path, shell: Path) -> None:
        root = make_appdir(tmp_path / "a", expose_python=True, shell=shell).root
        assert start([root / "AppRun"], env={"ARGV0": "python"}).arguments[0] == "-s"
        assert_command(start([root / "AppRun"], env={"ARGV0": "x"}), root, "my-app")

    def test_names_that_mean_something_else(self, tmp_path: Path) -> None:
        appdir = AppDir(tmp_path, "my-app")
        executable = write_script(appdir.bin / "python3.99", TELLING_INTERPRETER)
        for name in ("my-app", "AppRun", "python", "other"):
            write_script(appdir.bin / name, "#!python\n")
        links = ("AppRun", "python", "my-app", "other", "other")
        assert write_launcher(appdir, bundled(executable), INSTALLED, {}, links=links).links == ("other",)

    def test_command_that_is_not_there(self, tmp_path: Path) -> None:
        appdir = make_appdir(tmp_path)
        with pytest.raises(AppImageError, match="wheel installs no script `other`"):
            write_launcher(appdir, bundled(appdir.bin / "python3.99"), INSTALLED, {}, links=["other"])


class TestReadLinks:
    """The names are read back from AppRun."""

    @pytest.mark.parametrize("exposed", [False, True])
    def test_of_ours(self, tmp_path: Path, *, exposed: bool) -> None:
        links = [name for name in NAMES if "\n" not in name]
        environment = {"A": 'x) exec "$_appimage_here/\n  a | b) _appimage_script=${}'}
        appdir = make_appdir(tmp_path, links=[*links, "|"], expose_python=exposed, environment=environment)
        interpreters = ("python", "python3", "python3.99") if exposed else ()
        found = read_links(appdir.apprun.read_text(encoding="utf-8"))
        assert [name for name in found if name not in {"a", "b"}] == [*links, "|", *interpreters]

    @pytest.mark.parametrize(
        "text", ["", "#!/bin/sh\nexec python\n", "  ') _appimage_script=${", "\0\x7fELF", '  ) exec "$_appimage_here/']
    )
    def test_of_others(self, text: str) -> None:
        assert read_links(text) == ()


class TestEnvironment:
    def test_defaults(self, tmp_path: Path, shell: Path) -> None:
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
        root = make_appdir(tmp_path / "it's a $HOME", environment=values, shell=shell).root
        environment = start([root / "AppRun"]).environment
        assert {name: environment.get(name) for name in values} == {
            **values,
            "FOLDER": str(root),
            "FOLDERS": f"{root}/usr:{root}/lib:{root}{root}",
        }

    def test_folder_before_a_letter_that_no_shell_has_in_names(self, tmp_path: Path) -> None:
        root = make_appdir(tmp_path / "a", environment={"A": "$APPDIRé"}).root
        assert start([root / "AppRun"]).environment["A"] == f"{root}é"

    @pytest.mark.parametrize("mine", ["mine", "", "a b\n'c'"])
    def test_users_own_value_wins(self, tmp_path: Path, shell: Path, mine: str) -> None:
        root = make_appdir(tmp_path / "a", environment={"A": "default", "B": "$APPDIR"}, shell=shell).root
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
    def test_every_value(self, tmp_path: Path, shell: Path, values: list[str]) -> None:
        root = tmp_path / "it's $x"
        shutil.rmtree(root, ignore_errors=True)
        make_appdir(root, environment={f"V{number}": value for number, value in enumerate(values)}, shell=shell)
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


class TestScripts:
    @pytest.mark.parametrize(
        "heading",
        [
            "#!/build/bin/python3.12\n",
            "#!/build/bin/python\r\n",
            "#!python\n",
            "#!/usr/bin/env python3\n",
            "#! /usr/bin/env -S python3 -u\n",
            "#!/build folder/bin/python3.12 -E\n",
            # What installers write where a #! line would be too long or have blanks in it.
            "#!/bin/sh\n'''exec' \"/build folder/bin/python3\" \"$0\" \"$@\"\n' '''\n",
            "#!/bin/sh\n'''exec' '/build folder/bin/python3' \"$0\" \"$@\"\n' '''\n",
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
        (appdir.bin / "folder").mkdir()
        assert make_appdir_around_scripts(appdir.root).commands == ("my-app",)
        assert outside.read_text() == "#!/usr/bin/python3\n"

    def test_tells_the_commands(self, tmp_path: Path) -> None:
        for name in ("zeta", "alpha"):
            add_script(AppDir(tmp_path, "my-app"), name, b"#!/build/python\n")
        launcher = make_appdir_around_scripts(tmp_path)
        assert launcher == Launcher("usr/bin/my-app", ("alpha", "my-app", "zeta"), ())
        assert str(launcher) == "usr/bin/my-app"


def make_appdir_around_scripts(root: Path) -> Launcher:
    """Write the launcher of an AppDir whose interpreter is the one that runs the tests."""
    appdir = AppDir(root, "my-app")
    executable = write_script(appdir.bin / "python3.99", REAL_INTERPRETER)
    if not (appdir.bin / "my-app").exists():
        write_script(appdir.bin / "my-app", "#!/build/python\nprint()\n")
    return write_launcher(appdir, bundled(executable), INSTALLED, {})


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
        executable = write_script(appdir.bin / "python3.99", TELLING_INTERPRETER)
        (appdir.bin / "python3").symlink_to("python3.99")
        write_launcher(appdir, bundled(executable), EntryPoint("python3", "my_app", None), {})
        assert executable.read_text() == TELLING_INTERPRETER

    def test_modes(self, tmp_path: Path) -> None:
        before = os.umask(0o077)
        try:
            appdir = make_appdir(tmp_path / "a", entry_point=EntryPoint("my-app", "my_app", None))
        finally:
            os.umask(before)
        for path in (appdir.apprun, appdir.bin / "my-app"):
            assert path.stat().st_mode & 0o777 == 0o755
