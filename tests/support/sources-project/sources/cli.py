# SPDX-License-Identifier: MIT
"""Tell as JSON what this application sees of its own modules."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import inspect
import json
import multiprocessing
import pkgutil
import runpy
import subprocess
import sys
import tempfile
import traceback
import venv
import warnings
from pathlib import Path
from typing import Any

import sources
from sources import failing, kept, plugins, quine

HERE = Path(__file__).parent


def level() -> list[object]:
    """Return how far this process is optimized, as it sees itself."""
    return [sys.flags.optimize, __debug__, bool(level.__doc__)]


def has_source(thing: Any) -> bool:
    """Whether the source of something can be read."""
    try:
        return bool(inspect.getsource(thing))
    except OSError:
        return False


def run_python(*arguments: str) -> str:
    """Run the application's own interpreter."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def find_levels() -> dict[str, object]:
    """Return how far every kind of process is optimized."""
    code = "import json, sys, sources.cli; print(json.dumps(sources.cli.level()))"
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.apply(level)
    return {
        "own": level(),
        "spawned": spawned,
        "child": json.loads(run_python("-c", code)),
        "isolated": json.loads(run_python("-I", "-c", code)),
        "command": json.loads(run_python("-Wignore", "-X", "dev", "-c", code)),
        "asked": json.loads(run_python("-BOO", "-c", code))[0],
    }


def find_failure() -> dict[str, object]:
    """Return what a traceback and a warning name."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        failing.warn()
    try:
        failing.fail()
    except ZeroDivisionError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "file": last.filename,
        "line": last.lineno,
        "text": last.line,
        "warned": [caught[0].filename, caught[0].lineno],
        "of_function": inspect.getfile(failing.fail),
    }


def find_modules() -> dict[str, object]:
    """Return what the ways to look for modules find."""
    return {
        "iterated": sorted(each.name for each in pkgutil.iter_modules(sources.__path__)),
        "migration": importlib.import_module("sources.migrations.0001_initial").NUMBER,
        "namespace": importlib.import_module("spaced.part").NAME,
        "plugins": plugins.NAMES,
        "read": quine.first_line(),
        "template": (importlib.resources.files(sources) / "templates" / "tool.py").read_text().splitlines()[-1],
        "script": run_python(str(HERE / "worker.py")),
        "module": run_python("-m", "sources.tool"),
        "package": run_python("-m", "sources"),
        "directory": run_python(str(HERE)),
        "run": runpy.run_module("sources.tool")["NAME"],
        "sources": {name: has_source(module) for name, module in {"kept": kept, "failing": failing}.items()},
        "of_stdlib": has_source(traceback),
    }


def find_metadata() -> dict[str, object]:
    """Return what is known of the installed package."""
    files = importlib.metadata.files("sources") or []
    return {
        "missing": [str(file) for file in files if not Path(str(file.locate())).is_file()],
        "sizes": all(file.size in (None, Path(str(file.locate())).stat().st_size) for file in files),
        "names": sorted(file.name for file in files if file.parent.name == "sources"),
        "packages": importlib.metadata.packages_distributions().get("sources"),
    }


def make_environment() -> str:
    """Return what a module in a virtual environment on top of this interpreter prints."""
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=False, symlinks=True)
        command = [f"{directory}/bin/python", "-c", "import dataclasses, sys; print(sys.prefix != sys.base_prefix)"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Write all of it."""
    told = {
        "levels": find_levels(),
        "failure": find_failure(),
        "modules": find_modules(),
        "metadata": find_metadata(),
        "environment": make_environment(),
    }
    json.dump(told, sys.stdout)
