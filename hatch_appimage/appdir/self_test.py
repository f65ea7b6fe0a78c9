# SPDX-License-Identifier: MIT
"""Put what ``--appimage-self-test`` runs into the image, with what only the build knows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_appimage.document import write_json
from hatch_appimage.libraries.policy import NEVER_BUNDLED
from hatch_appimage.project.entry_points import modules_at_start
from hatch_appimage.runtime.launcher_settings import add_settings, is_launcher

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.bundle import Libraries
    from hatch_appimage.project.entry_points import EntryPoint

# What runs in the image, and how it is called there: no package of an application is.
_PACKAGE = Path(__file__).with_name("_self_test")
_NAME = "_appimage_self_test"
_MAIN = f"""\
import sys
sys.dont_write_bytecode = True
from {_NAME}.program import main
sys.exit(main(sys.path[0]))
"""


def write_self_test(appdir: AppDir, entry_points: Iterable[EntryPoint], libraries: Libraries) -> None:
    """Write the program of the self-test, and have AppRun start it.

    An AppRun of the project's own would start the application instead: such an image has no self-test.

    Args:
        appdir: with the launchers and the libraries in it.
        entry_points: all that the image starts.
        libraries: what became of the shared libraries.

    """
    if not is_launcher(appdir.apprun.read_bytes()):
        return
    shutil.copytree(_PACKAGE, appdir.self_test / _NAME, ignore=shutil.ignore_patterns("__pycache__"))
    (appdir.self_test / "__main__.py").write_text(_MAIN, encoding="utf-8")
    facts = {
        "entry_points": [_describe(each, appdir) for each in entry_points],
        "left_to_machine": [
            *(each.soname for each in libraries.from_system if each.group not in NEVER_BUNDLED),
            *(each.soname for each in libraries.optional),
        ],
        "ignored": libraries.ignored,
        "loaded_before": sorted({*libraries.by_name, *libraries.graph.inherited}),
    }
    (appdir.self_test / "image.json").write_text(write_json(facts, version=1), encoding="utf-8")
    add_settings(appdir.root, [("self-test", str(appdir.self_test.relative_to(appdir.root)))])


def _describe(entry_point: EntryPoint, appdir: AppDir) -> dict[str, Any]:
    return {
        "command": entry_point.command,
        "modules": modules_at_start(entry_point, appdir.bin),
        "attribute": entry_point.attribute,
    }
