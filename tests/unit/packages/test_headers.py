# SPDX-License-Identifier: MIT
"""What is said where a package cannot be compiled."""

from __future__ import annotations

import pytest

from hatch_appimage.packages.headers import missing_headers


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("ERROR: Dependency 'gobject-introspection-1.0' is required but not found.", "libgirepository1.0-dev"),
        ('ERROR: Dependency "girepository-2.0" not found, tried pkgconfig and cmake', "libgirepository-2.0-dev"),
        ("ERROR: Dependency lookup for cairo with method 'pkgconfig' failed: Pkg-config not found.", "libcairo2-dev"),
    ],
)
def test_known(line: str, package: str) -> None:
    told = missing_headers(f"Building wheel\n  ../meson.build:31:9: {line}\nmore")
    assert told is not None
    assert package in told
    assert "\n" not in told


@pytest.mark.parametrize("output", ["", "error: x.h not found", "ERROR: Dependency 'ogg' is required but not found."])
def test_others(output: str) -> None:
    assert missing_headers(output) is None
