# SPDX-License-Identifier: MIT
"""Finds its modules by their sources."""

from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
