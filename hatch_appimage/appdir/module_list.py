# SPDX-License-Identifier: MIT
"""List the modules that a start imports, so that the image's Python need not search directories for them.

The list is a file in the standard library's directory, which `python/_import_shortcuts.py` reads at every start: a
dictionary from directories, below Python's prefix, to dictionaries from names of modules to what their paths have in
addition to that, such as ``.py`` or ``/__init__.py``; it is empty for what is looked for in vain. The list is in
version 2 of the marshal format, which all Pythons read and in which equal values are equal bytes.
"""

from __future__ import annotations

import marshal
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hatch_appimage.python.patch_stdlib import MODULE_LIST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython

_MARSHAL_VERSION = 2
# What follows the name in the file of a module: a source, bytecode in its place, or an extension module.
_ENDING = re.compile(r"\.(?:py|pyc|so|abi3\.so|cpython-[\w-]+\.so)")
_BYTECODE = "__pycache__"
_PACKAGE = "__init__"


@dataclass(frozen=True)
class ModuleList:
    """The list that was written.

    Attributes:
        order: the start-up order with the list in it, where it is read.
        modules: how many modules are in it.

    """

    order: tuple[str, ...]
    modules: int


def write_module_list(appdir: AppDir, python: BundledPython, order: Sequence[str]) -> ModuleList:
    """Write the list of the modules among the files that a start reads; none if there are none.

    A module is listed only where its directory has nothing else that could be imported by its name.

    Args:
        appdir: with all modules as they stay.
        python: its Python.
        order: the files that a start reads, as paths below the AppDir.

    """
    modules = [module for name in order if (module := _module_of(appdir.root / name)) and module.is_only_one]
    prefix = python.stdlib.parent.parent
    endings: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for module in [*modules, *_misses(python, modules)]:
        if module.directory.is_relative_to(prefix):
            endings[str(module.directory.relative_to(prefix))][module.name] = module.ending
    if not endings:
        return ModuleList(tuple(order), 0)
    path = python.stdlib / MODULE_LIST
    path.write_bytes(marshal.dumps(dict(endings), _MARSHAL_VERSION))
    # The first module that a start reads from a file reads the list.
    place = next((number for number, name in enumerate(order, 1) if f"/{_BYTECODE}/" in name), 0)
    return ModuleList((*order[:place], str(path.relative_to(appdir.root)), *order[place:]), len(modules))


@dataclass(frozen=True)
class _Module:
    """A module, by where its name is looked for.

    Attributes:
        directory: the one with the module's file, or with the directory of a package.
        name: the last part of its name.
        ending: what its path has behind directory and name.

    """

    directory: Path
    name: str
    ending: str

    @property
    def is_only_one(self) -> bool:
        """Whether the directory has this file, and nothing else for that name."""
        return list(self._endings()) == [self.ending]

    def _endings(self) -> Iterator[str]:
        for directory, name, inner in (
            (self.directory, self.name, ""),
            (self.directory / self.name, _PACKAGE, f"/{_PACKAGE}"),
        ):
            if directory.is_dir():
                yield from (
                    inner + path.name.removeprefix(name)
                    for path in directory.iterdir()
                    if path.name.startswith(name) and _ENDING.fullmatch(path.name, len(name))
                )


def _misses(python: BundledPython, modules: Iterable[_Module]) -> Iterator[_Module]:
    """Yield modules where they are looked for before they are found: each directory of the path in turn."""
    searched = [python.stdlib, *python.extension_directories, *python.site_packages]
    names = [{path.name.partition(".")[0] for path in directory.iterdir()} for directory in searched]
    for module in modules:
        if module.directory in searched:
            for place, directory in enumerate(searched[: searched.index(module.directory)]):
                if module.name not in names[place]:
                    yield _Module(directory, module.name, "")


def _module_of(file: Path) -> _Module | None:
    """Return the module that a file is, or the bytecode of; None if it is neither."""
    directory, (name, _, suffix) = file.parent, file.name.partition(".")
    ending = f".{suffix}"
    if directory.name == _BYTECODE:
        directory, ending = directory.parent, ".py"
    if not _ENDING.fullmatch(ending):
        return None
    if name == _PACKAGE:
        directory, name, ending = directory.parent, directory.name, f"/{name}{ending}"
    return _Module(directory, name, ending)
