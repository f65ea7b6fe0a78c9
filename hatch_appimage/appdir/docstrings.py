# SPDX-License-Identifier: MIT
"""What an application takes from docstrings, which the highest level of optimization removes."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_appimage.python.installed import installed_files

if TYPE_CHECKING:
    from hatch_appimage.python import BundledPython
    from hatch_appimage.sources.reach import Reach

log = logging.getLogger(__name__)

#: The level from which on bytecode has no docstrings.
WITHOUT_DOCSTRINGS = 2

# Packages that write help texts from the docstrings of the functions that they are given.
_HELP = ("asyncclick", "click", "cyclopts", "defopt", "docopt", "fire", "invoke", "plac", "tyro", "typer")
_DOC = re.compile(rb"\b__doc__\b")


def warn_of_docstrings(python: BundledPython, project: str, reach: Reach) -> None:
    """Warn where an image without docstrings would lack help texts, or fail.

    Args:
        python: with everything installed.
        project: the project's name.
        reach: what the application imports.

    """
    users = [name for name in _HELP if name in reach.modules]
    users += (
        str(file.place)
        for file in installed_files(python)
        if file.owner == canonicalize_name(project)
        and file.path.suffix == ".py"
        and _DOC.search(file.path.read_bytes())
    )
    if users:
        more = f" and {len(users) - 1} more" if len(users) > 1 else ""
        log.warning("`optimize = 2` removes docstrings, which %s%s may need: 1 keeps them", users[0], more)
