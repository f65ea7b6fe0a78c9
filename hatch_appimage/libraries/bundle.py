# SPDX-License-Identifier: MIT
"""Bring the shared libraries that an AppDir needs into it, and say which ones its users must have."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from hatch_appimage.elf import fits, read_elf, set_rpath
from hatch_appimage.elf_strip import Stripped, strip_files
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.by_name import find_opened_by_name
from hatch_appimage.libraries.collected import NOTHING
from hatch_appimage.libraries.companions import without_companions
from hatch_appimage.libraries.debian import copy_licences, find_packages, suggest_packages
from hatch_appimage.libraries.dependencies import Tree, read_directory
from hatch_appimage.libraries.fetch import fetch_libraries
from hatch_appimage.libraries.limits import check_for_musl, find_executable_stacks, find_isa_levels, find_own_loaders
from hatch_appimage.libraries.lock import PinnedPackages
from hatch_appimage.libraries.plan import BundleLayout, is_qt_plugin, make_plan, shows_windows
from hatch_appimage.libraries.policy import matches
from hatch_appimage.libraries.search import find_on_system
from hatch_appimage.libraries.symbol_versions import Graph, Owner, check_limit
from hatch_appimage.python.installed import wheels_by_file
from hatch_appimage.results import NO_RESULTS
from hatch_appimage.system import System

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.apt import Apt
    from hatch_appimage.libraries.collected import Collected
    from hatch_appimage.libraries.dependencies import Dependency
    from hatch_appimage.libraries.lock import LibraryLock
    from hatch_appimage.libraries.plan import BundlePlan
    from hatch_appimage.libraries.policy import LibraryPolicy
    from hatch_appimage.python import BundledPython
    from hatch_appimage.python.installed import InstalledWheel
    from hatch_appimage.results import Results

log = logging.getLogger(__name__)

# What to do about a file that was made for a newer release than the one whose libraries come along.
_OTHER_FILE = "Require a package that was built for that release or an older one, set another `sysroot`"


@dataclass(frozen=True)
class BundledLibrary:
    """A library of the build machine in the image.

    Attributes:
        soname: its name there; behind its directory, where it has one below that of the others.
        source: the file that it was copied from, as the machine calls it.
        package: Debian's package that the file is from, where dpkg knows it.
        size: in bytes.
        version: of the package, where the build fetched it, as the machine does not have it.
        digest: the SHA-256 of the fetched package's file in hexadecimal.

    """

    soname: str
    source: str
    package: str | None
    size: int
    version: str | None = None
    digest: str | None = None

    @classmethod
    def of(cls, name: str, target: Path, source: Path, package: str | None, system: System) -> BundledLibrary:
        """Return what was copied from a system.

        Args:
            name: its soname, behind its directory.
            target: the copy.
            source: what it was copied from.
            package: that the source is from, where it is known.
            system: that it is from.

        """
        added = system.package_of(source)
        pinned = (added.version, added.digest) if added else ()
        return cls(name, system.name_of(source), package, target.stat().st_size, *pinned)


@dataclass(frozen=True)
class SystemLibrary:
    """A library that the user's machine must have.

    Attributes:
        soname: its name.
        group: why it is not bundled: a group of `hatch_appimage.libraries.policy`, or ``excluded``.

    """

    soname: str
    group: str


@dataclass(frozen=True)
class OptionalLibrary:
    """A library that is used where the user's machine has it.

    Attributes:
        soname: its name.
        files: what does without it elsewhere, by paths below the AppDir.

    """

    soname: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.soname}, for {PurePath(self.files[0]).name}{more}"


@dataclass(frozen=True)
class MissingLibrary:
    """A library that files of the image want, and that was found nowhere.

    Attributes:
        soname: its name.
        files: what wants it, by paths below the AppDir.
        package: Debian's package that would bring it, where apt knows one.
        place: where it was looked for, and what to do if that is the wrong place, or too little.
        in_archive: that is the archive of a release, into which nobody can install it.

    """

    soname: str
    files: tuple[str, ...]
    package: str | None
    place: str = field(default="on this machine", compare=False)
    in_archive: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        hint = f" (Debian's package {self.package})" if self.package else ""
        if "/" in self.soname:
            hint = " (a path of the machine that linked it: the library needs a soname, set with `-Wl,-soname`)"
        return f"{self.soname}{hint}, needed by {self.files[0]}{more}"


@dataclass(frozen=True)
class Libraries:
    """What became of the shared libraries.

    Attributes:
        bundled: what was copied.
        from_system: what the user's machine must have.
        by_name: sonames that no search path leads to, although the image has them: another module loads them before.
        ignored: sonames that are missing, as the project allows.
        optional: what is used where the user's machine has it.
        dropped: modules of the standard library and plugins of Qt that were removed because they lack a library, by
            their paths below the AppDir, with that library's soname.
        patched: how many files got another search path.
        missing: what was found nowhere, and no start is known to need.
        executable_stacks: the libraries that want an executable stack, by their paths below the AppDir.
        isa_levels: the files that need more than the first x86-64 processors have, by their paths below the AppDir,
            with the micro-architecture level (3 for ``x86-64-v3``).
        own_loaders: the programs that start by a loader at a path that few machines have, by their paths below the
            AppDir, with that loader.
        fetched: the packages that were fetched, also those of which nothing is in the image.
        data_packages: the packages that other files than libraries are from.
        graph: what each file needs.
        system: where they are from, with what was fetched.
        stripped: what was removed from the libraries that were copied.

    """

    bundled: tuple[BundledLibrary, ...]
    from_system: tuple[SystemLibrary, ...]
    by_name: tuple[str, ...]
    ignored: tuple[str, ...]
    dropped: Mapping[str, str]
    patched: int
    optional: tuple[OptionalLibrary, ...] = ()
    missing: tuple[MissingLibrary, ...] = ()
    executable_stacks: tuple[str, ...] = ()
    isa_levels: Mapping[str, int] = field(default_factory=dict)
    own_loaders: Mapping[str, str] = field(default_factory=dict)
    fetched: PinnedPackages = field(default_factory=PinnedPackages)
    data_packages: tuple[str, ...] = ()
    graph: Graph = field(default_factory=Graph, compare=False, repr=False)
    system: System = field(default=System(Path("/"), ()), compare=False, repr=False)
    stripped: Stripped = field(default_factory=Stripped)


def bundle_libraries(
    appdir: AppDir,
    architecture: Architecture,
    python: BundledPython,
    policy: LibraryPolicy,
    *,
    system: System,
    project: Path,
    apt: Apt | None = None,
    traced: Mapping[str, str] | None = None,
    lock: LibraryLock | None = None,
    collected: Collected = NOTHING,
    required: Iterable[Path] = (),
    strip: bool = True,
    results: Results = NO_RESULTS,
    remedy: str = "",
) -> Libraries:
    """Copy what is needed and not there, and have everything find it.

    Args:
        appdir: complete but for the libraries.
        architecture: that it is for.
        python: the Python in it.
        policy: what to bundle.
        system: the build machine's libraries, or those of a copy of another machine.
        project: its directory, which paths in ``policy.libraries`` are relative to.
        apt: gets packages that the system lacks; None to get none.
        traced: libraries beside ``policy.libraries``, each with what names it.
        lock: whose packages the system has, where nothing else is to be fetched; None for none.
        collected: what an earlier step has found that libraries open.
        required: modules that every start loads, where no trial will tell whether one lacks a library.
        strip: remove what only debuggers read from the libraries that are copied.
        results: where stripped and patched files, and what dpkg says, are kept for the next image.
        remedy: what to do so that apt gets what the machine lacks, where the user keeps it from that.

    Raises:
        AppImageError: a library that every start needs, or a window of Qt, is found neither in the AppDir nor in the
            system; the lock is out of date; patchelf damages a file; a file needs a newer glibc than allowed, or glibc
            beside a Python for musl.

    """
    files = read_directory(appdir.root)
    tree = Tree(appdir.root, architecture, files)
    if python.musl:
        check_for_musl({str(path.relative_to(appdir.root)): elf for path, elf in tree.files.items()})
    wanted = {**(traced or {}), **dict.fromkeys(policy.libraries, "`libraries`")}
    lacking = [name for name in wanted if _is_lacking(name, system, architecture)]
    if lock:
        lock.check_complete(architecture, [*lacking, *collected.missing])
    by_name = find_opened_by_name(tree, python.site_packages)
    sonames = [name for name in by_name.sonames if policy.group(name) is None]
    lacking += [name for name in sonames if _is_lacking(name, system, architecture)]
    if apt and lacking:
        system = fetch_libraries(lacking, system, architecture, apt)
    opened = dict(_opened(entry, named, project, system, architecture) for entry, named in wanted.items())
    found = {name: file for name in sonames if (file := find_on_system(name, system, architecture))}
    place = BundleLayout(
        appdir.lib, python.site_packages, {python.executable: python.interpreter, appdir.usr: python.origin}
    )
    bundled = policy.for_musl() if python.musl else policy.including(collected.included)
    needed = {*by_name.sonames, *(soname for elf in tree.files.values() for soname in elf.needed)}
    plan_with = partial(
        make_plan,
        tree,
        place,
        policy=bundled,
        opened={**by_name.for_modules(found), **opened},
        openers=by_name.for_libraries(found),
        collected=collected,
    )
    plan = plan_with(system=system)
    while apt and plan.lacking:  # what is fetched may need more
        before, system = system, fetch_libraries(plan.lacking, system, architecture, apt)
        if system == before:
            break
        plan = plan_with(system=system)
    if lock:
        lock.check_complete(architecture, plan.lacking)
    where = _place(system, python, architecture, remedy)
    essential = {
        python.executable,
        *required,
        *(plan.links.get(path, path) for path in map(appdir.lib.joinpath, opened)),
    }
    fatal = [need for need in plan.missing if any(root in essential or shows_windows(root) for root in need.roots)]
    find_missing = partial(_missing, root=appdir.root, place=where, in_archive=bool(system.release))
    if fatal:
        raise AppImageError(explain_missing(find_missing(fatal)))
    missing = find_missing(plan.missing)
    _warn_of_modules(plan, where)
    _warn_of_parts(plan, collected)
    _warn_of_rules(policy, plan, needed, where)
    _warn_of_opened(set(sonames) - set(found), policy, where)
    for library in missing:
        log.warning(
            '%s, is not %s: what loads that file fails. %s, or allow that: ignore-missing = ["%s"]',
            *(library, where, _OTHER_FILE if library.in_archive else "Install it", library.soname),
        )
    packages = find_packages([*plan.copies.values(), *plan.data.values()], system, results)
    stripped = _apply(plan, appdir.root, results, strip=strip)
    copy_licences(set(packages.values()), appdir, system)
    changed = {*plan.copies, *plan.data, *plan.rpaths}
    unchanged = {path: elf for path, elf in files.items() if path not in changed}
    tree = Tree(appdir.root, architecture, read_directory(appdir.root, unchanged))
    graph = Graph.of(tree, _verify(tree, plan), plan.from_system)
    if policy.max_glibc is not None:
        wheels = wheels_by_file(python)
        check_limit(
            graph.files, policy.max_glibc, lambda path: _owner(appdir.root / path, plan, packages, wheels, str(python))
        )
    return Libraries(
        bundled=tuple(
            BundledLibrary.of(str(target.relative_to(appdir.lib)), target, source, packages.get(source), system)
            for target, source in sorted(plan.copies.items())
        ),
        from_system=tuple(
            SystemLibrary(soname, policy.group(soname) or "excluded") for soname in sorted(plan.from_system)
        ),
        by_name=tuple(sorted({need.soname for need in plan.by_name})),
        ignored=tuple(sorted({need.soname for need in plan.ignored})),
        optional=tuple(
            OptionalLibrary(soname, tuple(str(file.relative_to(appdir.root)) for file in files))
            for soname, files in plan.optional.items()
        ),
        dropped={str(path.relative_to(appdir.root)): soname for path, soname in sorted(plan.dropped.items())},
        patched=len(plan.rpaths),
        missing=missing,
        executable_stacks=find_executable_stacks(graph),
        isa_levels=find_isa_levels(graph),
        own_loaders=find_own_loaders(graph, architecture),
        fetched=PinnedPackages.of(system, [*plan.lacking, *collected.missing]),
        data_packages=tuple(sorted({packages[source] for source in plan.data.values() if source in packages})),
        graph=graph,
        system=system,
        stripped=stripped,
    )


def _is_lacking(entry: str, system: System, architecture: Architecture) -> bool:
    return "/" not in entry and find_on_system(entry, system, architecture) is None


def _opened(entry: str, named: str, project: Path, system: System, architecture: Architecture) -> tuple[str, Path]:
    """Find a library that is opened at run time; return the name it is opened by, and the file.

    Args:
        entry: its soname or path.
        named: what names it, as it begins a sentence.
        project: the directory that paths are relative to.
        system: where sonames are looked for.
        architecture: files of others are passed over.

    Raises:
        AppImageError: it is not there.

    """
    if "/" in entry:
        path = project / Path(entry).expanduser()
        elf = read_elf(path) if path.is_file() else None
        if elf is not None and fits(elf, architecture):
            return path.name, path
        raise AppImageError(f"{named} names {entry}, which is no library for {architecture.name}")
    file = find_on_system(entry, system, architecture)
    if file is not None:
        return entry, file
    hint = suggest_packages([entry]).get(entry)
    raise AppImageError(
        f"{named} names {entry}, which this machine does not have{f': install the package {hint}' if hint else ''}"
    )


def _warn_of_modules(plan: BundlePlan, where: str) -> None:
    """Warn of modules that the image does not have, or that are of no use on some target systems.

    Plugins of Qt are in the summary only: nobody expects the wheel's plugins for every database to work.
    """
    for module, soname in plan.dropped.items():
        if not is_qt_plugin(module):
            log.warning("%s is left out of the image: it needs %s, which is not %s", module.name, soname, where)
    for need in plan.unbundled:
        log.warning(
            "%s is not %s: %s can be loaded only on systems that have it; install it to have it in the image",
            *(need.soname, where, need.file.name),
        )


def _warn_of_parts(plan: BundlePlan, collected: Collected) -> None:
    """Warn of libraries of which only a part can come."""
    for name in sorted(path.name for path in plan.copies):
        lacking = None if name in collected.complete else without_companions(name)
        if lacking:
            log.warning("%s is in the image without %s: what these are for does not work there", name, lacking)


def _warn_of_opened(sonames: Iterable[str], policy: LibraryPolicy, where: str) -> None:
    """Warn of libraries that packages are known to open by their names, and that are found nowhere."""
    lacking = sorted(soname for soname in sonames if not policy.ignored(soname))
    if lacking:
        packages = suggest_packages(lacking)
        install = " ".join(packages[soname] for soname in lacking if soname in packages)
        log.warning(
            "Installed packages open libraries by name that are not %s, and use them only on systems that have them: "
            "%s%s",
            *(where, ", ".join(lacking), f" (install {install} to have them in the image)" if install else ""),
        )


def _warn_of_rules(policy: LibraryPolicy, plan: BundlePlan, needed: Iterable[str], where: str) -> None:
    """Warn of rules that change nothing, as most of them are misspelt, and of libraries that cannot be included.

    Args:
        policy: with the rules.
        plan: what is done.
        needed: the sonames that files of the AppDir need or open.
        where: where libraries are looked for.

    """
    bundled = {path.name for path in (*plan.copies, *plan.links)}
    missing = {need.soname for need in (*plan.by_name, *plan.ignored, *plan.missing)}
    sonames = {*needed, *bundled, *missing, *plan.from_system, *plan.optional, *plan.dropped.values()}
    for rule in (*policy.include_libraries, *policy.exclude_libraries, *policy.ignore_missing):
        if not any(matches(soname, (rule,)) for soname in sonames):
            log.warning("Nothing in the image needs a library that `%s` means", rule)
    absent = {*missing, *plan.from_system, *plan.optional, *plan.dropped.values()} - bundled
    for soname in sorted(absent):
        if matches(soname, policy.include_libraries) and not matches(soname, policy.exclude_libraries):
            hint = suggest_packages([soname]).get(soname)
            log.warning(
                "`include-libraries` asks for %s, which is not %s%s",
                *(soname, where, f": install the package {hint}" if hint else ""),
            )


def _apply(plan: BundlePlan, root: Path, results: Results, *, strip: bool) -> Stripped:
    """Copy, link and patch as planned; return what was removed from the copies."""
    for module in plan.dropped:
        module.unlink()
    for target, source in plan.copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(source, target)
        target.chmod(0o755)
    for target, source in plan.data.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for path, target in plan.links.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(target, path.parent))
    # Before patchelf moves what is loaded behind the symbols, where a hole would stay.
    stripped = strip_files(sorted(plan.copies), root, results) if strip else Stripped()
    for path, directories in plan.rpaths.items():
        set_rpath(path, directories, results)
    return stripped


def _owner(
    path: Path, plan: BundlePlan, packages: Mapping[Path, str], wheels: Mapping[Path, InstalledWheel], python: str
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


def _verify(tree: Tree, plan: BundlePlan) -> list[Dependency]:
    """Look at the finished tree with fresh eyes: it must need nothing that was not decided about; return its needs."""
    known = {need.soname for need in (*plan.by_name, *plan.ignored, *plan.missing)}
    known |= {*plan.from_system, *plan.optional}
    needs = tree.needs()
    for need in needs:
        if need.found is None and need.soname not in known:
            raise AppImageError(f"{need.file} does not find {need.soname} in the image: please report this")
    return needs


def _place(system: System, python: BundledPython, architecture: Architecture, remedy: str) -> str:
    """Name where libraries are looked for, and what to do if that is no machine of the architecture, or too little."""
    if system.root != Path("/"):
        return f"in {system}"
    if python.cross:
        return f"on this machine (set `sysroot` to a copy of one for {architecture.name})"
    return f"on this machine ({remedy} to have apt get what it lacks)" if remedy else "on this machine"


def _missing(needs: Iterable[Dependency], root: Path, place: str, *, in_archive: bool) -> tuple[MissingLibrary, ...]:
    """Gather needs that are not fulfilled, by library."""
    users: dict[str, dict[str, None]] = {}
    for need in needs:
        users.setdefault(need.soname, {})[str(need.file.relative_to(root))] = None
    packages = suggest_packages(users) if users and not in_archive else {}
    return tuple(
        MissingLibrary(soname, tuple(files), packages.get(soname), place, in_archive)
        for soname, files in sorted(users.items())
    )


def explain_missing(missing: Sequence[MissingLibrary]) -> str:
    """Write one clear statement about all that is missing; it was looked for in one place."""
    known = dict.fromkeys(library.package for library in missing if library.package)
    install = f"Please install what provides them{f' (apt-get install {chr(32).join(known)})' if known else ''}"
    way_out = _OTHER_FILE if missing[0].in_archive else install
    names = ", ".join(f'"{library.soname}"' for library in missing)
    return "\n".join([
        f"{_count(missing)} not {missing[0].place}:",
        *(f"  {library}" for library in missing),
        f"{way_out}, or allow their absence where the application does not use those files:",
        f"  ignore-missing = [{names}]",
    ])  # fmt: skip


def _count(missing: Sequence[MissingLibrary]) -> str:
    if len(missing) == 1:
        return "1 shared library that the image needs is"
    return f"{len(missing)} shared libraries that the image needs are"
