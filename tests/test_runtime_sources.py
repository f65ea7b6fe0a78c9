# SPDX-License-Identifier: MIT
"""The C of runtime and launcher as other compilers see it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tools import require

from hatch_appimage.runtime.compile import LAUNCHER_SOURCE, SOURCE, WARNINGS, fetch_zstd

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def zstd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with Zstandard's headers and sources."""
    folder = tmp_path_factory.mktemp("zstd")
    fetch_zstd(folder)
    return folder / "zstd/lib"


@pytest.mark.parametrize("folder", [SOURCE, LAUNCHER_SOURCE], ids=["runtime", "launcher"])
def test_compiles_without_a_warning(zstd: Path, folder: Path) -> None:
    """With another compiler and another C library than the programs in the wheel, which Zig checks likewise."""
    command: list[str | Path] = [require("gcc", "gcc"), "-std=gnu11", "-fsyntax-only", *WARNINGS]
    command += ["-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", '-DVERSION="test"', "-iquote", folder, "-isystem", zstd]
    subprocess.run([*command, *sorted(folder.glob("*.c"))], check=True)
