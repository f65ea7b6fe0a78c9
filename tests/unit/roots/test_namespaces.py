# SPDX-License-Identifier: MIT
"""Commands in namespaces of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.roots.namespaces import Ending, isolated, run_isolated
from hatch_appimage.roots.system_calls import CLONE_NEWNET

ENVIRONMENT = {"PATH": os.defpath}


def nothing() -> None:
    """Prepare nothing."""


def run(directory: Path, script: str, *, flags: int = 0, quiet: bool = True, seconds: float = 30) -> Ending:
    command = ["sh", "-c", script]
    if not quiet:
        return run_isolated(command, prepare=nothing, environment=ENVIRONMENT, directory=directory, flags=flags)
    with isolated(command, prepare=nothing, environment=ENVIRONMENT, directory=directory, flags=flags) as wait:
        return wait(seconds)


@pytest.mark.parametrize(
    ("script", "ending"),
    [("exit 0", Ending(0, None)), ("exit 7", Ending(7, None)), ("kill -TERM $$", Ending(143, signal.SIGTERM))],
)
def test_how_it_ends(tmp_path: Path, script: str, ending: Ending) -> None:
    assert run(tmp_path, script) == ending


def test_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "cat; echo out; echo err >&2; pwd > here")
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "here").read_text() == f"{tmp_path}\n"


def test_not_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "echo out; echo err >&2", quiet=False)
    assert capfd.readouterr() == ("out\n", "err\n")


def test_further_namespaces(tmp_path: Path) -> None:
    for flags, same in ((0, True), (CLONE_NEWNET, False)):
        run(tmp_path, "readlink /proc/self/ns/net > net", flags=flags)
        assert ((tmp_path / "net").read_text().strip() == str(Path("/proc/self/ns/net").readlink())) is same


def test_takes_too_long(tmp_path: Path) -> None:
    """Nothing of it is left, whatever it ignores and wherever it went."""
    script = "trap '' TERM HUP INT; setsid sh -c 'readlink /proc/self/ns/pid > space; sleep 60' & sleep 60; sleep 60"
    with pytest.raises(TimeoutError):
        run(tmp_path, script, seconds=1)
    space = (tmp_path / "space").read_text().strip()
    assert space
    spaces = [link for link in Path("/proc").glob("[0-9]*/ns/pid") if os.path.lexists(link)]
    assert space not in {str(link.readlink()) for link in spaces if os.access(link, os.R_OK)}


def test_cannot_be_prepared(tmp_path: Path) -> None:
    def fail() -> None:
        raise AppImageError("not here")

    with pytest.raises(AppImageError, match="not here"):
        run_isolated(["true"], prepare=fail, environment=ENVIRONMENT, directory=tmp_path)


def test_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(AppImageError, match="no-such-program cannot be started there: it is not there"):
        run_isolated(["no-such-program"], prepare=nothing, environment=ENVIRONMENT, directory=tmp_path)
