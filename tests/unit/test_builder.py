# SPDX-License-Identifier: MIT
"""The builder as hatchling calls it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hatch_appimage.architecture import ARCHITECTURES, native_architecture
from hatch_appimage.builder import AppImageBuilder
from hatch_appimage.hooks import hatch_register_builder
from support.projects import copy_project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def make_builder(root: Path, **table: Any) -> AppImageBuilder:
    config = {
        "project": {"name": "my-app", "version": "1.0", "scripts": {"my-app": "my_app:main"}},
        "tool": {"hatch": {"build": {"targets": {"appimage": table}}}},
    }
    return AppImageBuilder(str(root), config=config)


def test_is_registered() -> None:
    assert hatch_register_builder() is AppImageBuilder
    assert AppImageBuilder.PLUGIN_NAME == "appimage"


def test_versions_are_architectures(tmp_path: Path) -> None:
    builder = make_builder(tmp_path)
    assert list(builder.get_version_api()) == list(ARCHITECTURES) == ["x86_64", "aarch64", "armhf", "i686"]
    assert builder.get_default_versions() == [native_architecture().name]


def test_faults_of_the_table_end_the_build_with_all_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    builder = make_builder(tmp_path, terminal="yes", icno="a.png")
    with pytest.raises(SystemExit) as error:
        list(builder.build(directory=str(tmp_path / "dist")))
    assert error.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "Option `tool.hatch.build.targets.appimage.terminal` must be a boolean",
        "Unknown option `tool.hatch.build.targets.appimage.icno`, did you mean `icon`?",
    ]
    assert not list((tmp_path / "dist").iterdir())


def test_logging_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front end may build several projects in one process, and log for itself."""
    logger = logging.getLogger("hatch_appimage")
    monkeypatch.setattr(logger, "propagate", True)
    logger.setLevel(logging.ERROR)
    (tmp_path / "data.txt").touch()
    builder = make_builder(tmp_path, **{"force-include": {"data.txt": "../outside"}})
    with pytest.raises(SystemExit):
        list(builder.build(directory=str(tmp_path / "dist")))
    level = logger.level
    logger.setLevel(logging.NOTSET)
    assert (level, logger.propagate, logger.handlers) == (logging.ERROR, True, [])


@pytest.mark.parametrize("destination", ["../outside", "usr/../../x"])
def test_force_include_stays_inside(tmp_path: Path, destination: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.txt").touch()
    builder = make_builder(tmp_path, **{"force-include": {"data.txt": destination}})
    with pytest.raises(SystemExit):
        list(builder.build(directory=str(tmp_path / "dist")))
    assert "outside of the image" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["abc", "", "-1", "99999999999"])
def test_source_date_epoch(
    tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(SystemExit):
        list(make_builder(tmp_path).build(directory=str(tmp_path / "dist")))
    errors = capsys.readouterr().err
    assert errors == f"SOURCE_DATE_EPOCH must be a number of seconds from 0 to 4294967295, not `{value}`\n"


def test_clean(tmp_path: Path) -> None:
    ours = tmp_path / "my-app-0.1-x86_64.AppImage"
    kept = [tmp_path / "my-app-0.1-aarch64.AppImage", tmp_path / "my-app-plus-1.0-x86_64.AppImage", tmp_path / "a.txt"]
    for path in (ours, *kept):
        path.touch()
    make_builder(tmp_path).clean(str(tmp_path), ["x86_64"])
    assert sorted(tmp_path.iterdir()) == sorted(kept)


@pytest.mark.slow
@pytest.mark.network
def test_builds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = copy_project("hello-cli", tmp_path)
    config = tomllib.loads((project / "pyproject.toml").read_text())
    images = list(AppImageBuilder(str(project), config=config).build(directory=str(tmp_path / "out")))
    assert images == [str(tmp_path / "out" / f"hello-cli-1.0-{native_architecture().name}.AppImage")]
    assert Path(images[0]).stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (tmp_path / "out").iterdir()] == [Path(images[0]).name]
    steps = [line.split()[0] for line in capsys.readouterr().err.splitlines() if " s  " in line]
    assert steps == [
        "wheel",
        "install",
        "python",
        "launcher",
        "desktop",
        "files",
        "imports",
        "restore",
        "tkinter",
        "trim",
        "qt",
        "unused",
        "introspection",
        "libraries",
        "libc",
        "toolkits",
        "patch",
        "provenance",
        "bytecode",
        "records",
        "startup",
        "requires",
        "modules",
        "image",
        "outside",
    ]


def test_loads_nothing_that_few_builds_need() -> None:
    code = "import sys, hatch_appimage.builder; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "hatch_appimage.inputs" in loaded
    assert not {"Crypto", "cyclonedx", "hatch_appimage.pipeline", "markdown_it", "requests"}.intersection(loaded)
