# SPDX-License-Identifier: MIT
"""What hatchling loads first. Every build with the plugin around imports this, so it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatchling.plugin import hookimpl

if TYPE_CHECKING:
    from hatch_appimage.build_hook import AppImageBuildHook
    from hatch_appimage.builder import AppImageBuilder


@hookimpl
def hatch_register_builder() -> type[AppImageBuilder]:
    """Register the target ``appimage``."""
    from hatch_appimage.builder import AppImageBuilder  # noqa: PLC0415 - hatchling loads this module on every start

    return AppImageBuilder


@hookimpl
def hatch_register_build_hook() -> type[AppImageBuildHook]:
    """Register the build hook ``appimage``, for the target ``wheel``."""
    from hatch_appimage.build_hook import AppImageBuildHook  # noqa: PLC0415 - as above

    return AppImageBuildHook
