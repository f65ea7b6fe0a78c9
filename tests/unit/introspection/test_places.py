# SPDX-License-Identifier: MIT
"""Where PyGObject's libraries are led to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatch_appimage.introspection.places import GST_VALUES


@pytest.mark.root
def test_no_registry_can_be_written() -> None:
    """GStreamer tries to, and changes the mode of the directory if it cannot: it may be root's."""
    registry = Path(GST_VALUES["GST_REGISTRY_1_0"])
    with pytest.raises(PermissionError):
        registry.parent.chmod(0o700)
    with pytest.raises(FileNotFoundError):
        registry.touch()
