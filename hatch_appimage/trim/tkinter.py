# SPDX-License-Identifier: MIT
"""Leave tkinter out of the AppDir where the application does not use it."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reach import Reach

log = logging.getLogger(__name__)

#: The modules that are left out, each with the option that decides.
MODULES = dict.fromkeys(("_tkinter", "tkinter", "turtle"), "tkinter")


@dataclass(frozen=True)
class Tkinter:
    """What became of tkinter.

    Attributes:
        kept: it is in the image.
        reason: why, or why not.
        modules: names of those that were left out, each with the option that decides.

    """

    kept: bool
    reason: str
    modules: Mapping[str, str] = field(default_factory=dict)


def trim_tkinter(appdir: AppDir, python: BundledPython, reach: Reach, *, wanted: bool | None) -> Tkinter:
    """Leave tkinter out where nothing uses it: with Tk and X11's libraries it is a large part of a small image.

    Args:
        appdir: with everything installed.
        python: its Python.
        reach: what the application imports.
        wanted: the project's decision; None to keep it where the application reaches it.

    Raises:
        AppImageError: it is wanted, and the Python comes without it.

    """
    modules = list(python.stdlib.parent.parent.glob("lib*/python*/lib-dynload/_tkinter.*"))
    package = python.stdlib / "tkinter"
    # Where Python is built without Tcl, only the package is there, which cannot be imported.
    if not package.is_dir() or not (modules or _is_builtin(appdir, python)):
        if wanted:
            raise AppImageError(
                f"`tkinter = true` cannot be fulfilled, as {python} comes without tkinter: install it for that Python "
                "(Debian's package python3-tk), or set `python` to one that has it, such as "
                f'"{".".join(python.version.split(".")[:2])}"'
            )
        return Tkinter(kept=False, reason="the Python comes without it")
    reason = "`tkinter = true`" if wanted else _reason_for_tkinter(reach)
    if reason and wanted is not False:
        return Tkinter(kept=True, reason=reason)
    if wanted is None and reach.doubt:
        log.warning(
            "tkinter is left out, though %s imports it in a function: set `tkinter = true` if that is used", reach.doubt
        )
    for path in modules:
        path.unlink()
    shutil.rmtree(package, ignore_errors=True)
    (python.stdlib / "turtle.py").unlink(missing_ok=True)
    for pattern in ("tcl[0-9]*", "tk[0-9]*", "itcl[0-9]*", "thread[0-9]*", "libtcl*", "libtk*"):
        for path in appdir.lib.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    reason = "`tkinter = false`" if wanted is False else "the application does not import it"
    return Tkinter(kept=False, reason=reason, modules=MODULES)


def _is_builtin(appdir: AppDir, python: BundledPython) -> bool:
    """Whether the module is part of the interpreter or of its library, as in some Pythons that are linked whole."""
    files = [python.executable, *appdir.lib.glob("libpython*")]
    return any(b"PyInit__tkinter" in file.read_bytes() for file in files if file.is_file())


def _reason_for_tkinter(reach: Reach) -> str | None:
    for name in ("tkinter", "_tkinter"):
        if name in reach.modules:
            return f"{reach.modules[name].importer or name} imports it"
    if reach.plotter and "matplotlib" in reach.modules:
        return f"matplotlib opens the windows of {reach.plotter} with it"
    return None
