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

__all__ = ["NotAnImageError", "SelfError", "check", "install", "is_installed", "restart", "uninstall", "update"]


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


def install(*, system: bool = False, link_commands: str | None = None) -> None:
    """Put the image into the menu, or bring what is there up to date: ask the user first.

    Args:
        system: for all users of this machine; only root can.
        link_commands: a directory for links by the names of its commands; None for where they are, if they are
            anywhere.

    Raises:
        NotAnImageError: the application does not run from the file of an image.
        SelfError: another program takes care of that, or it cannot be done, for a reason that can be shown to users.

    """
    from . import running
    from .commands import install as command
    from .integration import Directories

    where = Directories.of_system() if system else Directories.of_user()
    links = None if link_commands is None else os.path.abspath(link_commands)
    command.install(running.running(), where, links=links, force=False)


def is_installed(*, system: bool = False) -> bool:
    """Tell whether the image has been put into the menu.

    Raises:
        NotAnImageError: the application does not run from an image that manages itself.

    """
    from . import running
    from .integration import Directories

    where = Directories.of_system() if system else Directories.of_user()
    return os.path.exists(where.record(running.running()))


def uninstall(*, system: bool = False) -> None:
    """Take the image out of the menu; the file itself stays, and so does what somebody has changed.

    Raises:
        NotAnImageError: the application does not run from an image that manages itself.
        SelfError: it cannot be done, for a reason that can be shown to users.

    """
    from . import running
    from .commands import uninstall as command
    from .integration import Directories

    command.uninstall(running.running(), Directories.of_system() if system else Directories.of_user())


def restart() -> NoReturn:
    """Become the image as it is now, with the same arguments, in the same process: save what must be saved before.

    Raises:
        NotAnImageError: the application does not run from the file of an image.

    """
    from . import running

    path = running.running().file
    os.execv(path, [os.environ.get("ARGV0") or path, *sys.argv[1:]])  # noqa: S606 - it takes this one's place
