# SPDX-License-Identifier: MIT
"""What can go wrong, in words for users."""

from __future__ import annotations


class SelfError(Exception):
    """Something went wrong; the text is one sentence that says what, and what to do."""


class NotAnImageError(SelfError):
    """The Python does not run from the file of an image, so there is nothing that could be updated."""


class TransientError(SelfError):
    """A server failed in a way in which it may not fail again.

    Attributes:
        pause: how long the server asks to wait, in seconds; None if it does not say.

    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
