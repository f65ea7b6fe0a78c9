#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether the standard library passes its own tests inside an image: ``tests/stdlib_tests.py [--python PYTHON]``.

Builds an image with an exposed interpreter from which nothing is left out, with Python's own tests put back, runs them
in it and in the Python that it was made from, and compares the two. Ends with 1 where anything fails in the image that
passes outside of it. Takes a quarter of an hour, so it is no part of the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

#: What issues of packers are about, as these modules open libraries, start processes, or read data that must be found.
TESTS = (
    "test_asyncio",
    "test_ctypes",
    "test_json",
    "test_multiprocessing_fork",
    "test_multiprocessing_forkserver",
    "test_multiprocessing_main_handling",
    "test_multiprocessing_spawn",
    "test_sqlite3",
    "test_ssl",
    "test_tcl",
    "test_tk",
    "test_tkinter",
    "test_ttk",
    "test_ttk_guionly",
    "test_ttk_textonly",
    "test_zoneinfo",
)
# Windows open where there is a display. What waits for long, or needs the network, proves nothing of an image.
_RESOURCES = "gui,subprocess"
_SECONDS = 1200
# Python 3.11.7 and 3.12.1 are installed without these three packages, and yet look for them.
_START_METHODS = ("fork", "forkserver", "spawn")
_OF_START_METHOD = """\
from test._test_multiprocessing import install_tests_in_module_dict

install_tests_in_module_dict(globals(), "{method}", {part})
"""
_PARTS = {
    "test_manager": 'only_type="manager"',
    "test_misc": "exclude_types=True",
    "test_processes": 'only_type="processes"',
    "test_threads": 'only_type="threads"',
}
_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "stdlib-tests"
version = "1.0"
gui-scripts.stdlib-tests = "stdlib_tests:main"

[tool.hatch.build.targets.wheel]
packages = ["stdlib_tests"]

[tool.hatch.build.targets.wheel.shared-data]
"""


@dataclass(frozen=True)
class Installation:
    """Where a Python has what its tests consist of.

    Attributes:
        version: such as ``3.11``.
        stdlib: the directory of the standard library.
        modules: that of its compiled modules.

    """

    version: str
    stdlib: Path
    modules: Path


def main() -> int:
    """Build, run the tests twice, compare; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="one that has its tests (package test)"
    )
    parser.add_argument("--directory", type=Path, help="where the image stays (default: nowhere)")
    parser.add_argument("tests", nargs="*", help=f"these only (default: {', '.join(TESTS)})")
    options = parser.parse_args()
    # A shell has what it starts in the background ignore it, and tests that send it to themselves wait forever then.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        installation = ask(options.python)
        copy = copy_tests(installation, directory / "tests")
        names = options.tests or [name for name in TESTS if has_test(copy / "test", name)]
        image = build(options.python, write_project(installation, copy, directory / "project"), directory / "image")
        link = directory / f"python{installation.version}"
        link.unlink(missing_ok=True)
        link.symlink_to(image)
        outside = run(options.python, names, directory / "outside", {"PYTHONPATH": str(copy)})
        inside = run(link, names, directory / "inside", {})
    return 0 if compare(outside, inside) else 1


def ask(python: Path) -> Installation:
    """Ask a Python where its standard library is.

    Raises:
        SystemExit: it lacks its tests.

    """
    # Of a virtual environment, `platstdlib` is a directory in which there is nothing.
    asked = "s.get_python_version(), s.get_path('stdlib'), s.get_config_var('DESTSHARED')"
    command: list[str | Path] = [python, "-Ic", f"import json, sysconfig as s; print(json.dumps([{asked}]))"]
    version, stdlib, modules = json.loads(subprocess.check_output(command, text=True))
    if not (Path(stdlib) / "test/regrtest.py").is_file():
        raise SystemExit(f"{python} lacks the package test: name one that was built from its sources, with --python")
    return Installation(version, Path(stdlib), Path(modules))


def copy_tests(installation: Installation, target: Path) -> Path:
    """Copy the package of the tests, with what it should have; return the directory that it is in."""
    shutil.rmtree(target, ignore_errors=True)
    package = target / "test"
    shutil.copytree(installation.stdlib / "test", package, ignore=shutil.ignore_patterns("__pycache__"))
    for method in _START_METHODS:
        name = f"test_multiprocessing_{method}"
        if not has_test(package, name):
            (package / name).mkdir()
            (package / name / "__init__.py").touch()
            for module, part in _PARTS.items():
                (package / name / f"{module}.py").write_text(_OF_START_METHOD.format(method=method, part=part))
    return target


def has_test(package: Path, name: str) -> bool:
    """Return whether a Python has a test: some exist in some versions only."""
    return (package / name).is_dir() or (package / f"{name}.py").is_file()


def write_project(installation: Installation, copy: Path, project: Path) -> Path:
    """Write a project whose wheel has the tests, where Python has them; return its directory."""
    shared = {copy / "test": Path("test")}
    for pattern in ("*/test", "*/tests"):
        shared |= {path: path.relative_to(installation.stdlib) for path in installation.stdlib.glob(pattern)}
    for pattern in ("_ctypes_test.*", "_test*.so"):
        shared |= {path: Path("lib-dynload", path.name) for path in installation.modules.glob(pattern)}
    shutil.rmtree(project, ignore_errors=True)
    package = project / "stdlib_tests"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def main():\n    import tkinter\n")
    place = f"lib/python{installation.version}"
    lines = [f"{json.dumps(str(source))} = {json.dumps(f'{place}/{path}')}\n" for source, path in shared.items()]
    (project / "pyproject.toml").write_text(_PROJECT + "".join(lines))
    return project


def build(python: Path, project: Path, output: Path) -> Path:
    """Build the image; return its path."""
    settings = (f'python="{python.resolve()}"', "trim=false", "strip=false", "expose-python=true", "tkinter=true")
    chosen = [part for setting in settings for part in ("--set", setting)]
    command = Path(sys.executable).with_name("hatch-appimage")
    subprocess.run([command, "build", project, "--quiet", "--output", output, *chosen], check=True)
    return next(output.glob("*.AppImage"))


def run(python: Path, names: list[str], directory: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run tests with a Python; return what came of each: ``passed``, ``skipped`` or what went wrong."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    results = directory / "results.xml"
    kept = {name: os.environ[name] for name in ("DISPLAY", "XAUTHORITY", "TMPDIR") if name in os.environ}
    arguments = ["-m", "test", "-j2", "-u", _RESOURCES, f"--timeout={_SECONDS}", "--junit-xml", str(results)]
    with (directory / "output.txt").open("w") as output:
        subprocess.run(
            [python.absolute(), *arguments, *names],
            env={"PATH": os.defpath, "HOME": str(directory), "LANG": "C.UTF-8", **kept, **environment},
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return read_results(results)


def read_results(path: Path) -> dict[str, str]:
    """Read what came of each test from a file of JUnit's, as ``test.regrtest`` writes it."""
    cases = ET.parse(path).iter("testcase")  # noqa: S314 - Python's own tests wrote it
    return {case.get("name", ""): _result(case) for case in cases}


def _result(case: ET.Element) -> str:
    for part in case:
        if part.tag in {"error", "failure"}:
            return part.text or part.get("message") or "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def compare(outside: dict[str, str], inside: dict[str, str]) -> bool:
    """Print what is worse inside; return whether nothing is."""
    worse = [name for name, result in outside.items() if result == "passed" and inside.get(name) != "passed"]
    for name in worse:
        print(f"{name}: {inside.get(name, 'was not run')}")
    counts = [sum(result == "passed" for result in results.values()) for results in (outside, inside)]
    print(f"{counts[0]} pass outside of the image, {counts[1]} inside; {len(worse)} that pass outside do not inside")
    return not worse


if __name__ == "__main__":
    sys.exit(main())
