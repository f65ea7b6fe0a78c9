# SPDX-License-Identifier: MIT
"""The files of a Python binding of Qt, as the wheels of PySide and PyQt have them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hatch_appimage.sources.imports import is_extension

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

#: The packages of all bindings.
BINDINGS = ("PyQt5", "PyQt6", "PySide2", "PySide6")
#: The Python package of a binding that starts the programs for developers.
SCRIPTS = "scripts"
# Where they have Qt itself.
_QT = ("Qt", "Qt5", "Qt6")
# What only compilers, code generators and editors read.
_DEVELOPMENT = frozenset({"bindings", "doc", "glue", "include", "metatypes", "mkspecs", "phrasebooks", "typesystems"})
_QML_TYPES = ".qmltypes"
_PROGRAMS = frozenset({"bin", "libexec"})
_LIBRARY = re.compile(r"libQt\d(\w+)\.so")
_CATALOG = re.compile(r"(?P<catalog>\w+?)_[a-z]{2,3}(?:_[A-Z]{2})?\.qm")
_MODULE_LINE = re.compile(r"^module\s+([\w.]+)", re.MULTILINE)
# The Qt modules whose texts a catalogue has, where its name does not say that.
_CATALOGS = {
    "qt": ("Core",),
    "qt_help": ("Help",),
    "qtbase": ("Core",),
    "qtconnectivity": ("Bluetooth", "Nfc"),
    "qtdeclarative": ("Qml",),
    "qtlocation": ("Location", "Positioning"),
    "qtquickcontrols": ("QuickControls2", "Quick"),
    "qtscript": ("Script",),
    "qtwebengine": ("WebEngineCore",),
}
_TOOLS_WITH_CATALOGS = frozenset({"assistant", "designer", "linguist"})
#: The Qt module that opens a program, data and catalogues of its own.
WEB_ENGINE = "WebEngineCore"
_OF_WEB_ENGINE = ("QtWebEngineProcess", "qt.conf")


@dataclass(frozen=True)
class Binding:
    """A binding that is installed.

    Attributes:
        name: of its package.
        root: the package's directory.
        files: all files in it.

    """

    name: str
    root: Path
    files: frozenset[Path]

    @cached_property
    def modules(self) -> Mapping[str, Path]:
        """Its extension modules by their names in the package."""
        files = sorted(path for path in self.files if path.parent == self.root and is_extension(path.name))
        return {path.name.split(".")[0]: path for path in files if not path.name.startswith("lib")}

    @cached_property
    def libraries(self) -> Mapping[str, Path]:
        """The shared libraries of Qt, and those that its extension modules share, by the names of the files."""
        directories = {self.root, *(self.root / qt / "lib" for qt in _QT)}
        return {path.name: path for path in self.files if path.parent in directories and _is_library(path.name)}

    @cached_property
    def plugins(self) -> Mapping[str, tuple[Path, ...]]:
        """The plugins by their kind: the directory that they are in."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self._below("plugins"):
            found[path.parent.name].append(path)
        return {kind: tuple(paths) for kind, paths in sorted(found.items())}

    @cached_property
    def qml(self) -> Mapping[str, tuple[Path, ...]]:
        """The files of the QML modules by the modules' names; several versions of one count as one.

        https://doc.qt.io/qt-6/qtqml-modules-qmldir.html
        """
        names = {path.parent: _qml_name(path) for path in self._below("qml") if path.name == "qmldir"}
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self._below("qml"):
            directory = next((each for each in path.parents if each in names), None)
            if directory and path.suffix != _QML_TYPES:
                found[names[directory]].append(path)
        return {name: tuple(paths) for name, paths in sorted(found.items())}

    @cached_property
    def tools(self) -> Mapping[str, tuple[Path, ...]]:
        """Programs for developers, each with its catalogues, by name."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.files):
            place = path.relative_to(self.root)
            is_program = len(place.parts) == 1 and not path.suffix and _is_program(path)
            is_program |= place.parts[0] in _QT and place.parts[1] in _PROGRAMS and path.name not in _OF_WEB_ENGINE
            if is_program:
                found[path.name].append(path)
        for catalog, paths in self.catalogs.items():
            if catalog in found:
                found[catalog] += paths
        return {name: tuple(paths) for name, paths in found.items()}

    @cached_property
    def catalogs(self) -> Mapping[str, tuple[Path, ...]]:
        """The translations in all languages by what they translate."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self._below("translations"):
            if match := _CATALOG.fullmatch(path.name):
                found[match["catalog"]].append(path)
        return {name: tuple(paths) for name, paths in sorted(found.items())}

    @cached_property
    def web_engine(self) -> frozenset[Path]:
        """What QtWebEngine opens at run time."""
        locales = (path for path in self._below("translations") if path.parent.name == "qtwebengine_locales")
        programs = (path for path in self._below("libexec") if path.name in _OF_WEB_ENGINE)
        return frozenset((*locales, *programs, *self._below("resources")))

    @cached_property
    def scripts(self) -> frozenset[Path]:
        """The Python package that starts the programs for developers."""
        return frozenset(path for path in self.files if path.relative_to(self.root).parts[0] == SCRIPTS)

    @cached_property
    def development(self) -> frozenset[Path]:
        """What only compilers, code generators and editors read."""
        return frozenset(path for path in self.files if self._is_for_development(path))

    @cached_property
    def removable(self) -> frozenset[Path]:
        """All that goes unless something needs it."""
        groups = (self.plugins, self.qml, self.tools, self.catalogs)
        some = (path for group in groups for paths in group.values() for path in paths)
        data = (*self.web_engine, *self.scripts, *self.development, *self.libraries.values(), *self.modules.values())
        return frozenset((*some, *data, *self._below("qsci"), *map(self._stub_of, self.modules))) & self.files

    def belonging(self, module: str) -> frozenset[Path]:
        """Return what stays with an extension module."""
        return frozenset((self.modules[module], self._stub_of(module), *(self._below("qsci") * (module == "Qsci"))))

    def has_texts(self, catalog: str, qt_modules: Collection[str]) -> bool:
        """Whether one of the Qt modules that a catalogue is for is among some, or nobody knows which that are."""
        if catalog in _TOOLS_WITH_CATALOGS:
            return False
        known = [match[1] for name in self.libraries if (match := _LIBRARY.match(name))]
        own = _CATALOGS.get(catalog) or [name for name in known if f"qt{name.lower()}".startswith(catalog)]
        return not own or not set(own).isdisjoint(qt_modules)

    def _stub_of(self, module: str) -> Path:
        return self.root / f"{module}.pyi"

    def _below(self, directory: str) -> list[Path]:
        """Return the files in a directory of Qt."""
        return sorted(self._by_directory.get(directory, ()))

    @cached_property
    def _by_directory(self) -> Mapping[str, list[Path]]:
        """The files of Qt by the directory of Qt that they are in."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self.files:
            parts = path.parts[len(self.root.parts) :]
            if parts[0] in _QT and parts[1:-1]:
                found[parts[1]].append(path)
        return found

    def _is_for_development(self, path: Path) -> bool:
        parts = path.relative_to(self.root).parts
        directory = parts[1] if parts[0] in _QT and len(parts) > 1 else parts[0]
        return len(parts) > 1 and (directory in _DEVELOPMENT or path.suffix == _QML_TYPES)


def qt_module_of(library: str) -> str | None:
    """Return the name of the Qt module that a library is, such as ``Core``; None for other libraries."""
    match = _LIBRARY.match(library)
    return match[1] if match else None


def _is_library(name: str) -> bool:
    return name.startswith("lib") and ".so" in name


def _qml_name(qmldir: Path) -> str:
    match = _MODULE_LINE.search(qmldir.read_text("utf-8", "replace"))
    return match[1] if match else qmldir.parent.name


def _is_program(path: Path) -> bool:
    """Whether a file is a program, and no licence or the like."""
    with path.open("rb") as file:
        return file.read(4).startswith((b"\x7fELF", b"#!"))
