# SPDX-License-Identifier: MIT
"""A Python of this machine, copied into the AppDir and made relocatable."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from hatch_appimage.architecture import architecture_of
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.elf import fits, from_origin, read_elf, read_sections, set_rpath
from hatch_appimage.process import ProcessError, clean_environment, find_program, run
from hatch_appimage.python import BundledPython

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_appimage.appdir import AppDir
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.libraries.elf import Elf

# Asks an interpreter about itself. Paths of the schemes are computed for the prefix "/p", so that they come out
# relative to whatever prefix. Debian's own scheme installs below local/, "venv" and "posix_prefix" are everybody's.
_PROBE = """
import json, os, platform, site, sys, sysconfig
scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
bases = dict.fromkeys(("base", "platbase", "installed_base", "installed_platbase"), "/p")
paths = sysconfig.get_paths(scheme, vars=bases)
print(json.dumps({
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

# The first with audit hooks (PEP 578), which the start-up order is found by.
_OLDEST = (3, 8)

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
# Variables of sysconfig that lead to files of the machine that Python runs on, not to Python's own: time zones.
_OF_THE_HOST = frozenset({"TZPATH"})
# What tkinter runs on lies beside the standard library of Pythons that bring their own Tcl.
_TCL_FOLDERS = ("itcl[0-9]*", "tcl[0-9]*", "thread[0-9]*", "tk[0-9]*")


@dataclass(frozen=True)
class HostPython:
    """An interpreter of this machine; never a virtual environment, always the installation below.

    Attributes:
        executable: the interpreter.
        version: as ``platform.python_version()`` gives it.
        prefix: its installation.
        stdlib: its standard library.
        platstdlib: the half of it that is specific to the platform, mostly the same folder.
        libdir: where its shared library lies when the loader finds it without an RPATH.
        command: the interpreter's name with its version, ``python3.12``.
        site_packages: where packages go, relative to a prefix.
        searched: the ``site-packages`` folders that it searches, relative to a prefix.
        elf: its executable.

    """

    executable: Path
    version: str
    prefix: Path
    stdlib: Path
    platstdlib: Path
    libdir: Path
    command: str
    site_packages: tuple[PurePosixPath, ...]
    searched: tuple[PurePosixPath, ...]
    elf: Elf


def find_host_python(path: Path | None, *, architecture: Architecture, requires_python: str) -> HostPython:
    """Ask an interpreter what it is and check that it fits.

    Args:
        path: the interpreter; None for the one that runs the build.
        architecture: what the image is built for.
        requires_python: the project's version specifier, possibly empty.

    Raises:
        AppImageError: it does not run, is no CPython, of another architecture, or of a version that the project
            refuses.

    """
    interpreter = path or Path(sys.executable)
    answer = _probe(interpreter)
    if answer["virtual"]:  # some answers are not those of the installation below
        answer = _probe(Path(answer["executable"]))
    if answer["implementation"] != "cpython":
        raise AppImageError(f"{interpreter} is {answer['implementation']}: only CPython can be bundled")
    executable = Path(answer["executable"])
    elf = read_elf(executable)
    if elf is None:
        raise AppImageError(f"{executable} is no ELF program: set `python` to the interpreter itself, not to a wrapper")
    if not fits(elf, architecture):
        raise AppImageError(
            f"The Python at {executable} is for {architecture_of(elf.machine, elf.bits)} "
            f"and cannot go into an image for {architecture.name}: set `python` to one that is, or build there"
        )
    _check_version(answer["version"], requires_python, executable)
    if not all(Path(answer[key]).is_relative_to(answer["prefix"]) for key in ("stdlib", "platstdlib")):
        raise AppImageError(f"The Python at {executable} is spread over several prefixes and cannot be bundled")
    return HostPython(
        executable=executable,
        version=answer["version"],
        prefix=Path(answer["prefix"]),
        stdlib=Path(answer["stdlib"]),
        platstdlib=Path(answer["platstdlib"]),
        libdir=Path(answer["libdir"]),
        command=answer["command"],
        site_packages=_below_prefix(answer["site_packages"]),
        searched=_below_prefix(answer["searched"]),
        elf=elf,
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


def _check_version(version: str, requires_python: str, executable: Path) -> None:
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        raise AppImageError(f"{executable} is Python {version}: 3.8 is the oldest that can be bundled")
    try:
        # A Python built between two releases calls itself 3.13.0+, which PEP 440 knows as a local version.
        known = f"{version}local" if version.endswith("+") else version
        fits = SpecifierSet(requires_python).contains(known, prereleases=True)
    except InvalidSpecifier as error:
        raise AppImageError(f"`requires-python` is no version specifier: `{requires_python}`") from error
    if not fits:
        raise AppImageError(
            f"The project requires Python {requires_python}, and the one to be bundled is {version} ({executable}): "
            f"run the build with a fitting Python, or set `python` to the path of one"
        )


def bundle_host_python(python: HostPython, appdir: AppDir) -> BundledPython:
    """Copy a Python into the AppDir, without its installed packages, so that it runs wherever the AppDir is.

    Raises:
        AppImageError: it does not start there.

    """
    stdlib = appdir.usr / python.stdlib.relative_to(python.prefix)
    _copy_stdlib(python.stdlib, stdlib)
    if python.platstdlib != python.stdlib:
        _copy_stdlib(python.platstdlib, appdir.usr / python.platstdlib.relative_to(python.prefix))
    if any(python.stdlib.parent.glob("tcl[0-9]*/init.tcl")):
        for pattern in _TCL_FOLDERS:
            for folder in python.stdlib.parent.glob(pattern):
                _copy_stdlib(folder, stdlib.parent / folder.name)
    executable = _copy_executable(python, appdir)
    programs = _copy_libraries(python, appdir)
    stripped = _strip([path for path in programs if read_sections(path).has_symbols])
    _relocate(programs, python, appdir)
    for path in stdlib.glob("_sysconfigdata_*.py"):
        path.write_text(relocatable_sysconfig(path.read_text(encoding="utf-8"), python.prefix), encoding="utf-8")
    site_packages = _make_site_packages(python, appdir)
    bundled = BundledPython(
        version=python.version,
        executable=executable,
        stdlib=stdlib,
        site_packages=site_packages,
        stripped=stripped,
        interpreter=python.executable,
        origin=python.prefix,
    )
    _check(bundled, appdir)
    return bundled


def _copy_stdlib(source: Path, target: Path) -> None:
    def left_out(_: str, names: list[str]) -> set[str]:
        patterns = (*_LEFT_OUT_FOLDERS, *_LEFT_OUT_FILES)
        return {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}

    # A distribution's standard library may have links to files outside of it: their content is copied.
    shutil.copytree(source, target, ignore=left_out, dirs_exist_ok=True, ignore_dangling_symlinks=True)


def _copy_executable(python: HostPython, appdir: AppDir) -> Path:
    appdir.bin.mkdir(parents=True, exist_ok=True)
    executable = appdir.bin / python.command
    shutil.copy(python.executable, executable)
    for alias in ("python3", "python"):
        (appdir.bin / alias).symlink_to(python.command)
    return executable


def _copy_libraries(python: HostPython, appdir: AppDir) -> dict[Path, Elf]:
    """Copy the libraries that belong to this Python: its own, and all that its RPATHs find within its prefix.

    Returns:
        every ELF file of the AppDir.

    """
    found: dict[Path, Elf] = {}
    waiting = [(path, _original(path, python, appdir)) for path in appdir.files()]
    while waiting:
        path, original = waiting.pop()
        elf = read_elf(path)
        if elf is None:
            continue
        path.chmod(0o755)
        found[path] = elf
        for soname in elf.needed:
            library = _own_library(soname, elf, original, python)
            target = appdir.lib / soname
            if library is not None and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, target)
                waiting.append((target, library))
    return found


def _original(path: Path, python: HostPython, appdir: AppDir) -> Path:
    if path.parent == appdir.bin:
        return python.executable
    return python.prefix / path.relative_to(appdir.usr)


def _own_library(soname: str, elf: Elf, original: Path, python: HostPython) -> Path | None:
    """Find a needed library that comes with this Python; the system's are left to the libraries step."""
    folders = [Path(os.path.normpath(folder)) for folder in _expand(elf.search_path, original)]
    folders = [folder for folder in folders if folder.is_relative_to(python.prefix)]
    if soname.startswith("libpython"):
        folders.append(python.libdir)
    return next((folder / soname for folder in folders if (folder / soname).is_file()), None)


def _expand(search_path: tuple[str, ...], original: Path) -> Iterator[str]:
    for folder in search_path:
        yield folder.replace("${ORIGIN}", str(original.parent)).replace("$ORIGIN", str(original.parent))


def _strip(paths: list[Path]) -> bool:
    """Remove symbols that only debuggers read, where binutils are there; they are half of many interpreters."""
    strip = find_program("strip")
    if strip is None or not paths:
        return False
    run([strip, "--strip-unneeded", *paths], doing="strip the bundled Python")
    return True


def _relocate(programs: dict[Path, Elf], python: HostPython, appdir: AppDir) -> None:
    """Make RPATHs into the old prefix relative; what fits already is not touched.

    Those into other folders stay until the libraries that they lead to are bundled.
    """
    for path, elf in programs.items():
        folders = []
        for folder in elf.search_path:
            if Path(folder).is_relative_to(python.prefix):
                folders.append(from_origin(path, appdir.usr / Path(folder).relative_to(python.prefix)))
            else:
                folders.append(folder)
        if any((appdir.lib / soname).exists() for soname in elf.needed):
            folders.append(from_origin(path, appdir.lib))
        folders = list(dict.fromkeys(folders))
        if folders != list(elf.search_path):
            set_rpath(path, folders)


def relocatable_sysconfig(source: str, prefix: Path) -> str:
    """Rewrite a ``_sysconfigdata`` module so that its paths follow the interpreter.

    The prefix it was configured with becomes ``sys.base_prefix`` at the time of import; the folder that Python was
    built in is gone and named no more.

    Args:
        source: the module's text: an assignment of a literal dict to ``build_time_vars``.
        prefix: the installation it belongs to.

    """
    tree = ast.parse(source)
    values: dict[str, Any] = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "build_time_vars"
    )
    marker = "@prefix@"
    folders = {str(values.get(key, prefix)): marker for key in ("prefix", "exec_prefix")} | {str(prefix): marker}
    for key in ("abs_builddir", "abs_srcdir"):
        build = str(values.get(key, ""))
        if build.startswith("/"):
            folders |= {build: ".", os.path.normpath(build): "."}
    # The longest first, as one may lie in another; and in a fixed order.
    for old, new in sorted(folders.items(), key=lambda item: (-len(item[0]), item[0])):
        # Only whole paths: /usr is neither in /usr2 nor in /opt/usr, but it is in -I/usr.
        pattern = re.compile(r"(?:(?<![\w-])|(?<=-[ILB]))" + re.escape(old) + r"(?![\w.-])")
        values = {
            key: pattern.sub(new, item) if isinstance(item, str) and key not in _OF_THE_HOST else item
            for key, item in values.items()
        }
    lines = [f"    {key!r}: {values[key]!r}," for key in sorted(values)]
    return "\n".join([
        "# Rewritten for a Python that runs from any folder: @prefix@ is wherever it lies.",
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


def _make_site_packages(python: HostPython, appdir: AppDir) -> tuple[Path, ...]:
    folders = tuple(appdir.usr / relative for relative in python.site_packages)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    searched = [appdir.usr / relative for relative in python.searched]
    if folders[0] not in searched:
        # Debian's Python searches dist-packages only, while everything installs into site-packages.
        beside = next((folder for folder in searched if folder.parent == folders[0].parent), searched[-1])
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.symlink_to(os.path.relpath(folders[0], beside.parent))
    return folders


def _check(python: BundledPython, appdir: AppDir) -> None:
    """Start the copy once, in an environment without anything, and see that it found itself."""
    code = "import sys, os; print(sys.prefix); print(os.path.dirname(os.__file__)); print(*sys.path, sep='\\n')"
    with TemporaryDirectory() as home:
        output = run(
            [python.executable, "-I", "-c", code], doing="start the bundled Python", env=clean_environment(Path(home))
        )
    prefix, stdlib, *searched = (os.path.realpath(line) for line in output.splitlines())
    if [prefix, stdlib] != [os.path.realpath(path) for path in (appdir.usr, python.stdlib)]:
        raise AppImageError(f"The Python at {python.interpreter} cannot be moved: it still uses {prefix}")
    for folder in python.site_packages:
        if os.path.realpath(folder) not in searched:
            raise AppImageError(f"The Python at {python.interpreter} does not search {folder.relative_to(appdir.root)}")
