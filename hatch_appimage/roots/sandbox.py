# SPDX-License-Identifier: MIT
"""Run a command in another root file system, of which nothing is changed, and leave nothing behind."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from hatch_appimage.roots.namespaces import run_isolated
from hatch_appimage.roots.new_root import enter_root, home_directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.roots.namespaces import Ending


def run_inside(
    root: Path,
    command: Sequence[str],
    *,
    image: Path | None = None,
    variables: Mapping[str, str] | None = None,
    writable: bool = False,
) -> Ending:
    """Run a command in a root file system, with this process's standard streams, user id and network.

    Args:
        root: the directory that becomes ``/``.
        command: the program, as a path there or a name on its ``PATH``, and its arguments.
        image: a file of this machine that the command finds where `path_inside` says.
        variables: set in its environment, which is that of a login that set nothing up otherwise.
        writable: the command may change the root, ``/etc`` among it.

    Raises:
        AppImageError: there are no user namespaces here, the root cannot be mounted, or the command not be started.

    """
    environment = {**_environment(), **(variables or {})}
    return run_isolated(
        command,
        prepare=partial(enter_root, root.absolute(), image=image, writable=writable),
        environment=environment,
        directory=environment["HOME"],
    )


def _environment() -> dict[str, str]:
    """Return the environment of a user who has just logged in."""
    path = "/usr/local/bin:/usr/bin:/bin" + ("" if os.getuid() else ":/usr/local/sbin:/usr/sbin:/sbin")
    return {"HOME": home_directory(), "LANG": "C.UTF-8", "PATH": path, "TERM": os.environ.get("TERM", "dumb")}
