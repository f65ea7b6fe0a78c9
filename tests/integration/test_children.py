# SPDX-License-Identifier: MIT
"""What an application starts: programs of the host, and processes of its own Python, from inside running images."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.machine import make_public
from support.plugin import build_image
from support.projects import SUPPORT
from support.tools import require

if TYPE_CHECKING:
    from support.plugin import Plugin
    from support.runner import Runner


PROJECT = SUPPORT / "children-project"
# What the runtime and AppRun say of the image; an unpacked one has no file.
OURS = {"APPDIR", "APPIMAGE", "OWD"}


@pytest.fixture
def runner(quick_runner: Runner) -> Runner:
    """Run every test in every way."""
    return quick_runner


@pytest.fixture(scope="module")
def children_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of `children-project`."""
    directory = make_public(tmp_path_factory, "children")
    return build_image(plugin, Path(shutil.copytree(PROJECT, directory / "children")))


def ask(runner: Runner, image: Path, *arguments: str) -> Any:
    """Run one of the application's probes and return its answer."""
    result = runner.run(image, *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def on_host(runner: Runner, *command: str) -> str:
    """Run a command as the same user in the same environment, without an image."""
    result = subprocess.run(
        [*runner.prefix, *command],
        env=runner.environment,
        cwd=runner.home,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def assert_in_image(runner: Runner, path: str, appdir: str) -> None:
    assert path.startswith(f"{appdir}/"), path
    if runner.mode == "extracted":
        assert str(runner.home) in path


class TestEnvironment:
    """The environment of a child equals the caller's, but for the variables that are documented."""

    KINDS = ("own", "subprocess", "shell", "bash", "system", "python3", "spawned")

    def compare(self, runner: Runner, image: Path) -> None:
        answer = ask(runner, image, "environment")
        assert set(answer) == set(self.KINDS)
        appdir = answer["own"]["APPDIR"]
        expected = {**runner.environment, "APPDIR": appdir, "CHILDREN_DATA": f"{appdir}/usr/share"}
        if runner.mode != "extracted":
            expected |= {"APPIMAGE": str(image), "OWD": str(runner.home)}
        for kind, found in answer.items():
            # What starts between the application and `env` may be a shell, which counts itself and notes its directory.
            of_shells = set() if kind in {"own", "subprocess", "spawned"} else {"_", "SHLVL", "OLDPWD", "PWD"}
            changed = {name for name in {*expected, *found} if expected.get(name) != found.get(name)}
            assert changed <= of_shells, kind

    @pytest.mark.parametrize("of_shells", [{}, {"PWD": "/nowhere", "SHLVL": "1", "OLDPWD": "/", "_": "/usr/bin/env"}])
    def test_of_a_login(self, children_image: Path, runner: Runner, of_shells: dict[str, str]) -> None:
        runner.extra.update(USER="me", TERM="dumb", **of_shells)
        self.compare(runner, children_image)

    def test_with_what_breaks_other_images(self, children_image: Path, runner: Runner, tmp_path: Path) -> None:
        """The user's own settings of the loader, of Python and of toolkits are theirs."""
        runner.extra.update(
            LD_LIBRARY_PATH=str(tmp_path),
            PYTHONPATH=str(tmp_path),
            PYTHONDONTWRITEBYTECODE="1",
            SSL_CERT_FILE="/nowhere",
            TCL_LIBRARY="/nowhere",
            XDG_DATA_DIRS="/usr/share",
            GIO_MODULE_DIR="",
            MULTI="a\nb = 'c'",
        )
        self.compare(runner, children_image)

    def test_of_another_image(self, children_image: Path, runner: Runner) -> None:
        """Variables of an AppImage that starts this one do not stay."""
        runner.extra.update(ARGV0="outer", APPDIR="/nowhere", OWD="/nowhere")
        answer = ask(runner, children_image, "environment")
        for kind, found in answer.items():
            assert "ARGV0" not in found, kind
            assert found["APPDIR"] != "/nowhere", kind
            if runner.mode != "extracted":
                assert found["OWD"] == str(runner.home), kind

    def test_with_nothing(self, children_image: Path, runner: Runner) -> None:
        """To an empty environment, Python adds the encoding (PEP 538)."""
        command = [*runner.command(children_image), "environment"]
        environment = {"APPIMAGE_EXTRACT_AND_RUN": "1"} if runner.mode == "extract-and-run" else {}
        output = subprocess.check_output(command, env=environment, cwd=runner.home)
        found = json.loads(output)["subprocess"]
        ours = {"APPDIR"} if runner.mode == "extracted" else OURS
        assert found.keys() == {*environment, *ours, "CHILDREN_DATA", "LC_CTYPE"}
        assert found["LC_CTYPE"] == "C.UTF-8"

    def test_everything_else_that_a_process_inherits(self, children_image: Path, runner: Runner) -> None:
        """Descriptors, signals, limits, the mask of modes and the directory are the caller's."""
        answer = ask(runner, children_image, "state")
        # ls itself opens the directory that it lists.
        assert answer["descriptors"] == ["0", "1", "2", "3"]
        status = dict(line.split(":\t", 1) for line in answer["child"].splitlines())
        host = dict(line.split(":\t", 1) for line in on_host(runner, "cat", "/proc/self/status").splitlines())
        same = ["SigBlk", "SigIgn", "Umask", "Uid", "Gid", "Groups", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"]
        assert [status[name] for name in same] == [host[name] for name in same]
        assert answer["limits"] == on_host(runner, "cat", "/proc/self/limits")
        assert answer["umask"] == on_host(runner, "sh", "-c", "umask")
        assert answer["directory"] == f"{runner.home}\n"
        assert answer["own"]["blocked"] == []
        assert answer["own"]["session"] == os.getsid(0)


# What a script does that opens something for the user: it runs whatever the host has.
OPENER = """\
#!/bin/sh
/usr/bin/python3 -c 'import ssl, sys; print(sys.prefix, ssl.OPENSSL_VERSION)'
cat /proc/$$/maps /proc/self/maps
ls -d "$1"
"""
PYTHON = "import ssl, sqlite3, ctypes, sys; print(sys.prefix, ssl.OPENSSL_VERSION, sqlite3.sqlite_version, *sys.path)"
MAPS = "print(open('/proc/self/maps').read())"


class TestProgramsOfTheHost:
    """They run with the host's libraries, as they do without an image."""

    def compare(self, runner: Runner, image: Path, *command: str) -> None:
        answer = ask(runner, image, "run", *command)
        assert answer["status"] == 0, answer
        assert answer["output"] == on_host(runner, *command)

    def mapped(self, runner: Runner, image: Path, *command: str) -> str:
        """Return what a program has mapped, none of which may be of the image."""
        answer = ask(runner, image, "run", *command)
        assert answer["status"] == 0, answer
        output: str = answer["output"]
        assert "libc.so" in output
        for place in (".mount_", ".appimage-", "squashfs-root", "AppDir"):
            assert place not in output
        return output

    def test_python3(self, children_image: Path, runner: Runner) -> None:
        python = require("/usr/bin/python3", "python3")
        self.compare(runner, children_image, python, "-c", PYTHON)
        found = self.mapped(runner, children_image, python, "-c", f"{PYTHON}\n{MAPS}")
        assert re.search(r" /(usr/)?lib\S*/libcrypto\.so", found)

    def test_bash(self, children_image: Path, runner: Runner) -> None:
        bash = require("bash", "bash")
        self.compare(runner, children_image, bash, "--login", "-c", 'echo "$BASH_VERSION $PWD"; type ls; ulimit -a')
        self.mapped(runner, children_image, bash, "-c", 'while read -r line; do echo "$line"; done < /proc/self/maps')

    def test_git(self, children_image: Path, runner: Runner) -> None:
        git = require("git", "git")
        self.compare(runner, children_image, git, "--version")
        self.compare(runner, children_image, git, "ls-remote", "--get-url", "https://example.org")
        # An alias is run by a shell, whose parent is git.
        self.mapped(runner, children_image, git, "-c", "alias.maps=!cat /proc/$PPID/maps /proc/self/maps; :", "maps")

    def test_script_that_opens_something(self, children_image: Path, runner: Runner) -> None:
        opener = runner.home / "xdg-open"
        opener.write_text(OPENER)
        opener.chmod(0o755)
        runner.extra["PATH"] = f"{runner.home}:/usr/bin:/bin"
        found = self.mapped(runner, children_image, "xdg-open", "/etc")
        host = on_host(runner, str(opener), "/etc")
        assert found.splitlines()[0] == host.splitlines()[0]
        assert found.splitlines()[-1] == "/etc"

    def test_loader_finds_the_hosts_libraries(self, children_image: Path, runner: Runner) -> None:
        def libraries(text: str) -> list[str]:
            return sorted(line.split(" (0x")[0].strip() for line in text.splitlines())

        ldd = require("ldd", "libc-bin")
        for program in ("/usr/bin/python3", require("git", "git"), require("bash", "bash")):
            answer = ask(runner, children_image, "run", ldd, program)
            assert libraries(answer["output"]) == libraries(on_host(runner, ldd, program))


class TestOwnProcesses:
    """``sys.executable`` is an interpreter that finds the application again."""

    def check(self, runner: Runner, found: dict[str, Any]) -> None:
        appdir = found["environment"]["APPDIR"]
        for path in (found["prefix"], found["package"]):
            assert_in_image(runner, path, appdir)
        # By the launcher, which starts it isolated again.
        assert Path(found["executable"]).parent == Path(appdir) / "usr" / "bin"
        assert found["base_executable"] == found["executable"]
        assert (found["ignores_environment"], found["no_user_site"]) == (1, 1)
        others = [path for path in found["path"] if not path.startswith(appdir)]
        assert others in ([], [""], [str(runner.home)])

    def test_started_again(self, children_image: Path, runner: Runner) -> None:
        answer = ask(runner, children_image, "again")
        assert set(answer) == {"-c", "-Ic", "-m", "script", "replaced"}
        for found in answer.values():
            self.check(runner, found)
        assert [answer[kind]["isolated"] for kind in ("-Ic", "script")] == [1, 1]

    def test_isolated(self, children_image: Path, runner: Runner) -> None:
        """Neither variables nor the user's packages reach a process of the application's Python."""
        minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
        site = runner.home / ".local" / "lib" / minor / "site-packages"
        for directory in (site, runner.home / "mine"):
            directory.mkdir(parents=True)
            for name in ("json", "children", "usercustomize", "sitecustomize"):
                (directory / f"{name}.py").write_text("raise SystemExit('a module of the user was imported')")
        (site / "user.pth").write_text("import sys; sys.exit('a .pth file of the user was read')\n")
        runner.extra.update(PYTHONHOME="/usr", PYTHONPATH=str(runner.home / "mine"))
        for kind, found in ask(runner, children_image, "again").items():
            self.check(runner, found)
            assert found["environment"].items() >= runner.extra.items(), kind
        for method in ("spawn", "forkserver"):
            answer = ask(runner, children_image, "pools", method)
            for found in (*answer["process"], *answer["pool"], *answer["executor"]):
                self.check(runner, found)

    def test_of_a_script(self, children_image: Path, runner: Runner) -> None:
        """Modules beside a script are found, as in a virtual environment."""
        (runner.home / "beside.py").write_text("NAME = 'beside'\n")
        (runner.home / "script.py").write_text("import beside, children, sys\nprint(beside.NAME, sys.argv)\n")
        answer = ask(runner, children_image, "run_python", str(runner.home / "script.py"), "x")
        assert answer["output"] == f"beside ['{runner.home}/script.py', 'x']\n"
        answer = ask(runner, children_image, "run_python", "-m", "beside")
        assert (answer["status"], answer["errors"]) == (0, "")
        answer = ask(runner, children_image, "run_python", "-c", "import sys; print(sys.orig_argv[1:])")
        assert answer["output"] == "['-E', '-s', '-c', 'import sys; print(sys.orig_argv[1:])']\n"

    def test_replaced(self, children_image: Path, runner: Runner) -> None:
        """The image stays mounted for what the application becomes."""
        self.check(runner, ask(runner, children_image, "replace"))

    @pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
    def test_multiprocessing(self, children_image: Path, runner: Runner, method: str) -> None:
        answer = ask(runner, children_image, "pools", method)
        assert answer["status"] == 0
        assert answer["manager"] == {"answer": 42}
        assert answer["memory"] == "hello"
        for kind in ("process", "pool", "executor"):
            for found in answer[kind]:
                self.check(runner, found)
                assert found["isolated"] == 1
        assert [found["number"] for found in answer["pool"]] == [0, 1, 2, 3]
        assert [found["number"] for found in answer["executor"]] == [0, 1, 2, 3]

    def test_process_names(self, children_image: Path, runner: Runner) -> None:
        """As in a virtual environment: forks inherit the command's, and what runs as the interpreter has that one's."""
        found = ask(runner, children_image, "describe")
        assert found["process"] == "children"
        interpreter = Path(found["executable"]).resolve().name
        again = ask(runner, children_image, "again")
        names = {kind: each["process"] for kind, each in again.items()}
        assert names == {**dict.fromkeys(("-c", "-Ic", "-m", "replaced"), interpreter), "script": "children"}
        for method, name in (("fork", "children"), ("spawn", interpreter), ("forkserver", interpreter)):
            pools = ask(runner, children_image, "pools", method)
            processes = (*pools["process"], *pools["pool"], *pools["executor"])
            assert {each["process"] for each in processes} == {name}, method

    def test_virtual_environment(self, children_image: Path, runner: Runner) -> None:
        """While the image runs; it has nothing of the application in it."""
        for number, way in enumerate(("links", "copies")):
            directory = runner.home / f"an environment {number}"
            answer = ask(runner, children_image, "environment_of_python", str(directory), way)
            assert answer["prefix"] == str(directory)
            assert answer["base"].endswith("/usr")
            assert str(directory) in answer["path"][-1]
            assert answer["project"] is False
            assert answer["executable"] == f"{directory}/bin/python"


class TestLibraries:
    """Modules, data and metadata are found inside the image, and locales and time zones on the host."""

    TEXT = "Grüße aus dem Bild\n"

    def test_modules(self, children_image: Path, runner: Runner) -> None:
        answer = ask(runner, children_image, "modules")
        assert answer["walked"] == [
            "children.__main__",
            "children.libraries",
            "children.nested",
            "children.nested.module",
            "children.processes",
            "children.programs",
        ]
        assert answer["names"] == ["__main__", "other"]
        assert answer["arguments"][1:] == ["modules"]
        assert (answer["data"], answer["resolved"]) == (self.TEXT, "found")

    def test_metadata(self, children_image: Path, runner: Runner) -> None:
        answer = ask(runner, children_image, "metadata")
        assert answer["version"] == "1.2.3"
        assert answer["summary"].startswith("Tells what an application")
        assert answer["requires"] == ["setuptools<81", "tzdata"]
        assert answer["scripts"] == ["children", "children-hello", "children-hidden"]
        assert answer["plugin"] == "found"
        assert answer["missing"] == []

    def test_resources(self, children_image: Path, runner: Runner) -> None:
        answer = ask(runner, children_image, "resources")
        for kind in ("files", "as_file", "beside", "pkg_resources"):
            assert answer[kind] == self.TEXT, kind
        assert (answer["version"], answer["plugin"]) == ("1.2.3", "found")

    @pytest.mark.parametrize("mine", ["C.UTF-8", "C"])
    def test_locales(self, children_image: Path, runner: Runner, mine: str) -> None:
        """Every one that the host has, as its own Python has them."""
        runner.extra["LC_ALL"] = mine
        names = on_host(runner, "locale", "-a").split()
        answer = ask(runner, children_image, "localized", *names)
        code = "import locale, sys; print(*[locale.setlocale(locale.LC_ALL, name) for name in ['', *sys.argv[1:]]])"
        host = on_host(runner, require("/usr/bin/python3", "python3"), "-I", "-c", code, *names)
        assert list(answer["locales"].values()) == host.split()
        assert {encoding.lower() for encoding in answer["encodings"]} == {"utf-8"}

    def test_time_zones(self, children_image: Path, runner: Runner) -> None:
        """Those of the host come first; where it has none, those of the package ``tzdata`` do."""
        if not Path("/usr/share/zoneinfo/Europe/Berlin").exists():
            require("/usr/share/zoneinfo", "tzdata")
        runner.extra["TZ"] = "America/New_York"
        answer = ask(runner, children_image, "zones")
        assert "/usr/share/zoneinfo" in answer["path"]
        assert not [path for path in answer["path"] if "mount" in path or "squashfs" in path]
        assert answer["host"] == answer["package"] == "2024-07-01 02:00:00+02:00"
        assert answer["local"] == "2024-06-30 20:00:00-04:00"
