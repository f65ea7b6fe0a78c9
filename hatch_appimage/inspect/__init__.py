# SPDX-License-Identifier: MIT
"""Finished images of any tool: what is in them, and whether it is whole."""
