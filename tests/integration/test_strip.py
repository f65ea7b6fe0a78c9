# SPDX-License-Identifier: MIT
"""An image of which everything was stripped works, and says what that saved."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_appimage.elf import read_sections
from support.machine import clean_environment
from support.plugin import build_image
from support.projects import make_project

if TYPE_CHECKING:
    from support.plugin import Plugin

# Wheels with symbols: some as the linker wrote them, some that auditwheel has patched.
BODY = """\
import base64
import hashlib
import importlib.metadata
import io

import numpy
import pandas
import PIL.Image
from cryptography.fernet import Fernet


def is_true(file):
    if file.hash is None:
        return True
    digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def main():
    key = Fernet(Fernet.generate_key())
    print(numpy.linalg.inv(numpy.eye(2) * 2)[0][0], pandas.DataFrame({"a": [1, 2]}).a.sum())
    print(key.decrypt(key.encrypt(b"secret")).decode())
    picture = io.BytesIO()
    PIL.Image.new("RGB", (8, 8), "red").save(picture, "JPEG")
    print(PIL.Image.open(picture).size)
    print(all(is_true(file) for name in ("numpy", "pillow") for file in importlib.metadata.files(name)))
"""


@pytest.fixture(scope="module")
def image(plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build an image that tests itself: each of its libraries and extension modules is loaded."""
    table = 'self-test = true\nreport = "report.json"\nstrip = "all"\n'
    project = 'dependencies = ["numpy", "pandas", "pillow", "cryptography"]'
    return build_image(plugin, make_project(tmp_path_factory.mktemp("strip"), BODY, table=table, project=project))


def test_works(image: Path) -> None:
    result = subprocess.run([image], env=clean_environment(Path("/nonexistent")), capture_output=True, check=True)
    assert result.stdout.decode().splitlines() == ["0.5 3", "secret", "(8, 8)", "True"]


def test_report(image: Path) -> None:
    report: dict[str, Any] = json.loads((image.parent.parent / "report.json").read_text())["strip"]
    assert report["kept"] == {}
    assert report["groups"]["packages"]["size"] > 4_000_000
    assert report["groups"]["packages"]["files"] > 20


def test_no_symbols(image: Path, tmp_path: Path) -> None:
    subprocess.run([image, "--appimage-extract"], cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
    left = 0
    for directory, _, names in os.walk(tmp_path):
        for path in (Path(directory, name) for name in names):
            if stat.S_ISREG(path.lstat().st_mode) and path.open("rb").read(4) == b"\x7fELF":
                left += sum(
                    size
                    for name, (_, size) in read_sections(path).places.items()
                    if name.startswith((".symtab", ".debug_"))
                )
    assert left == 0
