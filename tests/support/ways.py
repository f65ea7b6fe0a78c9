# SPDX-License-Identifier: MIT
"""Every way in which an image reaches its files, by who starts it and what the machine has."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support.machine import DEVICE, NOBODY
from support.world import covered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.world import World

FUSERMOUNTS = ("fusermount3", "fusermount")


@dataclass(frozen=True)
class Way:
    """One way to start an image.

    Attributes:
        name: what happens.
        user: who starts it.
        unpacks: the files are unpacked, not mounted.
        has_fusermount: the machine has it.
        has_device: the kernel has FUSE.
        is_large: the image is one whose unpacking would take long.
        settings: added to the environment.

    """

    name: str
    user: int
    unpacks: bool = False
    has_fusermount: bool = True
    has_device: bool = True
    is_large: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def image(self) -> str:
        """The name of the image."""
        return "Large.AppImage" if self.is_large else "Tiny.AppImage"

    @contextmanager
    def machine(self, world: World) -> Iterator[None]:
        """Take from the world what such a machine lacks."""
        with ExitStack() as stack:
            if not self.has_fusermount:
                for name in {os.path.realpath(found) for found in map(shutil.which, FUSERMOUNTS) if found}:
                    stack.enter_context(covered(Path(name), Path(os.devnull)))
            if not self.has_device:
                stack.enter_context(covered(DEVICE, world.programs / "no-driver"))
            if self.is_large:
                stack.enter_context(enlarged(world.programs / "Tiny.AppImage", world.programs / self.image))
            world.own(self.user)
            yield


#: A file of this size, in bytes, is not unpacked as long as it can be mounted.
LARGE = 1 << 30


@contextmanager
def enlarged(image: Path, path: Path) -> Iterator[None]:
    """Have a copy of an image with so much of nothing at its end that it counts as large."""
    shutil.copy(image, path)
    os.truncate(path, LARGE)
    try:
        yield
    finally:
        path.unlink()


ASKED = {"APPIMAGE_EXTRACT_AND_RUN": "1"}
WAYS = (
    Way("root", 0),
    Way("fusermount", NOBODY),
    Way("namespace", NOBODY, has_fusermount=False, is_large=True),
    Way("unpacked by root", 0, unpacks=True, settings=ASKED),
    Way("unpacked", NOBODY, unpacks=True, settings=ASKED),
    Way("unpacked by root without FUSE", 0, unpacks=True, has_device=False),
    Way("unpacked without fusermount", NOBODY, unpacks=True, has_fusermount=False),
    Way("unpacked without FUSE", NOBODY, unpacks=True, has_device=False),
)
