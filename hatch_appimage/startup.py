# SPDX-License-Identifier: MIT
"""Find the files that a start of the application reads, so that they can lie together at the front of the image."""

from __future__ import annotations

import ast
import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.process import ProcessError, clean_environment, run

if TYPE_CHECKING:
    from hatch_appimage.appdir import AppDir
    from hatch_appimage.entry_point import EntryPoint
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

# How long the import may take: some modules start their program when they are imported.
_SECONDS = 60

# Imports one module in the bundled Python and tells what was read for it, in that order: shared libraries, which only
# the memory map shows (sorted, as addresses are random), what the interpreter had loaded before, and all that is opened
# from then on and every extension module (PEP 578). It uses no module beyond those that every start loads, and nothing
# that the application prints gets into the answer.
_IMPORT = """
import os, sys
known = [getattr(module, "__cached__", None) for module in list(sys.modules.values())]
opened = []
places = {"open": 0, "import": 1}  # where the path is among the arguments of these events
sys.addaudithook(lambda event, arguments: opened.append(arguments[places[event]]) if event in places else None)
answer = os.dup(1)
os.dup2(2, 1)
error = None
try:
    __import__(sys.argv[1])
except BaseException as reason:
    error = f"{type(reason).__name__}: {reason}"
with open("/proc/self/maps", errors="surrogateescape") as maps:
    mapped = {line.split(None, 5)[5].strip() for line in maps if "/" in line}
known, opened = ([os.fsdecode(path) for path in paths if isinstance(path, (str, bytes))] for paths in (known, opened))
paths = [*sorted(mapped.difference(opened)), *known, *opened]
os.write(answer, ascii((paths, error)).encode())
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
    start read until then.
    """
    first = [appdir.apprun, python.executable, appdir.bin / entry_point.command]
    with TemporaryDirectory(prefix="hatch-appimage-import-") as home:
        try:
            output = run(
                # Not -I, which would ignore the hash seed; the folder is empty, so no module can be taken from it.
                [python.executable, "-s", "-c", _IMPORT, entry_point.module],
                doing="import the entry point",
                cwd=Path(home),
                env={**clean_environment(Path(home)), "PYTHONHASHSEED": "0"},
                seconds=_SECONDS,
            )
        except ProcessError as error:  # it crashed, hangs, or ended the process behind Python's back
            log.info("%s", error)
            output = "([], None)"
    paths, failure = ast.literal_eval(output)
    if failure:
        log.info("importing %s ended with %s", entry_point.module, failure)
    files = dict.fromkeys(path for path in [*first, *map(Path, paths)] if path.is_relative_to(appdir.root))
    return StartupOrder(tuple(str(path.relative_to(appdir.root)) for path in files if path.is_file()))
