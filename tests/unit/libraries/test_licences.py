# SPDX-License-Identifier: MIT
"""The licences of Debian's packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.libraries.licences import documented_by, find_licence, read_licences
from hatch_appimage.system import AddedPackage, System

if TYPE_CHECKING:
    from pathlib import Path

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: libx

Files: *
Copyright: 2020 Ada
License: Expat

Files: a.c
 b.c
Copyright: 2021 Grace
License: BSD-3-clause or GPL-2+
 Redistribution and use in source and binary forms

Files: c.c
License: Expat

Files: debian/*
License: GPL-3

License: Expat
 Permission is hereby granted
"""


def package(tmp_path: Path, name: str, link: str = "") -> AddedPackage:
    root = tmp_path / name
    directory = root / "usr/share/doc" / name
    directory.parent.mkdir(parents=True)
    if link:
        directory.symlink_to(link)
    else:
        directory.mkdir()
        (directory / "copyright").write_text("Free.")
    return AddedPackage(name, "1", "ab" * 32, root, f"pool/{name}_1_all.deb", 5)


@pytest.mark.parametrize(
    ("text", "names"),
    [(COPYRIGHT, ("Expat", "BSD-3-clause or GPL-2+")), ("It is free.\n\nLicense: yes\n", ()), ("", ())],
)
def test_names(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    (tmp_path / "copyright").write_text(text)
    assert read_licences(tmp_path / "copyright") == names


def test_of_another_package(tmp_path: Path) -> None:
    """A package's directory may lead to one of another package, which is unpacked elsewhere."""
    first, second = package(tmp_path, "libgcc-s1", "gcc-12-base"), package(tmp_path, "gcc-12-base")
    assert (documented_by(first), documented_by(second)) == ("gcc-12-base", None)
    there = System(tmp_path / "nothing", ())
    assert find_licence("libgcc-s1", System(there.root, (), (first,))) is None
    found = find_licence("libgcc-s1", System(there.root, (), (first, second)))
    assert found == second.root / "usr/share/doc/gcc-12-base/copyright"


@pytest.mark.parametrize("link", ["..", "/", "-oAPT::Update::Pre-Invoke::=true", "../../etc/Shadow"])
def test_links_to_no_package(tmp_path: Path, link: str) -> None:
    """What is taken for the name of a package becomes an argument of apt."""
    assert documented_by(package(tmp_path, "liba", link)) is None


def test_links_without_end(tmp_path: Path) -> None:
    looping = package(tmp_path, "liba", "libb"), package(tmp_path, "libb", "liba")
    assert find_licence("liba", System(tmp_path / "nothing", (), looping)) is None
