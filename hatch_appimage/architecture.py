# SPDX-License-Identifier: MIT
"""The architectures an AppImage can be built for, by the names that AppImage files carry."""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes:
        name: as in file names and as a hatch target version, for example ``x86_64``.
        elf_machine: ``e_machine`` of its ELF files (System V ABI, ELF header).
        elf_class: 32 or 64, the bits of its ELF files.
        kernel_names: what ``uname -m`` may call it; the first one is in the names of wheels.
        multiarch: Debian's name for it in paths of libraries (https://wiki.debian.org/Multiarch/Tuples).
        lib: where other distributions keep its libraries, below ``/`` and ``/usr``.
        loader: where programs for glibc have their loader on every distribution (``PT_INTERP``;
            https://sourceware.org/glibc/wiki/ABIList).
        musl_loader: where those for musl have theirs.

    """

    name: str
    elf_machine: int
    elf_class: int
    kernel_names: tuple[str, ...]
    multiarch: str
    lib: str
    loader: str
    musl_loader: str

    @property
    def loaders(self) -> tuple[str, str]:
        """Where programs that run on more than one machine have their loader."""
        return (self.loader, self.musl_loader)

    @property
    def machine(self) -> str:
        """What ``platform.machine()`` and the platform tags of wheels call it."""
        return self.kernel_names[0]

    @property
    def library_directories(self) -> tuple[str, ...]:
        """Where distributions keep its libraries, below ``/`` and ``/usr``: Debian's directory first."""
        return tuple(dict.fromkeys((f"lib/{self.multiarch}", self.lib, "lib")))


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="x86_64",
            elf_machine=62,
            elf_class=64,
            kernel_names=("x86_64", "amd64"),
            multiarch="x86_64-linux-gnu",
            lib="lib64",
            loader="/lib64/ld-linux-x86-64.so.2",
            musl_loader="/lib/ld-musl-x86_64.so.1",
        ),
        Architecture(
            name="aarch64",
            elf_machine=183,
            elf_class=64,
            kernel_names=("aarch64", "arm64"),
            multiarch="aarch64-linux-gnu",
            lib="lib64",
            loader="/lib/ld-linux-aarch64.so.1",
            musl_loader="/lib/ld-musl-aarch64.so.1",
        ),
        # Not armv6l: Debian's armhf, the wheels that are tagged armv7l, and our runtime all need ARMv7.
        Architecture(
            name="armhf",
            elf_machine=40,
            elf_class=32,
            kernel_names=("armv7l", "armv8l"),
            multiarch="arm-linux-gnueabihf",
            lib="lib",
            loader="/lib/ld-linux-armhf.so.3",
            musl_loader="/lib/ld-musl-armhf.so.1",
        ),
        Architecture(
            name="i686",
            elf_machine=3,
            elf_class=32,
            kernel_names=("i686", "i586", "i486", "i386"),
            multiarch="i386-linux-gnu",
            lib="lib32",
            loader="/lib/ld-linux.so.2",
            musl_loader="/lib/ld-musl-i386.so.1",
        ),
    )
}


@dataclass(frozen=True)
class ByArchitecture(Generic[T]):
    """A setting that may differ from architecture to architecture.

    Attributes:
        default: its value where nothing else is said.
        special: values by the names of architectures.

    """

    default: T
    special: Mapping[str, T]

    @property
    def all(self) -> tuple[T, ...]:
        """All values that it has."""
        return (self.default, *self.special.values())

    def of(self, architecture: Architecture) -> T:
        """Return its value for an architecture."""
        return self.special.get(architecture.name, self.default)


# A 32-bit user land on a 64-bit kernel, or a personality (setarch): `uname -m` says one, programs are of the other.
_OTHER_WIDTH = {"x86_64": "i686", "aarch64": "armhf", "i686": "x86_64", "armhf": "aarch64"}


def native_architecture() -> Architecture:
    """Return the architecture of the Python that runs the build.

    Raises:
        AppImageError: there is no AppImage runtime for this kind of machine.

    """
    machine = platform.machine().lower()
    architecture = architecture_for(machine, struct.calcsize("P") * 8)
    if architecture is None:
        raise AppImageError(
            f"AppImages cannot be built on `{machine}`, only on x86_64, aarch64, ARMv7 or newer (armhf), and i686"
        )
    return architecture


def architecture_for(machine: str, bits: int) -> Architecture | None:
    """Return the architecture of programs on a machine; None for one that there is no AppImage runtime for.

    Args:
        machine: as ``uname -m`` has it.
        bits: of the programs' pointers.

    """
    for architecture in ARCHITECTURES.values():
        if machine in architecture.kernel_names:
            return architecture if bits == architecture.elf_class else ARCHITECTURES[_OTHER_WIDTH[architecture.name]]
    return None


def architecture_of(elf_machine: int, elf_class: int) -> str:
    """Name the architecture of an ELF file from its header; unknown ones by number."""
    for architecture in ARCHITECTURES.values():
        if (architecture.elf_machine, architecture.elf_class) == (elf_machine, elf_class):
            return architecture.name
    return f"ELF machine {elf_machine}, {elf_class} bits"
