# SPDX-License-Identifier: MIT
"""Markers and tags of the bundled Python."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.manylinux import glibc_platforms, musl_platforms
from hatch_appimage.packages.target import TargetEnvironment, _machine
from hatch_appimage.python.local import ask_python
from hatch_appimage.python.relocate import place_python


def test_this_python() -> None:
    """They are what packaging finds out about the Python that it runs in."""
    target = TargetEnvironment.of(Path(sys.executable))
    assert target.tags == tuple(sys_tags())
    assert target.environment == default_environment()


def test_what_was_asked_before() -> None:
    python = ask_python(Path(sys.executable))
    nowhere = Path("/nowhere")
    assert TargetEnvironment.of(nowhere, answer=python.platform) == replace(
        TargetEnvironment.of(python.executable), interpreter=nowhere
    )
    for cross in (False, True):
        bundled = place_python(python, AppDir(Path("/AppDir"), "app"), cross=cross)
        assert (bundled.platform is None) is cross


def test_limit() -> None:
    platforms = {tag.platform for tag in TargetEnvironment.of(Path(sys.executable), max_glibc=(2, 17)).tags}
    assert any(platform.startswith("manylinux_2_17_") for platform in platforms)
    assert not any(platform.startswith("manylinux_2_18_") for platform in platforms)


def test_musl() -> None:
    """Wheels for glibc do not count, whatever the interpreter that answers runs on."""
    target = TargetEnvironment.of(Path(sys.executable), max_glibc=(2, 17), musl=(1, 2, 5))
    platforms = [platform for platform in dict.fromkeys(tag.platform for tag in target.tags) if platform != "any"]
    assert platforms == list(musl_platforms(target.environment["platform_machine"], (1, 2)))


def test_c_library_without_a_name(tmp_path: Path) -> None:
    """confstr() of musl does not know what it is asked for."""
    program = tmp_path / "python"
    preface = "import os\ndef confstr(name):\n    raise OSError(22, 'Invalid argument')\nos.confstr = confstr\n"
    program.write_text(f"#!{sys.executable}\n{preface}import sys\nexec(sys.argv[sys.argv.index('-c') + 1])\n")
    program.chmod(0o755)
    assert TargetEnvironment.of(program).tags == tuple(sys_tags())


def test_other_python(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho Hello\n")
    program.chmod(0o755)
    with pytest.raises(AppImageError, match=r"does not say what it is: 'Hello\\n'$"):
        TargetEnvironment.of(program)


@pytest.mark.parametrize(
    ("kernel", "bits", "machine"),
    [
        ("x86_64", 64, "x86_64"),
        ("x86_64", 32, "i686"),
        ("aarch64", 64, "aarch64"),
        ("aarch64", 32, "armv7l"),
        ("armv7l", 32, "armv7l"),
        ("armv6l", 32, "armv6l"),
        ("riscv64", 64, "riscv64"),
    ],
)
def test_machine(kernel: str, bits: int, machine: str) -> None:
    assert _machine(kernel, bits) == machine


def test_glibc_platforms() -> None:
    assert list(glibc_platforms("aarch64", (2, 19))) == [
        "linux_aarch64",
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    ]
    assert list(glibc_platforms("i686", (2, 5))) == ["linux_i686", "manylinux_2_5_i686", "manylinux1_i686"]


def test_musl_platforms() -> None:
    assert list(musl_platforms("aarch64", (1, 2, 5))) == [
        "linux_aarch64",
        "musllinux_1_2_aarch64",
        "musllinux_1_1_aarch64",
        "musllinux_1_0_aarch64",
    ]
