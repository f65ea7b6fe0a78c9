# SPDX-License-Identifier: MIT
"""What images are called."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.image.name import ANY_VERSION, check_length, first_part, image_name, is_image_of

# What GitHub keeps of a file's name, and what GitLab takes in the address of a release's file.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("My App", "My_App"),
        ("Größe & Co (beta)", "Grosse_Co_beta"),
        ("Färber + Söhne", "Farber_Sohne"),
        ("Łódź Ærøskøbing Đà Nẵng", "Lodz_AEroskobing_Da_Nang"),
        ("Zoe\u0308 ﬁne ²", "Zoe_fine_2"),
        ("C++", "C"),
        ("my_app.2-x", "my_app.2-x"),
        ("-rf", "rf"),
        ("--", "project"),
        (".hidden", "hidden"),
        ("..", "project"),
        ("...a...", "a"),
        ("a/../b", "a_.._b"),
        ("a[b]*?|{c}", "a_b_c"),
        ("$(id) `id` 'x' \"y\" \\z", "id_id_x_y_z"),
        ("🚀", "project"),
        ("🚀 Rocket", "Rocket"),
        ("日本", "project"),
        ("Приложение 2", "project"),
        ("٣", "project"),
        ("", "project"),
    ],
)
def test_first_part(name: str, expected: str) -> None:
    assert first_part(name, "project") == expected
    assert SAFE.fullmatch(expected)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.0", "1.0"),
        ("1.0+local.7", "1.0_local.7"),
        ("1!2.0", "1_2.0"),
        ("1!2.0rc1.post2.dev3+a.b", "1_2.0rc1.post2.dev3_a.b"),
    ],
)
def test_versions(version: str, expected: str) -> None:
    name = image_name("my-app", version, "x86_64")
    assert name == f"my-app-{expected}-x86_64.AppImage"
    assert SAFE.fullmatch(name)
    assert fnmatchcase(name, f"my-app-{ANY_VERSION}-x86_64.AppImage")
    assert is_image_of(name, "my-app", "x86_64")
    # Images that were made before kept the version as it is.
    assert is_image_of(f"my-app-{version}-x86_64.AppImage", "my-app", "x86_64")


@pytest.mark.parametrize(
    "file",
    [
        "my-app-lite-1.0-x86_64.AppImage",
        "my-app-1.0-aarch64.AppImage",
        "my-app-1.0-x86_64.AppImage.zsync",
        "my-app-x86_64.AppImage",
        "my-app--x86_64.AppImage",
        "not-my-app-1.0-x86_64.AppImage",
    ],
)
def test_images_of_others(file: str) -> None:
    assert not is_image_of(file, "my-app", "x86_64")
    assert not fnmatchcase(file, f"my-app-{ANY_VERSION}-x86_64.AppImage")


def test_length() -> None:
    """It is that of the longest name that belongs to an image, the one of its .zsync file."""
    rest = len(image_name("", "1.0", "x86_64") + ".zsync")
    check_length(image_name("x" * (255 - rest), "1.0", "x86_64"))
    name = image_name("x" * (256 - rest), "1.0", "x86_64")
    with pytest.raises(AppImageError) as caught:
        check_length(name)
    assert str(caught.value) == (
        f"The name of the file {name}.zsync is too long by 1: 255 bytes are possible. "
        "Set `name` to something shorter, or shorten the version"
    )
