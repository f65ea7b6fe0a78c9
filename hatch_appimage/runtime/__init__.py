# SPDX-License-Identifier: MIT
"""Stand-in until the runtime lands."""

from pathlib import Path


def runtime_path(architecture: str) -> Path:
    raise NotImplementedError
