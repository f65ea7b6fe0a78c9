# SPDX-License-Identifier: MIT
"""The extension modules and shared libraries of the image."""

from __future__ import annotations

import os
import re
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .image import Image

# A module that was compiled for this one version of CPython, or for PyPy.
TAGGED = re.compile(r"\.(?:cpython|pypy)\w*-[\w.-]*so")
C_LIBRARY = re.compile(r"libc\.so\.6|libc-2\.\d+\.so|ld-musl-.*\.so\.1|libc\.musl-.*\.so\.1")


class Files(NamedTuple):
    """The ELF files of the image that can be loaded.

    Attributes:
        modules: the paths of extension modules by their names.
        libraries: the paths of shared libraries.
        unusable: the paths of those that this process cannot load, each with the reason.
        places: a path of each library by its file's name.

    """

    modules: dict[str, str]
    libraries: list[str]
    unusable: list[tuple[str, str]]
    places: dict[str, str]


def find_files(image: Image) -> Files:
    """Find all extension modules and shared libraries."""
    files = Files({}, [], [], {})
    machine = elf_machine(sys.executable)
    roots = [path for path in map(os.path.realpath, sys.path) if is_below(path, image.root)]
    roots.sort(key=len, reverse=True)
    # No process can have the image's C library beside the machine's.
    unused = [directory for directory in c_library_directories(image) if not is_in_use(directory)]
    for path in libraries_below(image.root):
        files.places.setdefault(os.path.basename(path), path)
        if os.path.islink(path) or elf_machine(path) is None:
            continue
        module = module_name(path, roots)
        if elf_machine(path) != machine:
            files.unusable.append((path, "it is for another kind of machine"))
        elif any(is_below(path, directory) for directory in unused):
            files.unusable.append((path, "this machine's C library is in use"))
        elif module:
            files.modules[module] = path
        elif TAGGED.search(os.path.basename(path)):
            files.unusable.append((path, "it is a module for another Python"))
        else:
            files.libraries.append(path)
    return files


def libraries_below(root: str) -> Iterator[str]:
    """Yield paths of what is named like a shared library, in a fixed order."""
    for directory, directories, names in os.walk(root):
        directories.sort()
        for name in sorted(names):
            if re.search(r"\.so(?:\.|$)", name):
                yield os.path.join(directory, name)


def c_library_directories(image: Image) -> list[str]:
    """Return the directories of the image in which a C library is."""
    paths = libraries_below(image.root)
    return [os.path.dirname(path) for path in paths if C_LIBRARY.fullmatch(os.path.basename(path))]


def is_in_use(directory: str) -> bool:
    """Whether a file of a directory is mapped into this process."""
    return any(is_below(path, directory) for path in mapped_files())


def elf_machine(path: str) -> bytes | None:
    """Return what in an ELF file's header tells kinds of machines apart; None for any other file."""
    try:
        with open(path, "rb") as file:
            header = file.read(20)
    except OSError:
        return None
    return header[4:6] + header[18:20] if header.startswith(b"\x7fELF") else None


def module_name(path: str, roots: list[str]) -> str | None:
    """Return the name by which an extension module is imported; None if the file is not one for this Python.

    Args:
        path: the file's.
        roots: the directories in the image where modules are looked for, the longest first.

    """
    root = next((root for root in roots if is_below(path, root)), None)
    suffix = next((suffix for suffix in EXTENSION_SUFFIXES if path.endswith(suffix)), None)
    if root is None or suffix is None:
        return None
    parts = path[len(os.path.join(root, "")) : -len(suffix)].split(os.sep)
    # A compiled package is a module by the name of its directory.
    if parts[1:] and parts[-1] == "__init__":
        parts.pop()
    # What mypyc makes for a whole package is named after a digest, which may begin with a digit.
    if not all(part.isidentifier() for part in (*parts[:-1], f"_{parts[-1]}")):
        return None
    # The other suffixes are those of libraries, too.
    if not TAGGED.fullmatch(suffix) and not has_symbol(path, f"PyInit_{parts[-1]}"):
        return None
    return ".".join(parts)


def has_symbol(path: str, name: str) -> bool:
    """Whether an ELF file has a string of a symbol's name."""
    with open(path, "rb") as file:
        return f"\0{name}\0".encode() in file.read()


def mapped_files() -> set[str]:
    """Return the paths of all files that are mapped into this process; nothing without /proc."""
    try:
        with open("/proc/self/maps", errors="surrogateescape") as maps:
            return {line.split(None, 5)[5].strip() for line in maps if "/" in line}
    except OSError:
        return set()


def is_below(path: str, directory: str) -> bool:
    """Whether a path begins with that of a directory."""
    return path.startswith(os.path.join(directory, ""))
