# SPDX-License-Identifier: MIT
"""Build hook of this project's own wheel: compiles what the wheel carries of our C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))


class RuntimeBuildHook(BuildHookInterface[Any]):
    """Compile it for every architecture; a development install compiles it when it is wanted."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what compiling needs."""
        from hatch_appimage.runtime import REQUIREMENTS  # noqa: PLC0415 - this project, found once the path is set

        return list(REQUIREMENTS)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have the wheel take what is ignored by Git."""
        if version == "editable":
            return
        from hatch_appimage.runtime import ARCHITECTURES, BUILT  # noqa: PLC0415
        from hatch_appimage.runtime.compile import (  # noqa: PLC0415
            compile_getenvs,
            compile_launchers,
            compile_runtimes,
        )

        compile_runtimes(ARCHITECTURES, BUILT, self.metadata.version)
        compile_launchers(ARCHITECTURES, BUILT)
        compile_getenvs(ARCHITECTURES, BUILT)
        build_data["artifacts"].append("/hatch_appimage/runtime/built")
