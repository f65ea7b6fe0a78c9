# SPDX-License-Identifier: MIT
"""What a build makes of an image's self-test."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.image.self_test import SelfTest, run_self_test

if TYPE_CHECKING:
    from pathlib import Path

HERE = native_architecture()


def write_image(path: Path, *lines: str, status: int = 0) -> Path:
    printed = "".join(f"echo '{line}'\n" for line in lines)
    path.write_text(f'#!/bin/sh\ntest "$*" = --appimage-self-test || exit 9\n{printed}exit {status}\n')
    path.chmod(0o755)
    return path


def test_all_works(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a", "ok       C library: glibc 2.36", "skipped  module x: why", "self-test: 1 ok")
    assert run_self_test(image, HERE) == SelfTest(1, ("module x: why",))


def test_fault(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a", "ok       module x", "FAILED   module y: why", "self-test: ...", status=1)
    with pytest.raises(AppImageError) as caught:
        run_self_test(image, HERE)
    assert str(caught.value) == "`self-test` failed with exit status 1\n  FAILED   module y: why"


def test_no_self_test(tmp_path: Path) -> None:
    image = write_image(tmp_path / "a", "AppImage: this AppImage has no self-test", status=127)
    with pytest.raises(AppImageError) as caught:
        run_self_test(image, HERE)
    assert str(caught.value) == ("`self-test` failed with exit status 127\n  AppImage: this AppImage has no self-test")


def test_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    image = write_image(tmp_path / "a")
    image.write_text('#!/bin/sh\necho "ok       $PYTHONPATH$LANG"\nls -A\n')
    assert run_self_test(image, HERE) == SelfTest(1)
    image.write_text('#!/bin/sh\necho "FAILED   $PYTHONPATH$LANG $(ls -A | wc -l)"\nexit 1\n')
    with pytest.raises(AppImageError, match=r"FAILED   C\.UTF-8 0$"):
        run_self_test(image, HERE)


def test_another_architecture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert run_self_test(tmp_path / "nothing", replace(HERE, name="other")) == SelfTest(None)
    assert caplog.messages == ["`self-test` is not run: the image is for other"]
