# SPDX-License-Identifier: MIT
"""What is taken for a runtime."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.errors import AppImageError
from hatch_appimage.format import file_digest
from hatch_appimage.image.write import Runtime, load_runtime
from support.elf_fixtures import make_runtime

if TYPE_CHECKING:
    from pathlib import Path


def load(directory: Path, data: bytes, architecture: str = "x86_64") -> Runtime:
    path = directory / "runtime"
    path.write_bytes(data)
    return load_runtime(path, ARCHITECTURES[architecture])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_runtime(tmp_path: Path, name: str) -> None:
    data = make_runtime(ARCHITECTURES[name].elf_machine, ARCHITECTURES[name].elf_class)
    assert load(tmp_path, data, name) == Runtime(
        data, None, load(tmp_path, data, name).sections, str(tmp_path / "runtime")
    )


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fEL"])
def test_no_elf(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(AppImageError, match=f"^The runtime {tmp_path}/runtime is no ELF file$"):
        load(tmp_path, data)


@pytest.mark.parametrize(
    ("machine", "bits", "what"),
    [
        (183, 64, "aarch64"),
        (3, 32, "i686"),
        (62, 32, "ELF machine 62, 32 bits"),
        (9999, 64, "ELF machine 9999, 64 bits"),
    ],
)
def test_other_architecture(tmp_path: Path, machine: int, bits: int, what: str) -> None:
    with pytest.raises(
        AppImageError, match=f"^The runtime {tmp_path}/runtime is for {what}, and the image for x86_64$"
    ):
        load(tmp_path, make_runtime(machine, bits))


@pytest.mark.parametrize("magic", [b"", b"AI\x01", b"AI"])
def test_no_type_2_runtime(tmp_path: Path, magic: bytes) -> None:
    with pytest.raises(AppImageError, match=r"is no type-2 AppImage runtime: it has no `AI\\2` at offset 8$"):
        load(tmp_path, make_runtime(magic=magic))


def test_whole_appimage(tmp_path: Path) -> None:
    data = make_runtime()
    with pytest.raises(AppImageError) as caught:
        load(tmp_path, data + b"hsqs")
    assert str(caught.value) == (
        f"The runtime {tmp_path}/runtime has {len(data) + 4} bytes, but its ELF header puts the image at {len(data)}: "
        "it is a whole AppImage, not a runtime alone"
    )


@pytest.mark.parametrize("left", [64, 80, 150, -1])
def test_cut_off(tmp_path: Path, left: int) -> None:
    with pytest.raises(AppImageError, match=f"{tmp_path}/runtime") as caught:
        load(tmp_path, make_runtime()[:left])
    assert "\n" not in str(caught.value)


def test_without_section_headers(tmp_path: Path) -> None:
    """No reader would find the image behind it; but it is no AppImage either, and must not be called one."""
    with pytest.raises(AppImageError, match=f"{tmp_path}/runtime") as caught:
        load(tmp_path, make_runtime(sections=0))
    assert "whole AppImage" not in str(caught.value)


@pytest.mark.parametrize(
    "zeroed", [[], [(3, 4)], [(3, 4), (7, 2)], [(30, 50), (3, 4)], [(3, 40), (5, 2), (20, 30)], [(3, 4), (3, 9)]]
)
def test_digest_with_ranges_as_zeros(tmp_path: Path, zeroed: list[tuple[int, int]]) -> None:
    """In a damaged file they overlap."""
    data = bytearray(range(1, 101))
    (tmp_path / "file").write_bytes(data)
    for offset, size in zeroed:
        data[offset : offset + size] = bytes(size)
    assert file_digest(tmp_path / "file", hashlib.sha256(), zeroed) == hashlib.sha256(data).digest()
