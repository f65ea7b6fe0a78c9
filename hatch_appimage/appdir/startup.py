# SPDX-License-Identifier: MIT
"""Find the files that a start of the application reads, so that they can lie together at the front of the image."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.appdir.reads import QT_OFFSCREEN, reads_of_import, reads_of_run, run_apart
from hatch_appimage.elf import read_elf
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.bundle import explain_missing
from hatch_appimage.libraries.debian import suggest_packages
from hatch_appimage.project.entry_points import modules_at_start
from hatch_appimage.runtime.launcher_settings import SETTINGS_NAME
from hatch_appimage.sources.imports import defers_imports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hatch_appimage.appdir.reads import Reads
    from hatch_appimage.appdir.seen import Seen
    from hatch_appimage.elf import Elf
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.bundle import MissingLibrary
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reader import SourceReader

log = logging.getLogger(__name__)

# What PyGObject says of a namespace without a typelib, and the loader of a function that is not in a library, and of a
# library that is not there.
_NO_TYPELIB = re.compile(r"(?:Namespace|cannot import name) (\w+)(?: not available|, introspection typelib not found)")
_UNDEFINED = re.compile(r"^ImportError: /\S+: undefined symbol: ")
_NOT_OPENED = re.compile(r"([^\s:]+): cannot open shared object file")

# What an ImportError of the image says of a module that was left out (`_appimage.refuse_left_out()`).
LEFT_OUT = "left out of the image"


@dataclass(frozen=True)
class StartupCommand:
    """How the application is run for the start-up order.

    Attributes:
        arguments: what it is given.
        asked: the project asks for it. Otherwise it is a try: only where the import leaves something out, and for a
            few seconds.

    """

    arguments: tuple[str, ...] = ("--help",)
    asked: bool = False

    @property
    def seconds(self) -> float:
        """How long it may take, once the entry point is imported."""
        return 60 if self.asked else 10


@dataclass(frozen=True)
class StartupOrder:
    """The files that a start reads.

    Attributes:
        files: their paths below the AppDir, in the order in which they are read.
        imported: those that the import of the entry point reads: no start does without them.
        command: the run of the application that showed them, for a shell; None if the import of the entry point did.
        stored: the file of the project that they are from; None if they were found now.
        seen: what each run of the application opened outside of the image.

    """

    files: tuple[str, ...]
    imported: tuple[str, ...] = ()
    command: str | None = None
    stored: Path | None = None
    seen: tuple[Seen, ...] = ()


def find_startup_order(
    appdir: AppDir,
    python: BundledPython,
    entry_point: EntryPoint,
    missing: Iterable[MissingLibrary] = (),
    *,
    command: StartupCommand | None = None,
    deferred: bool = False,
    typelibs: Mapping[str, str] | None = None,
) -> StartupOrder:
    """Import the entry point once in the bundled Python, and note which files of the AppDir are read for it.

    An application that cannot be imported on the build machine, such as one that needs a display, gives what its
    start read until then. What the import writes into the AppDir is removed. A run of the application, at the same
    time where neither can see the other, shows what its functions import; if it fails, what the import read counts
    alone.

    Args:
        appdir: complete.
        python: the Python in it.
        entry_point: whose module is imported.
        missing: libraries that files in the AppDir lack.
        command: how the application is run; None to import the entry point only.
        deferred: whether a start imports more than the import of the entry point does: see `defers`.
        typelibs: those that the AppDir lacks, such as ``Gtk-4.0``, each with what is said of it.

    Raises:
        AppImageError: the bundled Python does not find the entry point's module, the import fails because a
            shared library, a typelib or a module of the standard library is missing, or something changed a file.

    """
    if command is not None and not (command.asked or deferred):
        command = None
    modules = modules_at_start(entry_point, appdir.bin)
    script = appdir.bin / entry_point.command
    first = [appdir.apprun, appdir.root / SETTINGS_NAME, python.executable, script]
    # Both orders are of mostly the same files.
    locate, read = cache(partial(_locate, appdir)), cache(read_elf)
    with run_apart(appdir, python, script, command.arguments) if command else nullcontext() as finish:
        before = _state(appdir)
        trial = reads_of_import(appdir, python, modules)
        wrote = _restore(appdir, before, f"Importing {entry_point.module or entry_point.command}", "startup-order")
        _check_import(trial, python, entry_point, modules, missing=tuple(missing), typelibs=typelibs or {})
        imported = _as_loaded(appdir, first, [trial], locate, read)
        # What the import has written was there for the run, too; no image has it.
        run = finish(command.seconds) if command and finish and not wrote else None
    if command is None:
        return StartupOrder(imported, imported, seen=(trial.seen,))
    # Without namespaces it sees what the import writes, and the other way round; if it fails, the import may be why.
    if run is None or (run.failure is not None and not run.timed_out):
        run = reads_of_run(appdir, python, script, command.arguments, command.seconds)
    shown = shlex.join([entry_point.command, *command.arguments])
    _restore(appdir, before, f"`{shown}`", "startup-command")
    seen = (trial.seen, run.seen)
    if run.failure is not None:
        _tell_failure(shown, run, command)
        return StartupOrder(imported, imported, seen=seen)
    return StartupOrder(_as_loaded(appdir, first, [trial, run], locate, read), imported, shown, seen=seen)


def _check_import(
    trial: Reads,
    python: BundledPython,
    entry_point: EntryPoint,
    modules: Sequence[str],
    *,
    missing: Sequence[MissingLibrary],
    typelibs: Mapping[str, str],
) -> None:
    """See that the entry point is there, with what it needs of the image; any other failure is its own matter."""
    failure = trial.failure
    if trial.module and any(f"{module}.".startswith(f"{trial.module}.") for module in modules):
        raise AppImageError(f"The bundled Python cannot import the entry point: {failure}")
    if failure and LEFT_OUT in failure:  # it says by which option, and what keeps the module
        raise AppImageError(f"The application cannot start, as its import ended with {failure}")
    if trial.module and trial.module.partition(".")[0] in sys.stdlib_module_names:
        raise AppImageError(
            f"The application cannot start, as its import ended with {failure}: the image's Python, {python}, has no "
            f"such module; set `python` to one that does, or `startup-order = false` if the application needs none"
        )
    lacking = [library for library in missing if any(library.soname in cause for cause in trial.causes)]
    if lacking:  # the same file would lack the next one as soon as this one is there
        files = {file for library in lacking for file in library.files}
        lacking = [library for library in missing if not files.isdisjoint(library.files)]
        raise AppImageError(f"The entry point cannot be imported: {failure}\n{explain_missing(lacking)}")
    namespaces = _NO_TYPELIB.findall(failure or "")
    if explanation := next((typelibs[name] for name in typelibs if name.partition("-")[0] in namespaces), None):
        raise AppImageError(f"The entry point cannot be imported: {failure}\n{explanation}")
    if failure and _UNDEFINED.search(failure):
        raise AppImageError(
            f"The application cannot start, as its import ended with {failure}: that file was compiled with another "
            "version of a library than the image has. Take libraries from the system that it was compiled on "
            "(`sysroot`), require another version of the package, or set `startup-order = false` if the application "
            "needs none of it"
        )
    if failure:
        log.warning(
            "Importing %s for the start-up order ended with %s%s",
            *(entry_point.module or entry_point.command, failure, _advise(trial)),
        )


def _advise(trial: Reads) -> str:
    """Say what to do about an import that fails on this machine, and need not do so on others."""
    opened = dict.fromkeys(name for text in (*trial.causes, trial.said) for name in _NOT_OPENED.findall(text))
    if not opened:
        return "; set `startup-order = false` if this cannot be helped"
    packages = dict.fromkeys(suggest_packages(opened).values())
    how = f" (apt-get install {' '.join(packages)})" if packages else ""
    return (
        f", as this machine has no {' and no '.join(opened)}: install {'it' if len(opened) == 1 else 'them'}{how}, or "
        "set `startup-order = false`; the image is complete either way, and starts a little slower without the order"
    )


def defers(
    python: BundledPython, entry_point: EntryPoint, modules: Sequence[str], reader: SourceReader | None = None
) -> bool:
    """Whether a start imports more than the entry point's modules do when they are imported; sources tell.

    Args:
        python: the bundled Python, with sources.
        entry_point: what starts.
        modules: what it imports.
        reader: knows what sources import.

    """
    if entry_point.program is not None:
        # It is not imported, and running one that does not know `--help` could do anything.
        return entry_point.program.parses_arguments
    return entry_point.attribute is None or defers_imports(modules, python.site_packages, reader)


def _tell_failure(shown: str, run: Reads, command: StartupCommand) -> None:
    """Warn of a run that the project asks for; of another one only where a slower machine could make the difference."""
    reason = (run.failure or "").partition("\n")[0]
    ending = f"`{shown}` for the start-up order {'took' if run.timed_out else 'ended with'} {reason}"
    if command.asked:
        log.warning("%s: what the import reads is used instead", ending)
    elif run.timed_out:
        log.warning("%s: set `startup-command` to arguments with which it ends soon, or to `false`", ending)
    else:
        log.debug("%s", ending)


def _as_loaded(
    appdir: AppDir,
    first: Sequence[Path],
    reads: Sequence[Reads],
    locate: Callable[[Path], Path | None],
    read: Callable[[Path], Elf | None],
) -> tuple[str, ...]:
    """Return the paths below the AppDir of what was read, each once, with libraries where the loader reads them."""
    mapped = sorted({path for each in reads for path in each.libraries})
    files, libraries = (
        [found for path in paths if (found := locate(path))] for paths in ([*first, *_in_order(reads)], mapped)
    )
    return tuple(str(path.relative_to(appdir.root)) for path in as_loaded(files, libraries, read))


def _in_order(reads: Sequence[Reads]) -> list[Path]:
    """Return what was read, in an order that is the same every time: what is left to chance comes last, sorted.

    A run with threads may have its main thread find a module imported already, or not.
    """
    certain = [path for each in reads if each is reads[0] or not each.aside for path in each.paths]
    rest = {path for each in reads for path in (*each.paths, *each.aside)}
    return [*certain, *sorted(rest.difference(certain))]


def _locate(appdir: AppDir, path: Path) -> Path | None:
    """Return where a file in the AppDir is, as Debian's Python finds packages through a link; None if there is none.

    Qt's plugin for machines without a display is none that a start reads elsewhere.
    """
    if not path.is_relative_to(appdir.root) or not _is_file(path):
        return None
    found = path.resolve()
    return found if found.is_relative_to(appdir.root) and found.name != QT_OFFSCREEN else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # an application may try to open what no file can be called
        return False


def as_loaded(
    files: Sequence[Path], libraries: Sequence[Path], read: Callable[[Path], Elf | None] = read_elf
) -> dict[Path, None]:
    """Put each library behind the first file that needs it, as the loader does.

    Args:
        files: what was read, in that order.
        libraries: what else was mapped; what no file needs comes last.
        read: reads ELF files, as `read_elf` does.

    """
    elves = {path: elf for path in {*files, *libraries} if (elf := read(path))}
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


def _state(appdir: AppDir) -> dict[str, tuple[int, int]]:
    """Return size and time of everything in the tree; of directories nothing, as what is in them counts."""
    state = {}
    directories = [str(appdir.root)]
    for directory in directories:  # those that are found are added
        with suppress(PermissionError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    state[entry.path] = (0, 0)
                    directories.append(entry.path)
                else:
                    status = entry.stat(follow_symlinks=False)
                    state[entry.path] = (status.st_size, status.st_mtime_ns)
    return state


def _restore(appdir: AppDir, before: Mapping[str, tuple[int, int]], action: str, option: str) -> bool:
    """Remove what is new in the tree.

    Args:
        appdir: the tree.
        before: its state before.
        action: what may have changed it, as it begins a sentence.
        option: the one to switch that off.

    Returns:
        Whether anything was.

    Raises:
        AppImageError: it changed a file.

    """
    after = _state(appdir)
    changed = [path for path, state in before.items() if after.get(path) != state]
    if changed:
        raise AppImageError(
            f"{action} changes {Path(changed[0]).relative_to(appdir.root)} in the image: set `{option} = false`"
        )
    new = sorted(map(Path, after.keys() - before.keys()), reverse=True)  # what is in a directory before the directory
    for path in new:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    return bool(new)
