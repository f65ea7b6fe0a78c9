# SPDX-License-Identifier: MIT
"""What is bundled and what is left to the host."""

from __future__ import annotations

import pytest

from hatch_appimage.libraries.policy import GROUPS, NEVER_BUNDLED, LibraryPolicy, group_of


@pytest.mark.parametrize(
    ("soname", "group"),
    [
        ("libc.so.6", "glibc"),
        ("ld-linux-x86-64.so.2", "glibc"),
        ("ld-linux-aarch64.so.1", "glibc"),
        ("ld-linux-armhf.so.3", "glibc"),
        ("ld-linux.so.2", "glibc"),
        ("ld-musl-x86_64.so.1", "musl"),
        ("libc.musl-aarch64.so.1", "musl"),
        ("libc.so", "musl"),
        ("libstdc++.so.6", "compiler"),
        ("libGL.so.1", "graphics"),
        ("libnvidia-ml.so.1", "cuda"),
        ("libX11.so.6", "display"),
        ("libasound.so.2", "sound"),
        ("libfontconfig.so.1", "fonts"),
        ("libz.so.1", "base"),
        ("libssl.so.3", None),
        ("libcrypt.so.1", None),
        ("libexpat.so.1", None),
        ("libz-1a2b3c.so.1", None),
        ("libX11-1a2b3c.so.6", None),
    ],
)
def test_groups(soname: str, group: str | None) -> None:
    assert group_of(soname) == group
    assert LibraryPolicy().group(soname) == group


def test_include() -> None:
    policy = LibraryPolicy(include_libraries=("@fonts", "libz.so.*"))
    assert policy.group("libfreetype.so.6") is None
    assert policy.group("libz.so.1") is None
    assert policy.group("libuuid.so.1") == "base"


def test_exclude() -> None:
    policy = LibraryPolicy(exclude_libraries=("libssl.so.*", "libfoo.so.1"))
    assert policy.group("libssl.so.3") == "excluded"
    assert policy.group("libfoo.so.1") == "excluded"
    assert policy.group("libfoo.so.2") is None


def test_exclude_is_stronger() -> None:
    policy = LibraryPolicy(include_libraries=("@fonts",), exclude_libraries=("libharfbuzz.so.0",))
    assert policy.group("libharfbuzz.so.0") == "excluded"
    assert policy.group("libfribidi.so.0") is None


@pytest.mark.parametrize("group", ["glibc", "musl"])
def test_c_libraries_are_never_bundled(group: str) -> None:
    policy = LibraryPolicy(include_libraries=("*", f"@{group}"))
    for soname in GROUPS[group]:
        assert policy.group(soname.replace("*", "x86-64")) == group


def test_including() -> None:
    """What a step asks for comes beside what the project includes, and yields to what that excludes."""
    policy = LibraryPolicy(include_libraries=("libz.so.1",), exclude_libraries=("libfreetype.so.6",))
    including = policy.including(["@fonts"])
    assert policy.group("libharfbuzz.so.0") == "fonts"
    assert including.group("libharfbuzz.so.0") is None
    assert including.group("libz.so.1") is None
    assert including.group("libfreetype.so.6") == "excluded"


def test_for_musl() -> None:
    """The target system's libraries are for another C library; what the project leaves out stays out."""
    policy = LibraryPolicy(exclude_libraries=("libGL.so.1",)).for_musl()
    for group in GROUPS.keys() - NEVER_BUNDLED:
        assert policy.group(next(iter(GROUPS[group])).replace("*", "1")) is None or group == "graphics"
    assert policy.group("libEGL.so.1") is None
    assert policy.group("libGL.so.1") == "excluded"
    assert policy.group("libc.so") == "musl"


def test_ignore() -> None:
    policy = LibraryPolicy(ignore_missing=("libcuda*", "@sound"))
    assert policy.ignored("libcudart.so.12")
    assert policy.ignored("libasound.so.2")
    assert not policy.ignored("libssl.so.3")
