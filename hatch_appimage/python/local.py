# SPDX-License-Identifier: MIT
"""A Python that lies on this machine: asked what it is if it runs here, else read."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from hatch_appimage.architecture import native_architecture
from hatch_appimage.elf import fits, read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import ProcessError, run
from hatch_appimage.python import PythonInstallation
from hatch_appimage.python.files import read_python
from hatch_appimage.python.probe import ASK_PLATFORM
from hatch_appimage.python.standalone import StandaloneSource
from hatch_appimage.runtime.launcher_settings import find_program

if TYPE_CHECKING:
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.elf import Elf

# Asks an interpreter about itself. Paths of the schemes are computed for the prefix "/p", so that they come out
# relative to whatever prefix. Debian's own scheme installs below local/, "venv" and "posix_prefix" are everybody's.
_PROBE = (
    ASK_PLATFORM
    + """
import site
scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
bases = dict.fromkeys(("base", "platbase", "installed_base", "installed_platbase"), "/p")
paths = sysconfig.get_paths(scheme, vars=bases)
print(json.dumps({
    "platform": platform_answer,
    "implementation": sys.implementation.name,
    "version": platform.python_version(),
    "virtual": sys.prefix != sys.base_prefix,
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"),
    "platstdlib": sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}),
    "libdir": sysconfig.get_config_var("LIBDIR") or "",
    "command": "python" + sysconfig.get_python_version() + getattr(sys, "abiflags", ""),
    "site_packages": [paths["purelib"], paths["platlib"]],
    "searched": site.getsitepackages(["/p"]),
}))
"""
)


@dataclass(frozen=True)
class LocalSource:
    """An interpreter of this machine.

    Attributes:
        path: where it is; None for the one that runs the build, or, for another architecture than this machine's, the
            same version of python-build-standalone.

    """

    path: Path | None = None

    def provide(self, architecture: Architecture, directory: Path) -> PythonInstallation:
        """Find out what the interpreter is; nothing is written.

        Raises:
            AppImageError: it is no CPython, or does not work.

        """
        if self.path is not None:
            return find_host_python(self.path)
        if architecture == native_architecture():
            return find_host_python(own_python())
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return StandaloneSource(version).provide(architecture, directory)


def own_python() -> Path:
    """Return the interpreter that runs this process; in a virtual environment the one below it."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def is_runnable(elf: Elf) -> bool:
    """Whether a program can be run on this machine: it is of this architecture, and its loader is there."""
    return fits(elf, native_architecture()) and (not elf.interpreter or Path(elf.interpreter).exists())


def find_host_python(path: Path) -> PythonInstallation:
    """Find out what an interpreter is: one that runs here is asked, the files of another one are read.

    Raises:
        AppImageError: it does not run, or is no CPython.

    """
    elf = read_elf(path) if path.is_file() else None
    if elf is not None and not is_runnable(elf):
        return read_python(path.resolve(), source=str(path))
    return ask_python(path)


def ask_python(path: Path) -> PythonInstallation:
    """Ask an interpreter what it is, by running it.

    Raises:
        AppImageError: it does not run, or is no CPython.

    """
    answer = _probe(path)
    if answer["virtual"]:  # some answers are not those of the installation below
        answer = _probe(Path(answer["executable"]))
    if answer["implementation"] != "cpython":
        raise AppImageError(f"{path} is {answer['implementation']}: only CPython can be bundled")
    executable = find_program(Path(answer["executable"])).resolve()
    elf = read_elf(executable)
    if elf is None:
        raise AppImageError(f"{executable} is no ELF program: set `python` to the interpreter itself, not to a wrapper")
    if not all(Path(answer[key]).is_relative_to(answer["prefix"]) for key in ("stdlib", "platstdlib")):
        raise AppImageError(f"The Python at {executable} is spread over several prefixes and cannot be bundled")
    return PythonInstallation(
        executable=executable,
        version=answer["version"],
        prefix=Path(answer["prefix"]),
        root=Path(answer["prefix"]),
        stdlib=Path(answer["stdlib"]),
        platstdlib=Path(answer["platstdlib"]),
        libdir=Path(answer["libdir"]),
        tcl=Path(answer["stdlib"]).parent,
        command=answer["command"],
        site_packages=_below_prefix(answer["site_packages"]),
        searched=_below_prefix(answer["searched"]),
        elf=elf,
        source=str(executable),
        platform=answer["platform"],
    )


def _probe(interpreter: Path) -> dict[str, Any]:
    try:
        output = run([interpreter, "-I", "-"], doing="ask the Python to be bundled what it is", stdin=_PROBE)
        answer: Any = json.loads(output)
    except ProcessError as error:
        reason = (error.output or str(error)).splitlines()[-1 if error.output else 0]
        raise AppImageError(f"`{interpreter}` is no working Python 3 interpreter: {reason}") from error
    except ValueError as error:
        raise AppImageError(f"`{interpreter}` is no working Python 3 interpreter") from error
    if not isinstance(answer, dict):
        raise AppImageError(f"`{interpreter}` is no working Python 3 interpreter")
    return answer


def _below_prefix(paths: list[str]) -> tuple[PurePosixPath, ...]:
    return tuple(dict.fromkeys(PurePosixPath(path).relative_to("/p") for path in paths))
