# SPDX-License-Identifier: MIT
"""The packages of the standard library that images come without, unless something in an image names them."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.layout import AppDir
    from hatch_appimage.python import BundledPython

log = logging.getLogger(__name__)

ENSUREPIP = "ensurepip"
#: Tools for those who develop with Python. Of its own tests, others use but one package.
LEFT_OUT = (ENSUREPIP, "idlelib", "lib2to3", "test.support", "turtledemo")
# Within them, as in the whole standard library.
_IGNORED = ("__pycache__", "idle_test", "tests")
# Below the prefix of Debian's and Fedora's Python: the wheels that its ensurepip installs (sysconfig's WHEEL_PKG_DIR).
_WHEELS = "share/python-wheels"


def find_left_out(appdir: AppDir, python: BundledPython) -> dict[str, Path]:
    """Return the packages that the bundled Python lacks and that it was copied from has, by name, with where they are.

    Args:
        appdir: that the Python is in.
        python: it.

    """
    source = python.origin / python.stdlib.relative_to(appdir.usr)
    places = {name: name.replace(".", "/") for name in LEFT_OUT}
    return {
        name: source / place
        for name, place in places.items()
        if (source / place).is_dir() and not (python.stdlib / place).exists()
    }


def bring_back(name: str, source: Path, appdir: AppDir, python: BundledPython) -> None:
    """Copy a package of the standard library into the AppDir.

    Args:
        name: one of `LEFT_OUT`.
        source: where it is.
        appdir: that the Python is in.
        python: it.

    """
    target = python.stdlib.joinpath(*name.split("."))
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_IGNORED), dirs_exist_ok=True)
    if target.parent != python.stdlib:
        shutil.copyfile(source.parent / "__init__.py", target.parent / "__init__.py")
    if name == ENSUREPIP:
        for pattern in ("pip-*.whl", "setuptools-*.whl"):
            for wheel in (python.origin / _WHEELS).glob(pattern):
                (appdir.usr / _WHEELS).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(wheel, appdir.usr / _WHEELS / wheel.name)


def bring_back_ensurepip(appdir: AppDir, python: BundledPython) -> None:
    """Bring what puts pip into virtual environments, where the Python of the build machine has it."""
    if source := find_left_out(appdir, python).get(ENSUREPIP):
        bring_back(ENSUREPIP, source, appdir, python)
    elif not (python.stdlib / ENSUREPIP).is_dir():
        log.warning(
            "Virtual environments on top of the image will lack pip: the Python at %s has no ensurepip, which is in a "
            "package of its own on some distributions (python3-venv on Debian)",
            python.interpreter,
        )
