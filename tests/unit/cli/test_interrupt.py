# SPDX-License-Identifier: MIT
"""Commands that are interrupted or terminated: one line, a status, and nothing that stays behind."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

import pytest

from hatch_appimage.cli import appimagetool, main, pack

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", [pack, appimagetool])
def test_interrupted(
    module: ModuleType,
    number: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(_request: object) -> NoReturn:
        os.kill(os.getpid(), number)
        raise AssertionError

    monkeypatch.setattr(module, "pack_directory", interrupt)
    before = signal.getsignal(signal.SIGTERM)
    assert main([module.__name__.rpartition(".")[2], str(tmp_path)]) == 130
    assert capsys.readouterr().err.splitlines()[-1].endswith(": interrupted")
    assert signal.getsignal(signal.SIGTERM) is before
