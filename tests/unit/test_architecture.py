# SPDX-License-Identifier: MIT
"""The names of architectures."""

from __future__ import annotations

import platform
import struct

import pytest

from hatch_appimage.architecture import ARCHITECTURES, architecture_of, native_architecture
from hatch_appimage.errors import AppImageError

NATIVE_BITS = struct.calcsize("P") * 8


def test_names_are_those_of_appimage_files() -> None:
    assert {name: (a.elf_machine, a.elf_class) for name, a in ARCHITECTURES.items()} == {
        "x86_64": (62, 64),
        "aarch64": (183, 64),
        "armhf": (40, 32),
        "i686": (3, 32),
    }


def test_native_is_what_this_interpreter_is() -> None:
    assert native_architecture().elf_class == NATIVE_BITS
    assert platform.machine().lower() in native_architecture().kernel_names


@pytest.mark.parametrize(
    ("machine", "bits", "expected"),
    [
        ("x86_64", 64, "x86_64"),
        ("AMD64", 64, "x86_64"),
        ("arm64", 64, "aarch64"),
        ("armv7l", 32, "armhf"),
        ("i586", 32, "i686"),
        pytest.param("x86_64", 32, "i686", id="32-bit user land on x86_64"),
        pytest.param("aarch64", 32, "armhf", id="32-bit user land on aarch64"),
        pytest.param("i686", 64, "x86_64", id="setarch i686 around a 64-bit Python"),
        pytest.param("armv8l", 64, "aarch64", id="setarch armv8l around a 64-bit Python"),
    ],
)
def test_native_by_kernel_and_pointer_size(
    machine: str, bits: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(struct, "calcsize", lambda _: bits // 8)
    assert native_architecture().name == expected


@pytest.mark.parametrize("machine", ["riscv64", "armv6l", "armv5tel"])
def test_native_unknown(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Raspberry Pi Zero is none of armhf: neither the runtime nor the wheels for it run there."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(AppImageError) as caught:
        native_architecture()
    assert str(caught.value) == (
        f"AppImages cannot be built on `{machine}`, only on x86_64, aarch64, ARMv7 or newer (armhf), and i686"
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture_of_known(name: str) -> None:
    assert architecture_of(ARCHITECTURES[name].elf_machine, ARCHITECTURES[name].elf_class) == name


@pytest.mark.parametrize(
    ("machine", "bits", "expected"),
    [(243, 64, "ELF machine 243, 64 bits"), (62, 32, "ELF machine 62, 32 bits")],  # RISC-V; the x32 ABI
)
def test_architecture_of_unknown(machine: int, bits: int, expected: str) -> None:
    assert architecture_of(machine, bits) == expected
