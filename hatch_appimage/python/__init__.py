# SPDX-License-Identifier: MIT
"""The Python inside the image: where it comes from, one module a source."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from hatch_appimage.elf_strip import Stripped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.elf import Elf


@dataclass(frozen=True)
class PythonInstallation:
    """A Python that lies in a directory; never a virtual environment, always the installation below.

    Attributes:
        executable: the interpreter.
        version: as ``platform.python_version()`` gives it.
        prefix: its installation.
        root: what it brings of its own lies in this directory: the prefix, or one around it.
        stdlib: its standard library.
        platstdlib: the half of it that is specific to the platform, mostly the same directory.
        libdir: where its shared library lies when the loader finds it without an RPATH.
        tcl: where the scripts of Tcl are, if it brings some.
        command: the interpreter's name with its version, ``python3.12``.
        site_packages: where packages go, relative to a prefix.
        searched: the ``site-packages`` directories that it searches, relative to a prefix.
        elf: its executable.
        source: where it comes from, as messages say it.
        platform: its answer to `probe.ASK_PLATFORM`; None if it was not asked.

    """

    executable: Path
    version: str
    prefix: Path
    root: Path
    stdlib: Path
    platstdlib: Path
    libdir: Path
    tcl: Path
    command: str
    site_packages: tuple[PurePosixPath, ...]
    searched: tuple[PurePosixPath, ...]
    elf: Elf
    source: str
    platform: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def musl(self) -> bool:
        """Whether it is built for musl: that is what its loader (``PT_INTERP``) is."""
        return PurePosixPath(self.elf.interpreter).name.startswith("ld-musl-")

    def __str__(self) -> str:
        return f"Python {self.version} from {self.source}"


@dataclass(frozen=True)
class BundledPython:
    """A Python inside an AppDir.

    Attributes:
        version: as ``platform.python_version()`` gives it.
        executable: the interpreter itself: what the build runs, and what the launchers become.
        stdlib: the standard library's directory.
        site_packages: the directories that installed packages lie in: pure ones and those with extension modules,
            mostly the same one.
        interpreter: the Python that it was copied from; unlike the copy it has what extension modules are built with.
        origin: the installation that it was copied from; libraries may lie beside its files there.
        source: where it comes from, as messages say it; empty for the interpreter's path.
        cross: it cannot be run on the build machine: it is for another architecture, or for a C library that the
            machine does not have.
        build_python: a Python of the build machine, of the same minor version, that does what takes running for one
            that cannot be run here; None if there is none.
        musl: it is built for musl.
        stripped: what was removed from its programs and libraries.
        platform: what the Python that it was copied from says of its platform; None if it does not run here, or was not
            asked.

    """

    version: str
    executable: Path
    stdlib: Path
    site_packages: tuple[Path, ...]
    interpreter: Path
    origin: Path
    source: str = ""
    cross: bool = False
    build_python: Path | None = None
    musl: bool = False
    stripped: Stripped = field(default_factory=Stripped)
    platform: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def extension_directories(self) -> list[Path]:
        """The directories of the standard library's extension modules."""
        return sorted(self.stdlib.parent.parent.glob(f"lib*/{self.stdlib.name}/lib-dynload"))

    @property
    def launcher(self) -> Path:
        """What the application knows as its interpreter (``sys.executable``): it starts ``executable`` isolated."""
        return self.executable.parent.with_name("bin") / self.executable.name

    def __str__(self) -> str:
        return (
            f"Python {self.version} from {self.source or self.interpreter}{', stripped' if self.stripped.files else ''}"
        )
