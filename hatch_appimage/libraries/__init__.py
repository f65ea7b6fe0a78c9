# SPDX-License-Identifier: MIT
"""Shared libraries: what an ELF file says it needs, and where it looks for it."""
