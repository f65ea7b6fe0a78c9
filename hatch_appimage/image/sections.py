# SPDX-License-Identifier: MIT
"""Whether a runtime has room for what is to be written into it once the image is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.errors import AppImageError
from hatch_appimage.format import UPDATE_INFORMATION
from hatch_appimage.image.sign import check_room

if TYPE_CHECKING:
    from hatch_appimage.image.write import Runtime


def check_sections(runtime: Runtime, update_information: str | None, *, signs: bool) -> None:
    """See that a runtime has room for what is to be written into it.

    Args:
        runtime: the runtime.
        update_information: the line for update tools; None for none.
        signs: the image is to be signed.

    Raises:
        AppImageError: it has not.

    """
    if signs:
        check_room(runtime.origin, runtime.sections)
    if update_information and UPDATE_INFORMATION not in runtime.sections:
        raise AppImageError(f"The runtime {runtime.origin} has no section for update information")
