# SPDX-License-Identifier: MIT
"""Images of several commands, started by links, and virtual environments on top of an image."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from hatch_appimage.format import find_squashfs
from hatch_appimage.inspect.image import inspect_image
from hatch_appimage.squashfs import SquashFSImage
from support.machine import make_public
from support.packages import make_wheel
from support.plugin import build_image
from support.runner import Runner
from support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.plugin import Plugin


PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "several"
version = "1.0"
dependencies = ["six"]

[project.scripts]
several = "several:main"
several-admin = "several:admin"
"it's $HOME" = "several:admin"

[project.gui-scripts]
several-window = "several:window"

[tool.hatch.build.targets.wheel]
only-include = ["several.py"]

[tool.hatch.build.targets.appimage]
dependencies = ["hatch-appimage"]
entry-point = "several"
compression = 'fast'
"""
MODULE = """\
import json, os, subprocess, sys

def say(what):
    print(json.dumps([what, os.path.basename(sys.argv[0]), *sys.argv[1:]]))
    print(json.dumps(sys.argv[0].startswith(os.environ["APPDIR"] + "/usr/") and "ARGV0" not in os.environ))
    print(open("/proc/self/comm").read(), end="", file=sys.stderr)

def main():
    if sys.argv[1:2] == ["run"]:
        subprocess.run(sys.argv[2:], check=True)
    elif sys.argv[1:2] == ["--virtualenv"]:
        sys.path.insert(0, sys.argv[2])
        import virtualenv
        virtualenv.cli_run(sys.argv[3:])
    elif sys.argv[1:2] == ["--python"]:
        subprocess.run([argument.replace("{python}", sys.executable) for argument in sys.argv[2:]], check=True)
    else:
        say("main")

def admin(): say("admin")
def window(): say("window")
"""

# What a file of a package becomes, and a file that is nobody's.
SCRIPT = """\
import os, pathlib
site = pathlib.Path(os.environ["HATCH_APPIMAGE_SITE_PACKAGES"])
with (site / "six.py").open("a") as file:
    file.write("changed = True\\n")
(site / "several_note.txt").write_text(os.environ["HATCH_APPIMAGE_VERSION"])
"""


@pytest.fixture
def runner(quick_runner: Runner) -> Runner:
    """Run every test in every way."""
    return quick_runner


def make_image(plugin: Plugin, directory: Path, table: str = "") -> Path:
    (directory / "several.py").write_text(MODULE)
    (directory / "pyproject.toml").write_text(PROJECT + table)
    (directory / "after.py").write_text(SCRIPT)
    return build_image(plugin, directory)


@pytest.fixture(scope="module")
def several_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image of four commands, with its interpreter exposed."""
    return make_image(plugin, make_public(tmp_path_factory, "several"), "expose-python = true\n")


@pytest.fixture(scope="module")
def limited_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image of which only one command starts by a link, and which finds all of them on its PATH."""
    table = 'entry-points = ["several-window"]\ncommands-on-path = true\nafter-install = "after.py"\n'
    return make_image(plugin, make_public(tmp_path_factory, "limited"), table)


def link(runner: Runner, image: Path, name: str, *, hard: bool = False) -> str:
    """Make a link to what starts an image this way, and return its path."""
    path = runner.home / "links" / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    target = runner.command(image)[-1]
    if hard:
        os.link(target, path)
    else:
        path.symlink_to(target)
    return str(path)


def run(runner: Runner, *command: str, path: str = "") -> str:
    return complete(runner, *command, path=path).stdout


def complete(runner: Runner, *command: str, path: str = "") -> subprocess.CompletedProcess[str]:
    env = runner.environment
    env["PATH"] = f"{path}:{env['PATH']}" if path else env["PATH"]
    result = subprocess.run(
        [*runner.prefix, *command], env=env, cwd=runner.home, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result


def said(output: str) -> list[str]:
    answer, right = output.splitlines()
    assert right == "true"
    words: list[str] = json.loads(answer)
    return words


class TestCommands:
    """A link that is named like a command starts it."""

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("several-admin", "admin"),
            ("several-window", "window"),
            ("it's $HOME", "admin"),
            ("several", "main"),
        ],
    )
    def test_link(self, several_image: Path, runner: Runner, name: str, what: str) -> None:
        path = link(runner, several_image, name)
        assert said(run(runner, path, "a b", "")) == [what, name, "a b", ""]

    def test_link_to_a_link(self, several_image: Path, runner: Runner) -> None:
        """The last name counts, by a relative path as well."""
        path = link(runner, several_image, "twice")
        again = Path(path).parent / "again" / "several-admin"
        again.parent.mkdir()
        again.symlink_to("../twice")
        assert said(run(runner, "links/again/several-admin")) == ["admin", "several-admin"]

    @pytest.mark.parametrize("name", ["unknown", "six"])
    def test_other_names(self, several_image: Path, runner: Runner, name: str) -> None:
        """They start the main command, and so does the name of a dependency."""
        assert said(run(runner, link(runner, several_image, name))) == ["main", "several"]

    @pytest.mark.parametrize("name", ["several", "several-admin", "several-window", "it's $HOME"])
    def test_process_name(self, several_image: Path, runner: Runner, name: str) -> None:
        """By which ``pgrep`` finds it is that of a script which the kernel has started."""
        result = complete(runner, link(runner, several_image, name))
        assert (said(result.stdout)[1], result.stderr) == (name, f"{name}\n")

    def test_on_path(self, several_image: Path, runner: Runner) -> None:
        path = link(runner, several_image, "several-admin")
        output = run(runner, "env", "several-admin", "x", path=str(Path(path).parent))
        assert said(output) == ["admin", "several-admin", "x"]

    def test_hard_link(self, several_image: Path, runner: Runner) -> None:
        if runner.mode == "extracted":  # there it must lie beside AppRun, by which it finds the rest
            apprun = Path(runner.command(several_image)[-1])
            path = str(apprun.with_name("several-admin"))
            os.link(apprun, path)
        else:
            path = link(runner, several_image, "several-admin", hard=True)
        try:
            assert said(run(runner, path, "x")) == ["admin", "several-admin", "x"]
        finally:
            Path(path).unlink()

    def test_argv0(self, several_image: Path, runner: Runner) -> None:
        """What shells call ``exec -a``, and the variable for an unpacked image."""
        target = runner.command(several_image)[-1]
        bash = require("bash", "bash")
        if runner.mode == "extracted":
            output = run(runner, "env", "ARGV0=/x/several-admin", target, "x")
        else:
            output = run(runner, bash, "-c", 'exec -a /x/several-admin "$0" "$@"', target, "x")
        assert said(output) == ["admin", "several-admin", "x"]

    def test_file_name_starts_the_main_command(self, several_image: Path, runner: Runner) -> None:
        assert said(run(runner, *runner.command(several_image)[-1:], "x")) == ["main", "several", "x"]

    def test_within_another_image(self, several_image: Path, runner: Runner) -> None:
        """What an outer image was started by says nothing of the inner one."""
        code = f"import subprocess; subprocess.run([{runner.command(several_image)[-1]!r}, 'x'], check=True)"
        python = link(runner, several_image, "python3")
        assert said(run(runner, python, "-c", code)) == ["main", "several", "x"]

    def test_limited(self, limited_image: Path, runner: Runner) -> None:
        for name in ("several-admin", "python", "python3", "it's $HOME"):
            path = link(runner, limited_image, name)
            assert said(run(runner, path, "-c")) == ["main", "several", "-c"]
        path = link(runner, limited_image, "several-window")
        assert said(run(runner, path)) == ["window", "several-window"]

    def test_on_the_applications_path(self, limited_image: Path, runner: Runner) -> None:
        command = runner.command(limited_image)[-1]
        assert said(run(runner, command, "run", "several-admin", "a b")) == ["admin", "several-admin", "a b"]
        assert said(run(runner, command, "run", "sh", "-c", "it\\'s\\ \\$HOME x")) == ["admin", "it's $HOME", "x"]
        # An interpreter is looked for by the machine's scripts, too.
        found = run(runner, command, "run", "sh", "-c", "command -v python3 python sh; :")
        assert "usr/libexec" not in found

    def test_not_on_the_applications_path(self, several_image: Path, runner: Runner) -> None:
        command = runner.command(several_image)[-1]
        assert run(runner, command, "run", "sh", "-c", "command -v several-admin || echo none") == "none\n"

    def test_inspection(self, several_image: Path, limited_image: Path, flask_image: Path) -> None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        found = inspect_image(several_image)
        assert found.links == ("it's $HOME", "several-admin", "several-window", "python", "python3", version)
        assert "by links      it's $HOME, several-admin, several-window, python" in found.to_text()
        assert inspect_image(limited_image).links == ("several-window",)
        assert inspect_image(flask_image).links == ("flask-app-fetch",)

    def test_unknown_entry_point(self, plugin: Plugin, tmp_path: Path) -> None:
        (tmp_path / "several.py").write_text(MODULE)
        (tmp_path / "pyproject.toml").write_text(PROJECT + 'entry-points = ["nothing"]\n')
        result = plugin.build(tmp_path, check=False)
        assert result.returncode == 1
        assert (
            "entry-points` names the script `nothing`, which neither the project nor a dependency installs"
            in result.stderr
        )


TELL = "import json, sys; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, sys.path, sys.argv]))"


class TestInterpreter:
    """The interpreter by its own name."""

    def test_starts_like_any_python(self, several_image: Path, runner: Runner) -> None:
        python = link(runner, several_image, "python")
        executable, prefix, base, path, argv = json.loads(run(runner, python, "-c", TELL, "x"))
        assert executable.startswith(f"{prefix}/libexec/exposed/python3")
        assert prefix == base
        assert (path[0], argv) == ("", ["-c", "x"])
        (runner.home / "script.py").write_text(TELL)
        *_, path, argv = json.loads(run(runner, python, "script.py", "x"))
        assert (path[0], argv) == (str(runner.home), ["script.py", "x"])
        assert run(runner, python, "-m", "six") == ""
        assert run(runner, python, "-c", "import several, six; print(six.PY3)") == "True\n"

    def test_interactive(self, several_image: Path, runner: Runner) -> None:
        python = link(runner, several_image, "python3")
        script = require("script", "bsdutils")
        result = subprocess.run(
            [*runner.prefix, script, "-qec", python, "/dev/null"],
            input="import sys\nprint(6 * 7, sys.flags.no_user_site)\nexit()\n",
            env={**runner.environment, "TERM": "dumb"},
            cwd=runner.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "42 1" in result.stdout

    def test_users_own_packages_stay_out(self, several_image: Path, runner: Runner) -> None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        site = runner.home / ".local" / "lib" / version / "site-packages"
        site.mkdir(parents=True)
        (site / "six.py").write_text("raise SystemExit('the module of the user was imported')")
        python = link(runner, several_image, "python")
        assert run(runner, python, "-c", "import six; print(six.PY3)") == "True\n"

    def test_variables_reach_what_it_starts(self, several_image: Path, runner: Runner) -> None:
        python = link(runner, several_image, "python")
        (runner.home / "script.py").write_text(
            "import os, subprocess, sys\n"
            "command = [sys.executable, '-c', 'import sys; print(sys.path[1])']\n"
            "subprocess.run(command, env={**os.environ, 'PYTHONPATH': '/opt/mine'}, check=True)\n"
        )
        assert run(runner, python, "script.py") == "/opt/mine\n"

    def test_its_own_processes(self, several_image: Path, runner: Runner) -> None:
        python = link(runner, several_image, "python")
        (runner.home / "script.py").write_text(POOLS)
        output = json.loads(run(runner, python, "script.py"))
        assert set(output) == {"own", "spawn", "forkserver", "fork", "subprocess"}
        assert len({prefix for prefixes in output.values() for prefix in prefixes}) == 1


POOLS = """\
import json, multiprocessing, subprocess, sys

def prefix(_):
    return sys.prefix

if __name__ == "__main__":
    found = {"own": [sys.prefix]}
    for method in ("spawn", "forkserver", "fork"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            found[method] = pool.map(prefix, range(4))
    command = [sys.executable, "-c", "import sys; print(sys.prefix)"]
    found["subprocess"] = [subprocess.check_output(command, text=True).strip()]
    print(json.dumps(found))
"""


@pytest.fixture
def environment(several_image: Path, runner: Runner) -> Iterator[Path]:
    """Return a virtual environment on top of the image, which does not run any more."""
    python = link(runner, several_image, "python")
    directory = runner.home / "an environment"
    run(runner, python, "-m", "venv", "--without-pip", str(directory))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that has a command."""
    directory = make_public(tmp_path_factory, "tool")
    (directory / "tool.py").write_text("import sys\n\ndef main():\n    print(sys.prefix, sys.argv)\n")
    text = PROJECT.split("[project.gui-scripts]", maxsplit=1)[0].split("[project.scripts]", maxsplit=1)[0]
    (directory / "pyproject.toml").write_text(
        text.replace("several", "tool").replace('dependencies = ["six"]\n', "")
        + '[project.scripts]\ntool = "tool:main"\n'
    )
    subprocess.run([find_uv_bin(), "build", "--quiet", "--wheel", directory], check=True, cwd=directory)
    (wheel,) = (directory / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a copy of uv that everybody can run."""
    return shutil.copy(find_uv_bin(), str(make_public(tmp_path_factory, "uv") / "uv"))


def make_virtualenv(factory: pytest.TempPathFactory, requirement: str) -> Path:
    """Install virtualenv into a directory that everybody can read, with a script that runs it there."""
    directory = make_public(factory, "virtualenv")
    command = [find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(directory)]
    subprocess.run([*command, requirement], check=True)
    (directory / "make.py").write_text("import sys, virtualenv\nvirtualenv.cli_run(sys.argv[1:])\n")
    return directory


@pytest.fixture(scope="module")
def virtualenv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_virtualenv(tmp_path_factory, "virtualenv")


@pytest.fixture(scope="module")
def old_virtualenv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_virtualenv(tmp_path_factory, "virtualenv<20.27")


def lives_on(runner: Runner, directory: Path, tool: Path) -> None:
    """See that an environment on top of an image is one, now that the image does not run."""
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        program = str(directory / "bin" / name)
        executable, prefix, base, *_ = json.loads(run(runner, program, "-c", TELL))
        assert (executable, prefix) == (program, str(directory))
        assert base != prefix
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    run(runner, *pip, str(tool))
    assert run(runner, str(directory / "bin" / "tool"), "x y") == f"{directory} ['{directory}/bin/tool', 'x y']\n"


@pytest.mark.parametrize("_place", ["mounted-user", "extracted-user"], indirect=True)
class TestVirtualenv:
    """What virtualenv makes, and so poetry, tox and pre-commit, lives on like what venv makes."""

    def test_by_a_link(self, several_image: Path, virtualenv: Path, tool: Path, runner: Runner) -> None:
        directory = runner.home / "by a link"
        run(runner, link(runner, several_image, "python"), str(virtualenv / "make.py"), "-q", str(directory))
        lives_on(runner, directory, tool)
        if runner.mode != "extracted":
            assert not re.search(r"\.mount_|\.appimage-", (directory / "pyvenv.cfg").read_text())

    def test_of_another_python(self, several_image: Path, virtualenv: Path, tool: Path, runner: Runner) -> None:
        """One outside of the image, told of the link: twice, as it remembers what interpreters said."""
        python = link(runner, several_image, "python")
        for name in ("first", "second"):
            make = [outside(), str(virtualenv / "make.py"), "-q", "-p", python]
            run(runner, *make, str(runner.home / name))
        lives_on(runner, runner.home / "second", tool)

    def test_in_the_application(self, several_image: Path, virtualenv: Path, tool: Path, runner: Runner) -> None:
        directory = runner.home / "application"
        main = runner.command(several_image)[-1]
        run(runner, main, "--virtualenv", str(virtualenv), "-q", str(directory))
        lives_on(runner, directory, tool)

    def test_of_the_applications_interpreter(
        self, several_image: Path, virtualenv: Path, uv: str, runner: Runner
    ) -> None:
        """The application starts its own interpreter, or tells uv or virtualenv of it."""
        main, make = runner.command(several_image)[-1], str(virtualenv / "make.py")
        ways = {
            "child": ["{python}", make, "-q"],
            "told": ["{python}", make, "-q", "-p", "{python}"],
            "copied": ["{python}", make, "-q", "--copies"],
            "by venv": ["{python}", make, "-q", "--creator", "venv"],
            "venv": ["{python}", "-m", "venv", "--without-pip"],
            "uv": [uv, "venv", "-q", "--offline", "--python", "{python}"],
        }
        for name, command in ways.items():
            directory = runner.home / name
            run(runner, main, "--python", *command, str(directory))
            program = str(directory / "bin" / "python")
            executable, prefix, base, *_ = json.loads(run(runner, program, "-c", TELL))
            assert (executable, prefix) == (program, str(directory)), name
            assert base != prefix

    @pytest.mark.parametrize("told", [False, True])
    def test_of_an_environment(self, environment: Path, virtualenv: Path, runner: Runner, *, told: bool) -> None:
        """Run by the interpreter of another environment, or by another Python that is told of that."""
        python, make, directory = (
            str(environment / "bin" / "python"),
            str(virtualenv / "make.py"),
            runner.home / "second",
        )
        command = [outside(), make, "-p", python] if told else [python, make]
        run(runner, *command, "-q", str(directory))
        assert run(runner, str(directory / "bin" / "python"), "-c", "import sys; print(sys.prefix)") == f"{directory}\n"


def test_old_virtualenv(
    several_image: Path, old_virtualenv: Path, tool: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One of 2024, which found interpreters by itself and followed no links."""
    runner, make = Runner("mounted", None, make_public(tmp_path_factory, "old")), str(old_virtualenv / "make.py")
    python = link(runner, several_image, "python")
    for name, command in {
        "link": [python, make],
        "told": [outside(), make, "-p", python],
        "application": [str(several_image), "--virtualenv", str(old_virtualenv)],
        "environment": [str(runner.home / "link" / "bin" / "python"), make],
        "copied": [python, make, "--copies"],
    }.items():
        run(runner, *command, "-q", str(runner.home / name))
        lives_on(runner, runner.home / name, tool)


def outside() -> str:
    """Return a Python of the machine that every user can run, to have virtualenv run outside of the image."""
    return require("/usr/bin/python3", "python3")


class TestVirtualEnvironments:
    """They start the image: it is mounted somewhere else each time, but its file stays."""

    def test_links(self, several_image: Path, runner: Runner, environment: Path) -> None:
        names = sorted(path.name for path in (environment / "bin").glob("python*"))
        assert names == ["python", "python3", f"python3.{sys.version_info.minor}"]
        configuration = (environment / "pyvenv.cfg").read_text()
        if runner.mode == "extracted":
            appdir = Path(runner.command(several_image)[-1]).parent
            assert (environment / "bin" / "python").resolve() == next(appdir.glob("usr/libexec/exposed/python3.*"))
        else:
            assert (environment / "bin" / "python").resolve() == several_image
            assert f"home = {several_image.parent}\n" in configuration
            assert not re.search(r"\.mount_|\.appimage-", configuration)

    def test_interpreter(self, runner: Runner, environment: Path) -> None:
        for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
            program = str(environment / "bin" / name)
            executable, prefix, base, path, _ = json.loads(run(runner, program, "-Ic", TELL))
            assert (executable, prefix) == (program, str(environment))
            assert base != prefix
            assert [directory for directory in path if not directory.startswith(base)] == [
                f"{environment}/lib/python3.{sys.version_info.minor}/site-packages"
            ]
            assert "site-packages" not in "".join(directory for directory in path if directory.startswith(base))

    def test_activated(self, runner: Runner, environment: Path) -> None:
        """Through PATH, and by a relative path."""
        script = f'. "{environment}/bin/activate" && python -c "import sys; print(sys.executable)" && cd "$VIRTUAL_ENV"'
        output = run(runner, "sh", "-c", f"{script} && bin/python -c 'import sys; print(sys.executable)'")
        assert output == f"{environment}/bin/python\n" * 2

    def test_its_own_processes(self, runner: Runner, environment: Path) -> None:
        (runner.home / "script.py").write_text(POOLS)
        output = json.loads(run(runner, str(environment / "bin" / "python"), "script.py"))
        assert set(output) == {"own", "spawn", "forkserver", "fork", "subprocess"}
        assert {prefix for prefixes in output.values() for prefix in prefixes} == {str(environment)}

    def test_pip_and_installed_commands(self, several_image: Path, tool: Path, runner: Runner) -> None:
        python = link(runner, several_image, "python")
        directory = runner.home / "env"
        run(runner, python, "-m", "venv", str(directory))
        assert f"{directory}/lib/" in run(runner, str(directory / "bin" / "pip"), "--version")
        run(
            runner,
            str(directory / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--no-deps",
            str(tool),
        )
        assert (directory / "bin" / "tool").read_text().startswith(f"#!{directory}/bin/python")
        assert run(runner, str(directory / "bin" / "tool"), "x y") == f"{directory} ['{directory}/bin/tool', 'x y']\n"

    def test_the_images_packages(self, several_image: Path, runner: Runner) -> None:
        python = link(runner, several_image, "python")
        directory = runner.home / "with packages"
        run(runner, python, "-m", "venv", "--without-pip", "--system-site-packages", str(directory))
        code = "import six, several, sys; print(sys.prefix)"
        assert run(runner, str(directory / "bin" / "python"), "-c", code) == f"{directory}\n"

    def test_uv(self, several_image: Path, uv: str, tool: Path, runner: Runner) -> None:
        """Twice, as it remembers what interpreters said."""
        python = link(runner, several_image, "python")
        for name in ("first", "second"):
            directory = runner.home / name
            run(runner, uv, "venv", "--quiet", "--offline", "--python", python, str(directory))
            interpreter = str(directory / "bin" / "python")
            run(runner, uv, "pip", "install", "--quiet", "--offline", "--python", interpreter, str(tool))
            assert run(runner, str(directory / "bin" / "tool")) == f"{directory} ['{directory}/bin/tool']\n"

    def test_of_an_environment(self, runner: Runner, environment: Path) -> None:
        """One made by the interpreter of another one rests on the image, too."""
        directory = runner.home / "second"
        run(runner, str(environment / "bin" / "python"), "-m", "venv", "--without-pip", str(directory))
        code = "import sys; print(sys.prefix)"
        assert run(runner, str(directory / "bin" / "python"), "-c", code) == f"{directory}\n"
        assert run(runner, str(directory / "bin" / "python"), "-c", "import sys; print(sys.path[-1])").startswith(
            str(directory)
        )

    def test_copies(self, several_image: Path, runner: Runner) -> None:
        """The same without links: copies of the image's file."""
        python = link(runner, several_image, "python")
        directory = runner.home / "copied"
        run(runner, python, "-m", "venv", "--without-pip", "--copies", str(directory))
        code = "import sys; print(sys.prefix)"
        assert run(runner, str(directory / "bin" / "python3"), "-c", code) == f"{directory}\n"


# Another package, with a command, files beside its module and scripts that are files.
OTHER = {
    "other/__init__.py": """\
import json, os, site, sys, sysconfig
from sysconfig import get_config_var, get_path

def main():
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts", "data")
    print(json.dumps({
        "called": [os.path.basename(sys.argv[0]), *sys.argv[1:]],
        "prefix": sys.prefix,
        "scheme": sysconfig.get_default_scheme() if sys.version_info >= (3, 10) else "posix_prefix",
        "paths": {name: get_path(name) for name in names},
        "libdir": get_config_var("LIBDIR"),
        "data": open(os.path.join(get_path("data"), "share", "other", "text")).read(),
        "script": os.path.isfile(os.path.join(get_path("scripts"), "other-shell")),
    }))
""",
    "other-1.0.data/data/share/other/text": "its data",
    "other-1.0.data/scripts/other-file": "#!python\n'Its text.'\nimport other\n__doc__.strip()\nother.main()\n",
    "other-1.0.data/scripts/other-shell": "#!/bin/sh\necho shell\n",
}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a line of the table that installs the other package."""
    scripts = 'other.com-mand = other:main [extra]\nsix "quoted" = other:main'
    wheel = make_wheel(make_public(tmp_path_factory, "other"), "other", OTHER, scripts=scripts)
    return f'requirements = ["other @ {wheel.as_uri()}"]\n'


def with_entry_point(directory: Path, name: str, table: str) -> Path:
    (directory / "several.py").write_text(MODULE)
    text = PROJECT.replace('entry-point = "several"', f"entry-point = '{name}'")
    (directory / "pyproject.toml").write_text(text + table)
    return directory


@pytest.fixture(scope="module")
def distribution_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory, other: str) -> Path:
    """Return an image of the distribution's Python, which starts the command of a dependency."""
    system = require("/usr/bin/python3", "python3")
    if not list(Path("/usr/lib").glob("python3.*/ensurepip")):
        require("/usr/lib/python3/ensurepip", "python3-venv")
    links = "entry-points = ['several', 'other-file', 'six \"quoted\"']\n"
    table = f'{other}{links}python = "{system}"\nexpose-python = true\n'
    directory = make_public(tmp_path_factory, "distribution")
    return build_image(plugin, with_entry_point(directory, "other.com-mand", table))


class TestCommandsOfDependencies:
    def test_entry_point(self, distribution_image: Path, tmp_path: Path) -> None:
        runner = Runner("mounted", None, tmp_path)
        seen = json.loads(run(runner, str(distribution_image), "a b"))
        assert seen["called"] == ["other.com-mand", "a b"]

    @pytest.mark.parametrize("name", ["other-file", 'six "quoted"'])
    def test_links(self, distribution_image: Path, tmp_path: Path, name: str) -> None:
        runner = Runner("mounted", None, tmp_path)
        assert json.loads(run(runner, link(runner, distribution_image, name), "x"))["called"] == [name, "x"]
        assert name in inspect_image(distribution_image).links

    def test_of_the_project(self, distribution_image: Path, tmp_path: Path) -> None:
        runner = Runner("mounted", None, tmp_path)
        assert said(run(runner, link(runner, distribution_image, "several"), "x")) == ["main", "several", "x"]

    def test_script_that_is_a_file(self, plugin: Plugin, tmp_path: Path, other: str) -> None:
        image = build_image(plugin, with_entry_point(tmp_path, "other-file", other))
        runner = Runner("extract-and-run", None, tmp_path)
        assert json.loads(run(runner, str(image), "x"))["called"] == ["other-file", "x"]

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (("other-shell", "several"), "`entry-point` names `other-shell`, which is no script of Python 3: "),
            (("other-fil", "several"), "installs: there are other-file, other-shell, "),
            (("several", "python3"), "`entry-points` names the script `python3`, which neither "),
        ],
    )
    def test_refused(self, plugin: Plugin, tmp_path: Path, other: str, names: tuple[str, str], message: str) -> None:
        """One line after the installation, and nothing stays."""
        name, link_name = names
        project = with_entry_point(tmp_path, name, f"{other}entry-points = ['{link_name}']\n")
        result = plugin.build(project, check=False)
        assert result.returncode == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr
        assert not list((project / "dist").iterdir())


class TestPythonOfTheDistribution:
    """One that has parts of it elsewhere than CPython's own installation."""

    @pytest.mark.parametrize("way", ["application", "interpreter"])
    def test_paths(self, distribution_image: Path, tmp_path: Path, way: str) -> None:
        """All is where sysconfig says, as in a virtual environment."""
        runner = Runner("mounted", None, tmp_path)
        if way == "application":
            seen = json.loads(run(runner, str(distribution_image)))
        else:
            python = link(runner, distribution_image, "python")
            seen = json.loads(run(runner, python, "-c", "import other; other.main()"))
        prefix, paths = seen["prefix"], seen["paths"]
        assert prefix.endswith("/usr")
        library = f"{prefix}/lib/{Path(paths['stdlib']).name}"
        assert paths == {
            "stdlib": library,
            "platstdlib": library,
            "purelib": f"{library}/site-packages",
            "platlib": f"{library}/site-packages",
            "scripts": f"{prefix}/bin",
            "data": prefix,
        }
        assert (seen["scheme"], seen["libdir"]) == ("posix_prefix", f"{prefix}/lib")
        assert (seen["data"], seen["script"]) == ("its data", True)

    def test_what_is_installed_is_found_once(self, distribution_image: Path, tmp_path: Path) -> None:
        runner = Runner("mounted", None, tmp_path)
        python = link(runner, distribution_image, "python")
        code = """
import importlib.metadata, os, site, sysconfig
directory = site.getsitepackages()[0]
print(os.path.samefile(directory, sysconfig.get_path("purelib")), len(os.listdir(directory)) > 3)
print(*sorted(found.metadata["Name"] for found in importlib.metadata.distributions()))
"""
        assert run(runner, python, "-c", code) == "True True\nother several six\n"
        assert 'Current installation scheme: "posix_prefix"\n' in run(runner, python, "-m", "sysconfig")

    def test_environment(self, distribution_image: Path, tmp_path: Path) -> None:
        """Its paths are its own."""
        runner = Runner("mounted", None, tmp_path)
        python = link(runner, distribution_image, "python")
        run(runner, python, "-m", "venv", "--without-pip", str(tmp_path / "env"))
        code = "import sysconfig as s; print(s.get_path('scripts'), s.get_path('data'), s.get_path('purelib'))"
        scripts, data, purelib = run(runner, str(tmp_path / "env" / "bin" / "python"), "-c", code).split()
        assert (scripts, data) == (f"{tmp_path}/env/bin", f"{tmp_path}/env")
        assert re.fullmatch(rf"{re.escape(str(tmp_path))}/env/lib/python3\.\d+/site-packages", purelib)

    def test_pip_and_time_zones(self, distribution_image: Path, tmp_path: Path) -> None:
        runner, directory = Runner("mounted", None, tmp_path), tmp_path
        python = link(runner, distribution_image, "python")
        run(runner, python, "-m", "venv", str(directory / "env"))
        assert f"{directory}/env/lib/" in run(runner, str(directory / "env" / "bin" / "pip"), "--version")
        code = "import sys, zoneinfo; print(*zoneinfo.TZPATH); print(zoneinfo.ZoneInfo('Europe/Berlin'))"
        output = run(runner, str(directory / "env" / "bin" / "python"), "-Ic", code)
        assert output.startswith("/usr/share/zoneinfo ")
        assert output.endswith("\nEurope/Berlin\n")


def test_after_install(limited_image: Path) -> None:
    """What a script has changed is in the image, and its package's RECORD is true of it."""
    with limited_image.open("rb") as file:
        image = SquashFSImage(file, find_squashfs(limited_image))
        files = {os.fsdecode(entry.path).rpartition("site-packages/")[2]: entry for entry in image}
        six = image.read(files["six.py"])
        assert six.endswith(b"changed = True\n")
        assert image.read(files["several_note.txt"]) == b"1.0"
        (record,) = (image.read(entry) for name, entry in files.items() if re.fullmatch(r"six-.*/RECORD", name))
    digest = base64.urlsafe_b64encode(hashlib.sha256(six).digest()).rstrip(b"=").decode()
    assert f"six.py,sha256={digest},{len(six)}" in record.decode().splitlines()
