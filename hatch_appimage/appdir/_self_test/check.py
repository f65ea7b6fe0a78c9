# SPDX-License-Identifier: MIT
"""What is tested, and what comes of it."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OK, FAILED, SKIPPED = "ok", "FAILED", "skipped"
# In characters. As JSON it has to go through a pipe at once, which can be relied upon for 4096 bytes (PIPE_BUF).
MAX_DETAIL = 500


class SkippedError(Exception):
    """What is to be tested is not there, and that is no fault of the image; the text says why."""


class Check(NamedTuple):
    """One thing to test.

    Attributes:
        subject: what it is.
        test: returns what there is to say of it, or raises.
        optional: it may want a module that is not in the image.

    """

    subject: str
    test: Callable[[], str]
    optional: bool = False


class Result(NamedTuple):
    """What came of a check.

    Attributes:
        verdict: ``ok``, ``FAILED`` or ``skipped``.
        detail: why, or what there is to say of it.

    """

    verdict: str
    detail: str


def one_line(text: str) -> str:
    """Return the beginning of a text, without what is not to be printed."""
    text = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]}…"
