# SPDX-License-Identifier: MIT
"""Keeps its source, as the project's table says."""
