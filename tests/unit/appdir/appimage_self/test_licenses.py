# SPDX-License-Identifier: MIT
"""The licenses that an image lists."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING, cast

import pytest

from hatch_appimage.appdir.appimage_self.commands import licenses

if TYPE_CHECKING:
    from hatch_appimage.appdir.appimage_self.running import Image

EXPRESSION = {"licenses": [{"expression": "MIT OR Apache-2.0"}]}
NAMES = {"licenses": [{"license": {"id": "Zlib"}}, {"license": {"name": "Expat"}}]}
FILE = {"properties": [{"name": "hatch-appimage:licence-file", "value": "usr/share/doc/x/copyright"}]}


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (EXPRESSION, "MIT OR Apache-2.0"),
        (NAMES, "Zlib AND Expat"),
        ({**NAMES, **FILE}, "Zlib AND Expat"),
        (FILE, "see usr/share/doc/x/copyright in the image"),
        ({"properties": [{"name": "hatch-appimage:debian-package", "value": "x"}]}, "not known"),
        ({}, "not known"),
    ],
)
def test_license(
    component: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"components": [{"name": "x", "version": "1", **component}]}
    monkeypatch.setattr(licenses, "read_sbom", lambda _image: json.dumps(document))
    assert licenses.run(cast("Image", None), Namespace()) == 0
    assert capsys.readouterr().out == f"x 1: {said}\n"
