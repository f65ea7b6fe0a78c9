# SPDX-License-Identifier: MIT
"""Shared libraries: what an AppDir needs, where that is found, and what is bundled."""
