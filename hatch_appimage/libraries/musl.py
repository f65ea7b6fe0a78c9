# SPDX-License-Identifier: MIT
"""musl in the image of a Python for musl: it is always used, as only systems with musl have one.

musl is one file, which is its own loader. It lies in a directory that is laid out like the root of a system: beside the
``lib`` that its loader is in, that looks for ``etc/ld-musl-*.path`` (``load_library`` in musl's ``ldso/dynlink.c``),
whose directories it searches last. Here the file is empty, so that no library of the target system is loaded.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.c_library import CLibrary, copied
from hatch_appimage.libraries.debian import copy_licences, find_packages
from hatch_appimage.libraries.limits import check_for_musl
from hatch_appimage.runtime import BUILT

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.bundle import Libraries
    from hatch_appimage.libraries.symbol_versions import Version
    from hatch_appimage.system import System

# What the loader says when it is run without arguments, and the version, which is a text of its own.
_NAME = b"musl libc ("
_VERSION = re.compile(rb"\0(\d+)\.(\d+)\.(\d+)(?:-[\w.-]+)?\0")
#: The oldest that is bundled: wheels are chosen for it, and its loader can be told the name of what it starts.
OLDEST_MUSL = (1, 2)


@dataclass(frozen=True)
class Musl:
    """The musl of a machine.

    Attributes:
        file: it, by its path on this machine.
        version: of it.

    """

    file: Path
    version: Version


def find_musl(system: System, architecture: Architecture, *, python: str) -> Musl:
    """Find the musl that goes into an image.

    Args:
        system: the machine whose libraries are taken.
        architecture: that it is for.
        python: where the Python that needs it comes from, as messages say it.

    Raises:
        AppImageError: the machine has none, or one that is too old.

    """
    name = architecture.musl_loader
    # Both are one on most systems, but not where a package was unpacked to a directory.
    places = (system.locate(name), system.locate(f"/usr{name}"))
    file = next((place for place in places if place.is_file()), None)
    data = file.read_bytes() if file else b""
    match = _VERSION.search(data) if _NAME in data else None
    if file is None or match is None:
        raise AppImageError(
            f"The Python at {python} is for musl, and {system} has no musl at {name} to bundle: install it "
            "(apt-get install musl), or set `sysroot` to a copy of a system that has it"
        )
    version = tuple(map(int, match.groups()))
    if version < OLDEST_MUSL:
        raise AppImageError(
            f"musl {'.'.join(map(str, version))} of {system} is too old to be bundled: set `sysroot` to a copy of a "
            f"system that has {'.'.join(map(str, OLDEST_MUSL))} or newer"
        )
    return Musl(file, version)


def bundle_musl(
    musl: Musl, appdir: AppDir, architecture: Architecture, *, libraries: Libraries, system: System
) -> CLibrary:
    """Copy musl into an image.

    Args:
        musl: it.
        appdir: with all other libraries in it.
        architecture: that it is for.
        libraries: what became of the other libraries.
        system: the machine that it is from.

    Raises:
        AppImageError: the image has a library or an extension module for glibc, which does not load.

    """
    check_for_musl(libraries.graph.files)
    target = appdir.musl / "lib" / architecture.musl_loader.rpartition("/")[2]
    target.parent.mkdir(parents=True)
    shutil.copyfile(musl.file, target)
    target.chmod(0o755)
    search_path = appdir.musl / "etc" / f"{target.name.partition('.')[0]}.path"
    search_path.parent.mkdir()
    search_path.touch()
    packages = find_packages([musl.file], system)
    copy_licences(set(packages.values()), appdir, system)
    _add_licence(appdir)
    return CLibrary(
        family="musl",
        version=musl.version,
        needed=None,
        loader=str(target.relative_to(appdir.musl)),
        files=copied({target: musl.file}, packages, appdir, system),
        size=target.stat().st_size,
    )


def _add_licence(appdir: AppDir) -> None:
    """Bring the text of musl's licence where the system that it is from has none."""
    copyright_file = appdir.usr / "share" / "doc" / "musl" / "copyright"
    if not copyright_file.exists():
        copyright_file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BUILT / "licenses" / "musl.txt", copyright_file)
