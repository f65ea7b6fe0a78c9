# SPDX-License-Identifier: MIT
"""Build an AppImage of a Python project: the hatch build target ``appimage``."""
