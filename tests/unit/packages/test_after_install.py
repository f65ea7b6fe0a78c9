# SPDX-License-Identifier: MIT
"""The script between installation and packing: what it is given, and what its failure looks like."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hatch_appimage import PASSPHRASE
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.packages.after_install import AfterInstall, run_after_install

TELLING = """\
import json, os, pathlib, sys
appdir = pathlib.Path(os.environ["HATCH_APPIMAGE_APPDIR"])
(appdir / "told").write_text(json.dumps([os.getcwd(), dict(os.environ)]))
"""


def run(tmp_path: Path, text: str, *, timestamp: int | None = 5) -> AfterInstall:
    script = tmp_path / "project" / "after.py"
    script.parent.mkdir()
    script.write_text(text)
    appdir = AppDir(tmp_path / "AppDir", "org.example.App")
    appdir.root.mkdir()
    python: Any = SimpleNamespace(site_packages=(Path("/site"), Path("/other")), version="3.12.1")
    project: Any = SimpleNamespace(root=script.parent, name="app", version="1.0")
    return run_after_install(
        script,
        appdir,
        python,
        project,
        architecture="x86_64",
        options={"name": "App"},
        timestamp=timestamp,
    )


def test_surroundings(tmp_path: Path) -> None:
    assert run(tmp_path, TELLING) == AfterInstall("after.py", 1)
    place, variables = json.loads((tmp_path / "AppDir" / "told").read_text())
    assert place == str(tmp_path / "project")
    expected = {
        "HATCH_APPIMAGE_APPDIR": str(tmp_path / "AppDir"),
        "HATCH_APPIMAGE_SITE_PACKAGES": "/site",
        "HATCH_APPIMAGE_PYTHON_VERSION": "3.12.1",
        "HATCH_APPIMAGE_ARCHITECTURE": "x86_64",
        "HATCH_APPIMAGE_APP_ID": "org.example.App",
        "HATCH_APPIMAGE_NAME": "app",
        "HATCH_APPIMAGE_VERSION": "1.0",
        "HATCH_APPIMAGE_SETTINGS": '{"name": "App"}',
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "5",
    }
    assert {name: variables[name] for name in expected} == expected


def test_neither_time_nor_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv(PASSPHRASE, "secret")
    run(tmp_path, TELLING, timestamp=None)
    assert not {"SOURCE_DATE_EPOCH", PASSPHRASE} & json.loads((tmp_path / "AppDir" / "told").read_text())[1].keys()


def test_failure(tmp_path: Path) -> None:
    with pytest.raises(AppImageError) as caught:
        run(tmp_path, "import sys; print('it is Monday'); sys.exit(3)")
    assert str(caught.value).splitlines() == [
        f"`after-install` {tmp_path}/project/after.py failed with exit status 3",
        "  it is Monday",
    ]


def test_killed(tmp_path: Path) -> None:
    with pytest.raises(AppImageError, match=r"failed with signal 9$"):
        run(tmp_path, "import os; os.kill(os.getpid(), 9)")
