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
    assert told.startswith("A package has to be compiled")
    assert "\n" not in told


def test_names_what_is_compiled() -> None:
    output = (
        "error: Failed to build `pycairo==1.29.2`\n  cause: x\n  ERROR: Dependency 'cairo' is required but not found."
    )
    told = missing_headers(output)
    assert told is not None
    assert told.startswith("pycairo 1.29.2 has to be compiled, and the headers of cairo are not on this machine: ")


@pytest.mark.parametrize("output", ["", "error: x.h not found", "ERROR: Dependency 'ogg' is required but not found."])
def test_others(output: str) -> None:
    assert missing_headers(output) is None
