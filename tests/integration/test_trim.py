# SPDX-License-Identifier: MIT
"""Images without what nothing in them uses, told by the images themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.machine import clean_environment
from support.plugin import build_image, build_once
from support.projects import make_project

if TYPE_CHECKING:
    from support.plugin import Plugin

# Tells what importing a module says, and what RECORD lists. It names nothing that is left out, as that would stay.
BODY = """\
import importlib
import importlib.metadata
import json
import sys

import numpy
import numpy.testing


def main():
    try:
        reason = importlib.import_module(sys.argv[1]).__name__
    except ModuleNotFoundError as error:
        reason = str(error)
    files = importlib.metadata.files("numpy")
    print(json.dumps({
        "sum": int(numpy.arange(4).sum()),
        "reason": reason,
        "files": [str(file) for file in files],
        "missing": [str(file) for file in files if not file.locate().exists()],
    }))
"""


@pytest.fixture(scope="module")
def image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an image that tests itself."""
    table = 'self-test = true\nreport = "report.json"\nkeep-files = ["numpy/ma/tests"]\n'
    project = 'dependencies = ["numpy"]'
    return build_image(plugin, make_project(tmp_path_factory.mktemp("trim"), BODY, table=table, project=project))


def test_image_works_and_says_what_it_lacks(image: Path) -> None:
    command = [str(image), "numpy.tests.test_ctypeslib"]
    result = subprocess.run(command, env=clean_environment(Path("/nonexistent")), capture_output=True, check=True)
    told = json.loads(result.stdout)
    assert told["sum"] == 6
    assert told["reason"].startswith("No module named 'numpy.tests': left out of the image by `trim`: ")
    assert told["missing"] == []
    assert {name.split("/tests/")[0] for name in told["files"] if "/tests/" in name} == {"numpy/ma"}
    assert [name for name in told["files"] if name.endswith(".pyi")] == []


def test_report_says_what_was_saved(image: Path) -> None:
    trim: dict[str, Any] = json.loads((image.parent.parent / "report.json").read_text())["trim"]
    # numpy 1.26 to 2.4 have 6 to 9 MB of tests, and a stub of most modules.
    assert trim["groups"]["tests"]["size"] > 4_000_000
    assert trim["groups"]["stubs"]["files"] > 50
    assert trim["modules"]["numpy.tests"] == "tests"
    assert "numpy.ma.tests" not in trim["modules"]


# Says why modules are missing that arguments name, and which packages are installed.
SMALL_BODY = """\
import importlib
import json
import sys
from importlib.metadata import distributions


def main():
    reasons = {}
    for name in sys.argv[1:]:
        try:
            getattr(importlib, "import_" + "module")(name)  # nothing is seen of it
        except ModuleNotFoundError as error:
            reasons[name] = str(error)
    print(json.dumps({"reasons": reasons, "packages": sorted(each.metadata["Name"] for each in distributions())}))
"""


@pytest.fixture(scope="module")
def small_image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an image that requires an installer, which nothing uses."""
    table = 'self-test = true\nreport = "report.json"\nkeep-files = ["lib*/python3*/wave*"]\n'
    project = 'dependencies = ["setuptools"]'
    return build_image(plugin, make_project(tmp_path_factory.mktemp("small"), SMALL_BODY, table=table, project=project))


def test_python_without_what_nothing_uses(small_image: Path) -> None:
    names = ["sqlite3", "_sqlite3", "ssl", "asyncio.events", "ensurepip", "pkg_resources", "wave", "json"]
    command = [str(small_image), *names]
    result = subprocess.run(command, env=clean_environment(Path("/nonexistent")), capture_output=True, check=True)
    told = json.loads(result.stdout)
    assert told["packages"] == ["probe"]
    assert told["reasons"].keys() == {*names} - {"wave", "json"}
    assert all("left out of the image" in reason for reason in told["reasons"].values())
    assert '`keep-files = ["lib*/python3*/sqlite3*"]` keeps it' in told["reasons"]["sqlite3"]
    assert '`keep-files = ["lib*/python3*/ensurepip*"]` keeps it' in told["reasons"]["ensurepip"]


def test_libraries_go_with_their_last_user(small_image: Path) -> None:
    report: dict[str, Any] = json.loads((small_image.parent.parent / "report.json").read_text())
    libraries = [library["soname"] for library in report["libraries"]["bundled"]]
    assert [name for name in libraries if name.startswith(("libsqlite3", "libssl", "libcrypto", "libncurses"))] == []
    assert report["trim"]["groups"]["stdlib"]["size"] > 3_000_000
    assert report["trim"]["packages"] == ["setuptools"]
    assert [package["name"] for package in report["packages"]] == ["probe"]


@pytest.mark.parametrize("project", ["hello-cli", "flask-app"])
def test_test_projects(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory, project: str) -> None:
    """An image that lacks much tests itself when it is run as well."""
    image = build_once(plugin, tmp_path_factory, project)
    command, environment = [str(image), "--appimage-self-test"], clean_environment(Path("/nonexistent"))
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ", 0 failed" in result.stdout
    uses_sqlite = project == "flask-app" and sys.version_info >= (3, 13)  # from then on, dbm does
    assert ("sqlite3" in result.stdout) == uses_sqlite
