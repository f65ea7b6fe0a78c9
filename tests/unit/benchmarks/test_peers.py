# SPDX-License-Identifier: MIT
"""Packers: what they need is told, and the parts of their builds that run without the index."""

from __future__ import annotations

import subprocess
import sysconfig
from typing import TYPE_CHECKING

import pytest

import run
from peers import BASE, CX_FREEZE, LEFT_OUT, OURS, PACKAGES, PACKERS, copy_python, require_packages

if TYPE_CHECKING:
    from pathlib import Path


def test_packers_are_known_by_their_benchmarks() -> None:
    assert {name for packer in PACKERS for name in packer.benchmarks} == {"size", "startup", "build"}
    assert {"size", "startup", "build"} == set(OURS.benchmarks) == set(CX_FREEZE.benchmarks)
    assert BASE not in PACKERS
    assert not set(LEFT_OUT) & {packer.name for packer in PACKERS}


@pytest.mark.parametrize("missing", [(), ("libfuse2", "squashfs-tools")])
def test_missing_packages_are_named(missing: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"installed {package}" for package in PACKAGES if package not in missing]
    query = tmp_path / "dpkg-query"
    query.write_text("#!/bin/sh\necho not-installed squashfs-tools\n" + "".join(f"echo {line}\n" for line in lines))
    query.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if not missing:
        require_packages()
        return
    with pytest.raises(SystemExit, match=r"Missing Debian packages: libfuse2 squashfs-tools$"):
        require_packages()


def test_debian_13_has_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = tmp_path / "dpkg-query"
    lines = [
        f"echo installed {package}t64\n" if package == "libfuse2" else f"echo installed {package}\n"
        for package in PACKAGES
    ]
    query.write_text("#!/bin/sh\n" + "".join(lines))
    query.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    require_packages()


def test_tools_are_for_one_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(SystemExit, match="for x86_64, and this machine is aarch64"):
        require_packages()


def test_the_tests_install_all_of_them() -> None:
    assert set(PACKAGES) <= set(run.PACKAGES)


def test_other_systems_have_no_packages_of_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    require_packages()


@pytest.mark.slow
def test_a_copied_python_runs(tmp_path: Path) -> None:
    copy_python(tmp_path / "usr")
    command: list[str | Path] = [
        tmp_path / "usr" / "bin" / "python3",
        "-c",
        "import sys; print(sys.prefix, sys.version_info[1])",
    ]
    environment = {"PYTHONHOME": str(tmp_path / "usr"), "LD_LIBRARY_PATH": str(tmp_path / "usr" / "lib")}
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
    assert printed == [str(tmp_path / "usr"), sysconfig.get_python_version().split(".")[1]]
    assert not list(tmp_path.rglob("site-packages"))
