# SPDX-License-Identifier: MIT
"""Find the files of a Python binding of Qt that nothing in an image can need.

Every file that stays brings what it needs: an extension module those that it imports, each ELF file its libraries, a
library the kinds of plugins that it names, a QML module those that it imports. All others go.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_appimage.elf import read_elf
from hatch_appimage.libraries.plan import shows_windows
from hatch_appimage.sources.qml import embedded_imports, qml_imports
from hatch_appimage.trim.qt_binding import SCRIPTS, WEB_ENGINE, qt_module_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.trim.qt_binding import Binding
    from hatch_appimage.trim.qt_uses import Uses

# A plugin that alone would keep more than this of Qt's libraries, in bytes, adds a Qt module to the program that uses
# none of it: PDF files as images, or the virtual keyboard, which is written in QML. SVG's icons are below that. Where
# all plugins of a kind are above, they are what the program uses: the player of QtMultimedia needs QtQuick.
_MAX_FOR_PLUGIN = 4_000_000
# Of these kinds Qt loads only what a variable or an argument names, apart from what shows windows on desktops. A screen
# by VNC, and touches that come by TUIO, would bring QtNetwork, its plugins, and the machine's Kerberos.
_ON_DEMAND = frozenset({"generic", "platforms"})
_MAX_ON_DEMAND = 2_000_000
# Who loads plugins that do not need it.
_LOADERS = {"designer": "UiTools", "vectorimageformats": "QuickVectorImage"}
# How a library names a directory of plugins.
_PATH, _WORD = "a path", "a word"
_ELF = b"\x7fELF"
# Modules of the binding by whose names QML documents are shown.
_SHOWING_QML = re.compile(r"QtQml|QtQuick\w*|QtWebEngineQuick|QtWebEngine")


@dataclass(frozen=True)
class UnusedFiles:
    """What became of a binding.

    Attributes:
        files: that nothing needs.
        modules: names of the extension modules among them, below the binding.
        used: why the others stay, by their names.

    """

    files: frozenset[Path] = frozenset()
    modules: frozenset[str] = frozenset()
    used: Mapping[str, str] = field(default_factory=dict)


def find_unused_files(binding: Binding, uses: Uses, kept: Iterable[Path] = ()) -> UnusedFiles:
    """Find the files of a binding that nothing needs; none where nothing names any of its modules.

    Args:
        binding: with all files.
        uses: what is used of it.
        kept: files that stay in any case.

    """
    if binding.modules.keys().isdisjoint(uses.modules):
        return UnusedFiles(used={"": "nothing names any of its modules"})
    search = _Search(binding, uses)
    for path in sorted(kept):
        search.keep(path)
    for name, reason in sorted(uses.modules.items()):
        search.reach(name, reason)
    search.follow()
    gone = binding.removable - search.kept
    modules = frozenset(name for name, path in binding.modules.items() if path in gone)
    return UnusedFiles(gone, modules, dict(sorted(search.reached.items())))


class _Search:
    """Keeps files, and what they need.

    Attributes:
        kept: the files.
        reached: names of extension modules, each with the reason.

    """

    def __init__(self, binding: Binding, uses: Uses) -> None:
        self.kept: set[Path] = set()
        self.reached: dict[str, str] = {}
        self._binding = binding
        self._uses = uses
        self._waiting: list[Path] = []
        self._needed: dict[Path, tuple[Path, ...]] = {}
        self._loaded: set[str] = set()
        self._qml = uses.qml & binding.qml.keys()
        if not self._qml and any(map(_SHOWING_QML.fullmatch, uses.modules)):
            self._qml = set(binding.qml)  # nobody knows what the documents are
        self._shows_qml = bool(self._qml)

    def reach(self, name: str, reason: str) -> None:
        """Keep an extension module; other names count for nothing."""
        if name in self._binding.modules and name not in self.reached:
            self.reached[name] = reason
            for path in sorted(self._binding.belonging(name)):
                self.keep(path)

    def keep(self, path: Path) -> None:
        """Keep a file of the binding, and go through it later."""
        if path in self._binding.files and path not in self.kept:
            self.kept.add(path)
            self._waiting.append(path)

    def follow(self) -> None:
        """Go on until nothing more is needed."""
        self._keep_named()
        while self._waiting:
            while self._waiting:
                self._read(self._waiting.pop())
            self._keep_qml()
            self._keep_widgets()
            self._keep_plugins()
            if not self._waiting:
                self._keep_only_plugins()
        self._keep_catalogs()

    def _keep_named(self) -> None:
        """Keep libraries, plugins and programs whose files are named."""
        plugins = [path for paths in self._binding.plugins.values() for path in paths]
        for path in (*self._binding.libraries.values(), *plugins):
            stem = path.name.split(".so")[0].removeprefix("lib")
            if not self._uses.files.isdisjoint({path.name, stem, stem.removesuffix("plugin")}):
                self.keep(path)
        uses_scripts = SCRIPTS in self._uses.modules
        for name, paths in self._binding.tools.items():
            if uses_scripts or not self._uses.programs.isdisjoint({name, f"{self._binding.name.lower()}-{name}"}):
                for path in (*paths, *self._binding.scripts):
                    self.keep(path)

    def _read(self, path: Path) -> None:
        """Keep what a file needs."""
        data = path.read_bytes()
        if not data.startswith(_ELF):
            if self._shows_qml and "qml" in path.parts:
                self._qml |= qml_imports(data) & self._binding.qml.keys()
            return
        for library in self._libraries_of(path):
            self.keep(library)
        for name, library in self._binding.libraries.items():  # what is opened by its name
            if library not in self.kept and qt_module_of(name) is None and b"%s\0" % name.encode() in data:
                self.keep(library)
        if path.parent == self._binding.root:
            self._reach_imported(path, data)
        if self._shows_qml:
            self._qml |= embedded_imports(data) & self._binding.qml.keys()
        if qt_module_of(path.name) == WEB_ENGINE:
            for each in sorted(self._binding.web_engine):
                self.keep(each)
        self._loaded.update(self._loads(path, data))

    def _reach_imported(self, path: Path, data: bytes) -> None:
        """Reach what an extension module imports: it has the names, or a pattern of `printf` for them."""
        importer = f"{self._binding.name}.{path.name.split('.')[0]} imports it"
        for name, is_pattern in re.findall(self._binding.name.encode() + rb"\.(\w+)(%?)", data):
            for module in self._binding.modules if is_pattern else [name.decode()]:
                if module.startswith(name.decode()):
                    self.reach(module, importer)

    def _loads(self, path: Path, data: bytes) -> Iterator[str]:
        """Yield the kinds of plugins that a library loads: they need it, and it names their directory.

        A name that is no path may mean anything. In a library that most kinds need, it counts for nothing.
        """
        kinds = self._users.get(path, frozenset())
        is_general = len(kinds) > len(self._binding.plugins) / 2
        for kind in self._binding.plugins:
            form = _form_of(kind, data) if kind in kinds else None
            is_named = form == _PATH or (form == _WORD and not is_general)
            if is_named or qt_module_of(path.name) == _LOADERS.get(kind, ""):
                yield kind

    @cached_property
    def _users(self) -> Mapping[Path, Collection[str]]:
        """The kinds of plugins that need each library."""
        found: dict[Path, set[str]] = defaultdict(set)
        for kind, plugins in self._binding.plugins.items():
            for plugin in plugins:
                for library in self._libraries_of(plugin):
                    found[library].add(kind)
        return found

    def _libraries_of(self, path: Path) -> tuple[Path, ...]:
        """Return the libraries of the binding that a file needs itself."""
        if path not in self._needed:
            elf = read_elf(path)
            found = (self._binding.libraries.get(name) for name in (elf.needed if elf else ()))
            self._needed[path] = tuple(filter(None, found))
        return self._needed[path]

    def _keep_qml(self) -> None:
        for name in sorted(self._qml):
            for path in self._binding.qml[name]:
                self.keep(path)

    def _keep_widgets(self) -> None:
        """Reach the modules that have the classes of forms' widgets, where none that is reached has them."""
        for name, modules in self._modules_with.items():
            if self.reached.keys().isdisjoint(modules):
                for module in modules:
                    self.reach(module, self._uses.classes[name])

    @cached_property
    def _modules_with(self) -> Mapping[str, Sequence[str]]:
        """The extension modules that have the name of each class of a form in them."""
        if not self._uses.classes:
            return {}
        binaries = {name: path.read_bytes() for name, path in self._binding.modules.items()}
        patterns = {name: re.compile(rb"(?<!\w)%s(?!\w)" % name.encode()) for name in sorted(self._uses.classes)}
        return {
            name: [module for module, data in binaries.items() if pattern.search(data)]
            for name, pattern in patterns.items()
        }

    def _keep_plugins(self) -> None:
        for kind in sorted(self._loaded):
            for path in self._binding.plugins[kind]:
                limit = _MAX_ON_DEMAND if kind in _ON_DEMAND and not shows_windows(path) else _MAX_FOR_PLUGIN
                if path not in self.kept and (self._is_for_form(path) or self._cost(path) <= limit):
                    self.keep(path)

    def _keep_only_plugins(self) -> None:
        """Keep plugins of any size where a library would have none of a kind: QtMultimedia plays nothing without."""
        for kind in sorted(self._loaded - _LOADERS.keys() - _ON_DEMAND):
            if self.kept.isdisjoint(self._binding.plugins[kind]):
                for path in self._binding.plugins[kind]:
                    self.keep(path)

    def _is_for_form(self, plugin: Path) -> bool:
        """Whether a plugin has the class of a form's widget: it is called like it, such as libqquickwidget.so."""
        return plugin.name.removeprefix("lib").split(".")[0] in map(str.lower, self._uses.classes)

    def _cost(self, plugin: Path) -> int:
        """Return how many bytes of Qt's own libraries would stay for a plugin alone."""
        found: set[Path] = set()
        waiting = [plugin]
        while waiting:
            more = [each for each in self._libraries_of(waiting.pop()) if each not in found and each not in self.kept]
            found.update(more)
            waiting += more
        return sum(path.stat().st_size for path in found if qt_module_of(path.name))

    def _keep_catalogs(self) -> None:
        """Keep the translations of what stays; Qt loads none of a catalogue if one is missing that it refers to."""
        qt_modules = {name for path in self.kept if (name := qt_module_of(path.name))}
        catalogs = self._binding.catalogs
        for name, paths in catalogs.items():
            if self._binding.has_texts(name, qt_modules):
                self.kept.update(paths)
        by_name = {path.stem: path for paths in catalogs.values() for path in paths}
        for path in [path for path in by_name.values() if path in self.kept]:
            self.kept.update(by_name[name] for name in catalogs_named_in(path.read_bytes()) if name in by_name)


def _form_of(kind: str, data: bytes) -> str | None:
    """Return how a library names a kind of plugins, in letters of one byte or two; None where it does not."""
    forms = set()
    for name, size in ((kind.encode(), 1), (kind.encode("utf-16-le"), 2)):
        if name in data:  # which is found much sooner than what begins with a zero
            forms |= {_PATH} if b"/".ljust(size, b"\0") + name + b"\0" in data else set()
            forms |= {_WORD} if bytes(size) + name + b"\0" in data else set()
    return min(forms, default=None)


def catalogs_named_in(data: bytes) -> list[str]:
    """Return the names of the catalogues that one refers to.

    The format is that of Qt's class QTranslator: behind sixteen bytes, sections with a number, a length and data.
    """
    place, dependencies = 16, 0x96
    while place + 5 <= len(data):
        kind, length = data[place], int.from_bytes(data[place + 1 : place + 5], "big")
        section = data[place + 5 : place + 5 + length]
        if kind == dependencies:
            return [name.removesuffix(".qm") for name in _strings(section)]
        place += 5 + length
    return []


def _strings(data: bytes) -> list[str]:
    found, place = [], 0
    while place + 4 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        found.append(data[place + 4 : place + 4 + length].decode("utf-16-be", "replace"))
        place += 4 + length
    return found
