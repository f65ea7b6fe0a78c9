# SPDX-License-Identifier: MIT
"""What builds from source see, and which tools took part."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from hatch_appimage import source_build
from hatch_appimage.process import ProcessError
from hatch_appimage.source_build import build_from_source, find_tools, source_environment

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


@pytest.mark.parametrize(
    ("said", "hinted"),
    [
        ("../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc']]", True),
        ('../meson.build:31:12: ERROR: Dependency "cairo" not found, tried pkgconfig and cmake', True),
        ("../meson.build:31:12: ERROR: Python dependency not found", True),
        ("Did not find pkg-config by name 'pkg-config'", True),
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", True),
        ("  No CMAKE_C_COMPILER could be found.", True),
        ("a.c:1:10: fatal error: Python.h: No such file or directory", True),
        ("a.c:1:10: fatal error: 'yaml.h' file not found", True),
        ("/usr/bin/ld: cannot find -lyaml: No such file or directory", True),
        ("ModuleNotFoundError: No module named 'setuptools'", False),
    ],
)
def test_nothing_to_compile_with(monkeypatch: pytest.MonkeyPatch, said: str, *, hinted: bool) -> None:
    def fail(*_: object, **__: object) -> str:
        raise ProcessError("Cannot install a", said, 1)

    monkeypatch.setattr(source_build, "run_uv_traced", fail)
    with pytest.raises(ProcessError) as caught:
        build_from_source(["pip"], doing="install a", cwd=Path(), constraints=None, environment={})
    first, *more = str(caught.value).splitlines()
    assert first == "Cannot install a"
    assert ["build-packages = [" in line for line in more] == ([True] if hinted else [])


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
