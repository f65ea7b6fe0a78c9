# SPDX-License-Identifier: MIT
"""Installed packages that are known to open libraries of the machine by their names, which no ELF file needs then."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hatch_appimage.libraries.search import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.elf import Elf
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
# Qt opens libraries by its core, and puts their names together: the OpenSSL that QtNetwork of the wheels was built for.
# What asks for it is below the core's directory. The machine's may be another build than the one that Python uses.
_CORES = {
    "libQt5Core.so.5": ("libQt5Network.so.5", ("libcrypto.so.1.1", "libssl.so.1.1")),
    "libQt6Core.so.6": ("../plugins/tls/libqopensslbackend.so", ("libcrypto.so.3", "libssl.so.3")),
}
_NETWORK = frozenset({"libQt5Network.so.5", "libQt6Network.so.6"})


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
    found = {path: tuple(_without_found(_names_in(path, tree), path, elf, tree)) for path, elf in tree.files.items()}
    libraries = {path: names for path, names in found.items() if names}
    return OpenedByName(tuple(dict.fromkeys(name for names in modules for name in names)), libraries)


def _names_in(path: Path, tree: Tree) -> Sequence[str]:
    """Return the names of what a library opens."""
    if path.name in _CORES:
        user, names = _CORES[path.name]
        return names if path.parent.joinpath(user).is_file() and _uses_network(tree) else ()
    if not any(fnmatchcase(path.name, pattern) for pattern in _LIBRARIES):
        return ()
    data = path.read_bytes()
    return [name for name in _OF_DISPLAYS if b"\0%b\0" % name.encode() in data]


def _uses_network(tree: Tree) -> bool:
    """Whether a library or an extension module uses QtNetwork: some plugins do in every image of Qt."""
    return any(not _NETWORK.isdisjoint(elf.needed) and "plugins" not in path.parts for path, elf in tree.files.items())


def _without_found(names: Sequence[str], path: Path, elf: Elf, tree: Tree) -> Iterator[str]:
    """Yield those names that the library does not need anyway, and that its own search path does not lead to."""
    if names:
        loader = Loader(tree.architecture, read=tree.read, inside=tree.root)
        directories = loader.search_directories(elf.search_path, path.parent)
        for name in names:
            if name not in elf.needed and not any(tree.read(directory / name) for directory in directories):
                yield name
