# SPDX-License-Identifier: MIT
"""Read what a Python is from its files, without running it: it may be of another architecture."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.python import PythonInstallation
from hatch_appimage.syntax import parse_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_appimage.elf import Elf

# What getpath.py looks for beside an interpreter to know that the standard library is there ("landmarks"), in the
# directories that it may be in (sys.platlibdir).
_LANDMARK = "os.py"
_PLATFORM_LANDMARK = "lib-dynload"
_PLATLIBDIRS = ("lib", "lib64")
_LIBDIRS = ("lib", "lib64", "lib/*", "usr/lib")
_STDLIB = re.compile(r"python(?P<minor>3\.\d+)t?")
_EXECUTABLE = re.compile(r"python3(\.\d+)?[a-z]?")


def read_python(
    executable: Path, *, source: str, root: Path | None = None, tcl: Path | None = None
) -> PythonInstallation:
    """Read what an interpreter is from its files.

    Args:
        executable: the interpreter itself, in the ``bin`` of its prefix.
        source: where it comes from, as messages say it.
        root: the directory that all it brings of its own is in; None for its prefix.
        tcl: where Tcl's scripts are, if not beside its standard library.

    Raises:
        AppImageError: it is no CPython 3, or its standard library is not where it belongs.

    """
    elf = read_elf(executable)
    if elf is None:
        raise AppImageError(f"{source} is no Python: {executable} is no ELF program")
    prefix = executable.parent.parent
    stdlib = _find_stdlib(executable, prefix, source)
    platstdlib = next(
        (
            directory
            for name in _PLATLIBDIRS
            if ((directory := prefix / name / stdlib.name) / _PLATFORM_LANDMARK).is_dir()
        ),
        stdlib,
    )
    libdir = _find_libdir(elf, prefix, root or prefix)
    return PythonInstallation(
        executable=executable,
        version=_read_version(executable, libdir, stdlib, source),
        prefix=prefix,
        root=root or prefix,
        stdlib=stdlib,
        platstdlib=platstdlib,
        libdir=libdir,
        tcl=tcl or stdlib.parent,
        command=stdlib.name.removesuffix("t") + str(read_sysconfig(platstdlib).get("ABIFLAGS", "")),
        site_packages=_unique(
            f"lib/{stdlib.name}/site-packages", f"{platstdlib.parent.name}/{stdlib.name}/site-packages"
        ),
        searched=_searched(stdlib, platstdlib),
        elf=elf,
        source=source,
    )


def find_executable(directory: Path) -> Path:
    """Find the interpreter of a Python that was unpacked to a directory.

    Raises:
        AppImageError: there is none.

    """
    found = [path for path in directory.rglob("bin/python3*") if _EXECUTABLE.fullmatch(path.name) and _is_program(path)]
    if not found:
        raise AppImageError(f"There is no Python interpreter in {directory.name}: it must have a bin/python3")
    return min(found, key=lambda path: (len(path.parts), path.name)).resolve()


def _is_program(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and read_elf(path) is not None


def _find_stdlib(executable: Path, prefix: Path, source: str) -> Path:
    landmarks = (path for name in _PLATLIBDIRS for path in prefix.glob(f"{name}/python3.*/{_LANDMARK}"))
    found = {path.parent.name: path.parent for path in landmarks if _STDLIB.fullmatch(path.parent.name)}
    if executable.name in found:
        return found[executable.name]
    if len(found) != 1:
        what = (
            f"several standard libraries: {', '.join(sorted(found))}" if found else "no standard library of CPython 3"
        )
        raise AppImageError(f"{source} cannot be bundled: beside {executable} is {what}")
    return next(iter(found.values()))


def _find_libdir(elf: Elf, prefix: Path, root: Path) -> Path:
    """Find the directory of the shared library; some distributions have one for each architecture."""
    patterns = [
        f"{directory}/{soname}" for soname in elf.needed if soname.startswith("libpython") for directory in _LIBDIRS
    ]
    places = [path.parent for place in (prefix, root) for pattern in patterns for path in sorted(place.glob(pattern))]
    return next(iter(places), prefix / "lib")


def _read_version(executable: Path, libdir: Path, stdlib: Path, source: str) -> str:
    match = _STDLIB.fullmatch(stdlib.name)
    minor = match["minor"] if match else ""
    for path in (executable, *sorted(libdir.glob(f"lib{stdlib.name}*.so.*"))):
        version = find_version(path.read_bytes(), minor)
        if version:
            return version
    raise AppImageError(f"{source} cannot be bundled: {executable} does not say which Python {minor} it is")


def find_version(data: bytes, minor: str) -> str | None:
    """Find the version of Python in the bytes of an interpreter or its library; None if it is not there.

    Args:
        data: the file's.
        minor: the first two numbers of the version, ``3.12``.

    """
    # Linkers let a string share its bytes with a longer one that ends like it, such as the prefix.
    found = re.search(rb"(?<![\d.])(" + re.escape(minor.encode()) + rb"\.\d+(?:(?:a|b|rc)\d+)?\+?)\0", data)
    return found[1].decode() if found else None


def read_sysconfig(platstdlib: Path) -> Mapping[str, Any]:
    """Read what a Python was configured with (``sysconfig.get_config_vars()``); nothing if it does not say."""
    for path in sorted(platstdlib.glob("_sysconfigdata_*.py")):
        return literal_sysconfig(path.read_text(encoding="utf-8"))
    return {}


def literal_sysconfig(source: str) -> dict[str, Any]:
    """Return the literal dict that a ``_sysconfigdata`` module assigns to ``build_time_vars``; it is not imported."""
    tree = parse_source(source)
    values: dict[str, Any] = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "build_time_vars"
    )
    return values


def _searched(stdlib: Path, platstdlib: Path) -> tuple[PurePosixPath, ...]:
    """Return the directories that ``site`` searches; Debian's looks into other ones."""
    site = (stdlib / "site.py").read_text(encoding="utf-8") if (stdlib / "site.py").is_file() else ""
    if "dist-packages" in site:
        return _unique(
            "local/lib/" + stdlib.name + "/dist-packages",
            "lib/python3/dist-packages",
            f"lib/{stdlib.name}/dist-packages",
        )
    return _unique(f"{platstdlib.parent.name}/{stdlib.name}/site-packages", f"lib/{stdlib.name}/site-packages")


def _unique(*paths: str) -> tuple[PurePosixPath, ...]:
    return tuple(dict.fromkeys(map(PurePosixPath, paths)))
