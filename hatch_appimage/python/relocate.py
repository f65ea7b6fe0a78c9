# SPDX-License-Identifier: MIT
"""Copy a Python into the AppDir and make it relocatable; one that does not run here is not run for it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from dataclasses import dataclass, replace
from fnmatch import translate
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.elf import from_origin, read_elf, set_rpath
from hatch_appimage.elf_strip import Stripped, strip_files
from hatch_appimage.errors import AppImageError
from hatch_appimage.process import clean_environment, run
from hatch_appimage.python import BundledPython
from hatch_appimage.python.files import literal_sysconfig
from hatch_appimage.results import NO_RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hatch_appimage.elf import Elf
    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import PythonInstallation
    from hatch_appimage.results import Results

# What no application needs: tests, tools for developers, files for linking against Python, leftovers of its build.
_LEFT_OUT_FOLDERS = (
    "__pycache__",
    "config-*",
    "dist-packages",
    "ensurepip",
    "idle_test",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
)
_LEFT_OUT_FILES = (
    "*.a",
    "*.exe",
    "*.o",
    "*.pyc",
    "EXTERNALLY-MANAGED",
    "_ctypes_test.*",
    "_distutils_system_mod.py",  # Debian's own ways, for setuptools
    "_sysconfig_vars_*.json",
    "_test*.so",
    "_xxtestfuzz.*",
    "build-details.json",
    # NIS is gone from networks and from Python 3.13; here it would bring eight libraries of Kerberos.
    "nis.*",
    "sitecustomize.py",
    "xxlimited*.so",
    "xxsubtype.*",
)
_LEFT_OUT = re.compile("|".join(map(translate, (*_LEFT_OUT_FOLDERS, *_LEFT_OUT_FILES))))
# The modules that say how Python was built.
_REWRITTEN = "_sysconfigdata_"
# Variables of sysconfig that lead to files of the machine that Python runs on, not to Python's own: time zones.
_OF_THE_HOST = frozenset({"TZPATH"})
# What tkinter runs on lies beside the standard library of Pythons that bring their own Tcl.
_TCL_FOLDERS = ("itcl[0-9]*", "tcl[0-9]*", "thread[0-9]*", "tk[0-9]*")


@dataclass(frozen=True)
class _Program:
    """An ELF file of the AppDir.

    Attributes:
        original: the file that it was copied from.
        elf: what it is.

    """

    original: Path
    elf: Elf


def place_python(
    python: PythonInstallation, appdir: AppDir, *, cross: bool = False, build_python: Path | None = None
) -> BundledPython:
    """Return what a Python is in an AppDir, whether or not it lies there already.

    Args:
        python: it.
        appdir: where it goes.
        cross: it does not run on the build machine.
        build_python: a Python of the build machine of the same minor version, for a cross one.

    """
    return BundledPython(
        version=python.version,
        executable=appdir.libexec / python.command,
        stdlib=appdir.usr / python.stdlib.relative_to(python.prefix),
        site_packages=tuple(appdir.usr / relative for relative in python.site_packages),
        interpreter=python.executable,
        origin=python.prefix,
        source=python.source,
        cross=cross,
        build_python=build_python,
        musl=python.musl,
        platform=None if cross else python.platform,
    )


def bundle_python(
    python: PythonInstallation,
    appdir: AppDir,
    *,
    cross: bool = False,
    build_python: Path | None = None,
    strip: bool = True,
    results: Results = NO_RESULTS,
) -> BundledPython:
    """Copy a Python into the AppDir, without its installed packages, so that it runs wherever the AppDir is.

    Args:
        python: it; nothing of it is changed.
        appdir: where it goes.
        cross: it does not run on the build machine.
        build_python: a Python of the build machine of the same minor version, for a cross one.
        strip: remove what only debuggers read from its programs and libraries.
        results: where stripped and patched files are kept for the next image.

    Raises:
        AppImageError: it does not start there.

    """
    bundled = place_python(python, appdir, cross=cross, build_python=build_python)
    stdlib = bundled.stdlib
    _copy_stdlib(python.stdlib, stdlib)
    if python.platstdlib != python.stdlib:
        _copy_stdlib(python.platstdlib, appdir.usr / python.platstdlib.relative_to(python.prefix))
    if any(python.tcl.glob("tcl[0-9]*/init.tcl")):
        for pattern in _TCL_FOLDERS:
            for directory in python.tcl.glob(pattern):
                _copy_stdlib(directory, stdlib.parent / directory.name)
    _copy_executable(python.executable, bundled.executable)
    programs = _copy_libraries(python, appdir)
    # Before patchelf moves what is loaded behind the symbols, where a hole would stay.
    stripped = strip_files(sorted(programs), appdir.root, results) if strip else Stripped()
    _relocate(programs, python, appdir, results)
    for path in stdlib.glob(f"{_REWRITTEN}*.py"):
        path.write_text(relocatable_sysconfig(path.read_text(encoding="utf-8"), python.prefix), encoding="utf-8")
    _make_site_packages(python, bundled, appdir)
    if not cross:
        _check(bundled, appdir)
    return replace(bundled, stripped=stripped)


def copied_sources(python: PythonInstallation) -> Iterator[PurePosixPath]:
    """Yield the sources that become a part of an AppDir as they are, by their places below the standard library."""
    for directory, directories, names in os.walk(python.stdlib):
        directories[:] = itertools.filterfalse(_LEFT_OUT.match, directories)
        for name in itertools.filterfalse(_LEFT_OUT.match, names):
            if name.endswith(".py") and not name.startswith(_REWRITTEN):
                yield PurePosixPath(Path(directory, name).relative_to(python.stdlib))


def _copy_stdlib(source: Path, target: Path) -> None:
    """Copy a standard library without what is left out of it, with the content of what its links lead to.

    Raises:
        AppImageError: a link leads to a directory with another such link in it, so that copying might never end.

    """

    def left_out(directory: str, names: list[str]) -> set[str]:
        found = set(filter(_LEFT_OUT.match, names))
        links = [path for name in names if name not in found and (path := Path(directory, name)).is_symlink()]
        linked = Path(directory).resolve() != real / Path(directory).relative_to(source)
        for link in links:
            if linked and link.is_dir():
                raise AppImageError(f"{link} is a link to a directory, in one that a link leads to: it is not copied")
        return found | {link.name for link in links if not link.exists()}

    real = source.resolve()
    # A distribution's standard library may have links to files outside of it.
    shutil.copytree(source, target, ignore=left_out, dirs_exist_ok=True)


def _copy_executable(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _copy_libraries(python: PythonInstallation, appdir: AppDir) -> dict[Path, _Program]:
    """Copy the libraries that belong to this Python: its own, and all that its RPATHs find within its root.

    Returns:
        every ELF file of the AppDir.

    """
    found: dict[Path, _Program] = {}
    waiting = [(path, _original(path, python, appdir)) for path in appdir.files()]
    while waiting:
        path, original = waiting.pop()
        elf = read_elf(path)
        if elf is None:
            continue
        path.chmod(0o755)
        found[path] = _Program(original, elf)
        for soname in elf.needed:
            library = _own_library(soname, elf, original, python)
            target = appdir.lib / soname
            if library is not None and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, target)
                waiting.append((target, library))
    return found


def _original(path: Path, python: PythonInstallation, appdir: AppDir) -> Path:
    if path.parent == appdir.libexec:
        return python.executable
    return python.prefix / path.relative_to(appdir.usr)


def _own_library(soname: str, elf: Elf, original: Path, python: PythonInstallation) -> Path | None:
    """Find a needed library that comes with this Python; the system's are left to the libraries step."""
    directories = [_expand(directory, original) for directory in elf.search_path]
    directories = [directory for directory in directories if directory.is_relative_to(python.root)]
    if soname.startswith("libpython"):
        directories.append(python.libdir)
    return next((directory / soname for directory in directories if (directory / soname).is_file()), None)


def _expand(directory: str, original: Path) -> Path:
    for name in ("${ORIGIN}", "$ORIGIN"):
        directory = directory.replace(name, str(original.parent))
    return Path(os.path.normpath(directory))


def _relocate(programs: Mapping[Path, _Program], python: PythonInstallation, appdir: AppDir, results: Results) -> None:
    """Make RPATHs into the old prefix relative; what fits already is not touched.

    Those into other directories stay until the libraries that they lead to are bundled.
    """
    for path, program in programs.items():
        elf = program.elf
        directories = []
        for directory in elf.search_path:
            place = _expand(directory, program.original)
            if Path(directory).is_relative_to(python.prefix):
                directories.append(from_origin(path, appdir.usr / Path(directory).relative_to(python.prefix)))
            # What lies around the prefix has another place in the AppDir: what is needed of it was copied.
            elif place.is_relative_to(python.prefix) or not place.is_relative_to(python.root):
                directories.append(directory)
        if any((appdir.lib / soname).exists() for soname in elf.needed):
            directories.append(from_origin(path, appdir.lib))
        directories = list(dict.fromkeys(directories))
        if directories != list(elf.search_path):
            set_rpath(path, directories, results)


def relocatable_sysconfig(source: str, prefix: Path) -> str:
    """Rewrite a ``_sysconfigdata`` module so that its paths follow the interpreter.

    The prefix it was configured with becomes ``sys.base_prefix`` at the time of import; the directory that Python was
    built in is gone and named no more. Shared libraries are in ``lib``, wherever a distribution has them.

    Args:
        source: the module's text: an assignment of a literal dict to ``build_time_vars``.
        prefix: the installation it belongs to.

    """
    values = literal_sysconfig(source)
    marker = "@prefix@"
    if Path(str(values.get("LIBDIR", ""))).is_relative_to(prefix):
        values["LIBDIR"] = f"{prefix}/lib"
    directories = {str(values.get(key, prefix)): marker for key in ("prefix", "exec_prefix")} | {str(prefix): marker}
    for key in ("abs_builddir", "abs_srcdir"):
        build = str(values.get(key, ""))
        if build.startswith("/"):
            directories |= {build: ".", os.path.normpath(build): "."}
    # The longest first, as one may lie in another; and in a fixed order.
    for old, new in sorted(directories.items(), key=lambda item: (-len(item[0]), item[0])):
        # Only whole paths: /usr is neither in /usr2 nor in /opt/usr, but it is in -I/usr.
        pattern = re.compile(r"(?:(?<![\w-])|(?<=-[ILB]))" + re.escape(old) + r"(?![\w.-])")
        values = {
            key: pattern.sub(new, item) if isinstance(item, str) and key not in _OF_THE_HOST else item
            for key, item in values.items()
        }
    lines = [f"    {key!r}: {values[key]!r}," for key in sorted(values)]
    return "\n".join([
        "# Rewritten for a Python that runs from any directory: @prefix@ is wherever it lies.",
        "import sys",
        "",
        "build_time_vars = {",
        *lines,
        "}",
        "for _key, _value in build_time_vars.items():",
        "    if isinstance(_value, str):",
        f"        build_time_vars[_key] = _value.replace({marker!r}, sys.base_prefix)",
        "",
    ])  # fmt: skip


def _make_site_packages(python: PythonInstallation, bundled: BundledPython, appdir: AppDir) -> None:
    directories = bundled.site_packages
    for directory in directories:
        directory.mkdir(parents=True, exist_ok=True)
    searched = [appdir.usr / relative for relative in python.searched]
    if directories[0] not in searched:
        # Debian's Python searches dist-packages only, while everything installs into site-packages. The first of these
        # is the one that programs take from site.getsitepackages(); each that is there would be searched again.
        first = searched[0]
        first.parent.mkdir(parents=True, exist_ok=True)
        first.symlink_to(os.path.relpath(directories[0], first.parent))


def _check(python: BundledPython, appdir: AppDir) -> None:
    """Start the copy once, in an environment without anything, and see that it found itself."""
    code = "import sys, os; print(sys.prefix); print(os.path.dirname(os.__file__)); print(*sys.path, sep='\\n')"
    with TemporaryDirectory() as home:
        output = run(
            [python.executable, "-I", "-c", code], doing="start the bundled Python", env=clean_environment(Path(home))
        )
    prefix, stdlib, *searched = (os.path.realpath(line) for line in output.splitlines())
    if [prefix, stdlib] != [os.path.realpath(path) for path in (appdir.usr, python.stdlib)]:
        raise AppImageError(f"The Python at {python.source} cannot be moved: it still uses {prefix}")
    for directory in python.site_packages:
        if os.path.realpath(directory) not in searched:
            raise AppImageError(f"The Python at {python.source} does not search {directory.relative_to(appdir.root)}")
