# SPDX-License-Identifier: MIT
"""Machines of other architectures, whose programs an emulator runs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.architecture import ARCHITECTURES
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

QEMU = {"x86_64": "x86_64", "aarch64": "aarch64", "armhf": "arm", "i686": "i386"}
# The interpreter of an image is started by the kernel, which hands it to the emulator: a registration of this user
# namespace only (binfmt_misc; namespaces have one of their own since Linux 6.7). The image itself is started by its
# emulator: its magic is where other ELF files have zeros, by which the registration knows them.
EMULATE = """
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf %s "$1" > /proc/sys/fs/binfmt_misc/register || exit 99
shift
exec "$@"
"""


@dataclass(frozen=True)
class Machine:
    """A Debian of another architecture in a directory; nothing of it was ever run."""

    architecture: str
    root: Path

    @property
    def emulator(self) -> str:
        return require(f"qemu-{QEMU[self.architecture]}-static", "qemu-user-static")

    @property
    def settings(self) -> str:
        """Return the lines of a project's table that build for it."""
        python = f"python = {{{self.architecture} = '{self.root}/usr/bin/python3'}}"
        return f"{python}\nsysroot = {{{self.architecture} = '{self.root}'}}\n"

    def run(self, image: Path, *arguments: str, alone: bool = False) -> subprocess.CompletedProcess[str]:
        """Run an image as this machine would; alone, as one would that has nothing but its kernel."""
        home = image.parent
        root = {} if alone else {"QEMU_LD_PREFIX": str(self.root)}
        return subprocess.run(
            ["unshare", "-Urm", "sh", "-c", EMULATE, "sh", elf_registration(self), self.emulator, image, *arguments],
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **root},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def elf_registration(machine: Machine) -> str:
    """Return what has the kernel start programs of an architecture by its emulator (binfmt_misc.rst)."""
    architecture = ARCHITECTURES[machine.architecture]
    ident = b"\x7fELF" + bytes([architecture.elf_class // 32, 1, 1])
    magic = ident + bytes(9) + b"\2\0" + architecture.elf_machine.to_bytes(2, "little")
    # The system's ABI may be any; an executable is of type 2 or 3.
    mask = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe\xff" + b"\xff\xff"
    escaped = ["".join(f"\\x{byte:02x}" for byte in data) for data in (magic, mask)]
    return f":test-{machine.architecture}:M::{escaped[0]}:{escaped[1]}:{machine.emulator}:F"
