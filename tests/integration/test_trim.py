# SPDX-License-Identifier: MIT
"""An image without what nothing in it uses, told by the image itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.machine import clean_environment
from support.plugin import build_image
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
