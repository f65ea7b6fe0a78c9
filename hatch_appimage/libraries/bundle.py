# SPDX-License-Identifier: MIT
"""Bring the shared libraries that an AppDir needs into it, and say which ones its users must have."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.install import wheels_by_file
from hatch_appimage.libraries.debian import copyright_file, find_packages, suggest_packages
from hatch_appimage.libraries.elf import fits, read_elf, set_rpath
from hatch_appimage.libraries.floor import Owner, check_limit, find_floors, warning
from hatch_appimage.libraries.plan import Place, is_qt_plugin, make_plan
from hatch_appimage.libraries.policy import matches
from hatch_appimage.libraries.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hatch_appimage.appdir import AppDir
    from hatch_appimage.architecture import Architecture
    from hatch_appimage.install import InstalledWheel
    from hatch_appimage.libraries.floor import Floor
    from hatch_appimage.libraries.plan import Plan
    from hatch_appimage.libraries.policy import Policy
    from hatch_appimage.libraries.system import System
    from hatch_appimage.libraries.tree import Need
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BundledLibrary:
    """A library of the build machine in the image.

    Attributes:
        soname: its name there.
        source: the file that it was copied from, as the machine calls it.
        package: Debian's package that the file is from, where dpkg knows it.
        size: in bytes.

    """

    soname: str
    source: str
    package: str | None
    size: int


@dataclass(frozen=True)
class HostLibrary:
    """A library that the user's machine must have.

    Attributes:
        soname: its name.
        group: why it is not bundled: a group of `hatch_appimage.libraries.policy`, or ``excluded``.

    """

    soname: str
    group: str


@dataclass(frozen=True)
class Libraries:
    """What became of the shared libraries.

    Attributes:
        bundled: what was copied.
        host: what the user's machine must have.
        by_name: sonames that no search path leads to, although the image has them: another module loads them before.
        ignored: sonames that are missing, as the project allows.
        dropped: modules of the standard library and plugins of Qt that were removed for want of a library, by their
            paths below the AppDir, with that library's soname.
        patched: how many files got another search path.
        floors: the versions of the host's C and C++ libraries that are needed.

    """

    bundled: tuple[BundledLibrary, ...]
    host: tuple[HostLibrary, ...]
    by_name: tuple[str, ...]
    ignored: tuple[str, ...]
    dropped: Mapping[str, str]
    patched: int
    floors: tuple[Floor, ...]

    def __str__(self) -> str:
        count = len(self.dropped)
        what = (
            "1 module or plugin left out for want of its own" if count == 1 else f"{count} modules and plugins left out"
        )
        return f"{len(self.bundled)} bundled{f', {what}' if count else ''}"

    @property
    def glibc(self) -> Floor | None:
        """The oldest glibc that the image starts with; None if it needs none."""
        return next((floor for floor in self.floors if floor.family == "GLIBC"), None)


def bundle_libraries(
    appdir: AppDir,
    architecture: Architecture,
    python: BundledPython,
    policy: Policy,
    *,
    system: System,
    project: Path,
    max_glibc: tuple[int, ...] | None,
) -> Libraries:
    """Copy what is needed and not there, and have everything find it.

    Args:
        appdir: complete but for the libraries.
        architecture: that it is for.
        python: the Python in it.
        policy: what to bundle.
        system: the build machine's libraries, or those of a copy of another machine.
        project: its folder, which paths in ``policy.libraries`` are relative to.
        max_glibc: the newest glibc that the image may need; None for any.

    Raises:
        AppImageError: a library is found neither in the AppDir nor in the system, patchelf damages a file, or a file
            needs a newer glibc than allowed.

    """
    opened = {
        name: file for entry in policy.libraries for name, file in [_opened(entry, project, system, architecture)]
    }
    place = Place(appdir.lib, python.site_packages, {python.executable: python.interpreter, appdir.usr: python.origin})
    plan = make_plan(Tree.read_folder(appdir.root, architecture), place, system=system, policy=policy, opened=opened)
    if plan.missing:
        raise AppImageError(_explain_missing(plan.missing, appdir.root, _place(system, python, architecture)))
    _warn(policy, plan)
    packages = find_packages(plan.copies.values(), system)
    _apply(plan)
    _copy_licences(set(packages.values()), appdir, system)
    tree = Tree.read_folder(appdir.root, architecture)
    _verify(tree, plan)
    files = {str(path.relative_to(appdir.root)): elf for path, elf in tree.files.items()}
    floors = find_floors(files, plan.host)
    if max_glibc is not None:
        wheels = wheels_by_file(python)
        check_limit(files, max_glibc, lambda path: _owner(appdir.root / path, plan, packages, wheels, str(python)))
    elif text := warning(floors, datetime.now(tz=timezone.utc).date()):
        log.warning(text)
    return Libraries(
        bundled=tuple(
            BundledLibrary(target.name, system.name_of(source), packages.get(source), target.stat().st_size)
            for target, source in sorted(plan.copies.items())
        ),
        host=tuple(HostLibrary(soname, policy.group(soname) or "excluded") for soname in sorted(plan.host)),
        by_name=tuple(sorted({need.soname for need in plan.by_name})),
        ignored=tuple(sorted({need.soname for need in plan.ignored})),
        dropped={str(path.relative_to(appdir.root)): soname for path, soname in sorted(plan.dropped.items())},
        patched=len(plan.rpaths),
        floors=floors,
    )


def _opened(entry: str, project: Path, system: System, architecture: Architecture) -> tuple[str, Path]:
    """Find a library that is opened at run time; return the name it is opened by, and the file."""
    folders = [project] if "/" in entry else system.folders
    for path in (folder / Path(entry).expanduser() for folder in folders):
        file = path if "/" in entry else system.follow(path)
        if file.is_file():
            elf = read_elf(file)
            if elf is not None and fits(elf, architecture):
                return path.name, file
    if "/" in entry:
        raise AppImageError(f"`libraries` names {entry}, which is no library for {architecture.name}")
    hint = suggest_packages([entry]).get(entry)
    raise AppImageError(
        f"`libraries` names {entry}, which this machine does not have{f': install the package {hint}' if hint else ''}"
    )


def _warn(policy: Policy, plan: Plan) -> None:
    """Warn of what is left out, and of rules that change nothing: most of them are misspelt."""
    for module, soname in plan.dropped.items():
        if not is_qt_plugin(module):
            log.warning("%s is left out of the image: this machine lacks %s, which it needs", module.name, soname)
    sonames = {path.name for path in plan.copies} | plan.host
    sonames |= {need.soname for need in (*plan.by_name, *plan.ignored)}
    for rule in (*policy.include, *policy.exclude, *policy.ignore):
        if not any(matches(soname, (rule,)) for soname in sonames):
            log.warning("Nothing in the image needs a library that `%s` means", rule)


def _apply(plan: Plan) -> None:
    for module in plan.dropped:
        module.unlink()
    for target, source in plan.copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(source, target)
        target.chmod(0o755)
    for path, target in plan.links.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(target, path.parent))
    for path, folders in plan.rpaths.items():
        set_rpath(path, folders)


def _owner(
    path: Path, plan: Plan, packages: Mapping[Path, str], wheels: Mapping[Path, InstalledWheel], python: str
) -> Owner:
    """Say whose a file is, and how to get one that needs an older glibc."""
    source = plan.copies.get(path)
    if source is not None:
        return Owner(
            packages.get(source) or source.name,
            "it is this machine's: build on an older distribution, or set `sysroot` to a copy of one",
        )
    wheel = wheels.get(path)
    if wheel is None:
        return Owner(python, "set `python` to one that was built for an older glibc (`uv python install` gets one)")
    tags = ", ".join(wheel.tags)
    if any("manylinux" in tag for tag in wheel.tags):
        return Owner(f"{wheel.name} {wheel.version}, a wheel for {tags}", "require a release with an older wheel")
    return Owner(f"{wheel.name} {wheel.version}", "it was compiled on this machine: build on an older distribution")


def _copy_licences(packages: Iterable[str], appdir: AppDir, system: System) -> None:
    for package in sorted(packages):
        licence = copyright_file(package, system)
        if licence is not None:
            folder = appdir.usr / "share" / "doc" / package
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(licence, folder / "copyright")


def _verify(tree: Tree, plan: Plan) -> None:
    """Look at the finished tree with fresh eyes: it must need nothing that was not decided about."""
    known = {need.soname for need in (*plan.by_name, *plan.ignored)} | plan.host
    for need in tree.needs():
        if need.found is None and need.soname not in known:
            raise AppImageError(f"{need.file} does not find {need.soname} in the image: please report this")


def _place(system: System, python: BundledPython, architecture: Architecture) -> str:
    """Name where libraries are looked for, and what to do if that is no machine of the architecture."""
    if system.root != Path("/"):
        return f"in the sysroot {system.root}"
    if python.foreign:
        return f"on this machine (set `sysroot` to a copy of one for {architecture.name})"
    return "on this machine"


def _explain_missing(missing: Iterable[Need], root: Path, place: str) -> str:
    """Write one clear statement about all that is missing.

    Args:
        missing: needs that are not fulfilled.
        root: of the AppDir.
        place: where they were looked for.

    """
    users: dict[str, list[str]] = {}
    for need in missing:
        users.setdefault(need.soname, []).append(str(need.file.relative_to(root)))
    packages = suggest_packages(users)
    lines = []
    for soname, files in sorted(users.items()):
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        hint = f" (Debian's package {packages[soname]})" if soname in packages else ""
        if "/" in soname:
            hint = " (a path of the machine that linked it: the library needs a soname, set with `-Wl,-soname`)"
        lines.append(f"  {soname}{hint}, needed by {files[0]}{more}")
    known = [packages[soname] for soname in sorted(users) if soname in packages]
    install = f"install what provides them{f' (apt-get install {chr(32).join(dict.fromkeys(known))})' if known else ''}"
    names = ", ".join(f'"{soname}"' for soname in sorted(users))
    return "\n".join([
        f"{len(users)} shared libraries that the image needs are not {place}:",
        *lines,
        f"Please {install}, or allow their absence where the application does not use those files:",
        f"  ignore-missing = [{names}]",
    ])  # fmt: skip
