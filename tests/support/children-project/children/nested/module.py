# SPDX-License-Identifier: MIT
"""A module that can be run, and a plugin."""

import sys


def plugin() -> str:
    """Answer to whoever has found this entry point."""
    return "found"


name = __name__
arguments = sys.argv
