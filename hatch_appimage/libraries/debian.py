# SPDX-License-Identifier: MIT
"""What Debian's package manager knows of libraries: who has a file, under which licence, and what to install."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.libraries.licences import find_licence
from hatch_appimage.process import ProcessError, run
from hatch_appimage.results import NO_RESULTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hatch_appimage.layout import AppDir
    from hatch_appimage.results import Results
    from hatch_appimage.system import System

_SONAME = re.compile(r"(?P<name>.+?)(?:\.so\.(?P<version>[\w.]+)|-(?P<release>[\d.]+)\.so|\.so)")

# What dpkg has written down of installed packages, and of files that were moved.
_STATE = ("status", "diversions")
# What dpkg-query exits with where no package has one of the files, as is true of most names.
_SOME_NOT_FOUND = 1
# What dpkg-query says before it names the owners of a file that another package, or the administrator, has moved.
_DIVERSION = re.compile(r"(?:local diversion|diversion by (?P<package>\S+)) (?:from|to)")


def find_packages(files: Iterable[Path], system: System, results: Results = NO_RESULTS) -> dict[Path, str]:
    """Ask which packages files belong to, all at once.

    Args:
        files: of the system, by their paths on this machine.
        system: this machine or a copy of another one.
        results: where dpkg's answers are kept for the next image.

    Returns:
        the packages of those files that dpkg knows, or that are of added packages; nothing where there is no dpkg.

    """
    files = list(files)
    added = {file: package.name for file in files if (package := system.package_of(file))}
    return {**_find_installed([file for file in files if file not in added], system, results), **added}


def _find_installed(files: Iterable[Path], system: System, results: Results) -> dict[Path, str]:
    if shutil.which("dpkg-query") is None or not system.locate("/var/lib/dpkg/status").is_file():
        return {}
    names: dict[str, Path] = {}
    for file in files:
        # dpkg knows files by the names that they were installed by: before /lib became a link, or afterwards. The file
        # that a link leads to comes last, as its package counts.
        for path in (file, _follow(file, system)):
            name = system.name_of(path)
            names |= {name: file, name.removeprefix("/usr"): file, f"/usr{name.removeprefix('/usr')}": file}
    if not names:
        return {}
    owners, diverting = {}, {}
    for line in _search(names, system.locate("/var/lib/dpkg"), results).splitlines():
        packages, separator, name = line.partition(": ")
        diversion = _DIVERSION.fullmatch(packages)
        if diversion:
            diverting[name] = diversion["package"]
        elif separator and name in names:
            owners[name] = [package.partition(":")[0] for package in packages.split(", ")]
    return {
        names[name]: next((owner for owner in owners[name] if owner == diverting.get(name)), owners[name][0])
        for name in names
        if name in owners
    }


def _search(names: Collection[str], database: Path, results: Results) -> str:
    """Return what dpkg-query prints for some names; it reads the lists of files of all packages for it."""

    def ask() -> bytes:
        command: list[str | Path] = ["dpkg-query", "--admindir", database, "--search", *names]
        try:
            # Remarks on diversions are in the user's language otherwise.
            output = run(command, doing="find the packages of libraries", env={**os.environ, "LC_ALL": "C"})
        except ProcessError as error:
            if error.status != _SOME_NOT_FOUND:  # it may have an answer the next time
                raise
            output = error.output
        return output.encode("utf-8", "surrogateescape")

    state = [path.read_bytes() for name in _STATE if (path := database / name).is_file()]
    # A package that replaces another one of the same version leaves its trace here alone.
    lists = (database / "info").stat().st_mtime_ns if (database / "info").is_dir() else 0
    try:
        found = results.compute([b"dpkg-query", *state, str(lists).encode(), *map(os.fsencode, names)], ask)
    except ProcessError as error:
        return error.output
    return found.decode("utf-8", "surrogateescape")


def _follow(file: Path, system: System) -> Path:
    """Return what a file is behind all links, on the machine that it is of."""
    return file.resolve() if system.root == Path("/") else system.follow(file)


def copy_licences(packages: Iterable[str], appdir: AppDir, system: System) -> None:
    """Copy the licences of packages into an AppDir, where the packages are installed (Debian Policy, section 12.5)."""
    for package in sorted(packages):
        if licence := find_licence(package, system):
            copy = licence_copy(package, appdir)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(licence, copy)


def licence_copy(package: str, appdir: AppDir) -> Path:
    """Return where an AppDir has the licence of a package, if it has it."""
    return appdir.usr / "share" / "doc" / package / "copyright"


def suggest_packages(sonames: Iterable[str]) -> Mapping[str, str]:
    """Guess which Debian packages have libraries, and return those that apt knows.

    Packages of libraries are named after sonames (Debian Policy, section 8.1); the few that are not stay unknown.

    """
    apt = shutil.which("apt-cache")
    if apt is None:
        return {}
    candidates = {soname: package_names(soname) for soname in sonames}
    try:
        known = set(run([apt, "pkgnames"], doing="list the packages that apt knows").split())
    except ProcessError:
        return {}
    found = {soname: [name for name in names if name in known] for soname, names in candidates.items()}
    return {soname: names[0] for soname, names in found.items() if names}


def package_names(soname: str) -> list[str]:
    """Return the names that a package may have which has a library, the most likely ones first."""
    match = _SONAME.fullmatch(soname)
    if match is None:
        return []
    name = match["name"].lower().replace("_", "-")
    version = match["version"] or match["release"] or ""
    joined = f"{name}-{version}" if name[-1:].isdigit() and version else f"{name}{version}"
    names = [joined, f"{name}-{version}" if version else name]
    names += [re.sub(r"-(\d)", r"\1", other, count=1) for other in names]
    names = [f"{other}{suffix}" for other in dict.fromkeys(names) for suffix in ("", "t64", "v5", "g")]
    return list(dict.fromkeys([*names, name]))
