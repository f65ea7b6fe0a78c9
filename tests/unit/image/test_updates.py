# SPDX-License-Identifier: MIT
"""Update information, field by field."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from hatch_appimage.image.name import image_name
from hatch_appimage.image.updates import UpdateInformation

GITHUB = "https://github.com/me/my-app"


def line(value: str, *urls: str, name: str = "My_App", version: str = "1.0", **environment: str) -> str:
    information = UpdateInformation.read(value, urls, environment)
    return information.line(name, image_name(name, version, "x86_64"), "x86_64")


@pytest.mark.parametrize(
    "url",
    [GITHUB, f"{GITHUB}/", f"{GITHUB}.git", f"{GITHUB}/issues", f"{GITHUB}#readme", "git@github.com:me/my-app.git"],
)
def test_github_from_the_projects_urls(url: str) -> None:
    expected = "gh-releases-zsync|me|my-app|latest|My_App-[0-9]*-x86_64.AppImage.zsync"
    assert line("github", "https://example.org/", url) == expected


def test_github_from_the_repository_and_not_from_other_pages() -> None:
    assert line("github", "https://github.com/sponsors/me", "https://github.com/orgs/us", GITHUB) == line(
        "github", GITHUB
    )


def test_github_from_another_server() -> None:
    with pytest.raises(ValueError, match="no entry of"):
        line("github", GITHUB_REPOSITORY="me/app", GITHUB_SERVER_URL="https://github.example.com")
    assert "|me|app|" in line("github", GITHUB_REPOSITORY="me/app", GITHUB_SERVER_URL="https://github.com")


def test_transports_that_few_tools_know(caplog: pytest.LogCaptureFixture) -> None:
    line("gh-releases-zsync|me|app|latest|*.zsync")
    assert not caplog.messages
    line("cb-releases-zsync|me|app|latest|*.zsync")
    assert caplog.messages == [
        "`cb-releases-zsync` is known to the AppImageUpdate of pkgforge only: others find no updates"
    ]


def test_github_from_ci() -> None:
    expected = "gh-releases-zsync|me|app|latest-pre|My_App-[0-9]*-x86_64.AppImage.zsync"
    assert line("github:latest-pre", GITHUB_REPOSITORY="me/app") == expected


def test_github_from_nowhere() -> None:
    with pytest.raises(ValueError, match=r"^is `github`, but no entry of \[project\.urls\] is a repository there"):
        line("github", "https://example.org/github.com/me/app")


@pytest.mark.parametrize("version", ["1.0", "0.1.dev2+local", "1!2.0"])
def test_other_applications_of_the_same_release(version: str) -> None:
    """The pattern means the images of all versions, and none of `my-app-lite`."""
    pattern = line("github", GITHUB, name="my-app", version=version).split("|")[-1]
    for other in (version, "2.0rc1", "12!1"):
        assert fnmatchcase(f"{image_name('my-app', other, 'x86_64')}.zsync", pattern)
        for first in ("my-app-lite", "my-app-x86_64", "my-app.2"):
            assert not fnmatchcase(f"{image_name(first, other, 'x86_64')}.zsync", pattern)


@pytest.mark.parametrize(
    "value",
    [
        "zsync|https://example.org/a/My_App-latest-x86_64.AppImage.zsync",
        "gh-releases-zsync|me|my.app|continuous|My_App-*x86_64.AppImage.zsync",
        "pling-v1-zsync|123456|My_App-*.AppImage",
        "gl-releases-zsync|me|app|latest|My_App-*.zsync",
        "cb-releases-zsync|me|app|v1|My_App-*.zsync",
        "gitea-releases-zsync|git.example.org:3000|me|app|latest|*.zsync",
        "forgejo-releases-zsync|https://git.example.org|me|app|latest|*.zsync",
    ],
)
def test_every_form(value: str) -> None:
    assert line(value) == value


def test_architecture() -> None:
    template = "gh-releases-zsync|me|app|latest|My_App-*-{arch}.AppImage.zsync"
    assert line(template) == template.replace("{arch}", "x86_64")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("bintray-zsync|a|b|c|d", "Bintray was closed in 2021"),
        ("ftp|x", "must be `github`, or begin with one of zsync, gh-releases-zsync"),
        ("gh-releases-zsync|me|app|latest", "must have the fields `gh-releases-zsync|owner|repository|tag|pattern`"),
        ("gh-releases-zsync|me||latest|*.zsync", "none of them empty"),
        (
            "gh-releases-zsync|me|app|latest|My_App.AppImage",
            "has a wrong pattern: `My_App.AppImage` does not end in `.zsync`",
        ),
        ("gh-releases-zsync|m/e|app|latest|*.zsync", "has a wrong owner: `m/e` is no name on such a site"),
        ("gh-releases-zsync|me|app|a/b|*.zsync", "has a wrong tag: `a/b` has a `/` in it"),
        ("pling-v1-zsync|abc|*.AppImage", "has a wrong product: `abc` is no number"),
        ("zsync|example.org/a.zsync", "is no http or https address"),
        ("zsync|https://example.org/a.zsync?job=build", "has more behind the file's name, which tools drop"),
        ("zsync|https://example.org/a.zsync#b", "has more behind the file's name, which tools drop"),
        ("zsync|https://example.org/a.AppImage", "is no http or https address of a `.zsync` file"),
        ("gitea-releases-zsync|a b|me|app|latest|*.zsync", "must be printable ASCII without blanks"),
        ("gitea-releases-zsync|http://x/y|me|app|latest|*.zsync", "has a wrong instance: `http://x/y` is no host"),
        ("zsync|https://example.org/ü.zsync", "must be printable ASCII"),
        ("gh-releases-zsync|me|app|latest|Other-*.zsync", "no update would ever be found"),
        ("pling-v1-zsync|1|Other-*.AppImage", "looks for files named like `Other-*.AppImage`"),
        (f"zsync|https://example.org/{'a' * 1000}.zsync", "is longer than the 1023 bytes"),
    ],
)
def test_faults(value: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        line(value)


@pytest.mark.parametrize(
    ("value", "channel", "file"),
    [
        ("github", None, None),
        ("github:latest-pre", None, None),
        ("github:stable", "stable", None),
        ("gitea-releases-zsync|example.org|me|app|nightly|My_App-*.zsync", "nightly", None),
        ("pling-v1-zsync|1|My_App-*.AppImage", None, None),
        ("zsync|https://example.org/{arch}/My_App-{arch}.zsync", None, "My_App-aarch64.zsync"),
    ],
)
def test_where_the_newest_files_have_to_be(value: str, channel: str | None, file: str | None) -> None:
    found = UpdateInformation.read(value, ["https://github.com/me/app"], {})
    assert (found.channel, found.zsync_name("aarch64")) == (channel, file)
