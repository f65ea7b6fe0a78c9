# SPDX-License-Identifier: MIT
"""Inputs of builds for tests of single functions."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hatch_appimage.inputs import BuildInputs


def make_inputs(*, order: Path | bool, trace: Path | bool = True, **values: Any) -> BuildInputs:
    """Make inputs of what a test is about; all else is None."""
    settings = SimpleNamespace(image=SimpleNamespace(startup_order=order, trace=trace))
    known: dict[str, Any] = {
        "settings": settings,
        "python": SimpleNamespace(elf="runs"),
        "system": SimpleNamespace(root=Path("/")),
        "project": SimpleNamespace(unpacked=False),
        **values,
    }
    everything: dict[str, Any] = {field.name: known.get(field.name) for field in fields(BuildInputs)}
    return BuildInputs(**everything)
