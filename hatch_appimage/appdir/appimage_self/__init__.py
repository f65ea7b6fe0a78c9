# SPDX-License-Identifier: MIT
"""Part of an image that manages itself: update it, and see whether it is genuine.

An application imports it for its own menu; ``--appimage-self`` runs it, also where the application is broken. Nothing
is fetched unless it is asked for. It runs on every Python that can be bundled, from 3.8 on, and needs nothing but the
standard library; to import it costs next to nothing, as the work is in modules that are imported when they are needed.
"""

from __future__ import annotations

import os
import sys

from .errors import NotAnImageError, SelfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, NoReturn

    from .engine import Release, Updated

__all__ = ["NotAnImageError", "SelfError", "check", "restart", "update"]


def check(to: str | None = None) -> Release | None:
    """Ask whether there is a newer image; it takes as long as the server does.

    Args:
        to: a version that is wanted, which may be an older one; None for the newest.

    Returns:
        it; None if this is the newest one.

    Raises:
        NotAnImageError: the application does not run from the file of an image.
        SelfError: nobody can tell, for a reason that can be shown to users.

    """
    from . import engine, running, web

    connection = web.Web()
    try:
        return engine.find_release(running.running(), connection, to)
    finally:
        connection.close()


def update(to: str | None = None, *, progress: Callable[[int, int], object] | None = None) -> Updated | None:
    """Replace the image by the newest one; the application runs on from the old one until it is started again.

    Args:
        to: a version that is wanted, which may be an older one; None for the newest.
        progress: is called with how many bytes of the new image are there, and how many it has. What it raises ends
            the update; the next one goes on from there.

    Returns:
        what was done; None if this is the newest one.

    Raises:
        NotAnImageError: the application does not run from the file of an image.
        SelfError: it cannot be done, or must not be, for a reason that can be shown to users; nothing has changed.

    """
    from . import engine, running, web

    connection = web.Web()
    try:
        image = running.running()
        release = engine.find_release(image, connection, to)
        if release is None:
            return None
        return engine.update(image, connection, release, asked=to is not None, progress=progress)
    finally:
        connection.close()


def restart() -> NoReturn:
    """Become the image as it is now, with the same arguments, in the same process: save what must be saved before.

    Raises:
        NotAnImageError: the application does not run from the file of an image.

    """
    from . import running

    path = running.running().file
    os.execv(path, [os.environ.get("ARGV0") or path, *sys.argv[1:]])  # noqa: S606 - it takes this one's place
