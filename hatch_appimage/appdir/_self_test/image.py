# SPDX-License-Identifier: MIT
"""What only the build knows of the image."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Image:
    """The unpacked or mounted image.

    Attributes:
        root: its directory.
        entry_points: commands, each with the names of the modules that it imports, and of the function that it calls.
        left_to_machine: sonames of libraries that the user's machine must have.
        ignored: sonames of libraries that may be missing.
        loaded_before: sonames of libraries in the image that a library which needs them does not find by itself.

    """

    def __init__(self, root: str, facts: dict[str, Any]) -> None:
        self.root = os.path.realpath(root)
        self.entry_points: list[dict[str, Any]] = facts["entry_points"]
        self.left_to_machine = frozenset(facts["left_to_machine"])
        self.ignored = frozenset(facts["ignored"])
        self.loaded_before = frozenset(facts["loaded_before"])

    @classmethod
    def read(cls, directory: str) -> Image:
        """Read what the build knows from the directory of the self-test."""
        with open(os.path.join(directory, "image.json"), encoding="utf-8") as file:
            return cls(os.path.dirname(os.path.dirname(os.path.dirname(directory))), json.load(file))
