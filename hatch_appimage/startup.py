# SPDX-License-Identifier: MIT
"""Find the files that a start of the application reads, so that they can lie together at the front of the image."""

from __future__ import annotations

import ast
import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.launcher_settings import SETTINGS_NAME
from hatch_appimage.libraries.elf import read_elf
from hatch_appimage.process import ProcessError, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hatch_appimage.appdir import AppDir
    from hatch_appimage.entry_point import EntryPoint
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

# How long the import may take: some modules start their program when they are imported.
_SECONDS = 60

# Imports one module in the bundled Python and tells what was read for it, in that order: what the interpreter had
# loaded before, and all that is opened from then on and every extension module (PEP 578); then the shared libraries,
# which only the memory map shows, sorted, as addresses are random. It uses no module beyond those that every start
# loads, and the answer goes into a file, as the application may print.
_IMPORT = """
import os, sys
known = [getattr(module, "__cached__", None) for module in list(sys.modules.values())]
opened = []
places = {"open": 0, "import": 1}  # where the path is among the arguments of these events
sys.addaudithook(lambda event, arguments: opened.append(arguments[places[event]]) if event in places else None)
error = missing = None
try:
    __import__(sys.argv[1])
except BaseException as reason:
    error = f"{type(reason).__name__}: {reason}"
    missing = getattr(reason, "name", None) if isinstance(reason, ModuleNotFoundError) else None
with open("/proc/self/maps", errors="surrogateescape") as maps:
    mapped = {line.split(None, 5)[5].strip() for line in maps if "/" in line}
paths = [os.fsdecode(path) for path in [*known, *opened] if isinstance(path, (str, bytes))]
with open(sys.argv[2], "w") as answer:
    answer.write(ascii((paths, sorted(mapped.difference(paths)), error, missing)))
os._exit(0)
"""


@dataclass(frozen=True)
class StartupOrder:
    """The files that a start reads.

    Attributes:
        files: their paths below the AppDir, in the order in which they are read.

    """

    files: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.files)} files are read at every start"


def find_startup_order(appdir: AppDir, python: BundledPython, entry_point: EntryPoint) -> StartupOrder:
    """Import the entry point once in the bundled Python, and note which files of the AppDir are read for it.

    An application that cannot be imported on the build machine, for want of a display for example, gives what its
    start read until then. What the import writes into the AppDir is removed.

    Raises:
        AppImageError: the bundled Python does not find the entry point's module, or the import changed a file.

    """
    before = _state(appdir)
    with TemporaryDirectory(prefix="hatch-appimage-import-") as home:
        paths, libraries, failure, missing = _import(python, entry_point.module, Path(home))
    _restore(appdir, before, entry_point)
    if missing and f"{entry_point.module}.".startswith(f"{missing}."):
        raise AppImageError(f"The bundled Python cannot import the entry point: {failure}")
    if failure:
        log.warning(
            "Importing %s for the start-up order ended with %s; set `startup-order = false` if this cannot be helped",
            entry_point.module,
            failure,
        )
    first = [
        appdir.apprun,
        appdir.root / SETTINGS_NAME,
        python.executable,
        appdir.bin / entry_point.command,
    ]
    files = as_loaded(
        [path for path in [*first, *map(Path, paths)] if path.is_relative_to(appdir.root) and path.is_file()],
        [path for path in map(Path, libraries) if path.is_relative_to(appdir.root) and path.is_file()],
    )
    return StartupOrder(tuple(str(path.relative_to(appdir.root)) for path in files))


def as_loaded(files: Sequence[Path], libraries: Sequence[Path]) -> dict[Path, None]:
    """Put each library behind the first file that needs it, as the loader does.

    Args:
        files: what was read, in that order.
        libraries: what else was mapped; what no file needs comes last.

    """
    elves = {path: elf for path in {*files, *libraries} if (elf := read_elf(path))}
    by_name = {name: path for path in libraries if path in elves for name in (path.name, elves[path].soname) if name}
    order: dict[Path, None] = {}

    def add(path: Path) -> None:
        if path in order:
            return
        order[path] = None
        for name in elves[path].needed if path in elves else ():
            if name in by_name:
                add(by_name[name])

    for path in [*files, *libraries]:
        add(path)
    return order


def _import(python: BundledPython, module: str, home: Path) -> tuple[list[str], list[str], str | None, str | None]:
    """Return what was read, the libraries, why the import failed, and which module it missed."""
    answer = home / "answer"
    folder = home / "empty"
    folder.mkdir()
    try:
        run(
            # Not -I, which would ignore the hash seed; the folder is empty, so no module can be taken from it.
            [python.executable, "-s", "-c", _IMPORT, module, answer],
            doing="import the entry point",
            cwd=folder,
            env={**clean_environment(home), "PYTHONHASHSEED": "0"},
            seconds=_SECONDS,
        )
    except ProcessError as error:  # it crashed, or hangs
        return [], [], str(error).splitlines()[0], None
    if not answer.exists():
        return [], [], "the end of the process", None
    paths, libraries, failure, missing = ast.literal_eval(answer.read_text(encoding="ascii"))
    return paths, libraries, failure, missing


def _state(appdir: AppDir) -> dict[Path, tuple[int, int]]:
    """Return size and time of everything in the tree; of folders nothing, as what is in them counts."""
    state = {}
    for path in appdir.root.rglob("*"):
        status = path.lstat()
        state[path] = (0, 0) if path.is_dir() else (status.st_size, status.st_mtime_ns)
    return state


def _restore(appdir: AppDir, before: Mapping[Path, tuple[int, int]], entry_point: EntryPoint) -> None:
    after = _state(appdir)
    changed = [path for path, state in before.items() if after.get(path) != state]
    if changed:
        raise AppImageError(
            f"Importing {entry_point.module} changes {changed[0].relative_to(appdir.root)} in the image: "
            f"set `startup-order = false`"
        )
    for path in sorted(after.keys() - before.keys(), reverse=True):  # what is in a folder before the folder
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
