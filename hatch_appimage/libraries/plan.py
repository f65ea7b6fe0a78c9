# SPDX-License-Identifier: MIT
"""Work out what an AppDir needs so that every library in it is found, without changing anything yet."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.elf import from_origin
from hatch_appimage.libraries.collected import NOTHING
from hatch_appimage.libraries.companions import find_companions
from hatch_appimage.libraries.policy import (
    NEVER_BUNDLED,
    OF_THE_MACHINE,
    OPTIONAL,
    goes_with_glib,
    group_of,
    matches,
)
from hatch_appimage.libraries.search import ElfFiles, LinkMap, Loaded, Loader, ends_search

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hatch_appimage.elf import Elf
    from hatch_appimage.libraries.collected import Collected
    from hatch_appimage.libraries.dependencies import Dependency, Tree
    from hatch_appimage.libraries.policy import LibraryPolicy
    from hatch_appimage.system import System

# Wheels of Qt bring plugins for printers, databases, other toolkits' themes, embedded screens, and for Qt modules that
# are in other wheels. Much of what they need is not in the wheel, and taking all of it from the build machine would add
# GTK to every image. Qt passes over a plugin that cannot be loaded.
_QT_PLUGIN = re.compile(r"/Qt\d?/(plugins|qml)(/|$)")
_QT_DISPLAY = re.compile(r"/plugins/(platforms/libq(xcb|wayland[\w-]*)\.so|xcbglintegrations/|wayland-)")

# Modules of Qt: those of a system are of another build than the wheel's, so nothing but the wheel can bring them.
_QT_MODULE = re.compile(r"libQt\d?[A-Z0-9]\w*\.so(\.\d+)?")

# What is taken from the build machine for a plugin of Qt, together with all that it needs, has at most so many bytes.
_SMALL = 2_000_000
_GLIB = "libglib-2.0.so.0"
# What GLib, GTK and PyGObject open modules and libraries by.
_GLIB_OPENER = "libgmodule-2.0.so.0"

# Groups of libraries that are not taken from the image, whatever brought them there.
_NEVER_BUNDLED = {*NEVER_BUNDLED, "excluded"}

# Modules by which Python code opens libraries by their names.
_OPENERS = ("_ctypes.", "_cffi_backend.")

# Groups of the machine's libraries that need nothing but each other.
_SELF_CONTAINED = frozenset({*NEVER_BUNDLED, "compiler", "base"})

# Below the bundled libraries: directories with links to some of them, for files that must not find the others.
_SELECTIONS = "selected"
_MAX_NAME = 100
# From such a directory to the bundled libraries.
_FROM_SELECTION = "$ORIGIN/../.."


@dataclass
class BundlePlan:
    """What is to be done.

    Attributes:
        copies: files of the build machine, by the path that each gets in the AppDir.
        data: other files of the build machine that these read, by the path that each gets in the AppDir.
        links: symbolic links to be made, and the files of the AppDir that they lead to.
        rpaths: search paths, ``$ORIGIN``-relative, by the file that gets one as its ``DT_RPATH``.
        from_system: the sonames that are left to the user's machine, which has to have them.
        optional: those that are used where the user's machine has them, with the files that need them.
        unbundled: needs of those that would be bundled if the build machine had them, as modules need them, too.
        by_name: needs that only something in the AppDir can fulfil that no search path leads to: something loads it
            before.
        missing: what is found nowhere.
        ignored: what is found nowhere, and may be missing.
        dropped: modules of the standard library and plugins that cannot be loaded, with the library that they lack.

    """

    copies: dict[Path, Path] = field(default_factory=dict)
    data: dict[Path, Path] = field(default_factory=dict)
    links: dict[Path, Path] = field(default_factory=dict)
    rpaths: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    from_system: set[str] = field(default_factory=set)
    optional: dict[str, list[Path]] = field(default_factory=dict)
    unbundled: list[Dependency] = field(default_factory=list)
    by_name: list[Dependency] = field(default_factory=list)
    missing: list[Dependency] = field(default_factory=list)
    ignored: list[Dependency] = field(default_factory=list)
    dropped: dict[Path, str] = field(default_factory=dict)

    @property
    def lacking(self) -> frozenset[str]:
        """The sonames of what is found nowhere, and is wanted: plugins of Qt without theirs are not."""
        dropped = (soname for path, soname in self.dropped.items() if not is_qt_plugin(path))
        return frozenset([*(need.soname for need in (*self.missing, *self.unbundled)), *dropped])


@dataclass(frozen=True)
class BundleLayout:
    """Where things are.

    Attributes:
        lib: the AppDir's directory for bundled libraries.
        packages: the directories of installed packages.
        origins: where files of the AppDir were copied from, as far as libraries may lie beside them there: a directory
            of the AppDir, or a file, and what it was on the build machine.

    """

    lib: Path
    packages: tuple[Path, ...]
    origins: Mapping[Path, Path]

    def package_of(self, path: Path) -> Path | None:
        """Return the top directory of the package that a file belongs to; None if it belongs to none."""
        for directory in self.packages:
            if path.is_relative_to(directory):
                return directory / path.relative_to(directory).parts[0]
        return None


def make_plan(
    tree: Tree,
    place: BundleLayout,
    *,
    system: System,
    policy: LibraryPolicy,
    opened: Mapping[str, Path],
    openers: Mapping[Path, Mapping[str, Path]] | None = None,
    collected: Collected = NOTHING,
) -> BundlePlan:
    """Find what an AppDir lacks on the build machine, again and again until nothing more is needed.

    Args:
        tree: the AppDir's files.
        place: where things are.
        system: the build machine's libraries.
        policy: what to bundle.
        opened: libraries that Python code opens at run time only: the names that they are to have, and the files.
        openers: such ones that a file of the AppDir opens by itself, by that file.
        collected: what an earlier step has found that libraries open.

    """
    openers = openers or {}
    dropped: dict[Path, str] = {}
    while True:
        planner = _Planner(tree.without(dropped), place, system, policy)
        planner.clean_search_paths()
        for name, file in chain(opened.items(), *(libraries.items() for libraries in openers.values())):
            planner.copy_opened(name, file)
        for name, file in collected.files.items():
            planner.copy_collected(name, file)
        # What is missing when one file is looked at may come with what a later one needs.
        while planner.improve():
            pass
        useless: dict[Path, str] = {}
        for need in planner.plan.missing:
            for root in need.roots:
                if is_optional(root) or _is_left_over(root, tree, dropped):
                    useless.setdefault(root, need.soname)
        # Without these nothing may want some of the libraries that were found, so all begins anew.
        if not useless:
            planner.confine(collected.opened, openers)
            while planner.improve():
                pass
            planner.connect_copies()
            planner.connect_opened(opened)
            planner.connect_openers(openers)
            planner.connect_collected(collected.opened)
            planner.separate_optional()
            planner.plan.dropped = dropped
            return planner.plan
        dropped |= useless


def _is_left_over(path: Path, tree: Tree, dropped: Mapping[Path, str]) -> bool:
    """Whether a file is a library that only dropped files need."""
    files = tree.files
    names = {path.name, files[path].soname} if path in files else set()
    users = {user for user, elf in files.items() if names.intersection(elf.needed)}
    return bool(users) and users <= dropped.keys()


def is_optional(path: Path) -> bool:
    """Whether a file is one that applications cope without: a module of the standard library, a plugin of Qt."""
    return path.parent.name == "lib-dynload" or is_qt_plugin(path)


def shows_windows(path: Path) -> bool:
    """Whether a file is a plugin without which no window of Qt is shown."""
    return bool(_QT_PLUGIN.search(str(path.parent)) and _QT_DISPLAY.search(str(path)))


def is_qt_plugin(path: Path) -> bool:
    """Whether a file is one of Qt's many plugins without which its windows are shown all the same."""
    return bool(_QT_PLUGIN.search(str(path.parent))) and not shows_windows(path)


def optional_of(needs: Iterable[Dependency]) -> set[str]:
    """Return the sonames of what is not found and can be done without: by plugins of Qt, or without a service."""
    found: dict[str, bool] = {}
    for need in needs:
        if need.found is None:
            group = group_of(need.soname)
            optional = group in OPTIONAL or (group not in _SELF_CONTAINED and all(map(is_qt_plugin, need.roots)))
            found[need.soname] = optional and found.get(need.soname, True)
    return {soname for soname, optional in found.items() if optional}


def is_qt_module(soname: str) -> bool:
    """Whether a library is one of Qt's own."""
    return bool(_QT_MODULE.fullmatch(soname))


class _Planner:
    """Keeps the tree and the plan in step: every decision changes both."""

    def __init__(self, tree: Tree, place: BundleLayout, system: System, policy: LibraryPolicy) -> None:
        self.tree = tree
        self.place = place
        self.system = system
        self.policy = policy
        self.plan = BundlePlan()
        self.files = ElfFiles()
        self.original = dict(tree.files)
        self.built: dict[Path, tuple[Path, Elf]] = {}
        self.needs: list[Dependency] = []
        self.attempted: set[tuple[Path, str]] = set()
        # What bundled libraries open, by their places below the directory of bundled libraries, by that library.
        self.companions: dict[Path, dict[str, Path]] = {}
        # Files whose search path counts for libraries of the machine, and the directories that are in these.
        self.confined: set[Path] = set()
        self.shared: set[str] = set()
        self.carried = Loader(tree.architecture, read=self._read_machine, ends=self._ends_on_machine)
        self.installed = Loader(
            tree.architecture, read=self._read_machine, directories=system.directories, ends=self._ends_on_machine
        )

    def _read_machine(self, path: Path) -> Elf | None:
        return None if path.is_relative_to(self.tree.root) else self.files(self.system.follow(path))

    def _ends_on_machine(self, path: Path) -> bool:
        return not path.is_relative_to(self.tree.root) and ends_search(self.system.follow(path))

    def clean_search_paths(self) -> None:
        """Drop the directories outside of the image from search paths: on another machine they are not there, or evil.

        What remains and leads to something becomes a ``DT_RPATH``: only that is searched before ``LD_LIBRARY_PATH``.
        """
        for path, elf in self.tree.files.items():
            directories = self._clean(elf.search_path, path)
            unchanged = directories == elf.search_path and not (elf.rpath and elf.runpath)
            if not unchanged or any(map(self._is_there, self._search_directories(path))):
                self._set_rpath(path, directories)

    def _is_there(self, directory: Path) -> bool:
        return directory.is_dir() or directory == self.place.lib

    def _clean(self, search_path: Iterable[str], path: Path) -> tuple[str, ...]:
        directories = []
        for entry in search_path:
            if not entry.startswith(("$ORIGIN", "${ORIGIN}")):
                continue
            expanded = (Path(os.path.normpath(text)) for text in self.carried.expand(entry, path.parent))
            if all(directory.is_relative_to(self.tree.root) for directory in expanded):
                directories.append(entry)
        return tuple(dict.fromkeys(directories))

    def _set_rpath(self, path: Path, directories: tuple[str, ...]) -> None:
        elf = self._read(path)
        if directories == elf.rpath and not elf.runpath:
            return
        self.tree.put(path, replace(elf, rpath=directories, runpath=()))
        self.plan.rpaths[path] = directories

    def copy_opened(self, name: str, file: Path) -> None:
        """Bundle a library that no file names."""
        elf = self.files(file)
        # A soname with a slash is the path that the library was linked at: it would lead out of the image.
        target = self._copy(file, elf.soname if elf and elf.soname and "/" not in elf.soname else name)
        if target.name != name:
            self._link(target.with_name(name), target)

    def copy_collected(self, place: str, file: Path) -> None:
        """Bundle what libraries open or read."""
        if "/" not in place:
            self.copy_opened(place, file)
        elif self.files(file) is None:
            self.plan.data[self.place.lib / place] = file
        else:
            self._copy(file, place)

    def connect_collected(self, names: Iterable[str]) -> None:
        """Let GLib's way to open libraries find those that typelibs and lists of modules name.

        It finds them in a directory of links, which is their ``$ORIGIN``.
        """
        libraries = {name: self.place.lib / name for name in names}
        for path in self._glib_openers() if libraries else ():
            self._add_directory(path, libraries)
        for path in {self.tree.real(path) for path in libraries.values()} - self.confined:
            self._add_entries(path, [_FROM_SELECTION], first=False)

    def _glib_openers(self) -> list[Path]:
        return [path for path in self.plan.copies if path.name == _GLIB_OPENER]

    def connect_opened(self, names: Iterable[str]) -> None:
        """Let Python's own ways to open libraries find those that no file names."""
        for path in self._openers() if names else ():
            for name in names:
                self._add_directory(path, {name: self.place.lib / name})

    def connect_openers(self, openers: Mapping[Path, Iterable[str]]) -> None:
        """Let libraries find those that they open by their names, and no others of the image."""
        for path, names in openers.items():
            self._add_directory(path, {name: self.place.lib / name for name in names})

    def _openers(self) -> list[Path]:
        modules = [path for path in self.tree.files if path.name.startswith(_OPENERS)]
        if any(path.name.startswith(_OPENERS[0]) for path in modules):
            return modules
        # Where ctypes is part of Python itself, it opens them from the interpreter or from Python's own library.
        interpreter = self.tree.interpreter()
        own = {path for path in self.tree.files if path.parent == self.place.lib and path.name.startswith("libpython")}
        return [*modules, *([interpreter] if interpreter else []), *sorted(own)]

    def confine(self, opened: Collection[str] = (), openers: Iterable[Path] = ()) -> None:
        """Keep what the image brings from the machine's libraries, which want their own: a newer one, maybe.

        A ``DT_RPATH`` counts for all that a file loads, too, and that of a program for its whole process. Where
        libraries of the machine are among that, it may only lead to what the file itself needs: all of this is loaded
        before the loader looks for what those libraries need.

        Args:
            opened: the names of what GLib opens, which may load more of the machine.
            openers: the files that open libraries by themselves, which may load more of the machine.

        """
        self.confined = self._loading_from_machine().union(openers)
        if opened:
            self.confined.update(self._glib_openers())
        selected: dict[Path, dict[str, Path]] = {}
        for need in self.needs:
            found = self.tree.real(need.found) if need.found else None
            if found and found.parent == self.place.lib:
                selected.setdefault(self.tree.real(need.file), {})[need.soname] = found
        self.shared = {
            directory
            for path in self.confined
            for directory in map(os.path.realpath, self._search_directories(path))
            if directory != os.path.realpath(self.place.lib)
        }
        for link in [link for link in self.plan.links if os.path.realpath(link.parent) in self.shared]:
            self.tree.unlink(link)
            del self.plan.links[link]
        for path in sorted(self.confined):
            directories = self._read(path).search_path
            self._set_rpath(path, tuple(entry for entry in directories if not self._is_lib(entry, path)))
        for path in sorted(self.confined.intersection(selected)):
            self._add_directory(path, selected[path])
        self.attempted.clear()

    def _is_lib(self, entry: str, path: Path) -> bool:
        lib = os.path.realpath(self.place.lib)
        return any(os.path.realpath(text) == lib for text in self.carried.expand(entry, path.parent))

    def _loading_from_machine(self) -> set[Path]:
        """Return all programs, and the files that load what may need more of the machine."""
        users: dict[Path, set[Path]] = {}
        found = {path for path, elf in self.tree.files.items() if elf.interpreter}
        waiting = []
        for need in self.needs:
            user = self.tree.real(need.file)
            if need.found is not None:
                users.setdefault(self.tree.real(need.found), set()).add(user)
            elif group_of(need.soname) not in _SELF_CONTAINED:
                waiting.append(user)
        while waiting:
            path = waiting.pop()
            if path not in found or path in users:
                waiting += users.pop(path, ())
            found.add(path)
        return found

    def improve(self) -> bool:
        """Decide about every need that is not fulfilled; return whether that may have brought new ones."""
        self.plan.from_system, self.plan.by_name, self.plan.missing, self.plan.ignored = set(), [], [], []
        self.needs = self.tree.needs()
        decided = [self._decide(need) for need in self.needs if need.found is None]
        return any(decided)

    def connect_copies(self) -> None:
        """Let bundled libraries find each other even where something else has loaded them all: each may be opened."""
        for path in self.plan.copies:
            needed = {soname: self.place.lib / soname for soname in self._read(path).needed}
            copied = {name: copy for name, copy in needed.items() if self.tree.real(copy) in self.plan.copies}
            found = {directory / name for directory in self._search_directories(path) for name in copied}
            if copied and not {self.tree.real(copy) for copy in copied.values()} <= set(map(self.tree.real, found)):
                self._add_directory(path, copied)

    def _decide(self, need: Dependency) -> bool:
        if "/" in need.soname:  # the loader opens this very path, wherever copies are
            return self._give_up(need)
        target = self.place.lib / need.soname
        group = self.policy.group(need.soname)
        if group in _NEVER_BUNDLED or self.tree.read(target) is None:
            source = self._find(need, group)
            if source is None and (group is not None or self._may_be_on_targets(need)):
                self.plan.from_system.add(need.soname)
                return False
            if source is None:
                return self._give_up(need)
            self._copy_once(source, target)
        if (need.file, need.soname) in self.attempted:
            return self._give_up(need)
        self.attempted.add((need.file, need.soname))
        self._make_reachable(need, target)
        return True

    def _find(self, need: Dependency, group: str | None) -> Path | None:
        """Find a library on the build machine that is to be bundled."""
        if group in _NEVER_BUNDLED or group in OF_THE_MACHINE:
            return None
        # What has come with the needing file is bundled even if target systems have something of that name.
        carried = self._find_carried(need)
        for_plugins = all(map(is_qt_plugin, need.roots)) and not self._is_included(need)
        # What cannot do without the client of a service needs it on machines without the service, too.
        if carried is not None or (group is not None and (for_plugins or group not in OPTIONAL)):
            return carried
        found = None if self._is_in_package(need) else self._find_installed(need)
        # GTK and GIO open modules of the machine, which are built for its GLib, and read data that is not here.
        if found is None or (for_plugins and (goes_with_glib(need.soname) or not self._is_small(need, found))):
            return None
        return found

    def _is_small(self, need: Dependency, file: Path) -> bool:
        """Whether a library of the machine may be bundled for a plugin, by its size with all that would come along."""
        sizes: dict[Path, int] = {}
        waiting = [(file, self._loaded(need))]
        while waiting:
            path, loader = waiting.pop()
            elf = self.files(path)
            if elf is None or path in sizes:
                continue
            sizes[path] = path.stat().st_size
            library = Loaded(path, elf, loader)
            lacking = (soname for soname in elf.needed if self.tree.read(self.place.lib / soname) is None)
            for soname in (soname for soname in lacking if self.policy.group(soname) is None):
                found, _ = self.installed.find(soname, library, LinkMap())
                if found is not None:
                    waiting.append((self.system.follow(found), library))
        return sum(sizes.values()) <= _SMALL

    def _may_be_on_targets(self, need: Dependency) -> bool:
        """Whether a plugin can stay without a library: it is used where the target system has that."""
        if not all(map(is_qt_plugin, need.roots)) or is_qt_module(need.soname):
            return False
        if self.policy.ignored(need.soname) or self._with_name(need.soname):
            return False
        return not (goes_with_glib(need.soname) and self.tree.read(self.place.lib / _GLIB) is not None)

    def separate_optional(self) -> None:
        """Tell what is used where the target system has it from what that must have."""
        for soname in sorted(optional_of(self.needs) & self.plan.from_system):
            needs = [need for need in self.needs if need.soname == soname and need.found is None]
            self.plan.from_system.discard(soname)
            self.plan.optional[soname] = sorted({self.tree.real(need.file) for need in needs})
            if group_of(soname) not in OF_THE_MACHINE and self.policy.group(soname) != "excluded":
                self.plan.unbundled += [need for need in needs if not all(map(is_qt_plugin, need.roots))][:1]

    def _is_included(self, need: Dependency) -> bool:
        """Whether the project asks for a library, or for one of the machine's that needs it."""
        asked = matches(need.soname, self.policy.include_libraries)
        return asked or self.tree.real(need.file) in self.plan.copies

    def _give_up(self, need: Dependency) -> bool:
        need = replace(need, file=self.tree.real(need.file))
        if self.policy.ignored(need.soname):
            self.plan.ignored.append(need)
        elif self._with_name(need.soname):
            self.plan.by_name.append(need)
        else:
            self.plan.missing.append(need)
        return False

    def _loaded(self, need: Dependency) -> Loaded:
        """Return the needing file as it was on the build machine, with what loaded it, and their search paths there."""
        loader = None
        for path in reversed(need.loaders):
            loader = Loaded(*self._as_built(path), loader)
        return Loaded(*self._as_built(need.file), loader)

    def _as_built(self, path: Path) -> tuple[Path, Elf]:
        """Return what a file of the AppDir was on the build machine; each is asked for many times."""
        if path not in self.built:
            real = self.plan.links.get(path, path)
            source = self._origin(real)
            elf = self.original.get(real) or self.files(source) or self._read(real)
            if source.is_relative_to(self.system.root):
                rpath, runpath = (tuple(map(self._on_machine, directories)) for directories in (elf.rpath, elf.runpath))
                elf = replace(elf, rpath=rpath, runpath=runpath)
            self.built[path] = source, elf
        return self.built[path]

    def _on_machine(self, directory: str) -> str:
        """Return where an entry of a search path leads in a copy of another machine."""
        return str(self.system.locate(directory)) if directory.startswith("/") else directory

    def _origin(self, path: Path) -> Path:
        if path in self.plan.copies:
            return self.plan.copies[path]
        for place, origin in self.place.origins.items():
            if path.is_relative_to(place) and self.place.package_of(path) is None:
                return origin / path.relative_to(place)
        return path

    def _find_carried(self, need: Dependency) -> Path | None:
        """Find a library by the search path that the file has on the build machine: it came with it."""
        found, _ = self.carried.find(need.soname, self._loaded(need), LinkMap())
        return None if found is None or found.parent in self.system.directories else self.system.follow(found)

    def _find_installed(self, need: Dependency) -> Path | None:
        found, _ = self.installed.find(need.soname, self._loaded(need), LinkMap())
        return found and self.system.follow(found)

    def _is_in_package(self, need: Dependency) -> bool:
        package = self.place.package_of(need.file)
        return package is not None and any(path.is_relative_to(package) for path in self._with_name(need.soname))

    def _with_name(self, soname: str) -> list[Path]:
        return [path for path, elf in self.original.items() if soname in {path.name, elf.soname}]

    def _copy_once(self, source: Path, target: Path) -> None:
        """Bundle a library that may be there by another name: two copies in one process would each have a state."""
        real = os.path.realpath(source)
        known = next((path for path, other in self.plan.copies.items() if os.path.realpath(other) == real), None)
        if known is None:
            self._copy(source, target.name)
        else:
            self._link(target, known)

    def _copy(self, source: Path, name: str) -> Path:
        target = self.place.lib / name
        if self.tree.read(target) is None:
            elf = self.files(source)
            if elf is None:
                raise AssertionError(source)
            self.tree.put(target, elf)
            self.plan.copies[target] = source
            self._set_rpath(target, ())
            self._copy_companions(source, elf.soname or name, target)
        return target

    def _copy_companions(self, source: Path, soname: str, target: Path) -> None:
        for place, file in find_companions(source, soname, self.system):
            if self.files(file) is None:
                self.plan.data[self.place.lib / place] = file
            else:
                self.companions.setdefault(target, {})[place] = self._copy(file, place)

    def _link(self, path: Path, target: Path) -> None:
        target = self.plan.links.get(target, target)
        self.tree.link(path, target)
        self.plan.links[path] = target

    def _make_reachable(self, need: Dependency, target: Path) -> None:
        """Let a file find a bundled library.

        A package's own libraries keep their bytes where they have a search path: a link is put into the first directory
        of it. Everything else gets the directory of the bundled libraries, or an own one, into its search path.
        """
        if self._searches(need.file, self.place.lib):
            return  # it is found now that it is there
        directory = self._link_directory(need.file)
        link = directory / need.soname if directory else None
        if link in self.plan.links:
            return  # another file in the same directory needs the library, too
        if link is not None and not os.path.lexists(link):
            self._link(link, target)
        else:
            first = any(ends_search(found / need.soname) for found in self._search_directories(need.file))
            self._add_directory(need.file, {need.soname: target}, first=first)

    def _search_directories(self, path: Path) -> tuple[Path, ...]:
        loader = Loader(self.tree.architecture, read=self.tree.read, inside=self.tree.root)
        return loader.search_directories(self._read(path).search_path, path.parent)

    def _searches(self, path: Path, directory: Path) -> bool:
        """Whether a file looks into a directory, by whatever name."""
        return any(os.path.realpath(found) == os.path.realpath(directory) for found in self._search_directories(path))

    def _link_directory(self, path: Path) -> Path | None:
        """Return the directory in which a package's file finds links that are put there, and nothing else does."""
        if path in self.plan.links and self.place.package_of(path) is not None:
            return path.parent  # its $ORIGIN
        if self.place.package_of(path) is None:
            return None
        directory = next((directory for directory in self._search_directories(path) if directory.is_dir()), None)
        return None if directory is None or os.path.realpath(directory) in self.shared else directory

    def _read(self, path: Path) -> Elf:
        elf = self.tree.read(path)
        if elf is None:
            raise AssertionError(path)
        return elf

    def _add_directory(self, path: Path, libraries: Mapping[str, Path], *, first: bool = False) -> None:
        """Have a file, by the path that it is opened by, search where bundled libraries are, by their sonames."""
        real = self.tree.real(path)
        if real not in self.confined:
            self._add_entries(real, [from_origin(path, self.place.lib)], first=first)
            return
        directory = self._select(libraries)
        # A bundled library is opened by its own path, or in such a directory.
        origins = (real, directory / real.name) if real.parent == self.place.lib else (path,)
        # From any such directory, another one is beside it.
        self._add_entries(
            real, [f"{from_origin(origin, directory.parent)}/{directory.name}" for origin in origins], first=first
        )

    def _add_entries(self, path: Path, entries: Iterable[str], *, first: bool) -> None:
        directories = self._read(path).search_path
        new = tuple(entry for entry in entries if entry not in directories)
        if new:
            self._set_rpath(path, (*new, *directories) if first else (*directories, *new))

    def _select(self, libraries: Mapping[str, Path]) -> Path:
        """Return the directory that has links to some bundled libraries only."""
        name = "+".join(sorted(libraries))
        if len(name) > _MAX_NAME:
            name = f"{min(libraries)}+{sha256(name.encode()).hexdigest()[:8]}"
        directory = self.place.lib / _SELECTIONS / name
        for soname, target in libraries.items():
            self._link(directory / soname, target)
            # What it opens beside itself, by the path that it is found by: NSS follows no relative link.
            for place, companion in self.companions.get(self.tree.real(target), {}).items():
                self._link(directory / place, companion)
                if companion not in self.confined:
                    self._add_entries(companion, [from_origin(directory / place, self.place.lib)], first=False)
        return directory
