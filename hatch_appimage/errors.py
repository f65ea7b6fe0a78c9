# SPDX-License-Identifier: MIT
"""What can go wrong in a build, as the user is told of it."""

from __future__ import annotations


class AppImageError(Exception):
    """A build cannot go on.

    The message is one clear statement for the person who builds: what is wrong, where, and what to do about it.
    """


class ConfigurationError(AppImageError):
    """One or more fields of the target's table are wrong.

    Attributes:
        errors: every fault that was found, each a sentence that names its field.

    """

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        super().__init__("\n".join(errors))


def printable(text: str) -> str:
    """Write a text in one line that any terminal takes: names of files need not be UTF-8, and may hold commands."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in readable
    )
