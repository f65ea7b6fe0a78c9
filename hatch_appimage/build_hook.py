# SPDX-License-Identifier: MIT
"""The build hook ``appimage`` of the wheel target: an AppImage beside the wheel, made from that very wheel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from hatch_appimage.project.wheel import WHEEL_ONLY, Wheel, why_thrown_away

if TYPE_CHECKING:
    from hatch_appimage.builder import AppImageBuilder


class AppImageBuildHook(BuildHookInterface[Any]):
    """Builds the images that the target ``appimage`` would build, when a wheel is finished.

    Installers build wheels, too, for everyone who installs the project from its sources: then it does nothing.
    """

    PLUGIN_NAME = "appimage"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Find what is wrong with the configuration before anything is built."""
        del build_data
        if self._is_wanted(version):
            self._builder().check_tables(self.config)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Build the images from the wheel, and put them beside it."""
        del build_data
        if not self._is_wanted(version):
            return
        wheel = Path(artifact_path)
        if reason := why_thrown_away(wheel):
            self.app.display_warning(f"No AppImage is built: {reason}")
            return
        builder = self._builder()
        builder.package = Wheel.read(wheel)
        # The directory is the wheel's: what a build option says of it, such as cleaning, has been done.
        for image in builder.build(directory=str(wheel.parent), clean=False, hooks_only=False, clean_hooks_after=False):
            self.app.display_info(image)

    def _is_wanted(self, version: str) -> bool:
        return self.target_name == "wheel" and version != "editable" and WHEEL_ONLY not in os.environ

    def _builder(self) -> AppImageBuilder:
        # hatchling loads this module for every build that has a hook of a plugin.
        from hatch_appimage.builder import AppImageBuilder  # noqa: PLC0415

        return AppImageBuilder(self.root, metadata=self.metadata, app=self.app)
