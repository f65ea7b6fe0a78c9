# SPDX-License-Identifier: MIT
"""Installed packages that are known to open libraries of the machine by their names, which no ELF file needs then."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_appimage.libraries.search import Loader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.libraries.dependencies import Tree

# X11's extensions and what belongs to Wayland, beside what images leave to the machine. Which of them a library opens
# depends on its version and on how it was built, and is to be read in it.
_OF_DISPLAYS = (
    "libXcursor.so.1",
    "libXext.so.6",
    "libXfixes.so.3",
    "libXi.so.6",
    "libXinerama.so.1",
    "libXrandr.so.2",
    "libXrender.so.1",
    "libXss.so.1",
    "libXtst.so.6",
    "libXxf86vm.so.1",
    "libwayland-cursor.so.0",
    "libwayland-egl.so.1",
    "libxkbcommon.so.0",
)
# SDL and GLFW, by patterns of names of files that they are in: those of pygame, Kivy, Dear PyGui, raylib and others.
_LIBRARIES = ("libSDL*.so*", "libglfw*.so*", "libraylib*.so*", "_dearpygui*.so", "_raylib_cffi*.so")
# Python code that opens some by ctypes, by one of its files below the directory of installed packages. Without libXext,
# libXi, libXrandr and libXrender pyglet shows no window.
_MODULES = {
    "pyglet/lib.py": (
        "libXext.so.6",
        "libXi.so.6",
        "libXrandr.so.2",
        "libXrender.so.1",
        "libXinerama.so.1",
        "libXxf86vm.so.1",
    ),
    "kivy/lib/mtdev.py": ("libmtdev.so.1",),
}


@dataclass(frozen=True)
class OpenedByName:
    """What is opened.

    Attributes:
        modules: the sonames of what Python code opens.
        libraries: of what a library opens, by its path in the AppDir.

    """

    modules: tuple[str, ...] = ()
    libraries: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)

    @property
    def sonames(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys([*self.modules, *(name for names in self.libraries.values() for name in names)]))

    def for_modules(self, files: Mapping[str, Path]) -> dict[str, Path]:
        """Return those of some libraries, by their sonames, that Python code opens."""
        return {name: files[name] for name in self.modules if name in files}

    def for_libraries(self, files: Mapping[str, Path]) -> dict[Path, dict[str, Path]]:
        """Return those of some libraries, by their sonames, that libraries open, by the path of what opens them."""
        found = {path: {name: files[name] for name in names if name in files} for path, names in self.libraries.items()}
        return {path: libraries for path, libraries in found.items() if libraries}


def find_opened_by_name(tree: Tree, packages: Sequence[Path]) -> OpenedByName:
    """Return what installed packages open by name; what they bring themselves is not among it.

    Args:
        tree: the AppDir's files.
        packages: the directories of installed packages.

    """
    modules = [names for file, names in _MODULES.items() if any((directory / file).is_file() for directory in packages)]
    openers = [path for path in tree.files if any(fnmatchcase(path.name, pattern) for pattern in _LIBRARIES)]
    libraries = {path: names for path in openers if (names := tuple(_names_in(path, tree)))}
    return OpenedByName(tuple(dict.fromkeys(name for names in modules for name in names)), libraries)


def _names_in(path: Path, tree: Tree) -> Iterable[str]:
    """Yield the names that a library has among its strings, without those that its own search path leads to."""
    data, elf = path.read_bytes(), tree.files[path]
    loader = Loader(tree.architecture, read=tree.read, inside=tree.root)
    directories = loader.search_directories(elf.search_path, path.parent)
    for name in _OF_DISPLAYS:
        is_named = b"\0%b\0" % name.encode() in data and name not in elf.needed
        if is_named and not any(tree.read(directory / name) for directory in directories):
            yield name
