# SPDX-License-Identifier: MIT
"""glibc in the image: for target systems whose own C library is missing, or older than what the image needs.

It lies in a directory that no search path names, with its loader. The launcher starts the interpreter by that loader
where the target system's C library does not do, and nowhere else: so graphics drivers and whatever else must fit the
system stay the system's. A newer glibc runs what was built for an older one, the system's other libraries included.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.c_library import CLibrary, NoCLibrary, copied
from hatch_appimage.libraries.debian import copy_licences, find_packages
from hatch_appimage.libraries.policy import group_of
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.libraries.symbol_versions import find_required_version
from hatch_appimage.results import NO_RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.bundle import Libraries
    from hatch_appimage.libraries.policy import LibraryPolicy
    from hatch_appimage.libraries.symbol_versions import RequiredVersion, Version
    from hatch_appimage.python import BundledPython
    from hatch_appimage.results import Results
    from hatch_appimage.system import System

log = logging.getLogger(__name__)

# Of glibc, what is of use beside the loader. The modules of its name service are within the C library from 2.34 on; the
# libraries of threads and others that became parts of it are still asked for by older files, the system's among them.
_FAMILY = (
    "libc.so.6",
    "libm.so.6",
    "libanl.so.1",
    "libdl.so.2",
    "libnss_compat.so.2",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libutil.so.1",
)
# Large, and needed by few.
_IF_NEEDED = ("libmvec.so.1", "libnss_hesiod.so.2")
# The groups of what lies in the image for systems that lack it.
_CARRIED = ("glibc", "compiler", "base")
#: The oldest glibc whose loader can be told the name of what it starts (``--argv0``).
OLDEST_BUNDLED = (2, 33)

# What the library says when it is run (glibc's csu/version.c).
_BANNER = re.compile(rb"GNU C Library [^\n]* release version (\d+)\.(\d+)")
# Where the loader looks last (``system_dirs`` in glibc's elf/dl-load.c): directories, each with a slash at its end.
_DEFAULT_DIRECTORIES = re.compile(rb"(?<=\0)(?:/(?:usr/)?lib[\w./-]*/\0)+")


def bundle_glibc(
    appdir: AppDir,
    architecture: Architecture,
    python: BundledPython,
    policy: LibraryPolicy,
    *,
    libraries: Libraries,
    system: System,
    oldest_supported: Version,
    results: Results = NO_RESULTS,
) -> CLibrary | NoCLibrary:
    """Copy glibc into the image, if it needs a newer one than all systems in use have.

    Args:
        appdir: with all libraries in it.
        architecture: that it is for.
        python: the Python in it.
        policy: whether the project wants it.
        libraries: what became of the other libraries.
        system: the machine whose glibc is taken.
        oldest_supported: the oldest glibc among the distributions that are still supported.
        results: where what dpkg says is kept for the next image.

    Raises:
        AppImageError: the project wants it, and there is none that would do.

    """
    needed = find_required_version(libraries.graph.files, "GLIBC")
    if policy.glibc == "host":
        return NoCLibrary('`glibc = "host"`')
    if not needed.version:
        return NoCLibrary("nothing needs one")
    if policy.glibc == "auto" and needed.version <= oldest_supported:
        return NoCLibrary(f"{needed} or newer is on every distribution that is still supported")
    loader = _find_loader(python, system, architecture)
    problem = _problem(loader, needed, system)
    if problem or loader is None:
        if policy.glibc == "bundle":
            raise AppImageError(f'`glibc = "bundle"` is impossible: {problem}')
        return NoCLibrary(str(problem))
    sources = {
        **{appdir.glibc / name: path for name, path in _family(loader, libraries)},
        **{appdir.glibc / group / name: path for group, name, path in _beside(libraries, system, architecture)},
    }
    packages = find_packages(sources.values(), system, results)
    for target, source in sources.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755)
    copied_loader = appdir.glibc / loader.name
    copied_loader.write_bytes(_without_default_directories(copied_loader.read_bytes(), loader))
    _copy_locale(appdir, system)
    copy_licences(set(packages.values()), appdir, system)
    return CLibrary(
        family="glibc",
        version=_version_of(loader.with_name("libc.so.6")) or (),
        needed=needed,
        loader=loader.name,
        files=copied(sources, packages, appdir, system),
        size=sum(path.stat().st_size for path in appdir.glibc.rglob("*") if path.is_file()),
        libstdcxx=_needed_libstdcxx(libraries) if appdir.glibc / "compiler" / "libstdc++.so.6" in sources else None,
    )


def _needed_libstdcxx(libraries: Libraries) -> RequiredVersion | None:
    """Return the version of libstdc++ that any file needs; None if none needs it."""
    needed = find_required_version(libraries.graph.files, "GLIBCXX")
    return needed if needed.version else None


def _find_loader(python: BundledPython, system: System, architecture: Architecture) -> Path | None:
    """Find the loader that the interpreter names, on the system whose libraries are taken."""
    elf = read_elf(python.executable)
    return find_on_system(Path(elf.interpreter).name, system, architecture) if elf and elf.interpreter else None


def _problem(loader: Path | None, needed: RequiredVersion, system: System) -> str | None:
    """Say why the system's glibc cannot be bundled; None if it can."""
    version = _version_of(loader.with_name("libc.so.6")) if loader else None
    if version is None:
        return f"{system} has no glibc for this architecture (`sysroot` names a copy of a system that has)"
    text = ".".join(map(str, version))
    if version < OLDEST_BUNDLED:
        return f"{system} has glibc {text}, and the loader of those before 2.33 cannot be told what to start it as"
    if version < needed.version:
        return f"{system} has glibc {text}, and {needed.files[0]} needs {needed}"
    return None


def _version_of(library: Path) -> Version | None:
    """Return the version of a C library, by its own words."""
    found = _BANNER.search(library.read_bytes()) if library.is_file() else None
    return tuple(map(int, found.groups())) if found else None


def _family(loader: Path, libraries: Libraries) -> Iterator[tuple[str, Path]]:
    """Yield names and files of glibc: all of it is of one build, so all lies beside the loader."""
    needed = {library.soname for library in libraries.from_system}
    for name in (loader.name, *_FAMILY, *(name for name in _IF_NEEDED if name in needed)):
        path = loader.with_name(name)
        if path.is_file():
            yield name, path


def _beside(libraries: Libraries, system: System, architecture: Architecture) -> Iterator[tuple[str, str, Path]]:
    """Yield groups, names and files of libraries that other images leave to the system.

    The compiler's are used where the system's are older, or missing, and those that the smallest installations have
    where the system has none for glibc.

    """
    wanted = {library.soname for library in libraries.from_system} | {"libgcc_s.so.1"}
    for group in ("compiler", "base"):
        for name in sorted(wanted):
            path = find_on_system(name, system, architecture) if group_of(name) == group else None
            if path is not None:
                yield group, name, path


def _copy_locale(appdir: AppDir, system: System) -> None:
    """Bring the locale C.UTF-8, which every system with glibc has: others have none for it."""
    for name in ("C.utf8", "C.UTF-8"):
        locale = system.locate(f"/usr/lib/locale/{name}")
        if locale.is_dir():
            shutil.copytree(locale, appdir.glibc / "locale" / "C.utf8")
            return


def _without_default_directories(loader: bytes, path: Path) -> bytes:
    """Have a loader look nowhere but where it is told, and into the system's cache.

    What a system without glibc has in ``/usr/lib`` is for another C library. The launcher names the directories of a
    system with glibc.

    Raises:
        AppImageError: they are not in the loader.

    """
    if not _DEFAULT_DIRECTORIES.search(loader):
        raise AppImageError(f"The loader {path} has other default directories than those of known distributions")
    return _DEFAULT_DIRECTORIES.sub(lambda match: match[0].replace(b"lib", b"\x01\x01\x01"), loader)


def machine_libraries(libraries: Libraries, start: Iterable[str]) -> tuple[str, ...]:
    """Return the sonames that a start needs of the target system, wherever its C library is from.

    Args:
        libraries: what became of the libraries.
        start: the files that a start loads, by their paths below the AppDir.

    """
    graph = libraries.graph
    needed = {soname for path in graph.loaded_by(start) for soname in graph.files[path].needed}
    return tuple(sorted(soname for soname in needed & graph.from_system if group_of(soname) not in _CARRIED))
