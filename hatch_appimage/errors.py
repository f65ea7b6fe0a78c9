# SPDX-License-Identifier: MIT
"""What can go wrong in a build, as the user is told of it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from hatch_appimage.redact import redact
from hatch_appimage.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class AppImageError(Exception):
    """A build cannot go on.

    The message is one clear statement for the person who builds: what is wrong, where, and what to do about it. Secrets
    in addresses are left out of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class ConfigurationError(AppImageError):
    """One or more options of the target's table are wrong.

    Attributes:
        errors: all of them, each a sentence that names its option.

    """

    def __init__(self, errors: list[str]) -> None:
        self.errors = [redact(error) for error in errors]
        super().__init__("\n".join(errors))


def explain_os_error(error: OSError) -> str:
    """Return in one line what the system refused, and for which file if there is one."""
    file = error.filename2 or error.filename
    reason = error.strerror or printable(str(error))
    if error.errno == errno.ENOSPC:
        reason += " (the output directory and TMPDIR need room)"
    return f"{printable(file if isinstance(file, bytes) else str(file))}: {reason}" if file else reason


class ErrorCollector:
    """All that is wrong with what a build starts from, so that people can fix it all at once."""

    def __init__(self) -> None:
        self._errors: list[str] = []

    def catch(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a function returns; if it fails, remember why: then nothing must use it before `raise_all()`."""
        try:
            return function(*args, **kwargs)
        except AppImageError as error:
            self._errors.append(str(error))
        except OSError as error:
            self._errors.append(explain_os_error(error))
        return cast("R", None)

    def raise_all(self) -> None:
        """Raise what went wrong.

        Raises:
            ConfigurationError: anything did.

        """
        if self._errors:
            raise ConfigurationError(self._errors)
