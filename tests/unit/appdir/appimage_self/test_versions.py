# SPDX-License-Identifier: MIT
"""Versions sort as those of packages do."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.version import Version

from hatch_appimage.appdir.appimage_self.versions import in_file_name, order
from hatch_appimage.image.name import image_name

IN_ORDER = (
    "0.9", "1.0.dev1", "1.0a1.dev2", "1.0a1", "1.0a2", "1.0b1", "1.0rc1", "1.0", "1.0+a.b", "1.0+1", "1.0.post1.dev3",
    "1.0.post1", "1.0.1", "1.2", "1.10", "2026.1", "1!0.1",
)  # fmt: skip
PARTS = st.tuples(
    st.sampled_from(["", "1!"]),
    st.sampled_from(["0", "1", "1.0", "1.0.1", "2.10"]),
    st.sampled_from(["", "a0", "b1", "rc2"]),
    st.sampled_from(["", ".post0", ".post3"]),
    st.sampled_from(["", ".dev0", ".dev4"]),
    st.sampled_from(["", "+1", "+a", "+a.1", "+1.a"]),
)


@pytest.mark.parametrize(("first", "second"), list(pairwise(IN_ORDER)))
def test_order(first: str, second: str) -> None:
    assert order(first) < order(second)  # type: ignore[operator]


@given(PARTS, PARTS)
def test_as_packaging(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    one, other = "".join(first), "".join(second)
    assert (order(one) < order(other)) == (Version(one) < Version(other))  # type: ignore[operator]


@given(PARTS)
def test_in_file_name(parts: tuple[str, ...]) -> None:
    # The name of `1+1` is that of `1!1`, too, and that of `1+a` is that of `1_a`, a pre-release.
    assume((parts[0] or not parts[-1]) and not parts[-1].startswith("+a"))
    version = str(Version("".join(parts)))
    found = in_file_name(image_name("My_App-x", version, "x86_64"), "My_App-x", "x86_64")
    assert found is not None
    assert order(found) == order(version)


@pytest.mark.parametrize("text", ["", "x", "1.0-", "latest", "1" * 200, "1.0+", "1..0"])
def test_none(text: str) -> None:
    assert order(text) is None


def test_another_application() -> None:
    assert in_file_name("app-extra-1.0-x86_64.AppImage", "app", "x86_64") is None
    assert in_file_name("app-1.0-aarch64.AppImage", "app", "x86_64") is None
