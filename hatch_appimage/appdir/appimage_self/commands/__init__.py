# SPDX-License-Identifier: MIT
"""The commands of ``--appimage-self``: one module a command."""
