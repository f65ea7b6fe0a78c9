# SPDX-License-Identifier: MIT
"""The Python inside the image: where it comes from, one module a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class BundledPython:
    """A Python inside an AppDir.

    Attributes:
        version: as ``platform.python_version()`` gives it.
        executable: the interpreter.
        stdlib: the standard library's folder.
        site_packages: the folders that installed packages lie in: pure ones and those with extension modules, mostly
            the same one.
        stripped: symbols were removed.
        interpreter: the Python that it was copied from; unlike the copy it has what extension modules are built with.
        origin: the installation that it was copied from; libraries may lie beside its files there.

    """

    version: str
    executable: Path
    stdlib: Path
    site_packages: tuple[Path, ...]
    stripped: bool
    interpreter: Path
    origin: Path

    def __str__(self) -> str:
        return f"Python {self.version} from {self.interpreter}{', stripped' if self.stripped else ''}"
