#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether applications still work however much is left out of their images: ``tests/self_tests.py [--directory DIR]``.

Builds the test projects, and applications from the index, with each of several sets of options, runs the self-test of
each image, its command with ``--help``, and with some work. Prints a table, and ends with 1 where anything fails or
prints something else than in the image from which nothing is left out. It takes some hours, so it is no part of the
tests. Windows need a display (``xvfb-run``).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = ROOT / "test-projects"
#: The options that leave nothing out come first: the others are compared with them.
OPTIONS = {
    "nothing left out": ("trim=false", "strip=false"),
    "default": (),
    "small": ('compression="small"',),
    "all stripped": ("trim=true", 'strip="all"'),
    "bytecode only": ('bytecode="only"',),
    "all of it": ('compression="small"', "trim=true", 'strip="all"', 'bytecode="only"'),
}


@dataclass(frozen=True)
class Application:
    """What is tried.

    Attributes:
        work: a script for a shell, in which the application does without network what it is for, as ``$APP``. It says
            more than ``--help``, as most applications import the greater part of their modules when they need them.
        options: that its build needs.
        helps: it ends when it is asked for help; otherwise it would open its window, and wait.

    """

    work: str
    options: tuple[str, ...] = ()
    helps: bool = True


_PYTHON = r"printf 'import os\nx=lambda:0\n' >a.py"
_SQL = r"printf 'SELECT a FROM  t where a=1\n' >a.sql"
_PLAYBOOK = r"printf -- '- hosts: all\n  tasks:\n    - command: ls\n    - file: {path: a, %s: touch}\n' $STATE >a.yml"
_PLAY = "$APP -i localhost, -c local -e ansible_python_interpreter='{{ ansible_playbook_python }}' a.yml; ls a"
_TEMPLATE = 'd={{cookiecutter.a}}; mkdir -p t/$d; echo $d >t/$d/c; echo \'{"a": "b"}\' >t/cookiecutter.json'
#: The test projects, and applications from the index, which are chosen for what they are made of: web servers, TLS,
#: compiled modules, plugins, data files, code that reads code. Nobody answers at port 1.
APPLICATIONS = {
    "flask-app": Application("timeout -s INT 5 $APP --port 0 | sed 's/[0-9]*//g'"),
    "flit-tool": Application("$APP"),
    "hello-cli": Application("$APP"),
    "native-ext": Application("$APP"),
    "pandas-report": Application("$APP"),
    "poetry-tool": Application("$APP"),
    "qt-window": Application("$APP --once", helps=False),
    "setuptools-tool": Application("$APP"),
    "tk-clock": Application("$APP --once"),
    "ansible-core": Application(f"STATE=state; {_PLAYBOOK}; {_PLAY}", ('entry-point="ansible-playbook"',)),
    "ansible-lint": Application(
        f"STATE=nothing; {_PLAYBOOK}; $APP --offline --list-rules; $APP --offline --nocolor a.yml"
    ),
    "aws-shell": Application("$APP --help"),
    "black": Application(f"{_PYTHON}; $APP --diff a.py"),
    "cookiecutter": Application(f"{_TEMPLATE}; $APP --no-input t; cat b/c"),
    "csvkit": Application(r"printf 'a,b\n1,2\n' | $APP", ('entry-point="csvlook"',)),
    "datasette": Application("$APP plugins --all; $APP --memory --get '/_memory.json?sql=select+1'"),
    "glances": Application("$APP --modules-list; $APP --stdout now.iso --stop-after 1 | sed 's/[0-9]*//g'"),
    "httpie": Application("$APP --offline --pretty all POST example.org a=1 b:=[2]", ('entry-point="http"',)),
    "ipython": Application(r"printf 'import json\njson??\n' >a.ipy; $APP a.ipy; $APP profile list; $APP history trim"),
    "mkdocs": Application(
        "$APP new -q s; cd s; export SOURCE_DATE_EPOCH=1; "
        "for t in mkdocs readthedocs; do $APP build -qt $t; cat site/index.html; done"
    ),
    "pgcli": Application("$APP --version; $APP --list postgresql://nobody@127.0.0.1:1/x"),
    "poetry": Application("$APP new a; cd a; $APP check; $APP version 2.0; $APP env info; $APP config --list"),
    "pylint": Application(f"{_PYTHON}; $APP --list-extensions; $APP --load-plugins pylint.extensions.mccabe a.py"),
    "sqlfluff": Application(f"{_SQL}; $APP rules; $APP lint --dialect postgres a.sql; $APP fix --dialect ansi a.sql"),
    "streamlink": Application(
        "$APP --plugins; $APP httpstream://http://127.0.0.1:1/ best; $APP hls://http://127.0.0.1:1/"
    ),
    "yt-dlp": Application("$APP --list-extractors; $APP --list-impersonate-targets; $APP http://127.0.0.1:1/"),
}
SECONDS = 300
MOUNT_POINT = re.compile(r"/tmp/\.mount_\w+")
# A line of a self-test: the verdict, the part that was tried, the reason.
PART = re.compile(r"(ok|FAILED|skipped) +(.+?)(?:: .*)?$")


@dataclass(frozen=True)
class Outcome:
    """What came of an image.

    Attributes:
        size: of the image, in bytes.
        tested: the lines of its self-test, or why there are none.
        results: of what it was run for, by how it was: the exit status, and what it printed.

    """

    size: int
    tested: tuple[str, ...]
    results: Mapping[str, tuple[int, str]]

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """The verdict of each part of the self-test, and the whole line."""
        found = ((match, line) for line in self.tested if (match := PART.match(line)))
        return {match[2]: (match[1], line) for match, line in found}

    def faults(self, whole: Outcome | None) -> list[str]:
        """Return what is worse than in the image from which nothing is left out; without one, what failed."""
        if whole is None:
            return [line for verdict, line in self.parts.values() if verdict == "FAILED"]
        return [*self._worse_parts(whole), *self._other_results(whole)]

    def _worse_parts(self, whole: Outcome) -> Iterator[str]:
        for part, (verdict, line) in self.parts.items():
            before = whole.parts.get(part, ("", ""))[0]
            # An image that can do without TLS needs no certificates.
            missed = verdict == "skipped" and before == "ok" and part != "certificates"
            if missed or (verdict == "FAILED" and before != "FAILED"):
                yield line

    def _other_results(self, whole: Outcome) -> Iterator[str]:
        for title, (status, text) in self.results.items():
            other, expected = whole.results[title]
            if status != other:
                yield f"{title}: exit status {status} in place of {other}: {text[-300:]}"
            elif text != expected:
                yield f"{title}: prints something else: {first_difference(expected, text)}"


def first_difference(expected: str, text: str) -> str:
    """Return the first lines of two texts that are not the same."""
    pairs = zip_longest(expected.splitlines(), text.splitlines(), fillvalue="(nothing)")
    return next((f"{new!r} in place of {old!r}" for old, new in pairs if new != old), "ends of lines")


def main() -> int:
    """Build and try all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="where the images stay (default: nowhere)")
    parser.add_argument("applications", nargs="*", help="these only: test projects, or requirements")
    parser.add_argument("--options", nargs="*", choices=OPTIONS, default=list(OPTIONS), help="these only")
    options = parser.parse_args()
    applications = options.applications or list(APPLICATIONS)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        results = [try_application(name, options.options, directory) for name in applications]
    return 0 if all(results) else 1


def try_application(name: str, sets: Sequence[str], directory: Path) -> bool:
    """Build and try one application with sets of options; print what comes of each, and say whether all is well."""
    outcomes: dict[str, Outcome] = {}
    faults = []
    for label in sets:
        try:
            image = build(name, OPTIONS[label], directory / name / label.replace(" ", "-"))
        except subprocess.CalledProcessError as error:
            faults.append(f"{label}: not built: {error.stderr.strip().splitlines()[-1]}")
            print(f"{name:<20} {label:<17} {faults[-1]}", flush=True)
            continue
        outcomes[label] = outcome = run(image, APPLICATIONS.get(name, Application("")))
        print(f"{name:<20} {label:<17} {outcome.size / 1e6:7.1f} MB  {outcome.tested[-1]}", flush=True)
        worse = outcome.faults(outcomes.get(next(iter(OPTIONS))))
        for fault in worse:
            print(f"    {fault}", flush=True)
        faults += worse
    return not faults


def build(name: str, options: Sequence[str], output: Path) -> Path:
    """Build an image.

    Raises:
        subprocess.CalledProcessError: it cannot be built; it has what the build says.

    """
    source = PROJECTS / name if (PROJECTS / name).is_dir() else name
    chosen = [*options, *(APPLICATIONS[name].options if name in APPLICATIONS else ())]
    settings = [part for option in chosen for part in ("--set", option)]
    command = Path(sys.executable).with_name("hatch-appimage")
    arguments = ["build", source, "--quiet", "--output", output, *settings]
    subprocess.run([command, *arguments], check=True, capture_output=True, text=True)
    return next(output.glob("*.AppImage"))


def run(image: Path, application: Application) -> Outcome:
    """Run the self-test of an image, its command with ``--help``, and what the application is for."""
    tested = _start([image, "--appimage-self-test"])
    commands: dict[str, list[str | Path]] = {"work": ["sh", "-c", application.work]}
    if application.helps:
        commands["--help"] = [image, "--help"]
    results = {title: _start(command, APP=str(image)) for title, command in commands.items()}
    return Outcome(image.stat().st_size, tuple(tested[1].splitlines()) or ("no self-test",), results)


def _start(command: Sequence[str | Path], **variables: str) -> tuple[int, str]:
    """Run a command in an empty home; return its exit status, and what it printed, without what is never the same."""
    with tempfile.TemporaryDirectory() as home:
        kept = {name: os.environ[name] for name in ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY") if name in os.environ}
        environment = {"PATH": os.defpath, "HOME": home, "LANG": "C.UTF-8", "COLUMNS": "100", **kept, **variables}
        try:
            process = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
                cwd=home,
                timeout=SECONDS,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 124, f"did not end within {SECONDS} seconds"
        return process.returncode, MOUNT_POINT.sub("IMAGE", process.stdout.replace(home, "HOME"))


if __name__ == "__main__":
    sys.exit(main())
