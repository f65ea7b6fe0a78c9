# SPDX-License-Identifier: MIT
"""Find the files that a start of the application reads, so that they can lie together at the front of the image."""

from __future__ import annotations

import ast
import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.bundle import explain_missing
from hatch_appimage.process import ProcessError, clean_environment, run
from hatch_appimage.project.entry_points import modules_at_start
from hatch_appimage.runtime.launcher_settings import SETTINGS_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.bundle import MissingLibrary
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

# How long the import may take: some modules start their program when they are imported.
_SECONDS = 60

# Imports modules in the bundled Python and tells what was read for it, in that order: what the interpreter had
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
causes = []
try:
    for name in sys.argv[2:]:
        __import__(name)
except BaseException as reason:
    error = f"{type(reason).__name__}: {reason}"
    missing = getattr(reason, "name", None) if isinstance(reason, ModuleNotFoundError) else None
    while reason is not None and len(causes) < 100:
        causes.append(str(reason))
        reason = reason.__cause__ or reason.__context__
with open("/proc/self/maps", errors="surrogateescape") as maps:
    mapped = {line.split(None, 5)[5].strip() for line in maps if "/" in line}
paths = [os.fsdecode(path) for path in [*known, *opened] if isinstance(path, (str, bytes))]
with open(sys.argv[1], "w") as answer:
    answer.write(ascii((paths, sorted(mapped.difference(paths)), error, missing, causes)))
os._exit(0)
"""


@dataclass(frozen=True)
class StartupOrder:
    """The files that a start reads.

    Attributes:
        files: their paths below the AppDir, in the order in which they are read.

    """

    files: tuple[str, ...]


def find_startup_order(
    appdir: AppDir, python: BundledPython, entry_point: EntryPoint, missing: Iterable[MissingLibrary] = ()
) -> StartupOrder:
    """Import the entry point once in the bundled Python, and note which files of the AppDir are read for it.

    An application that cannot be imported on the build machine, such as one that needs a display, gives what its
    start read until then. What the import writes into the AppDir is removed.

    Args:
        appdir: complete.
        python: the Python in it.
        entry_point: whose module is imported.
        missing: libraries that files in the AppDir lack.

    Raises:
        AppImageError: the bundled Python does not find the entry point's module, the import fails because a
            shared library is missing, or it changed a file.

    """
    before = _state(appdir)
    with TemporaryDirectory(prefix="hatch-appimage-import-") as home:
        modules = modules_at_start(entry_point, appdir.bin)
        trial = _try_import(python, modules, Path(home))
    _restore(appdir, before, entry_point)
    failure = trial.failure
    if trial.module and any(f"{module}.".startswith(f"{trial.module}.") for module in modules):
        raise AppImageError(f"The bundled Python cannot import the entry point: {failure}")
    lacking = [library for library in missing if any(library.soname in cause for cause in trial.causes)]
    if lacking:
        raise AppImageError(f"The entry point cannot be imported: {failure}\n{explain_missing(lacking)}")
    if failure:
        log.warning(
            "Importing %s for the start-up order ended with %s; set `startup-order = false` if this cannot be helped",
            entry_point.module or entry_point.command,
            failure,
        )
    first = [
        appdir.apprun,
        appdir.root / SETTINGS_NAME,
        python.executable,
        appdir.bin / entry_point.command,
    ]
    files = as_loaded(
        _files_of(appdir, [*first, *map(Path, trial.paths)]),
        _files_of(appdir, map(Path, trial.libraries)),
    )
    return StartupOrder(tuple(str(path.relative_to(appdir.root)) for path in files))


def _files_of(appdir: AppDir, paths: Iterable[Path]) -> list[Path]:
    """Return those in the AppDir by where they are; Debian's Python finds packages through a link."""
    return [path.resolve() for path in paths if path.is_relative_to(appdir.root) and path.is_file()]


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


@dataclass(frozen=True)
class _Import:
    """What came of an import.

    Attributes:
        paths: what was read, in that order.
        libraries: what was mapped into memory beside that.
        failure: why the import failed; None if it did not.
        module: the missing module that it failed for, if that was why.
        causes: the texts of the exception and of all that led to it.

    """

    paths: Sequence[str] = ()
    libraries: Sequence[str] = ()
    failure: str | None = None
    module: str | None = None
    causes: Sequence[str] = ()


def _try_import(python: BundledPython, modules: Sequence[str], home: Path) -> _Import:
    answer = home / "answer"
    directory = home / "empty"
    directory.mkdir()
    try:
        run(
            # Not -I, which would ignore the hash seed; the directory is empty, so no module can be taken from it.
            [python.executable, "-s", "-c", _IMPORT, answer, *modules],
            doing="import the entry point",
            cwd=directory,
            env={**clean_environment(home), "PYTHONHASHSEED": "0"},
            seconds=_SECONDS,
        )
    except ProcessError as error:  # it crashed, or hangs
        return _Import(failure=str(error).splitlines()[0], causes=[error.output])
    if not answer.exists():
        return _Import(failure="the end of the process")
    return _Import(*ast.literal_eval(answer.read_text(encoding="ascii")))


def _state(appdir: AppDir) -> dict[Path, tuple[int, int]]:
    """Return size and time of everything in the tree; of directories nothing, as what is in them counts."""
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
            f"Importing {entry_point.module or entry_point.command} changes {changed[0].relative_to(appdir.root)} in "
            f"the image: set `startup-order = false`"
        )
    for path in sorted(after.keys() - before.keys(), reverse=True):  # what is in a directory before the directory
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
