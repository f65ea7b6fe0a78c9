# SPDX-License-Identifier: MIT
"""Licences of projects, from all that metadata has for them."""

from __future__ import annotations

import pytest
from packaging.licenses import canonicalize_license_expression
from trove_classifiers import classifiers

from hatch_appimage.project.license import _CLASSIFIERS, find_license

OSI = "License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("expression", "text", "named", "expected"),
    [
        ("mit or apache-2.0", "ISC", [f"{OSI}ISC License (ISCL)"], "MIT OR Apache-2.0"),
        ("LicenseRef-Proprietary AND MIT", "", [], "LicenseRef-proprietary AND MIT"),
        ("LicenseRef-Proprietary-2", "", [], "LicenseRef-Proprietary-2"),
        ("", "MIT License", [], "MIT"),
        ("", " gpl-3.0-or-later with classpath-exception-2.0", [], "GPL-3.0-or-later WITH Classpath-exception-2.0"),
        ("", "Proprietary", [], "LicenseRef-proprietary"),
        ("", "Permission is hereby granted, free of charge, to", [f"{OSI}MIT License"], "MIT"),
        ("", "", ["License :: OSI Approved", f"{OSI}The Unlicense (Unlicense)", "Topic :: Games"], "Unlicense"),
        ("", "", [f"{OSI}GNU General Public License v3 or later (GPLv3+)"], "GPL-3.0-or-later"),
        ("", "", ["License :: Other/Proprietary License"], "LicenseRef-proprietary"),
        ("", "", ["License :: Public Domain"], "LicenseRef-public-domain"),
        # One of several licences, or several.
        ("", "", [f"{OSI}BSD License"], ""),
        ("", "", [f"{OSI}GNU General Public License (GPL)"], ""),
        ("", "", [f"{OSI}MIT License", f"{OSI}ISC License (ISCL)"], ""),
        ("", "see LICENSE", [], ""),
        ("", "", [], ""),
    ],
)
def test_licence(expression: str, text: str, named: list[str], expected: str) -> None:
    assert find_license(expression, text, named) == expected


def test_classifiers_are_those_of_the_index() -> None:
    assert {f"License :: {name}" for name in _CLASSIFIERS} <= classifiers
    for expression in _CLASSIFIERS.values():
        assert canonicalize_license_expression(expression)
