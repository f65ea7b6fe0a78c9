# SPDX-License-Identifier: MIT
"""What builds from source see, and which tools took part."""

from __future__ import annotations

import shlex
from pathlib import Path

from hatch_appimage.source_build import find_tools, source_environment

LOG = """\
Building wheel...
DEBUG Installing `hatchling==1.33.0` in `/home/me/.cache/uv/builds-v0/.tmp1JAXUp`
DEBUG Installing build requirements: hatchling==1.33.0, Trove.Classifiers==2026.9
DEBUG Installing build requirement: setuptools==84.2.1
DEBUG Installing build requirement: back-end @ file:///home/me/back-end
"""


def test_tools_of_a_log() -> None:
    found = ("back-end @ an address", "hatchling==1.33.0", "setuptools==84.2.1", "trove-classifiers==2026.9")
    assert find_tools(LOG) == found
    assert find_tools("Building wheel...\n") == ()


def test_no_directory_reaches_compilers_results() -> None:
    root = Path("/home/me/a project")
    environment = source_environment(root, {"CPPFLAGS": "-DA=b", "CARGO_HOME": "/c"})
    assert shlex.split(environment["CPPFLAGS"]) == ["-DA=b", f"-ffile-prefix-map={root}=."]
    assert environment["CARGO_BUILD_RUSTFLAGS"] == "--remap-path-prefix=/c=/cargo"
    # uv unpacks sdists into directories of random names.
    assert source_environment(None, {})["CPPFLAGS"] == "-g0"
    # Whether and how a project has itself optimized is left to it.
    assert not {"CFLAGS", "CXXFLAGS"} & source_environment(root, {}).keys()
    assert source_environment(None, {"LDFLAGS": "-s"})["LDFLAGS"] == "-s -Wl,--build-id=none"
