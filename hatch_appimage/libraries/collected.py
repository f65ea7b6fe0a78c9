# SPDX-License-Identifier: MIT
"""What libraries open by themselves, or read, where a step before theirs has found it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Collected:
    """Files of the machine that come along.

    Attributes:
        files: by their places below the directory of bundled libraries. A library without a directory in its place is
            opened by this name through `libgmodule`, any other one by its path.
        included: rules, as of the option `include-libraries`, for what these need.
        complete: the names of libraries that all comes along for.
        missing: the names of files that were looked for, and that neither the machine nor its archives have.

    """

    files: Mapping[str, Path] = field(default_factory=dict)
    included: tuple[str, ...] = ()
    complete: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def opened(self) -> tuple[str, ...]:
        """The names that libraries are opened by."""
        return tuple(place for place in self.files if "/" not in place)


NOTHING = Collected()
