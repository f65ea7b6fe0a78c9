# SPDX-License-Identifier: MIT
"""Put into the image what ``--appimage-self`` runs and applications import, with what only the build knows."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.runtime.launcher_settings import add_settings, is_launcher

if TYPE_CHECKING:
    from hatch_appimage.layout import AppDir
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

# The value of the option by which the application's command has a sub-command for it, and how that is called.
COMMAND = "command"
_WORD = "self"
_PACKAGE = Path(__file__).with_name("appimage_self")
_MAIN = """\
import sys
sys.dont_write_bytecode = True
sys.path.pop(0)
from appimage_self.program import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Identity:
    """What an image knows of itself.

    Attributes:
        name: what people call it.
        file_name: what names of files of it begin with.
        version: of the project.
        architecture: as in names of files.
        commands: the names by which links to its file start something.

    """

    name: str
    file_name: str
    version: str
    architecture: str
    commands: tuple[str, ...]


def management_files(python: BundledPython) -> frozenset[Path]:
    """Return the sources of the package, if it is there.

    They have no bytecode: that would be two thirds of what the package costs, and it runs once in a while.
    """
    return frozenset((python.stdlib / _PACKAGE.name).rglob("*.py"))


def write_management(
    appdir: AppDir, python: BundledPython, entry_point: EntryPoint, identity: Identity, *, manage: bool | str
) -> None:
    """Write the package and its program, and have AppRun start it.

    The package becomes part of the standard library: what it needs of that is not trimmed, and a broken installed
    package does not keep it from running.

    Args:
        appdir: with the launchers in it.
        python: that has the package afterwards.
        entry_point: what the image starts.
        identity: what the image is.
        manage: the option's value: nothing is written if it is false.

    """
    if not manage:
        return
    if not is_launcher(appdir.apprun.read_bytes()):
        log.warning("`manage` has no effect: this image has an AppRun of the project's own")
        return
    shutil.copytree(_PACKAGE, python.stdlib / _PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    appdir.manage.mkdir(parents=True)
    (appdir.manage / "__main__.py").write_text(_MAIN, encoding="utf-8")
    has_word = manage == COMMAND
    facts = {
        "name": identity.name,
        "file_name": identity.file_name,
        "version": identity.version,
        "architecture": identity.architecture,
        "commands": identity.commands,
        "command": f"{entry_point.command} {_WORD}" if has_word else "",
        "sbom": str(appdir.sbom.relative_to(appdir.root)),
        "packages": [str(path.relative_to(appdir.root)) for path in python.site_packages],
    }
    appdir.identity.write_text(json.dumps(facts), encoding="utf-8")
    settings = [("manage", str(appdir.manage.relative_to(appdir.root)))]
    add_settings(appdir.root, [*settings, *([("manage-word", _WORD)] if has_word else [])])
