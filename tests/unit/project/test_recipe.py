# SPDX-License-Identifier: MIT
"""Recipes of python-appimage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.recipe import is_recipe, read_entry_point, read_recipe

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = "{{ python-executable }}"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return a recipe with all that python-appimage knows of."""
    root = tmp_path / "painter"
    root.mkdir()
    (root / "org.example.Paint.desktop").write_text("[Desktop Entry]\nName=Paint It\nIcon=brush\n[Other]\nName=No\n")
    for name in ("brush.svg", "painter.png", "paint.appdata.xml"):
        (root / name).touch()
    (root / "requirements.txt").write_text("numpy\nPaint==2\n")
    (root / "entrypoint.sh").write_text(f'#! /bin/bash\n\n{PYTHON} -m paint "$@"\n')
    return root


class TestRecipe:
    def test_options(self, recipe: Path) -> None:
        assert is_recipe(recipe)
        assert read_recipe(recipe).settings == {
            "name": "Paint It",
            "desktop-file": "org.example.Paint.desktop",
            "icon": "brush.svg",
            "metainfo": "paint.appdata.xml",
            "requirements-file": "requirements.txt",
            "entry-point": "-m paint",
        }

    def test_little(self, recipe: Path) -> None:
        for path in recipe.iterdir():
            if path.suffix not in (".sh", ".txt"):
                path.unlink()
        assert is_recipe(recipe)
        assert read_recipe(recipe, ["entry-point"]).settings == {"requirements-file": "requirements.txt"}
        (recipe / "entrypoint.sh").unlink()
        assert not is_recipe(recipe)

    def test_application(self, recipe: Path) -> None:
        found = read_recipe(recipe)
        assert str(found.package(map(Requirement, ["numpy", "Paint==2"]))) == "Paint==2"
        assert str(found.package([Requirement("painter")])) == "painter"
        assert found.package([Requirement("numpy")]) is None

    @pytest.mark.parametrize(
        ("file", "text", "message"),
        [
            ("b.desktop", "", r"has b\.desktop and org\.example\.Paint\.desktop, and a recipe has one such file"),
            ("paint.metainfo.xml", "", r"has paint\.appdata\.xml and paint\.metainfo\.xml, and"),
            (
                "paint.appdata.xml",
                "<x>{{ python-version }}</x>",
                r"has \{\{ python-version \}\}, which nothing replaces",
            ),
        ],
    )
    def test_refused(self, file: str, text: str, message: str, recipe: Path) -> None:
        (recipe / file).write_text(text)
        with pytest.raises(AppImageError, match=message):
            read_recipe(recipe)


class TestEntryPoint:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (f'{PYTHON} -m IPython "$@"', {"entry-point": "-m IPython"}),
            ('"{{python-executable}}" -sE -m a.b "$@"', {"entry-point": "-m a.b"}),
            (f'exec {PYTHON} -m a "$@"', {"entry-point": "-m a"}),
            (f'{PYTHON} ${{APPDIR}}/opt/python{{{{ python-version }}}}/bin/a.py "$@"', {"entry-point": "a.py"}),
            (f'{PYTHON} -u "$APPDIR/usr/bin/a-b" "$@"', {"entry-point": "a-b", "python-options": ["-u"]}),
            ('"${APPDIR}/usr/bin/a" "$@"', {"entry-point": "a"}),
            ('$APPDIR/opt/python3.10/bin/python3.10 -m a "$@"', {"entry-point": "-m a"}),
            (f"{PYTHON} -c 'from a.b import main; main()' \"$@\"", {"entry-point": "a.b:main"}),
            (f"{PYTHON} -c 'import sys; from a import go; sys.exit(go())' \"$@\"", {"entry-point": "a:go"}),
        ],
    )
    def test_understood(self, line: str, expected: dict[str, Any], tmp_path: Path) -> None:
        path = tmp_path / "entrypoint.sh"
        path.write_text(f"#!/bin/bash\n# comment\n{line}\n")
        assert read_entry_point(path) == expected

    @pytest.mark.parametrize(
        "line",
        [
            "",
            f"{PYTHON} -m a",
            f"{PYTHON} -m a $@",
            f'{PYTHON} -m a --more "$@"',
            f'{PYTHON} -m a; "$@"',
            f'{PYTHON} "$@"',
            f'cd /; {PYTHON} -m a "$@"',
            f'A=1 {PYTHON} -m a "$@"',
            f'export A=1\n{PYTHON} -m a "$@"',
            f'{PYTHON} -m a "$@" | cat "$@"',
            f"{PYTHON} -c 'from a import b; c()' \"$@\"",
            f"{PYTHON} -c 'import a' \"$@\"",
            f'{PYTHON} "-m a "$@"',
            'my-program "$@"',
        ],
    )
    def test_refused(self, line: str, tmp_path: Path) -> None:
        path = tmp_path / "entrypoint.sh"
        path.write_text(f"#!/bin/bash\n{line}\n")
        with pytest.raises(AppImageError, match=r"entrypoint\.sh.*: an image starts no shell, .* set `entry-point` to"):
            read_entry_point(path)
