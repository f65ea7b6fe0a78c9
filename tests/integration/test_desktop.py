# SPDX-License-Identifier: MIT
"""What desktops, software centres and AppImage tools make of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage import cli
from hatch_appimage.desktop.entry import DesktopEntry
from support.integrators import complaints_of_appstream, complaints_of_validator, register
from support.projects import make_project
from support.runner import unpack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

BODY = "def main():\n    print('started')\n"
FIELDS = """\
description = "Shows a window."
urls = { Homepage = "https://example.org" }
license = "MIT"
authors = [{ name = "Jo Doe", email = "jo@example.org" }]
"""
TABLE = 'app-id = "org.example.probe"\nstartup-order = false\n'
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path fill="#d00" d="M0 0h9v9H0z"/></svg>'
GIVEN = """\
<?xml version="1.0" encoding="UTF-8"?>
<component type="console-application">
  <id>org.example.probe</id>
  <metadata_license>FSFAP</metadata_license>
  <name>probe</name>
  <summary>Prints a word</summary>
  <description><p>It prints one word and ends, which is the least that a program in a terminal can do.</p></description>
  <provides><binary>probe</binary></provides>
  <releases><release version="1.0" date="2026-11-29"/></releases>
  <content_rating type="oars-1.1"/>
  <url type="homepage">https://example.org/</url>
</component>
"""


def build(directory: Path, table: str) -> Path:
    """Build the project that lies there, and return its image."""
    make_project(directory, BODY, project=FIELDS, table=TABLE + table)
    assert cli.main(["build", str(directory), "--output", str(directory / "dist")]) == 0
    (image,) = (directory / "dist").glob("*.AppImage")
    return image


@pytest.fixture(scope="module")
def window_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image with windows, for which all is generated but the picture."""
    directory = tmp_path_factory.mktemp("window")
    (directory / "icon.svg").write_text(SVG)
    (directory / "CHANGELOG.md").write_text("# Changelog\n\n## [0.9] - 2026-01-02\n\n### Added\n\n- the window\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1795910400")
        return build(directory, 'terminal = false\nicon = "icon.svg"\nmime-types = ["text/x-probe"]\n')


@pytest.fixture(scope="module")
def terminal_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image for terminals whose project has a metainfo file."""
    directory = tmp_path_factory.mktemp("terminal")
    (directory / "probe.xml").write_text(GIVEN)
    return build(directory, 'metainfo = "probe.xml"\n')


@pytest.fixture(scope="module", params=["window_image", "terminal_image"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked tree of an image."""
    return unpack(request.getfixturevalue(request.param), tmp_path_factory.mktemp("unpacked"))


def test_appstream_finds_no_fault(tree: Path) -> None:
    """Neither an error nor a warning in either file, of a description that fits the desktop entry."""
    assert complaints_of_appstream(tree) == []
    names = {path.name for path in (tree / "usr/share/metainfo").iterdir()}
    assert names == {"org.example.probe.metainfo.xml", "org.example.probe.appdata.xml"}


def test_what_the_lint_of_appimagehub_asks_for(tree: Path) -> None:
    """What ends its check (`appdir-lint.sh`), and a picture and metainfo, without which it warns."""
    apprun = tree / "AppRun"
    assert apprun.is_file()
    assert apprun.stat().st_mode & 0o111 == 0o111
    assert (tree / ".DirIcon").read_bytes().startswith(b"\x89PNG")
    (entry,) = tree.glob("*.desktop")
    for path in (entry, tree / "usr/share/applications" / entry.name):
        assert complaints_of_validator(path) == []
    for key in ("Icon", "Categories"):
        assert len([line for line in DesktopEntry.read(entry).pairs() if line.full_key == key]) == 1
    assert list((tree / "usr/share/metainfo").glob("*.appdata.xml"))


def test_metadata_is_the_projects(window_image: Path, tmp_path: Path) -> None:
    """The version that the changelog lacks has the time of SOURCE_DATE_EPOCH."""
    tree = unpack(window_image, tmp_path)
    metainfo = (tree / "usr/share/metainfo/org.example.probe.metainfo.xml").read_text()
    assert "<project_license>MIT</project_license>" in metainfo
    assert '<developer id="org.example">\n    <name>Jo Doe</name>' in metainfo
    assert '<release version="1.0" date="2026-11-29" type="stable" />\n    <release version="0.9" date=' in metainfo


def test_libappimage_puts_it_into_the_menu(window_image: Path, tmp_path: Path) -> None:
    answers = register(window_image, tmp_path)
    assert answers == {"refused": False, "failed": False, "registered": True, "thumbnail": True}
    (path,) = (tmp_path / ".local/share/applications").glob("*.desktop")
    entry = DesktopEntry.read(path)
    assert (entry.get("Name"), entry.get("Exec")) == ("probe (1.0)", f"{window_image} %F")
    assert entry.get("MimeType") == "text/x-probe;"
    (icon,) = (tmp_path / ".local/share/icons/hicolor/scalable/apps").iterdir()
    assert (icon.stem, icon.read_text()) == (entry.get("Icon"), SVG)
    thumbnails = {path.parent.name: path.read_bytes() for path in (tmp_path / ".cache/thumbnails").rglob("*.png")}
    assert {size: int.from_bytes(data[16:20], "big") for size, data in thumbnails.items()} == {
        "normal": 128,
        "large": 256,
    }


def test_libappimage_keeps_the_terminal(terminal_image: Path, tmp_path: Path) -> None:
    assert register(terminal_image, tmp_path)["registered"]
    (path,) = (tmp_path / ".local/share/applications").glob("*.desktop")
    assert DesktopEntry.read(path).get("Terminal") == "true"
