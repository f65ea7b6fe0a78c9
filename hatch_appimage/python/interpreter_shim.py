# SPDX-License-Identifier: MIT
"""Stand in for a Python that does not run on the build machine, where uv asks it what it is.

uv chooses wheels by what the interpreter says of itself: markers (PEP 508), platform, C library, version. It has names
for some other platforms (``--python-platform``), but none for 32-bit ones, and takes the rest from an interpreter that
runs. So a Python of the build machine gives the answers that the other one would give.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.python import BundledPython

# Of the manylinux tags those of the current practice: what is built for older machines runs on all of them.
_DEFAULT_GLIBC = (2, 28)

# uv runs it as it runs every interpreter: options, "-c", and the code that asks.
_SCRIPT = """\
#!{interpreter} -I
import collections, os, platform, struct, sys, sysconfig, types
answers = types.SimpleNamespace(**{answers!r})
info = collections.namedtuple("version_info", "major minor micro releaselevel serial")(*answers.version_info)
calcsize, confstr, get_path = struct.calcsize, os.confstr, sysconfig.get_path
# Before 3.11 there is no such scheme, and uv asks distutils instead, which knows no free-threaded Python.
sysconfig._INSTALL_SCHEMES.setdefault("venv", sysconfig._INSTALL_SCHEMES["posix_prefix"])
config = {{"Py_GIL_DISABLED": int(answers.free_threaded), "Py_DEBUG": 0}}
get_config_var = sysconfig.get_config_var
directories = dict(purelib=answers.purelib, platlib=answers.platlib, scripts="/bin", data="/")
sys.executable = sys._base_executable = __file__
sys.version_info = info
sys.implementation = types.SimpleNamespace(**{{**vars(sys.implementation), "version": info}})
platform.machine = lambda: answers.machine
platform.python_version = lambda: answers.version
platform.python_version_tuple = lambda: tuple(answers.version.split("."))
sysconfig.get_platform = lambda: "linux-" + answers.machine
sysconfig.get_config_var = lambda name: config[name] if name in config else get_config_var(name)
sysconfig.get_path = lambda name, *args, **kwargs: directories.get(name) or get_path(name, *args, **kwargs)
struct.calcsize = lambda format: answers.bits // 8 if format == "P" else calcsize(format)
os.confstr = lambda name: answers.glibc if name == "CS_GNU_LIBC_VERSION" else confstr(name)
code = sys.argv[sys.argv.index("-c") + 1]
sys.argv = ["-c"]
exec(code)
"""


@dataclass(frozen=True)
class _Answers:
    """What another Python would say.

    Attributes:
        machine: ``platform.machine()``.
        bits: of its pointers.
        version: ``platform.python_version()``.
        version_info: ``sys.version_info``.
        free_threaded: it runs without the GIL (PEP 703).
        glibc: ``os.confstr("CS_GNU_LIBC_VERSION")``: wheels that need a newer one are not taken.
        purelib: where pure packages go, from the prefix as the root.
        platlib: where packages with extension modules go.

    """

    machine: str
    bits: int
    version: str
    version_info: tuple[int, int, int, str, int]
    free_threaded: bool
    glibc: str
    purelib: str
    platlib: str


def write_interpreter_shim(
    path: Path,
    python: BundledPython,
    architecture: Architecture,
    *,
    prefix: Path,
    interpreter: Path,
    glibc: tuple[int, ...],
) -> None:
    """Write a program that answers like a Python for another architecture.

    Args:
        path: the program, which must not exist.
        python: whose answers it gives.
        architecture: that it is for.
        prefix: the one of its ``site_packages``.
        interpreter: a Python of the build machine.
        glibc: the newest version that wheels may need.

    """
    version = Version(python.version.removesuffix("+"))
    level, serial = version.pre or ("final", 0)
    names = {"a": "alpha", "b": "beta", "rc": "candidate"}
    directories = [f"/{directory.relative_to(prefix)}" for directory in python.site_packages]
    answers = _Answers(
        machine=architecture.machine,
        bits=architecture.elf_class,
        version=str(version),
        version_info=(version.major, version.minor, version.micro, names.get(level, level), serial),
        free_threaded=python.stdlib.name.endswith("t"),
        glibc="glibc " + ".".join(map(str, glibc)),
        purelib=directories[0],
        platlib=directories[-1],
    )
    path.write_text(_SCRIPT.format(interpreter=interpreter, answers=asdict(answers)), encoding="utf-8")
    path.chmod(0o755)


def newest_glibc(limit: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the newest glibc that wheels for another architecture may need.

    Without a limit it is this machine's, as it is for wheels that are installed for this machine: images for several
    architectures get the same releases of their packages.
    """
    if limit is not None:
        return limit
    try:
        _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (ValueError, OSError):  # another C library
        return _DEFAULT_GLIBC
    return tuple(map(int, version.split(".")[:2]))
