# SPDX-License-Identifier: MIT
"""Build an AppImage of a Python project: the hatch build target ``appimage``."""

#: A project's settings.
TABLE = "tool.hatch.build.targets.appimage"
#: The environment variable that may have the passphrase of the key that signs.
PASSPHRASE = "HATCH_APPIMAGE_SIGN_PASSPHRASE"  # noqa: S105 - the name of a variable
