# SPDX-License-Identifier: MIT
"""Metainfo files for software centres: generated ones, and those of projects."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import fromstring, tostring

import pytest

from hatch_appimage.desktop.changelog import read_changelog
from hatch_appimage.desktop.component import find_component_id, find_obstacle, find_urls, summarize
from hatch_appimage.desktop.files import write_desktop_files
from hatch_appimage.desktop.markup import parse_markdown, to_markup
from hatch_appimage.desktop.metainfo import read_metainfo
from hatch_appimage.errors import ConfigurationError
from hatch_appimage.layout import AppDir
from hatch_appimage.options import Settings
from hatch_appimage.project.metadata import Project
from support.tools import require

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

    from hatch_appimage.desktop.files import DesktopIntegration

HOME = {"Homepage": "https://example.org/"}
NOVEMBER = 1_795_910_400  # 2026-11-29 00:00:00 UTC
CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- nothing that an image has

## [2.0.0] - 2027-01-01

- later than what is built

## [1.2] - 2026-11-29

See <https://example.org/new>, *all* of `it`.

### Added

- one **thing** &
  another
  - of its own kind
- ![picture](a.png)

### Fixed

1. [a fault](https://example.org/12)

```
code
```

| a | b |
| - | - |
| 1 | 2 |

## v1.2rc1 (2026-11-01)

## [1.1.0](https://example.org/1.1.0) - 2026-10-01 [YANKED]

- withdrawn

## 1.0.0 - 2026-02-30

- on a day that is none

## Version 0.9: 2025-12-31

- the first

[1.2]: https://example.org/compare
"""
GIVEN = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- by hand -->
<component type="desktop-application">
  <id>org.example.App</id>
  <metadata_license>FSFAP</metadata_license>
  <name>App</name>
  <name xml:lang="de">Programm</name>
  <summary>Paints &amp; draws</summary>
  <description><p>It paints, and it also draws whatever somebody who has it wants to have drawn.</p></description>
  <launchable type="desktop-id">org.example.App.desktop</launchable>
  <url type="homepage">https://example.org/</url>
</component>
"""
LAUNCHABLE = '  <launchable type="desktop-id">org.example.App.desktop</launchable>\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(
        root, "My.App", "1.2", "Paints things", "", {}, {"my-app": "my_app:main"}, (), urls=HOME, license="MIT"
    )


def write(
    directory: Path, project: Project, *, released: int | None = None, extra: tuple[str, ...] = (), **options: Any
) -> DesktopIntegration:
    settings = Settings.read({name.replace("_", "-"): value for name, value in options.items()}, project)
    return write_desktop_files(
        AppDir(directory, settings.desktop.app_id),
        project,
        settings.desktop,
        architecture="x86_64",
        name=settings.image.name.shown,
        entry_point=settings.launcher.entry_point,
        window_class="my-window",
        released=released,
        extra=extra,
    )


def generate(directory: Path, project: Project, **options: Any) -> Element:
    """Return the component, which lies there under both names."""
    written = write(directory, project, **{"app_id": "org.example.App", **options})
    assert written.metainfo
    path = directory / "usr" / "share" / "metainfo" / written.metainfo
    assert path.read_bytes() == path.with_name(path.name.replace("metainfo.xml", "appdata.xml")).read_bytes()
    return fromstring(path.read_bytes())  # noqa: S314 - what the build has just written


def texts(component: Element, path: str) -> list[str | None]:
    return [element.text for element in component.findall(path)]


# What Debian 12 has does not know <developer>, which took the place of <developer_name> afterwards.
UNKNOWN_THERE = "unknown-tag"
# The length of a text, and what no generator can know.
EXPECTED = {
    *(UNKNOWN_THERE, "description-first-para-too-short", "content-rating-missing", "releases-info-missing"),
    *("cid-contains-uppercase-letter", "screenshot-no-caption", "developer-info-missing"),
}


def validate(directory: Path) -> set[str]:
    """Return the kinds of remarks that AppStream makes on a tree, but for those that are expected."""
    program = require("appstreamcli", "appstream")
    command = [program, "validate-tree", "--no-net", "--pedantic", "--no-color", str(directory)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    return set(re.findall(r"^ *[A-Z]: [^ ]+ ([a-z-]+)", result.stdout, re.MULTILINE)) - EXPECTED


class TestGenerated:
    def test_everything(self, tmp_path: Path, project: Project) -> None:
        (project.root / "CHANGELOG.md").write_text(CHANGELOG)
        project = replace(
            project,
            summary="paints   things, see https://example.org.",
            keywords=("draw", "a & b"),
            authors=("Jo Doe", "Zoë"),
            urls={**HOME, "Source Code": "https://github.com/me/app", "Bug-Tracker": "https://example.org/bugs"},
        )
        component = generate(
            tmp_path / "AppDir",
            project,
            name="My App",
            categories=["Graphics", "Qt"],
            mime_types=["image/png", "x-scheme-handler/app"],
            screenshots=["https://example.org/1.png", "https://example.org/2.png"],
            content_rating={"violence-cartoon": "mild"},
            desktop_keys={"Name[de]": "Meins", "Comment[de]": "Malt.", "GenericName[de]": "Maler", "GenericName": "P"},
            description="It *paints*.\n\n- a <b>picture</b>\n- a `wall`\n",
        )
        rest = (tmp_path / "AppDir/usr/share/metainfo/org.example.App.metainfo.xml").read_text(encoding="utf-8")
        assert component.find("releases") is not None
        assert re.sub(r"  <releases>.*</releases>\n", "", rest, flags=re.DOTALL) == (
            "<?xml version='1.0' encoding='UTF-8'?>\n"
            '<component type="desktop-application">\n'
            "  <id>org.example.App</id>\n"
            "  <metadata_license>CC0-1.0</metadata_license>\n"
            "  <project_license>MIT</project_license>\n"
            "  <name>My App</name>\n"
            '  <name xml:lang="de">Meins</name>\n'
            "  <summary>Paints things, see example.org</summary>\n"
            '  <summary xml:lang="de">Malt</summary>\n'
            '  <developer id="org.example">\n'
            "    <name>Jo Doe, Zoë</name>\n"
            "  </developer>\n"
            "  <description>\n"
            "    <p>It <em>paints</em>.</p>\n"
            "    <ul>\n"
            "      <li>a picture</li>\n"
            "      <li>a <code>wall</code></li>\n"
            "    </ul>\n"
            "  </description>\n"
            '  <launchable type="desktop-id">org.example.App.desktop</launchable>\n'
            '  <icon type="stock">org.example.App</icon>\n'
            '  <url type="homepage">https://example.org/</url>\n'
            '  <url type="vcs-browser">https://github.com/me/app</url>\n'
            '  <url type="bugtracker">https://example.org/bugs</url>\n'
            "  <categories>\n"
            "    <category>Graphics</category>\n"
            "    <category>Qt</category>\n"
            "  </categories>\n"
            "  <keywords>\n"
            "    <keyword>draw</keyword>\n"
            "    <keyword>a &amp; b</keyword>\n"
            "  </keywords>\n"
            "  <screenshots>\n"
            '    <screenshot type="default">\n'
            '      <image type="source">https://example.org/1.png</image>\n'
            "    </screenshot>\n"
            "    <screenshot>\n"
            '      <image type="source">https://example.org/2.png</image>\n'
            "    </screenshot>\n"
            "  </screenshots>\n"
            "  <provides>\n"
            "    <binary>my-app</binary>\n"
            "    <mediatype>image/png</mediatype>\n"
            "    <mediatype>x-scheme-handler/app</mediatype>\n"
            "  </provides>\n"
            '  <content_rating type="oars-1.1">\n'
            '    <content_attribute id="violence-cartoon">mild</content_attribute>\n'
            "  </content_rating>\n"
            "</component>\n"
        )
        assert not validate(tmp_path / "AppDir")

    def test_releases(self, tmp_path: Path, project: Project) -> None:
        (project.root / "CHANGELOG.md").write_text(CHANGELOG)
        releases = generate(tmp_path / "AppDir", project, released=NOVEMBER).findall("releases/release")
        assert [release.attrib for release in releases] == [
            {"version": "1.2", "date": "2026-11-29", "type": "stable"},
            {"version": "1.2~rc1", "date": "2026-11-01", "type": "development"},
            {"version": "0.9", "date": "2025-12-31", "type": "stable"},
        ]
        description = releases[0].find("description")
        assert description is not None
        assert re.sub(r"\n *", "", tostring(description, encoding="unicode")) == (
            "<description><p>See example.org/new, <em>all</em> of <code>it</code>.</p><p>Added</p>"
            "<ul><li>one <em>thing</em> &amp; another</li><li>of its own kind</li></ul>"
            "<p>Fixed</p><ol><li>a fault</li></ol></description>"
        )
        assert releases[1].find("description") is None
        assert not validate(tmp_path / "AppDir")

    @pytest.mark.parametrize("released", [0, NOVEMBER])
    def test_version_that_the_changelog_lacks(self, tmp_path: Path, project: Project, released: int) -> None:
        (project.root / "CHANGELOG.md").write_text(CHANGELOG)
        project = replace(project, version="1.3.dev4")
        first = generate(tmp_path / "AppDir", project, released=released).findall("releases/release")[0]
        date = "1970-01-01" if released == 0 else "2026-11-29"
        assert first.attrib == {"version": "1.3~dev4", "date": date, "type": "development"}
        assert not validate(tmp_path / "AppDir")

    def test_no_date_is_made_up(self, tmp_path: Path, project: Project) -> None:
        assert generate(tmp_path / "AppDir", project).find("releases") is None

    def test_terminal(self, tmp_path: Path, project: Project) -> None:
        project = replace(project, scripts={"tool": "my_app:main"}, gui_scripts={})
        component = generate(tmp_path / "AppDir", project)
        assert (component.get("type"), texts(component, "provides/binary")) == ("console-application", ["tool"])
        assert not validate(tmp_path / "AppDir")

    def test_given_entry(self, tmp_path: Path, project: Project) -> None:
        (project.root / "org.example.App.desktop").write_text(
            "[Desktop Entry]\nType=Application\nName=C:\\\\App\nName[de]=Ding\nExec=x %F\nTerminal=true\n"
            "Categories=Office;Chart\nKeywords=one;two;\nMimeType=text/csv\n".replace("Chart", "Chat")
        )
        component = generate(tmp_path / "AppDir", project, desktop_file="org.example.App.desktop")
        assert component.get("type") == "console-application"
        assert texts(component, "name") == ["C:\\App", "Ding"]
        assert texts(component, "categories/category") == ["Office", "Chat"]
        assert texts(component, "keywords/keyword") == ["one", "two"]
        assert texts(component, "provides/mediatype") == ["text/csv"]
        assert not validate(tmp_path / "AppDir")

    @pytest.mark.parametrize("text", ["<b> & \"c\" 'd'", "ü" * 80, "word " * 60, "…", "nothing."])
    def test_any_summary(self, tmp_path: Path, project: Project, text: str) -> None:
        project = replace(project, summary=text, authors=("<A> https://a.example", "\x01"), keywords=(text, ";"))
        component = generate(tmp_path / "AppDir", project)
        (summary,) = texts(component, "summary")
        assert summary
        assert len(summary.encode()) <= 90
        # AppStream knows the capitals of ASCII only.
        capitals = {"summary-first-word-not-capitalized", "description-first-word-not-capitalized"}
        assert validate(tmp_path / "AppDir") <= capitals

    def test_states_that_there_is_nothing_to_rate(self, tmp_path: Path, project: Project) -> None:
        rating = generate(tmp_path / "AppDir", project, content_rating={}).find("content_rating")
        assert rating is not None
        assert (rating.attrib, len(rating)) == ({"type": "oars-1.1"}, 0)

    def test_says_nothing_of_what_nobody_has_said(self, tmp_path: Path, project: Project) -> None:
        component = generate(tmp_path / "AppDir", replace(project, license=""))
        assert not {child.tag for child in component} & {
            *("project_license", "developer", "keywords", "screenshots", "releases", "content_rating"),
        }
        assert not validate(tmp_path / "AppDir")

    def test_what_it_cannot_do_without(self, tmp_path: Path, project: Project) -> None:
        written = write(tmp_path / "AppDir", project)
        assert written.metainfo is None
        assert written.obstacle == "an id that begins with a domain: set `app-id`, such as `org.example.App`"
        assert not (tmp_path / "AppDir/usr/share/metainfo").exists()
        assert validate(tmp_path / "AppDir") <= {"dir-no-metadata-found"}

    def test_not_wanted(self, tmp_path: Path, project: Project) -> None:
        written = write(tmp_path / "AppDir", project, app_id="org.example.App", metainfo=False)
        assert (written.metainfo, written.obstacle) == (None, None)
        assert not (tmp_path / "AppDir/usr/share/metainfo").exists()

    @pytest.mark.parametrize("how", ["wheel", "force-include"])
    def test_one_that_is_there_stays(self, tmp_path: Path, project: Project, how: str) -> None:
        directory = tmp_path / "AppDir/usr/share/metainfo"
        directory.mkdir(parents=True)
        extra: tuple[str, ...] = ()
        if how == "wheel":
            (directory / "org.example.App.metainfo.xml").write_text(GIVEN)
        else:
            extra = ("usr/share/metainfo/org.example.App.metainfo.xml",)
        written = write(tmp_path / "AppDir", project, app_id="org.example.App", extra=extra)
        assert (written.metainfo, written.obstacle) == (None, None)
        assert [path.read_text() for path in directory.iterdir()] == ([GIVEN] if how == "wheel" else [])


class TestGiven:
    def read(self, directory: Path, text: str | bytes, app_id: str = "org.example.App") -> tuple[str, str]:
        path = directory / "given.xml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        metainfo = read_metainfo(path, app_id)
        return metainfo.id, metainfo.data.decode()

    def test_stays_as_it_is(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, GIVEN) == ("org.example.App", GIVEN)

    @pytest.mark.parametrize("name", ["org.example.App", "org.example.App.desktop"])
    def test_gets_what_starts_it(self, tmp_path: Path, name: str) -> None:
        text = GIVEN.replace(LAUNCHABLE, "").replace("<id>org.example.App</id>", f"<id>{name}</id>")
        expected = text.replace("</component>", f"{LAUNCHABLE}</component>")
        assert self.read(tmp_path, text) == ("org.example.App", expected)
        comment = text + "<!-- </component> -->\n"
        assert self.read(tmp_path, comment)[1] == expected + "<!-- </component> -->\n"

    def test_id_of_its_own(self, tmp_path: Path) -> None:
        text = GIVEN.replace("App.desktop", "Other.desktop")
        assert self.read(tmp_path, text, "org.example.Other") == ("org.example.App", text)

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ("</summary>", "", ", line 12: mismatched tag"),
            (GIVEN, "", ", line 1: no element found"),
            ("<component ", "<application ", ", line 12: mismatched tag"),
            (
                "component",
                "application",
                ", line 3: the document is a <application> and not the <component> of an application",
            ),
            ("desktop-application", "addon", ", line 3: the component's type is `addon`, and an image is one of "),
            (' type="desktop-application"', "", ", line 3: the component's type is `generic`"),
            ("<id>org.example.App</id>", "", ", line 3: the component has no <id>"),
            ("FSFAP", " ", ", line 3: the component has no <metadata_license>"),
            ("<name>App</name>", "", ", line 3: the component has no <name>"),
            ("Paints &amp; draws", "", ", line 3: the component has no <summary>"),
            ("description", "x", ", line 3: the component has no <description>"),
            (">org.example.App<", ">../x<", ", line 4: `../x` is no id"),
            (
                "App.desktop",
                "Other.desktop",
                (
                    ", line 10: <launchable> names `org.example.Other.desktop`, and the image has "
                    "`org.example.App.desktop`: change it, or set `app-id` to `org.example.Other`"
                ),
            ),
            (
                f">org.example.App<{GIVEN.partition('>org.example.App<')[2]}",
                f">org.example.Other<{GIVEN.partition('>org.example.App<')[2].replace(LAUNCHABLE, '')}",
                (
                    ", line 4: the id is `org.example.Other`, and the application's is `org.example.App`: set `app-id` "
                    "to `org.example.Other`, or name the desktop entry with "
                    '<launchable type="desktop-id">org.example.App.desktop</launchable>'
                ),
            ),
        ],
    )
    def test_not_valid(self, tmp_path: Path, old: str, new: str, reason: str) -> None:
        start = "^names a (metainfo file that is not valid|file that is no well-formed XML): "
        with pytest.raises(ValueError, match=start) as caught:
            self.read(tmp_path, GIVEN.replace(old, new))
        assert reason in str(caught.value)

    def test_not_utf8(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"^names a file that is not UTF-8: "):
            self.read(tmp_path, GIVEN.replace("draws", "färbt").encode("latin-1"))

    def test_is_written(self, tmp_path: Path, project: Project) -> None:
        (project.root / "app.xml").write_text(GIVEN)
        generate(tmp_path / "AppDir", project, metainfo="app.xml")
        assert (tmp_path / "AppDir/usr/share/metainfo/org.example.App.appdata.xml").read_text() == GIVEN
        assert not validate(tmp_path / "AppDir")


def error_of(project: Project, **options: Any) -> str:
    table = {name.replace("_", "-"): value for name, value in options.items()}
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(table, project)
    (error,) = caught.value.errors
    return error.partition("appimage.")[2]


class TestOptions:
    @pytest.mark.parametrize(
        ("changes", "obstacle"),
        [
            ({}, "an id that begins with a domain: set `app-id`, such as `org.example.App`"),
            ({"summary": ""}, "a summary: set `description` in [project]"),
            ({"urls": {"Mail": "mailto:me@example.org"}}, "an address on the web: set `Homepage` in [project.urls]"),
        ],
    )
    def test_what_cannot_be_had(self, project: Project, changes: dict[str, Any], obstacle: str) -> None:
        project = replace(project, **changes)
        options = {"app_id": "org.example.App"} if changes else {}
        assert error_of(project, metainfo=True, **options) == (
            f"metainfo` cannot be `true`: the generated file needs {obstacle}"
        )
        assert error_of(project, content_rating={}, **options) == (
            f"content-rating` has no effect, as there is no metainfo file: the generated one needs {obstacle}"
        )

    @pytest.mark.parametrize(
        "option",
        [
            {"description": "x"},
            {"changelog": "CHANGELOG.md"},
            {"screenshots": ["https://a.example/b"]},
            {"content_rating": {}},
        ],
    )
    def test_beside_another(self, project: Project, option: dict[str, Any]) -> None:
        (project.root / "app.xml").write_text(GIVEN)
        (project.root / "CHANGELOG.md").write_text(CHANGELOG)
        key = next(iter(option)).replace("_", "-")
        options = {"app_id": "org.example.App", **option}
        assert error_of(project, metainfo="app.xml", **options) == (
            f"{key}` has no effect beside `metainfo`: write it into that file"
        )
        assert error_of(project, metainfo=False, **options) == (
            f"{key}` has no effect beside `metainfo = false`: remove one of them"
        )
        assert Settings.read({name.replace("_", "-"): value for name, value in options.items()}, project)

    @pytest.mark.parametrize(
        ("option", "error"),
        [
            ({"description": "![x](y)"}, "description` has neither paragraphs nor lists"),
            ({"changelog": "no.md"}, "changelog` names a file without a release that has a date"),
            ({"screenshots": ["http://a.example/b.png"]}, "screenshots` must be an array of addresses of pictures"),
            ({"screenshots": ["data/b.png"]}, "screenshots` must be an array of addresses of pictures"),
            (
                {"content_rating": {"violence-carton": "mild"}},
                (
                    "content-rating` has `violence-carton`, which is nothing that OARS 1.1 rates, did you mean "
                    "`violence-cartoon`?"
                ),
            ),
            ({"content_rating": {"sex-themes": "some"}}, "content-rating` must rate `sex-themes` as one of none, mild"),
        ],
    )
    def test_wrong(self, project: Project, option: dict[str, Any], error: str) -> None:
        (project.root / "no.md").write_text("# Changelog\n## [Unreleased]\n- x\n")
        assert error_of(project, app_id="org.example.App", **option).startswith(error)

    def test_damaged_changelog_that_nobody_has_named(self, project: Project) -> None:
        (project.root / "CHANGELOG.md").write_bytes(b"## [1.2] - 2026-11-29\n\xff\n")
        assert Settings.read({}, project).desktop.changelog == ()


@pytest.mark.parametrize(
    ("app_id", "url", "expected"),
    [
        ("org.example.App", "https://github.com/me/app", "org.example.App"),
        ("org.my-domain.My-App", "", "org.my_domain.My-App"),
        ("my-app", "https://github.com/Some-One/repo", "io.github.some_one.my_app"),
        ("my-app", "https://www.github.com/me/app/issues", "io.github.me.my_app"),
        ("my-app", "https://gitlab.com/group/sub/app", "io.gitlab.group.my_app"),
        ("my-app", "https://codeberg.org/some.one/app", "page.codeberg.some_one.my_app"),
        ("2048", "https://7me.github.io/app", "io.github._7me._2048"),
        ("my-app", "https://github.com/sponsors/me", None),
        ("my-app", "https://github.com/me", None),
        ("my-app", "https://github.io/me", None),
        ("my-app", "https://example.org/me/app", None),
        ("my-app", "http://[broken", None),
        ("example.App", "", None),
        ("Org.Example.App", "", None),
        ("org.example.2048", "", None),
    ],
)
def test_component_id(app_id: str, url: str, expected: str | None) -> None:
    assert find_component_id(app_id, {"Page": url}) == expected


def test_repository_before_other_addresses() -> None:
    urls = {"Fork": "https://github.com/other/app", "Repository": "https://gitlab.com/me/app"}
    assert find_component_id("app", urls) == "io.gitlab.me.app"


def test_addresses_by_their_labels() -> None:
    """As PEP 753 has labels, whatever their case and punctuation."""
    urls = {
        "Mail": "mailto:me@example.org",
        "Something": "https://example.org/else",
        "Issue Tracker": "https://example.org/issues",
        "bugs": "https://example.org/bugs",
        "DOCS": "https://example.org/docs",
        "Source-Code": "https://example.org/source",
        "sponsor": "https://example.org/sponsor",
        "Changelog": "https://example.org/changes",
        "Translations": "https://example.org/languages",
    }
    assert find_urls(urls) == {
        "bugtracker": "https://example.org/issues",
        "help": "https://example.org/docs",
        "vcs-browser": "https://example.org/source",
        "donation": "https://example.org/sponsor",
        "translate": "https://example.org/languages",
        "homepage": "https://example.org/source",
    }
    assert find_urls({"Something": "http://example.org"}) == {"homepage": "http://example.org"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a tool.", "A tool"),
        ("a\x0bb\x00c", "Abc"),
        ("iPod manager", "iPod manager"),
        ("app that paints", "app that paints"),
        (f"Paints. {'And draws. ' * 20}", "Paints"),
        ("ab " * 60, f"Ab{' ab' * 28}…"),
    ],
)
def test_summary(text: str, expected: str) -> None:
    assert summarize(text, "app") == expected


def test_nothing_that_software_centres_refuse_is_left_of_markdown() -> None:
    text = "> ## a *b **c***\n\n***\n\n<div>html</div>\n\n![x](y)\n\n-\n- ![x](y)\n\n***\n\n    code\n"
    assert [tostring(element) for element in to_markup(parse_markdown(text).children)] == [
        b"<p>A <em>b </em><em>c</em></p>"
    ]


def test_changelog_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "CHANGELOG.md"
    path.write_text("# 2026-11-29\n\n## Notes of 1.0 - 2026-11-29\n\n## 1.0 - yesterday\n\n## 1.x.y - 2026-11-29\n")
    assert read_changelog(path) == ()


def test_obstacles_in_their_order(project: Project) -> None:
    assert find_obstacle(project, "org.example.App") is None
