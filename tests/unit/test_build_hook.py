# SPDX-License-Identifier: MIT
"""The build hook of the wheel target, as hatchling starts it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hatchling.builders.wheel import WheelBuilder

from hatch_appimage import pipeline
from hatch_appimage.project.wheel import WHEEL_ONLY
from support.machine import clean_environment
from support.projects import copy_project, kinds

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

ENABLE = "HATCH_BUILD_HOOK_ENABLE_APPIMAGE"
TABLE = {"compression": "fast", "startup-order": False}


def build_wheel(
    root: Path, out: Path, *, version: str = "standard", table: dict[str, Any] | None = None, hook: Any = None
) -> None:
    """Build a wheel with hatchling, in this process."""
    config = tomllib.loads((root / "pyproject.toml").read_text())
    build = config["tool"]["hatch"]["build"]["targets"]
    build["appimage"] = TABLE | (table or {})
    build["wheel"] = {"dev-mode-dirs": ["src"], "hooks": {"appimage": hook or {}}}
    list(WheelBuilder(str(root), config=config).build(directory=str(out), versions=[version]))


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (ENABLE, WHEEL_ONLY, "PIP_BUILD_TRACKER"):
        monkeypatch.delenv(name, raising=False)
    return copy_project("hello-cli", tmp_path)


class TestInProcess:
    @pytest.mark.slow
    def test_the_wheel_itself_is_packed(self, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_other(*_: object) -> None:
            pytest.fail("another wheel was built")

        monkeypatch.setattr(pipeline, "build_wheel", no_other)
        build_wheel(hello, tmp_path / "out")
        assert kinds(tmp_path / "out") == [".AppImage", ".whl"]
        (image,) = (tmp_path / "out").glob("*.AppImage")
        assert subprocess.check_output([image], env=clean_environment(tmp_path), text=True) == "Hello, world!\n"

    def test_installers_get_the_wheel_only(
        self, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PIP_BUILD_TRACKER", "/nowhere")
        build_wheel(hello, tmp_path / "out")
        assert kinds(tmp_path / "out") == [".whl"]
        assert "No AppImage is built: this is a build by pip" in capsys.readouterr().err

    def test_caches_get_the_wheel_only(self, hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache" / "CACHEDIR.TAG").touch()
        build_wheel(hello, tmp_path / "cache" / "out")
        assert kinds(tmp_path / "cache" / "out") == [".whl"]
        assert f"No AppImage is built: {tmp_path / 'cache' / 'out'} is in a cache" in capsys.readouterr().err

    def test_editable(self, hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        build_wheel(hello, tmp_path / "out", version="editable")
        assert kinds(tmp_path / "out") == [".whl"]
        assert "AppImage" not in capsys.readouterr().err

    def test_no_image_within_the_build_of_an_image(
        self, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(WHEEL_ONLY, "1")
        build_wheel(hello, tmp_path / "out")
        assert kinds(tmp_path / "out") == [".whl"]

    def test_faults_are_told_before_the_wheel_is_built(
        self, hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            build_wheel(hello, tmp_path / "out", table={"icno": "x.png"})
        assert kinds(tmp_path / "out") == []
        assert (
            "Unknown option `tool.hatch.build.targets.appimage.icno`, did you mean `icon`?" in capsys.readouterr().err
        )

    def test_settings_in_the_hook_are_refused(
        self, hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            build_wheel(hello, tmp_path / "out", hook={"icon": "x.png", "dependencies": []})
        assert capsys.readouterr().err == (
            "Unknown option `tool.hatch.build.targets.wheel.hooks.appimage.icon`: options of the image belong to "
            "[tool.hatch.build.targets.appimage]\n"
        )

    def test_what_the_sdist_lacks_is_named(
        self, hello: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (hello / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: hello-cli\nVersion: 1.0\n")
        with pytest.raises(SystemExit):
            build_wheel(hello, tmp_path / "out", table={"icon": "assets/icon.png"})
        assert capsys.readouterr().err == (
            "Option `tool.hatch.build.targets.appimage.icon` names a file that is not there: `assets/icon.png` (this "
            "is a build from the sdist, which lacks it: add it in [tool.hatch.build.targets.sdist] to `include`, or to "
            "`artifacts` if Git ignores it)\n"
        )

    @pytest.mark.slow
    def test_the_report_of_an_unpacked_sdist_is_kept(self, hello: Path, tmp_path: Path) -> None:
        (hello / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: hello-cli\nVersion: 1.0\n")
        build_wheel(hello, tmp_path / "out", table={"report": "build/report.json"})
        assert kinds(tmp_path / "out") == [".AppImage", ".json", ".whl"]

    def test_several_architectures_are_asked_for(self, hello: Path, tmp_path: Path) -> None:
        with pytest.raises(
            ValueError, match=r"Unknown versions .* `tool\.hatch\.build\.targets\.appimage\.versions`: nope"
        ):
            build_wheel(hello, tmp_path / "out", table={"versions": ["nope"]})
